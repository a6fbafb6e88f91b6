// A product through a ring of stages, specialised by warps: out [M, TILES * 16] = a [M, 96] x b [TILES * 16, 96], f16.
//
// Cluster   two blocks share b: each copies half of every slab of 16 columns x 16 k and multicasts it to both
// Roles     a block's first warpgroup copies; two others multiply 64 rows each, and write their tiles out by way of one
//           scratch area, in turns
// Barriers  full[stage]: the own copier's arrival and the bytes of both; empty[stage]: the 16 multiplying warps of both
//           blocks. Named barriers 1 and 2 pass the turn, 3 and 4 are those of a warpgroup
constexpr unsigned STAGES = 3, SLABS = 5, TILES = 9, SLAB = 16 * 32, WORDS = 8 * (SLABS + 1);

__device__ inline unsigned long long describe(const void* slab) {
    return (emulated_shared_address(slab) >> 4) | 128ull >> 4 << 16 | 256ull >> 4 << 32;
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1) ring(const __grid_constant__ Ring p) {
    extern __shared__ __align__(16) unsigned char shared_memory[];
    unsigned char* const slabs = shared_memory;
    uint4* const fixed = (uint4*)(slabs + STAGES * SLAB);
    float* const scratch = (float*)(fixed + SLAB / 16);
    unsigned long long* const full = (unsigned long long*)(scratch + 64 * 17);
    unsigned long long* const empty = full + STAGES;
    const unsigned t = threadIdx.x, lane = t % 32, rank = emulated_cluster_rank(), group = t / 128;

    if (t == 0) {
        for (unsigned s = 0; s < STAGES; ++s) {
            emulated_mbarrier_init(full + s, 1);
            emulated_mbarrier_init(empty + s, 16);
        }
        emulated_fence_mbarrier_init();
    }
    if (t < SLAB / 16) fixed[t] = p.fixed[t];
    emulated_fence_proxy_async();
    emulated_cluster_arrive();
    emulated_cluster_wait();

    unsigned stage = 0, parity = 0;
    const auto advance = [&] {
        if (++stage == STAGES) stage = 0, parity ^= 1;
    };
    if (group == 0) {
        emulated_setmaxnreg(24, false);
        if (t == 0) {
            for (unsigned n = 0; n < TILES * SLABS; ++n) {
                emulated_mbarrier_wait(empty + stage, parity ^ 1);
                emulated_mbarrier_arrive_expect_tx(full + stage, SLAB);
                const unsigned half = rank * SLAB / 2;
                const unsigned char* const from = p.b + n * SLAB + half;
                emulated_bulk_copy_multicast(slabs + stage * SLAB + half, from, SLAB / 2, full + stage, 3);
                advance();
            }
        }
    } else {
        emulated_setmaxnreg(240, true);
        const unsigned first = (group - 1) * 64, row = t / 32 % 4 * 16 + lane / 4;
        unsigned a[SLABS + 1][4];
        for (unsigned s = 0; s <= SLABS; ++s) {
            for (unsigned r = 0; r < 4; ++r) {
                const unsigned long long at = blockIdx.x * 128 + first + row + r % 2 * 8;
                a[s][r] = p.a[at * WORDS + s * 8 + r / 2 * 4 + lane % 4];
            }
        }
        const auto release = [&](unsigned done) {
            if (lane < 2) emulated_mbarrier_arrive_cluster(empty + done, lane);
        };
        if (group == 2) emulated_barrier_arrive(1, 256);
        for (unsigned tile = 0; tile < TILES; ++tile) {
            float d[8];
            emulated_wgmma_fence();
            emulated_wgmma_f16<16>(d, a[SLABS], describe(fixed), false);
            for (unsigned s = 0; s < SLABS; ++s) {
                emulated_mbarrier_wait(full + stage, parity);
                emulated_wgmma_f16<16>(d, a[s], describe(slabs + stage * SLAB), true);
                emulated_wgmma_commit();
                if (s > 0) {
                    emulated_wgmma_wait(1);
                    release((stage + STAGES - 1) % STAGES);
                }
                advance();
            }
            emulated_wgmma_wait(0);
            release((stage + STAGES - 1) % STAGES);
            emulated_barrier_sync(group, 256);
            for (unsigned i = 0; i < 8; ++i) {
                scratch[(row + i / 2 % 2 * 8) * 17 + i / 4 * 8 + lane % 4 * 2 + i % 2] = d[i];
            }
            emulated_barrier_sync(2 + group, 128);
            for (unsigned i = t % 128; i < 64 * 16; i += 128) {
                const unsigned long long at = blockIdx.x * 128 + first + i / 16;
                p.out[at * TILES * 16 + tile * 16 + i % 16] = scratch[i / 16 * 17 + i % 16];
            }
            emulated_barrier_arrive(3 - group, 256);
        }
    }
    emulated_cluster_arrive();
    emulated_cluster_wait();
}
