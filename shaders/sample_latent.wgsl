// sample_latent: z[n][w][d] = mu[n][d] + scale[n][d] eps[n][w][d], with scale = T exp(logvar / 2).
//
// Shapes     mu, scale [N, latent]; z [rows, latent]: consecutive (sample, trial) pairs, trial fastest, the first
//            of which is trial `skip` of sample 0
// Grid       64 threads a workgroup, folded in two dimensions. `from_trials`: a thread per row and Philox block, four
//            dimensions each; `from_noise`: a thread per value, the normals given in z and replaced
// Memory     no workgroup memory, no barriers
// Bound      memory (the write of z); Philox costs about 25 integer operations a value

struct Params {
    key: vec2<u32>,
    first: vec2<u32>,
    rows: u32,
    skip: u32,
    trials: u32,
    latent: u32,
    sample: u32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> mu: array<f32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read_write> z: array<f32>;

@compute @workgroup_size(64)
fn from_trials(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let id = folded(group, groups) * 64u + local;
    let blocks = (p.latent + 3u) / 4u;
    let row = id / blocks;
    let block = id % blocks;
    if row >= p.rows {
        return;
    }
    let n = (p.skip + row) / p.trials;
    let w = (p.skip + row) % p.trials;
    let eps = normals(p.key, add64(p.first, w), p.sample + n, block);
    for (var i = 0u; i < 4u && 4u * block + i < p.latent; i++) {
        let d = 4u * block + i;
        z[row * p.latent + d] = fma(scale[n * p.latent + d], eps[i], mu[n * p.latent + d]);
    }
}

@compute @workgroup_size(64)
fn from_noise(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let id = folded(group, groups) * 64u + local;
    let row = id / p.latent;
    if row >= p.rows {
        return;
    }
    let at = (p.skip + row) / p.trials * p.latent + id % p.latent;
    z[id] = fma(scale[at], z[id], mu[at]);
}
