// encode: images to posterior means and log variances, two dense layers.
//
//   h = relu(W1 x + b1)                     entry `hidden`
//   mu, logvar = W21 h + b21, W22 h + b22   entry `encode`, both heads as one layer of twice the width
//
// Shapes, grid and bound: dense.cuh. Runs once per problem.
#include "dense.cuh"

extern "C" __global__ void __launch_bounds__(256) hidden(const __grid_constant__ Dense p) { dense<RELU>(p); }

extern "C" __global__ void __launch_bounds__(256) encode(const __grid_constant__ Dense p) { dense<IDENTITY>(p); }
