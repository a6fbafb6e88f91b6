// l2_error: e = ||x - y||_2 over the pixels (Eq. 16).
//
// Shapes     x [N, pixels]; y [rows, pixels]; e [rows]. Row r belongs to sample (skip + r) / trials
// Grid       a warp per row, 8 warps a block
// Warps      all lanes of a warp stay together: the row, and so every loop bound, is the warp's
// Bound      memory: 4 bytes read per output pixel; the images stay in cache
// Rounding   32 partial sums, one per lane, then a tree: a fixed order
struct L2Error {
    const float* x;
    const float* y;
    float* e;
    unsigned long long rows, skip, trials;
    unsigned pixels, unused;
};

extern "C" __global__ void __launch_bounds__(256) l2_error(const __grid_constant__ L2Error p) {
    const unsigned long long row = (unsigned long long)blockIdx.x * 8 + threadIdx.x / 32;
    if (row >= p.rows) return;
    const unsigned lane = threadIdx.x % 32;
    const float* x = p.x + (p.skip + row) / p.trials * p.pixels;
    const float* y = p.y + row * p.pixels;
    float sum = 0;
    for (unsigned i = lane; i < p.pixels; i += 32) {
        const float d = y[i] - x[i];
        sum = __fmaf_rn(d, d, sum);
    }
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
    if (lane == 0) p.e[row] = __fsqrt_rn(sum);
}
