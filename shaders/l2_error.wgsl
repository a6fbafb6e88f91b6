// l2_error: e[row] = ||x[n] - y[row]||_2 (Eq. 16), plain L2, not divided.
//
// Shapes     x [N, pixels], y [rows, pixels], e [rows]; rows are consecutive (sample, trial) pairs, trial fastest,
//            the first of which is trial `skip` of sample 0
// Grid       a workgroup of 64 per row, folded in two dimensions
// Memory     256 bytes of workgroup memory for the tree
// Barriers   one before each of six halvings, in a loop with constant bounds
// Bound      memory: every pixel of y is read once, neighbouring threads side by side

struct Params {
    rows: u32,
    skip: u32,
    trials: u32,
    pixels: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> e: array<f32>;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn l2_error(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = folded(group, groups);
    if row >= p.rows {
        return; // the whole workgroup
    }
    let n = (p.skip + row) / p.trials;
    var sum = 0.0;
    for (var i = local; i < p.pixels; i += 64u) {
        let d = y[row * p.pixels + i] - x[n * p.pixels + i];
        sum = fma(d, d, sum);
    }
    sums[local] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            sums[local] += sums[local + half];
        }
    }
    if local == 0u {
        e[row] = sqrt(sums[0]);
    }
}
