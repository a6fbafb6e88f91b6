// score_mma_bf16: `score` with bf16 operands. The contract is that of score_mma.cuh; the host takes the entry of the most
// trials a block that fit.
#include "score_mma.cuh"

SCORE(score_mma_bf16_128, Bf16, 1, 128, 32)
SCORE(score_mma_bf16_64, Bf16, 1, 64, 16)
SCORE(score_mma_bf16_32, Bf16, 1, 32, 16)
