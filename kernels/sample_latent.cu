// sample_latent: z = mu + scale eps, with eps the normals of trials by the contract, or given.
//
// Shapes     mu, scale [N, latent]; noise [rows, latent] or null; z [rows, latent]. Row r is trial
//            first + (skip + r) % trials of sample (skip + r) / trials
// Grid       a thread per four dimensions of a row
// Bound      memory: 4 bytes written a value (and 4 read of given noise); Philox and the polynomials stay below that
#include "normals.cuh"

struct SampleLatent {
    const float* mu;
    const float* scale;
    const float* noise;
    float* z;
    u64 seed, first;
    u64 rows, skip, trials;
    u32 latent, unused;
};

extern "C" __global__ void __launch_bounds__(256) sample_latent(const __grid_constant__ SampleLatent p) {
    const u32 blocks = (p.latent + 3) / 4;
    const u64 thread = (u64)blockIdx.x * 256 + threadIdx.x;
    const u64 row = thread / blocks;
    if (row >= p.rows) return;
    const u32 block = (u32)(thread % blocks);
    const u32 sample = (u32)((p.skip + row) / p.trials);
    const u64 trial = p.first + (p.skip + row) % p.trials;
    const float4 four = p.noise ? make_float4(0, 0, 0, 0) : normals(p.seed, trial, sample, block);
    const float eps[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (u32 i = 0; i < 4; i++) {
        const u32 d = 4 * block + i;
        if (d < p.latent) {
            const size_t at = row * p.latent + d, of = (size_t)sample * p.latent + d;
            p.z[at] = __fmaf_rn(p.scale[of], p.noise ? p.noise[at] : eps[i], p.mu[of]);
        }
    }
}
