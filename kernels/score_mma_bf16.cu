// score_mma_bf16: score_mma with bf16 operands; for as many trials a block as its shared memory holds.
#include "score_mma.cuh"

SCORE(score_mma_bf16_128, Bf16, 1, 128, 32)
SCORE(score_mma_bf16_64, Bf16, 1, 64, 16)
SCORE(score_mma_bf16_32, Bf16, 1, 32, 16)
