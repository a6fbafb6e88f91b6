// score_mma_f16x3: score_mma with sums of two f16 as operands, f32-grade; for as many trials a block as its shared memory holds.
#include "score_mma.cuh"

SCORE(score_mma_f16x3_64, F16, 2, 64, 16)
SCORE(score_mma_f16x3_32, F16, 2, 32, 16)
SCORE(score_mma_f16x3_16, F16, 2, 16, 16)
