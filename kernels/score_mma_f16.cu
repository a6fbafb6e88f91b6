// score_mma_f16: `score` with f16 operands. The contract is that of score_mma.cuh; the host takes the entry of the most
// trials a block that fit.
#include "score_mma.cuh"

SCORE(score_mma_f16_128, F16, 1, 128, 32)
SCORE(score_mma_f16_64, F16, 1, 64, 16)
SCORE(score_mma_f16_32, F16, 1, 32, 16)
