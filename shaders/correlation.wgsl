// correlation: a Gram matrix, from whose eigenvalues the correlation of trials is read: G = U U^T / N of errors standardised
// per trial over the samples.
//
//   u[n][k] = (e[n][k] - m[k]) / s[k]      entry `standardise`, in place; 0 where trial k does not vary
//   part[b][j][a'][b'] = sum_k u u         entry `gram`: one 32 x 32 tile of U U^T over one block of BLOCK trials
//
// There is no f64 here. Errors are shifted by sample 0's before they are averaged, so that rounding is relative to
// their spread and not to their size and a trial without spread gives exactly 0; sums over trials stop after BLOCK
// of them, and the host adds the parts in f64 and divides by N.
//
// Shapes     e, u [N, K], K a multiple of BLOCK, padded with trials that do not vary; part [K / BLOCK, row + 1, 32, 32]
// Grid       `standardise`: a thread per trial, 64 a workgroup, folded. `gram`: a workgroup (8, 8) per tile (row,
//            column <= row) and block, folded, column fastest
// Memory     `gram`: 2 * 32 * 16 * 4 = 4 KiB of workgroup memory
// Barriers   two per 16 trials, in a loop with constant bounds
// Tile       4 x 4 sums a thread; small, because N is: 91 tiles of the lower triangle at 400 samples
// Bound      compute: N^2 FLOP a trial; `standardise` by memory, three reads and a write

struct Params {
    samples: u32,
    trials: u32,
    row: u32,
    blocks: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> e: array<f32>;
@group(0) @binding(2) var<storage, read> u: array<f32>;
@group(0) @binding(3) var<storage, read_write> part: array<f32>;

const BLOCK = 1024u;
const DEPTH = 16u;
const TILE = 32u;

@compute @workgroup_size(64)
fn standardise(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let k = folded(group, groups) * 64u + local;
    if k >= p.trials {
        return;
    }
    let origin = e[k];
    var sum = 0.0;
    for (var n = 0u; n < p.samples; n++) {
        sum += e[n * p.trials + k] - origin;
    }
    let mean = sum / f32(p.samples);
    var squares = 0.0;
    for (var n = 0u; n < p.samples; n++) {
        let d = e[n * p.trials + k] - origin - mean;
        squares = fma(d, d, squares);
    }
    var inverse = 0.0;
    if squares > 0.0 {
        inverse = sqrt(f32(p.samples) / squares);
    }
    for (var n = 0u; n < p.samples; n++) {
        e[n * p.trials + k] = (e[n * p.trials + k] - origin - mean) * inverse;
    }
}

var<workgroup> us: array<f32, 512>; // [DEPTH][TILE]
var<workgroup> vs: array<f32, 512>;

@compute @workgroup_size(8, 8)
fn gram(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let id = folded(group, groups);
    let column = id % (p.row + 1u);
    let block = id / (p.row + 1u);
    if block >= p.blocks {
        return; // the whole workgroup
    }
    var sums: array<vec4<f32>, 4>;
    for (var k0 = block * BLOCK; k0 < (block + 1u) * BLOCK; k0 += DEPTH) {
        for (var i = local.y * 8u + local.x; i < TILE * DEPTH; i += 64u) {
            let line = i / DEPTH;
            let k = k0 + i % DEPTH;
            let at = i % DEPTH * TILE + line;
            us[at] = 0.0;
            vs[at] = 0.0;
            if p.row * TILE + line < p.samples {
                us[at] = u[(p.row * TILE + line) * p.trials + k];
            }
            if column * TILE + line < p.samples {
                vs[at] = u[(column * TILE + line) * p.trials + k];
            }
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k++) {
            let ui = k * TILE + local.y * 4u;
            let vi = k * TILE + local.x * 4u;
            let v = vec4(vs[vi], vs[vi + 1u], vs[vi + 2u], vs[vi + 3u]);
            sums[0] = fma(vec4(us[ui]), v, sums[0]);
            sums[1] = fma(vec4(us[ui + 1u]), v, sums[1]);
            sums[2] = fma(vec4(us[ui + 2u]), v, sums[2]);
            sums[3] = fma(vec4(us[ui + 3u]), v, sums[3]);
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < 4u; r++) {
        let at = (id * TILE + local.y * 4u + r) * TILE + local.x * 4u;
        for (var c = 0u; c < 4u; c++) {
            part[at + c] = sums[r][c];
        }
    }
}
