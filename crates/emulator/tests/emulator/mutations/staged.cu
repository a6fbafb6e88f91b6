// A product by stages of cp.async: out [M, 16] = a [M, 96] x b [16, 96], f16. Four warps of 16 rows each; one barrier a
// step of 16 k, after which the stage of the step before is free.
constexpr unsigned STAGES = 3, STEPS = 6, ROWS = 64 + 16;

extern "C" __global__ void __launch_bounds__(128) staged(const __grid_constant__ Staged p) {
    extern __shared__ __align__(16) unsigned short elements[];
    const unsigned t = threadIdx.x, lane = t % 32, warp = t / 32;
    // 16 k of a row of a, or of b from row 64 on.
    const auto row_of = [&](unsigned step, unsigned row) { return elements + (step % STAGES * ROWS + row) * 16; };
    const auto load = [&](unsigned step) {
        if (step < STEPS) {
            const unsigned row = t / 2, k = t % 2 * 8;
            const unsigned long long at = blockIdx.x * 64 + row;
            emulated_cp_async(row_of(step, row) + k, p.a + at * STEPS * 16 + step * 16 + k, 16, 16);
            if (t < 32) emulated_cp_async(row_of(step, 64 + row) + k, p.b + row * STEPS * 16 + step * 16 + k, 16, 16);
        }
        emulated_cp_async_commit();
    };
    float d[2][4] = {};
    load(0);
    load(1);
    for (unsigned step = 0; step < STEPS; ++step) {
        emulated_cp_async_wait(1);
        __syncthreads();
        load(step + 2);
        unsigned a[4], b[4];
        emulated_ldmatrix_x4(a, row_of(step, warp * 16 + lane % 16) + lane / 16 * 8);
        emulated_ldmatrix_x4(b, row_of(step, 64 + lane / 16 * 8 + lane % 8) + lane / 8 % 2 * 8);
        emulated_mma_m16n8k16_f16(d[0], a, b);
        emulated_mma_m16n8k16_f16(d[1], a, b + 2);
    }
    for (unsigned i = 0; i < 8; ++i) {
        const unsigned long long row = blockIdx.x * 64 + warp * 16 + lane / 4 + i % 4 / 2 * 8;
        p.out[row * 16 + i / 4 * 8 + lane % 4 * 2 + i % 2] = d[i / 4][i % 4];
    }
}
