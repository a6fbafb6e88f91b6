// A dense layer: y[b][o] = act(sum_i x[b][i] w[o][i] + bias[o]). Body of `encode` and `decode`.
//
// Shapes     x [rows, inputs], weight [outputs, inputs] (PyTorch's), bias [outputs], y [rows, outputs]
// Grid       a block of 256 threads makes a tile of 64 rows by 64 outputs; tiles are numbered output first
// Memory     2 * 16 * 68 * 4 = 8,704 bytes of shared memory; lines are padded by 4 floats against bank conflicts
// Barriers   two per 16 inputs, in a loop whose bounds all threads share
// Tile       4 x 4 sums a thread: two 16-byte loads from shared memory feed 16 FMA
// Bound      compute, from about 64 rows on; below that the weights' memory traffic
// Rounding   sums of 16 products are added up in order: more accurate than one long sum
#pragma once

struct Dense {
    const float* x;
    const float* weight;
    const float* bias;
    float* y;
    unsigned rows, inputs, outputs, unused;
};

enum Activation { IDENTITY, RELU, SIGMOID };

template <Activation ACTIVATION>
__device__ __forceinline__ void dense(const Dense& p) {
    constexpr unsigned SPAN = 64, DEPTH = 16, LINE = SPAN + 4;
    __shared__ __align__(16) float xs[DEPTH * LINE];
    __shared__ __align__(16) float ws[DEPTH * LINE];
    const unsigned across = (p.outputs + SPAN - 1) / SPAN;
    const unsigned row = blockIdx.x / across * SPAN, output = blockIdx.x % across * SPAN;
    const unsigned tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    float sums[4][4] = {};
    for (unsigned k0 = 0; k0 < p.inputs; k0 += DEPTH) {
        for (unsigned i = threadIdx.x; i < SPAN * DEPTH; i += 256) {
            const unsigned line = i / DEPTH, k = k0 + i % DEPTH, at = i % DEPTH * LINE + line;
            const bool inside = k < p.inputs;
            xs[at] = inside && row + line < p.rows ? p.x[(size_t)(row + line) * p.inputs + k] : 0.0f;
            ws[at] = inside && output + line < p.outputs ? p.weight[(size_t)(output + line) * p.inputs + k] : 0.0f;
        }
        __syncthreads();
        float part[4][4] = {};
#pragma unroll
        for (unsigned k = 0; k < DEPTH; k++) {
            const float4 x = *(const float4*)&xs[k * LINE + 4 * ty];
            const float4 w = *(const float4*)&ws[k * LINE + 4 * tx];
            const float a[4] = {x.x, x.y, x.z, x.w}, b[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) part[i][j] = __fmaf_rn(a[i], b[j], part[i][j]);
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) sums[i][j] += part[i][j];
    }
#pragma unroll
    for (unsigned i = 0; i < 4; i++)
#pragma unroll
        for (unsigned j = 0; j < 4; j++) {
            const unsigned b = row + 4 * ty + i, o = output + 4 * tx + j;
            if (b < p.rows && o < p.outputs) {
                float y = sums[i][j] + p.bias[o];
                if (ACTIVATION == RELU) y = fmaxf(y, 0.0f);
                if (ACTIVATION == SIGMOID) y = 1.0f / (1.0f + expf(-y));
                p.y[(size_t)b * p.outputs + o] = y;
            }
        }
}
