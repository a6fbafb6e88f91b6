// Normals by the contract of crates/spec/src/rng.rs. Needs shared/philox.wgsl.
//
// The words are exact; ln, sin and cos are the contract's polynomials. WGSL does not pin contraction or sqrt, so the
// floats agree with the other backends to about 1e-6, not bit for bit.

fn polynomial_ln(u: f32) -> f32 {
    let shifted = bitcast<u32>(u) - 0x3F3504F3u;
    let exponent = f32(bitcast<i32>(shifted) >> 23u);
    let f = bitcast<f32>((shifted & 0x007FFFFFu) + 0x3F3504F3u) - 1.0;
    let square = f * f;
    var p = 6.921041e-2f;
    p = fma(p, f, -1.1780694e-1);
    p = fma(p, f, 1.1865131e-1);
    p = fma(p, f, -1.2385553e-1);
    p = fma(p, f, 1.4220022e-1);
    p = fma(p, f, -1.6669217e-1);
    p = fma(p, f, 2.0002146e-1);
    p = fma(p, f, -2.4999987e-1);
    p = fma(p, f, 3.333331e-1);
    let tail = fma(square, -0.5, fma(exponent, -2.1219444e-4, square * f * p));
    return fma(exponent, 0.6933594, f + tail);
}

// (cos, sin) of 2 pi w 2^-32: octant from the top three bits, exactly.
fn cos_sin(w: u32) -> vec2<f32> {
    let octant = w >> 29u;
    let below = w & 0x1FFFFFFFu;
    let a = f32(select(below, 0x20000000u - below, (octant & 1u) == 1u)) * 1.4629181e-9;
    let square = a * a;
    let s = fma(fma(fma(-1.9517594e-4, square, 8.332181e-3), square, -1.6666655e-1) * square, a, a);
    let c4 = fma(fma(2.4439484e-5, square, -1.3887378e-3), square, 4.1666646e-2);
    let c = fma(c4 * square, square, fma(square, -0.5, 1.0));
    let turned = ((octant + 1u) & 2u) != 0u; // octants 1, 2, 5, 6
    let cos_sin = select(vec2(c, s), vec2(s, c), turned);
    let negative = vec2(((octant + 2u) & 4u) != 0u, octant >= 4u); // cosine: octants 2 to 5
    return select(cos_sin, -cos_sin, negative);
}

fn normal_pair(w0: u32, w1: u32) -> vec2<f32> {
    let u = fma(f32(w0), 0x1p-32f, 0x1p-33f);
    return sqrt(-2.0 * polynomial_ln(u)) * cos_sin(w1);
}

// Normals 4 block .. 4 block + 3 of a trial.
fn normals(key: vec2<u32>, trial: vec2<u32>, sample: u32, block: u32) -> vec4<f32> {
    let w = philox(vec4(trial, sample, block), key);
    return vec4(normal_pair(w.x, w.y), normal_pair(w.z, w.w));
}
