// decode: latents to pixels, two dense layers.
//
//   h = relu(W3 z + b3)      entry `hidden`
//   y = sigmoid(W4 h + b4)   entry `decode`
//
// Shapes, grid and bound: dense.cuh. The building block that `score` is held against.
#include "dense.cuh"

extern "C" __global__ void __launch_bounds__(256) hidden(const __grid_constant__ Dense p) { dense<RELU>(p); }

extern "C" __global__ void __launch_bounds__(256) decode(const __grid_constant__ Dense p) { dense<SIGMOID>(p); }
