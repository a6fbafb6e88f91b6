// encode: posterior means and log variances of images.
//
//   h = relu(W1 x + b1)                          entry `hidden`
//   [mu | logvar] = [W_mu; W_logvar] h + b       entry `posterior`: one layer of 2 latent outputs
//
// Shapes     x [N, pixels], h [N, hidden], y [N, 2 latent]
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
fn posterior(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    dense(folded(group, groups), local, IDENTITY);
}
