// 1 / (1 + e^-a). The clamp keeps e^-a finite: beyond it the result is 0 or 1 to the last bit, and some drivers' exp
// and division make NaN of an infinity. WGSL lets exp be off by 3 + 2 |a| units in the last place, which the slope of
// the sigmoid turns into less than one unit of 1.
fn sigmoid(a: vec4<f32>) -> vec4<f32> {
    return 1.0 / (1.0 + exp(-clamp(a, vec4(-87.0), vec4(87.0))));
}
