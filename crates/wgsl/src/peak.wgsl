// The rates of multiply-adds in registers and of copies: what kernels bound by either are held against. No kernel of the
// pipeline. `Value` is vec4<f32> or vec4<f16>.
//
// Each thread of `multiply` runs 32 independent chains of FMA, enough to hide their latency, `rounds` times 8 times; one of
// `copy` moves 16 bytes.

struct Params {
    rounds: u32,
    count: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> input: array<vec4<f32>>;

@compute @workgroup_size(256)
fn multiply(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let thread = folded(group, groups) * 256u + local;
    let factor = Value(vec4<f32>(0.999));
    let term = Value(vec4<f32>(1e-3 * f32(p.rounds % 7u + 1u))); // known to no compiler
    var a = Value(vec4<f32>(f32(local)));
    var b = a + Value(vec4<f32>(1.0));
    var c = a + Value(vec4<f32>(2.0));
    var d = a + Value(vec4<f32>(3.0));
    var e = a + Value(vec4<f32>(4.0));
    var f = a + Value(vec4<f32>(5.0));
    var g = a + Value(vec4<f32>(6.0));
    var h = a + Value(vec4<f32>(7.0));
    for (var round = 0u; round < p.rounds; round++) {
        a = fma(a, factor, term); b = fma(b, factor, term); c = fma(c, factor, term); d = fma(d, factor, term);
        e = fma(e, factor, term); f = fma(f, factor, term); g = fma(g, factor, term); h = fma(h, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term); c = fma(c, factor, term); d = fma(d, factor, term);
        e = fma(e, factor, term); f = fma(f, factor, term); g = fma(g, factor, term); h = fma(h, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term); c = fma(c, factor, term); d = fma(d, factor, term);
        e = fma(e, factor, term); f = fma(f, factor, term); g = fma(g, factor, term); h = fma(h, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term); c = fma(c, factor, term); d = fma(d, factor, term);
        e = fma(e, factor, term); f = fma(f, factor, term); g = fma(g, factor, term); h = fma(h, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term); c = fma(c, factor, term); d = fma(d, factor, term);
        e = fma(e, factor, term); f = fma(f, factor, term); g = fma(g, factor, term); h = fma(h, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term); c = fma(c, factor, term); d = fma(d, factor, term);
        e = fma(e, factor, term); f = fma(f, factor, term); g = fma(g, factor, term); h = fma(h, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term); c = fma(c, factor, term); d = fma(d, factor, term);
        e = fma(e, factor, term); f = fma(f, factor, term); g = fma(g, factor, term); h = fma(h, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term); c = fma(c, factor, term); d = fma(d, factor, term);
        e = fma(e, factor, term); f = fma(f, factor, term); g = fma(g, factor, term); h = fma(h, factor, term);
    }
    if thread < p.count {
        output[thread] = vec4<f32>(a + b + c + d + e + f + g + h); // so that none of it can be left out
    }
}

@compute @workgroup_size(256)
fn copy(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = folded(group, groups) * 256u + local;
    if at < p.count {
        output[at] = input[at];
    }
}
