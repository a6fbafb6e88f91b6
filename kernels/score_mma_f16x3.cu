// score_mma_f16x3: `score` with sums of two f16 as operands, f32-grade. The contract is that of score_mma.cuh; the host
// takes the entry of the most trials a block that fit.
#include "score_mma.cuh"

SCORE(score_mma_f16x3_64, F16, 2, 64, 16)
SCORE(score_mma_f16x3_32, F16, 2, 32, 16)
SCORE(score_mma_f16x3_16, F16, 2, 16, 16)
