// A dense layer: y[b][o] = act(sum_i x[b][i] w[o][i] + bias[o]). Body of `encode` and `decode`.
//
// Shapes     x [rows, inputs], w [outputs, inputs] (PyTorch's), bias [outputs], y [rows, outputs]
// Grid       a workgroup (16, 16) makes a tile of 64 rows by 64 outputs; tiles are numbered output first and folded in
//            two dimensions
// Memory     2 * 64 * 16 * 4 = 8 KiB of workgroup memory
// Barriers   two per DEPTH inputs, in a loop whose bounds come from the uniform buffer: every invocation reaches all
// Tile       4 x 4 sums a thread: 8 loads from workgroup memory for 16 FMA, few enough registers for any GPU
// Bound      compute, from about 64 rows on; below that the weights' memory traffic
// Rounding   sums of DEPTH products are added up in order: more accurate than one long sum, where fma is not fused too

struct Params {
    rows: u32,
    inputs: u32,
    outputs: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

const SIDE = 16u; // threads along each side of a workgroup: 256, what every adapter grants
const DEPTH = 16u;
const SPAN = 64u; // rows and outputs of a tile

var<workgroup> xs: array<f32, 1024>; // [DEPTH][SPAN]
var<workgroup> ws: array<f32, 1024>;

const IDENTITY = 0u;
const RELU = 1u;
const SIGMOID = 2u;

fn dense(group: u32, local: vec3<u32>, activation: u32) {
    let across = (p.outputs + SPAN - 1u) / SPAN;
    let row = group / across * SPAN;
    let output = group % across * SPAN;
    if row >= p.rows {
        return; // the whole workgroup
    }
    let index = local.y * SIDE + local.x;
    var sums: array<vec4<f32>, 4>; // [row][output]
    for (var k0 = 0u; k0 < p.inputs; k0 += DEPTH) {
        for (var i = index; i < SPAN * DEPTH; i += SIDE * SIDE) {
            let line = i / DEPTH;
            let k = k0 + i % DEPTH;
            let at = i % DEPTH * SPAN + line;
            xs[at] = 0.0;
            ws[at] = 0.0;
            if k < p.inputs && row + line < p.rows {
                xs[at] = x[(row + line) * p.inputs + k];
            }
            if k < p.inputs && output + line < p.outputs {
                ws[at] = weight[(output + line) * p.inputs + k];
            }
        }
        workgroupBarrier();
        var part: array<vec4<f32>, 4>;
        for (var k = 0u; k < DEPTH; k++) {
            let xi = k * SPAN + local.y * 4u;
            let wi = k * SPAN + local.x * 4u;
            let w = vec4(ws[wi], ws[wi + 1u], ws[wi + 2u], ws[wi + 3u]);
            part[0] = fma(vec4(xs[xi]), w, part[0]);
            part[1] = fma(vec4(xs[xi + 1u]), w, part[1]);
            part[2] = fma(vec4(xs[xi + 2u]), w, part[2]);
            part[3] = fma(vec4(xs[xi + 3u]), w, part[3]);
        }
        for (var r = 0u; r < 4u; r++) {
            sums[r] += part[r];
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < 4u; r++) {
        let b = row + local.y * 4u + r;
        for (var c = 0u; c < 4u; c++) {
            let o = output + local.x * 4u + c;
            if b < p.rows && o < p.outputs {
                y[b * p.outputs + o] = activate(sums[r][c] + bias[o], activation);
            }
        }
    }
}

fn activate(a: f32, activation: u32) -> f32 {
    switch activation {
        case RELU: { return max(a, 0.0); }
        case SIGMOID: { return sigmoid(vec4(a)).x; }
        default: { return a; }
    }
}
