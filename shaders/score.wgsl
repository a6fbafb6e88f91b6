// score: errors of trials, from noise to L2 error, with nothing written per pixel. The fast path.
//
//   z = mu + scale eps;  h = relu(W3 z + b3)                     entry `hidden`, to a buffer
//   units of a tile, those first that are not 0 in all of it     entry `alive`
//   e = sqrt(sum_pixels (x - sigmoid(W4 h + b4))^2)              entry `score`
//
// Trials come in *tiles* of T = 8 TX consecutive trials of one sample, sample fastest: tile i of a dispatch holds piece
// `piece + (skip + i) / samples`, T trials from there, of sample (skip + i) % samples. Hidden units of a tile (205 KB
// at 400 x 128) fit no workgroup memory, so they pass through a buffer that holds one dispatch's tiles.
//
// A third of the hidden units are 0 in a whole tile at T = 1 and less; with SKIP they are left out of all sums, which
// changes no bit: fma(0, w, a) is a.
//
// Where only errors below a threshold matter, trials are screened. Pass SCREEN sums over a few pixels, of each sample its
// own, and lists the positions of trials whose sum is not above `limit`; pass LIST scores what is listed, in tiles of
// whatever samples come together, with the bits of pass ALL.
//
// Shapes     mu, scale [N, latent]; images [N, pixels]; noise [tiles, T, latent] when given; h [tiles, hidden, T];
//            flags [tiles, hidden / 32], zero before and after; units [tiles, 1 + hidden], of which the first is how many
//            are summed, a multiple of DEPTH; w3 [hidden / 8, latent, 8], b3 [hidden]; w4 [pixels / P, hidden, P],
//            b4 [pixels], P = 8 TY, or one of each per sample, `own` vectors of pixels apart; listed [1 + tiles T], the first
//            of which is their number; errors [tiles, T]. The host pads hidden to DEPTH with zeros and pixels to P with
//            pixels that are exactly 0, so there are no edges here; errors of lanes without a trial are the largest float
// Grid       `hidden`: a workgroup (LANES, 8) per LANES trials, a divisor of T; `alive`: 64 per tile; `score`: (TX, TY) per tile. All folded
// Memory     `hidden`: LATENT LANES * 4 bytes of workgroup memory, 16 KiB at 32 lanes and the most allowed 128 dimensions;
//            `score`: (8 TX + 8 TY) DEPTH STAGES * 4 + 32 TX bytes: 15,872 at (16, 14, 16, 1)
// Barriers   all in loops whose bounds are constants or come from buffers that are only read
// Tile       8 x 8 sums a thread: four vec4 loads from workgroup memory feed 64 FMA. TY = 14 divides 784 pixels
//            without padding. All pixel tiles run in one workgroup, so a trial's sum of squares stays in registers.
//            With two STAGES the next units are fetched while these are multiplied, and one barrier of two is saved
// Bound      compute: `score` is 97 % of the FLOPs; `hidden` writes and `score` reads 1.6 KB a trial
// Rounding   every sum has one fixed order per trial: tiles, dispatches, windows and passes do not change a bit
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
    own: u32,
    limit: f32,
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
@group(0) @binding(11) var<storage, read_write> errors: array<f32>;
@group(0) @binding(12) var<storage, read_write> flags: array<atomic<u32>>;
@group(0) @binding(13) var<storage, read_write> units_out: array<u32>;
@group(0) @binding(14) var<storage, read> units: array<u32>;
@group(0) @binding(15) var<storage, read> listed: array<u32>;
@group(0) @binding(16) var<storage, read_write> passing: array<atomic<u32>>;

override LATENT: u32 = 20u;
override LANES: u32 = 32u;
override TX: u32 = 16u;
override TY: u32 = 14u;
override DEPTH: u32 = 16u;
override STAGES: u32 = 1u;
override SKIP: u32 = 0u;
override PASS: u32 = 0u;

const ALL = 0u;
const SCREEN = 1u;
const LIST = 2u;

const FAR = 0x1.fffffep+127f;

// Where the trial of a lane of a tile lies among those of the dispatch.
fn position(tile: u32, lane: u32) -> u32 {
    let at = tile * 8u * TX + lane;
    if PASS == LIST {
        return listed[1u + min(at, listed[0] - 1u)]; // the last again in lanes without a trial
    }
    return at;
}

fn sample_at(position: u32) -> u32 {
    return (p.skip + position / (8u * TX)) % p.samples;
}

fn trial_at(position: u32) -> u32 {
    return (p.piece + (p.skip + position / (8u * TX)) / p.samples) * 8u * TX + position % (8u * TX);
}

// Whether a dispatch has work for a tile.
fn used(tile: u32) -> bool {
    return tile < p.tiles && (PASS != LIST || tile * 8u * TX < listed[0]);
}

var<workgroup> z: array<f32, LANES * LATENT>; // [LATENT][LANES]

@compute @workgroup_size(LANES, 8)
fn hidden(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let parts = 8u * TX / LANES;
    let id = folded(group, groups);
    let tile = id / parts;
    if !used(tile) {
        return; // the whole workgroup
    }
    let lane = id % parts * LANES + local.x;
    let place = position(tile, lane);
    let n = sample_at(place);
    let trial = trial_at(place);
    for (var d = 4u * local.y; d < LATENT; d += 32u) {
        var eps = vec4(0.0);
        if p.given == 0u {
            eps = normals(p.key, add64(p.first, trial), p.sample + n, d / 4u);
        }
        for (var i = 0u; i < 4u && d + i < LATENT; i++) {
            if p.given != 0u {
                eps[i] = noise[place * LATENT + d + i];
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
        if SKIP != 0u {
            let bits = vec4(1u, 2u, 4u, 8u);
            let low = dot(select(bits, vec4(0u), lo <= vec4(0.0)), vec4(1u));
            let high = dot(select(bits, vec4(0u), hi <= vec4(0.0)), vec4(1u));
            let mine = (low | (high << 4u)) << (g % 4u * 8u);
            let word = tile * words() + g / 4u;
            // Most are set by the first lanes: a look saves the others the atomic.
            if (mine & ~atomicLoad(&flags[word])) != 0u {
                atomicOr(&flags[word], mine);
            }
        }
    }
}

// Words of a tile's flags.
fn words() -> u32 {
    return (p.hidden + 31u) / 32u;
}

@compute @workgroup_size(64)
fn alive(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tile = folded(group, groups);
    if tile >= p.tiles {
        return; // the whole workgroup
    }
    var count = 0u;
    for (var w = 0u; w < words(); w++) {
        count += countOneBits(atomicLoad(&flags[tile * words() + w]));
    }
    let list = tile * (1u + p.hidden);
    if local == 0u {
        units_out[list] = (count + DEPTH - 1u) / DEPTH * DEPTH; // those beyond the count are 0
    }
    for (var unit = local; unit < p.hidden; unit += 64u) {
        var before = 0u;
        for (var w = 0u; w < unit / 32u; w++) {
            before += countOneBits(atomicLoad(&flags[tile * words() + w]));
        }
        let word = atomicLoad(&flags[tile * words() + unit / 32u]);
        let bit = 1u << (unit % 32u);
        before += countOneBits(word & (bit - 1u));
        units_out[list + 1u + select(count + unit - before, before, (word & bit) != 0u)] = unit;
    }
    storageBarrier();
    for (var w = local; w < words(); w += 64u) {
        atomicStore(&flags[tile * words() + w], 0u);
    }
}

var<workgroup> hs: array<vec4<Stored>, 2u * TX * DEPTH * STAGES>; // [STAGES][DEPTH][T / 4]
var<workgroup> ws: array<vec4<Stored>, 2u * TY * DEPTH * STAGES>; // [STAGES][DEPTH][P / 4]
var<workgroup> sums: array<vec4<f32>, 2u * TX>; // [T / 4]

// The hidden unit that is summed as number k of a tile.
fn unit(tile: u32, k: u32) -> u32 {
    if SKIP != 0u {
        return units[tile * (1u + p.hidden) + 1u + k];
    }
    return k;
}

// Fetches units k0 .. k0 + DEPTH - 1 of a tile, and their weights from `w` on, to a stage.
fn fetch(stage: u32, tile: u32, k0: u32, w: u32, index: u32) {
    for (var i = index; i < 2u * TX * DEPTH; i += TX * TY) {
        let row = tile * p.hidden + unit(tile, k0 + i / (2u * TX));
        hs[stage * 2u * TX * DEPTH + i] = h[row * 2u * TX + i % (2u * TX)];
    }
    for (var i = index; i < 2u * TY * DEPTH; i += TX * TY) {
        let row = unit(tile, k0 + i / (2u * TY));
        ws[stage * 2u * TY * DEPTH + i] = vec4<Stored>(w4[w + row * 2u * TY + i % (2u * TY)]);
    }
}

@compute @workgroup_size(TX, TY)
fn score(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let tile = folded(group, groups);
    if !used(tile) {
        return; // the whole workgroup
    }
    var count = p.hidden;
    if SKIP != 0u {
        count = units[tile * (1u + p.hidden)];
    }
    // This thread's trials are 4 x .. 4 x + 3 and the same 4 TX further, its pixels likewise: neighbouring threads
    // read neighbouring vectors.
    let own = sample_at(tile * 8u * TX) * p.own;
    let lane = 4u * local.x;
    var square_lo = vec4(0.0);
    var square_hi = vec4(0.0);
    for (var pixel = 0u; pixel < p.pixels / 4u; pixel += 2u * TY) {
        let bias_lo = b4[own + pixel + local.y];
        let bias_hi = b4[own + pixel + TY + local.y];
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
        let weights = (own + pixel) * p.hidden;
        var stage = 0u;
        if STAGES == 2u {
            fetch(0u, tile, 0u, weights, index);
            workgroupBarrier();
        }
        for (var k0 = 0u; k0 < count; k0 += DEPTH) {
            if STAGES == 1u {
                fetch(0u, tile, k0, weights, index);
                workgroupBarrier();
            } else if k0 + DEPTH < count {
                fetch(1u - stage, tile, k0 + DEPTH, weights, index);
            }
            for (var k = 0u; k < DEPTH; k++) {
                let at = stage * DEPTH + k;
                let t = vec4<f32>(hs[at * 2u * TX + local.x]);
                let s = vec4<f32>(hs[at * 2u * TX + TX + local.x]);
                let w = vec4<f32>(ws[at * 2u * TY + local.y]);
                let v = vec4<f32>(ws[at * 2u * TY + TY + local.y]);
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
            if STAGES == 2u {
                stage = 1u - stage;
            }
        }
        if PASS == LIST {
            square_lo += vec4(
                squares(a0, c0, position(tile, lane), pixel + local.y),
                squares(a1, c1, position(tile, lane + 1u), pixel + local.y),
                squares(a2, c2, position(tile, lane + 2u), pixel + local.y),
                squares(a3, c3, position(tile, lane + 3u), pixel + local.y),
            );
            square_hi += vec4(
                squares(a4, c4, position(tile, lane + 4u * TX), pixel + local.y),
                squares(a5, c5, position(tile, lane + 4u * TX + 1u), pixel + local.y),
                squares(a6, c6, position(tile, lane + 4u * TX + 2u), pixel + local.y),
                squares(a7, c7, position(tile, lane + 4u * TX + 3u), pixel + local.y),
            );
        } else {
            let at = tile * 8u * TX; // any of its trials: one image
            square_lo += vec4(
                squares(a0, c0, at, pixel + local.y),
                squares(a1, c1, at, pixel + local.y),
                squares(a2, c2, at, pixel + local.y),
                squares(a3, c3, at, pixel + local.y),
            );
            square_hi += vec4(
                squares(a4, c4, at, pixel + local.y),
                squares(a5, c5, at, pixel + local.y),
                squares(a6, c6, at, pixel + local.y),
                squares(a7, c7, at, pixel + local.y),
            );
        }
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
    for (var i = index; i < 8u * TX; i += TX * TY) {
        if PASS == LIST && tile * 8u * TX + i >= listed[0] {
            continue;
        }
        let to = position(tile, i);
        let sum = sums[i / 4u][i % 4u];
        let live = trial_at(to) < p.trials;
        if PASS == SCREEN {
            errors[to] = FAR;
            if live && !(sum > p.limit) {
                atomicStore(&passing[1u + atomicAdd(&passing[0], 1u)], to);
            }
        } else {
            errors[to] = select(FAR, sqrt(sum), live);
        }
    }
}

// Sum of squared differences of eight pixels of a trial, four from vector `at` of its image on and four TY further.
fn squares(a: vec4<f32>, c: vec4<f32>, position: u32, at: u32) -> f32 {
    let row = sample_at(position) * (p.pixels / 4u) + at;
    let d = sigmoid(a) - images[row];
    let f = sigmoid(c) - images[row + TY];
    return dot(d, d) + dot(f, f);
}
