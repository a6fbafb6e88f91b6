// score: errors of trials, from noise to L2 error, with nothing written per pixel. The fast path.
//
//   z = mu + scale eps;  h = relu(W3 z + b3)                     entry `hidden`, to a buffer
//   e = sqrt(sum_pixels (x - sigmoid(W4 h + b4))^2)              entry `score`
//
// Trials come in *tiles* of T = 8 TX consecutive trials of one sample, sample fastest: tile i of a dispatch holds piece
// `piece + (skip + i) / samples`, T trials from there, of sample (skip + i) % samples. Hidden units of a tile (205 KB
// at 400 x 128) fit no workgroup memory, so they pass through a buffer that holds one dispatch's tiles.
//
// Shapes     mu, scale [N, latent]; images [N, pixels]; noise [tiles, T, latent] when given; h [tiles, hidden, T];
//            w3 [hidden / 8, latent, 8], b3 [hidden]; w4 [pixels / P, hidden, P], b4 [pixels], P = 8 TY;
//            errors [tiles, T]. The host pads hidden to DEPTH with zeros and pixels to P with pixels that are
//            exactly 0, so there are no edges here; errors of lanes without a trial are the largest float
// Grid       `hidden`: a workgroup (32, 8) per 32 trials; `score`: a workgroup (TX, TY) per tile. Both folded
// Memory     `hidden`: LATENT * 32 * 4 bytes of workgroup memory, 16 KiB at the most allowed 128 dimensions;
//            `score`: (8 TX + 8 TY) DEPTH * 4 + 32 TX bytes: 15,872 at (16, 14, 16)
// Barriers   all in loops whose bounds are constants or come from the uniform buffer
// Tile       8 x 8 sums a thread: four vec4 loads from workgroup memory feed 64 FMA. TY = 14 divides 784 pixels
//            without padding. All pixel tiles run in one workgroup, so a trial's sum of squares stays in registers
// Bound      compute: `score` is 97 % of the FLOPs; `hidden` writes and `score` reads 1.6 KB a trial
// Rounding   every sum has one fixed order per trial: tiles, dispatches and windows do not change a bit
//
// `Stored` is f32, or f16 to halve the traffic of hidden units and weights; products and sums are always f32.

struct Params {
    key: vec2<u32>,
    first: vec2<u32>,
    tiles: u32,
    skip: u32,
    samples: u32,
    piece: u32,
    trials: u32,
    sample: u32,
    hidden: u32,
    pixels: u32,
    given: u32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> mu: array<f32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read> noise: array<f32>;
@group(0) @binding(4) var<storage, read> w3: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> b3: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> h_out: array<Stored>;
@group(0) @binding(7) var<storage, read> h: array<vec4<Stored>>;
@group(0) @binding(8) var<storage, read> w4: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read> b4: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read> images: array<vec4<f32>>;
@group(0) @binding(11) var<storage, read_write> errors: array<vec4<f32>>;

override LATENT: u32 = 20u;
override TX: u32 = 16u;
override TY: u32 = 14u;
override DEPTH: u32 = 16u;

const LANES = 32u;
const FAR = 0x1.fffffep+127f;

var<workgroup> z: array<f32, LANES * LATENT>; // [LATENT][LANES]

@compute @workgroup_size(32, 8)
fn hidden(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let parts = 8u * TX / LANES;
    let id = folded(group, groups);
    let tile = id / parts;
    if tile >= p.tiles {
        return; // the whole workgroup
    }
    let n = (p.skip + tile) % p.samples;
    let lane = id % parts * LANES + local.x;
    let trial = (p.piece + (p.skip + tile) / p.samples) * 8u * TX + lane;
    for (var d = 4u * local.y; d < LATENT; d += 32u) {
        var eps = vec4(0.0);
        if p.given == 0u {
            eps = normals(p.key, add64(p.first, trial), p.sample + n, d / 4u);
        }
        for (var i = 0u; i < 4u && d + i < LATENT; i++) {
            if p.given != 0u {
                eps[i] = noise[(tile * 8u * TX + lane) * LATENT + d + i];
            }
            z[(d + i) * LANES + local.x] = fma(scale[n * LATENT + d + i], eps[i], mu[n * LATENT + d + i]);
        }
    }
    workgroupBarrier();
    for (var g = local.y; g < p.hidden / 8u; g += 8u) {
        var lo = b3[2u * g];
        var hi = b3[2u * g + 1u];
        for (var d = 0u; d < LATENT; d++) {
            let zd = vec4(z[d * LANES + local.x]);
            lo = fma(zd, w3[2u * (g * LATENT + d)], lo);
            hi = fma(zd, w3[2u * (g * LATENT + d) + 1u], hi);
        }
        let at = (tile * p.hidden + 8u * g) * 8u * TX + lane;
        for (var i = 0u; i < 4u; i++) {
            h_out[at + i * 8u * TX] = Stored(max(lo[i], 0.0));
            h_out[at + (i + 4u) * 8u * TX] = Stored(max(hi[i], 0.0));
        }
    }
}

var<workgroup> hs: array<vec4<Stored>, 2u * TX * DEPTH>; // [DEPTH][T / 4]
var<workgroup> ws: array<vec4<Stored>, 2u * TY * DEPTH>; // [DEPTH][P / 4]
var<workgroup> sums: array<vec4<f32>, 2u * TX>; // [T / 4]

@compute @workgroup_size(TX, TY)
fn score(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let tile = folded(group, groups);
    if tile >= p.tiles {
        return; // the whole workgroup
    }
    let n = (p.skip + tile) % p.samples;
    // This thread's trials are 4 x .. 4 x + 3 and the same 4 TX further, its pixels likewise: neighbouring threads
    // read neighbouring vectors.
    var square_lo = vec4(0.0);
    var square_hi = vec4(0.0);
    for (var pixel = 0u; pixel < p.pixels / 4u; pixel += 2u * TY) {
        let bias_lo = b4[pixel + local.y];
        let bias_hi = b4[pixel + TY + local.y];
        var a0 = bias_lo;
        var a1 = bias_lo;
        var a2 = bias_lo;
        var a3 = bias_lo;
        var a4 = bias_lo;
        var a5 = bias_lo;
        var a6 = bias_lo;
        var a7 = bias_lo;
        var c0 = bias_hi;
        var c1 = bias_hi;
        var c2 = bias_hi;
        var c3 = bias_hi;
        var c4 = bias_hi;
        var c5 = bias_hi;
        var c6 = bias_hi;
        var c7 = bias_hi;
        for (var k0 = 0u; k0 < p.hidden; k0 += DEPTH) {
            for (var i = index; i < 2u * TX * DEPTH; i += TX * TY) {
                hs[i] = h[(tile * p.hidden + k0) * 2u * TX + i];
            }
            for (var i = index; i < 2u * TY * DEPTH; i += TX * TY) {
                ws[i] = vec4<Stored>(w4[pixel * p.hidden + k0 * 2u * TY + i]);
            }
            workgroupBarrier();
            for (var k = 0u; k < DEPTH; k++) {
                let t = vec4<f32>(hs[k * 2u * TX + local.x]);
                let s = vec4<f32>(hs[k * 2u * TX + TX + local.x]);
                let w = vec4<f32>(ws[k * 2u * TY + local.y]);
                let v = vec4<f32>(ws[k * 2u * TY + TY + local.y]);
                a0 = fma(vec4(t.x), w, a0);
                a1 = fma(vec4(t.y), w, a1);
                a2 = fma(vec4(t.z), w, a2);
                a3 = fma(vec4(t.w), w, a3);
                a4 = fma(vec4(s.x), w, a4);
                a5 = fma(vec4(s.y), w, a5);
                a6 = fma(vec4(s.z), w, a6);
                a7 = fma(vec4(s.w), w, a7);
                c0 = fma(vec4(t.x), v, c0);
                c1 = fma(vec4(t.y), v, c1);
                c2 = fma(vec4(t.z), v, c2);
                c3 = fma(vec4(t.w), v, c3);
                c4 = fma(vec4(s.x), v, c4);
                c5 = fma(vec4(s.y), v, c5);
                c6 = fma(vec4(s.z), v, c6);
                c7 = fma(vec4(s.w), v, c7);
            }
            workgroupBarrier();
        }
        let x_lo = images[n * (p.pixels / 4u) + pixel + local.y];
        let x_hi = images[n * (p.pixels / 4u) + pixel + TY + local.y];
        square_lo += vec4(
            squares(a0, x_lo, c0, x_hi),
            squares(a1, x_lo, c1, x_hi),
            squares(a2, x_lo, c2, x_hi),
            squares(a3, x_lo, c3, x_hi),
        );
        square_hi += vec4(
            squares(a4, x_lo, c4, x_hi),
            squares(a5, x_lo, c5, x_hi),
            squares(a6, x_lo, c6, x_hi),
            squares(a7, x_lo, c7, x_hi),
        );
    }
    // The TY threads of a trial add their shares one after the other: a fixed order, and once per tile.
    for (var y = 0u; y < TY; y++) {
        if local.y == y {
            var lo = square_lo;
            var hi = square_hi;
            if y > 0u {
                lo += sums[local.x];
                hi += sums[TX + local.x];
            }
            sums[local.x] = lo;
            sums[TX + local.x] = hi;
        }
        workgroupBarrier();
    }
    let first = (p.piece + (p.skip + tile) / p.samples) * 8u * TX;
    for (var i = index; i < 2u * TX; i += TX * TY) {
        let trial = vec4(first + 4u * i) + vec4(0u, 1u, 2u, 3u);
        errors[tile * 2u * TX + i] = select(vec4(FAR), sqrt(sums[i]), trial < vec4(p.trials));
    }
}

// Sum of squared differences of eight pixels.
fn squares(a: vec4<f32>, x: vec4<f32>, c: vec4<f32>, v: vec4<f32>) -> f32 {
    let d = sigmoid(a) - x;
    let f = sigmoid(c) - v;
    return dot(d, d) + dot(f, f);
}
