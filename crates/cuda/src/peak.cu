// The rate of multiply-adds in registers: what kernels bound by arithmetic are held against. No kernel of the pipeline.
//
// Each thread runs 32 independent chains of FMA, enough to hide their latency, `rounds` times 32 times.
struct Peak {
    float* out;
    float factor, term;
    unsigned rounds, unused;
};

extern "C" __global__ void __launch_bounds__(256) peak(const __grid_constant__ Peak p) {
    float sums[32];
#pragma unroll
    for (int i = 0; i < 32; i++) sums[i] = (float)(threadIdx.x + i);
    for (unsigned round = 0; round < p.rounds; round++)
#pragma unroll
        for (int step = 0; step < 32; step++)
#pragma unroll
            for (int i = 0; i < 32; i++) sums[i] = __fmaf_rn(sums[i], p.factor, p.term);
    float sum = 0;
    for (int i = 0; i < 32; i++) sum += sums[i];
    p.out[blockIdx.x * 256 + threadIdx.x] = sum; // so that none of it can be left out
}
