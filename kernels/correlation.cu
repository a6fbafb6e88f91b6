// correlation: a Gram matrix, from whose eigenvalues the correlation of trials (Eq. 17) is read: G = U U^T of errors
// standardised per trial over the samples, in f64.
//
//   m_j, s_j = mean and population standard deviation of trial j over the samples     entry `standardise`
//   partial[split][tile] = sum_j u_aj u_bj,  u_ij = (e_ij - m_j) / s_j                entry `correlation`
//   gram[tile] = sum of its splits, in order                                          entry `reduce`
//
// Shapes     errors [N, K]; moments [2, K]: m_j and 1 / s_j, 0 for a trial that does not vary; partial [splits, tiles,
//            64, 64]; gram [tiles, 64, 64]. Tiles are those of the lower triangle: tile a (a + 1) / 2 + b holds rows
//            64 a .. and columns 64 b ..; values beyond N are 0
// Grid       `standardise`: a thread per trial; `correlation`: a block of 256 per tile and split, split fastest;
//            `reduce`: a thread per value
// Memory     `correlation`: 2 * 16 * 66 * 8 = 16,896 bytes of shared memory
// Barriers   two per 16 trials, in a loop whose bounds the block shares
// Tile       4 x 4 sums a thread; a split takes `span` trials
// Bound      f64 arithmetic: N (N + 64) FLOP a trial
// Rounding   the cut into splits depends on N and K alone, and they are added in order: the same bits on every device
struct Correlation {
    const float* errors;
    double* moments;
    double* partial;
    double* gram;
    unsigned long long trials, span;
    unsigned samples, splits, tiles, unused;
};

extern "C" __global__ void __launch_bounds__(256) standardise(const __grid_constant__ Correlation p) {
    const unsigned long long j = (unsigned long long)blockIdx.x * 256 + threadIdx.x;
    if (j >= p.trials) return;
    double mean = 0, variance = 0;
    for (unsigned i = 0; i < p.samples; i++) mean += p.errors[i * p.trials + j];
    mean /= p.samples;
    for (unsigned i = 0; i < p.samples; i++) {
        const double d = p.errors[i * p.trials + j] - mean;
        variance = __fma_rn(d, d, variance);
    }
    p.moments[j] = mean;
    p.moments[p.trials + j] = variance > 0 ? sqrt(p.samples / variance) : 0;
}

extern "C" __global__ void __launch_bounds__(256) correlation(const __grid_constant__ Correlation p) {
    constexpr unsigned SPAN = 64, DEPTH = 16, LINE = SPAN + 2;
    __shared__ __align__(16) double us[DEPTH * LINE];
    __shared__ __align__(16) double vs[DEPTH * LINE];
    const unsigned split = blockIdx.x % p.splits, tile = blockIdx.x / p.splits;
    unsigned a = 0, b = tile;
    while (b > a) b -= ++a;
    const unsigned long long end = min(p.trials, (split + 1) * p.span);
    const unsigned tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    double sums[4][4] = {};
    for (unsigned long long j0 = split * p.span; j0 < end; j0 += DEPTH) {
        for (unsigned i = threadIdx.x; i < SPAN * DEPTH; i += 256) {
            const unsigned line = i / DEPTH, at = i % DEPTH * LINE + line;
            const unsigned long long j = j0 + i % DEPTH;
            const unsigned row = SPAN * a + line, column = SPAN * b + line;
            const double mean = j < end ? p.moments[j] : 0, scale = j < end ? p.moments[p.trials + j] : 0;
            us[at] = j < end && row < p.samples ? (p.errors[row * p.trials + j] - mean) * scale : 0;
            vs[at] = j < end && column < p.samples ? (p.errors[column * p.trials + j] - mean) * scale : 0;
        }
        __syncthreads();
        for (unsigned k = 0; k < DEPTH; k++) {
            double u[4], v[4];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                u[i] = us[k * LINE + 4 * ty + i];
                v[i] = vs[k * LINE + 4 * tx + i];
            }
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) sums[i][j] = __fma_rn(u[i], v[j], sums[i][j]);
        }
        __syncthreads();
    }
    double* out = p.partial + ((unsigned long long)split * p.tiles + tile) * (SPAN * SPAN);
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) out[(4 * ty + i) * SPAN + 4 * tx + j] = sums[i][j];
}

extern "C" __global__ void __launch_bounds__(256) reduce(const __grid_constant__ Correlation p) {
    const unsigned long long i = (unsigned long long)blockIdx.x * 256 + threadIdx.x;
    const unsigned long long values = (unsigned long long)p.tiles * 4096;
    if (i >= values) return;
    double sum = 0;
    for (unsigned split = 0; split < p.splits; split++) sum += p.partial[split * values + i];
    p.gram[i] = sum;
}
