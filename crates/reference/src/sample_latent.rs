//! A second reading of the random-number contract: Philox in 64-bit arithmetic, Box-Muller in double precision.

use crate::rows;

/// Philox4x32-10, written from the paper: counter words `c`, key words `k`.
pub fn philox_words(c: [u32; 4], k: [u32; 2]) -> [u32; 4] {
    const LOW: u64 = 0xFFFF_FFFF;
    let mut c = c.map(u64::from);
    let mut k = k.map(u64::from);
    for _ in 0..10 {
        let left = 0xD251_1F53 * c[0];
        let right = 0xCD9E_8D57 * c[2];
        c = [(right >> 32) ^ c[1] ^ k[0], right & LOW, (left >> 32) ^ c[3] ^ k[1], left & LOW];
        k = [(k[0] + 0x9E37_79B9) & LOW, (k[1] + 0xBB67_AE85) & LOW];
    }
    c.map(|word| word as u32)
}

/// The `latent` normals of one trial.
pub fn normals(seed: u64, sample: u32, trial: u64, latent: usize) -> Vec<f64> {
    let mut out = vec![];
    for block in 0..latent.div_ceil(4) as u32 {
        let words =
            philox_words([trial as u32, (trial >> 32) as u32, sample, block], [seed as u32, (seed >> 32) as u32]);
        for pair in [[words[0], words[1]], [words[2], words[3]]] {
            // The contract rounds twice to f32 on the way to u; from there everything is exact in spirit.
            let rounded = f64::from(pair[0] as f32);
            let u = f64::from((rounded / 4_294_967_296.0 + 1.0 / 8_589_934_592.0) as f32);
            let radius = (-2.0 * u.ln()).sqrt();
            let theta = f64::from(pair[1]) / 4_294_967_296.0 * std::f64::consts::TAU;
            out.push(radius * theta.cos());
            out.push(radius * theta.sin());
        }
    }
    out.truncate(latent);
    out
}

/// `z = mu + T exp(logvar / 2) eps`, `[N, W, latent]`, of means and log variances `[N, latent]` and noise
/// `[N, W, latent]`.
pub fn sample_latent(mu: &[f64], logvar: &[f64], temperature: f64, noise: &[f64], latent: usize) -> Vec<f64> {
    let samples = rows(mu.len(), latent);
    let window = rows(noise.len(), mu.len());
    assert_eq!(mu.len(), logvar.len(), "means and log variances");
    let mut z = vec![];
    for i in 0..samples {
        for j in 0..window {
            for d in 0..latent {
                let sigma = (logvar[i * latent + d] / 2.0).exp();
                z.push(mu[i * latent + d] + temperature * sigma * noise[(i * window + j) * latent + d]);
            }
        }
    }
    z
}
