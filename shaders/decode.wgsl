// decode: pixels of latents.
//
//   h = relu(W3 z + b3)            entry `hidden`
//   y = sigmoid(W4 h + b4)         entry `pixels`
//
// Shapes     z [B, latent], h [B, hidden], y [B, pixels]
// The layer, its grid, workgroup memory, barriers and bound: shared/dense.wgsl.

@compute @workgroup_size(SIDE, SIDE)
fn hidden(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    dense(folded(group, groups), local, RELU);
}

@compute @workgroup_size(SIDE, SIDE)
fn pixels(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    dense(folded(group, groups), local, SIGMOID);
}
