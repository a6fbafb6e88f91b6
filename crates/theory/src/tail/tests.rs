//! Held against laws that are known exactly: residuals that are linear in the noise, whose squared error is a scaled
//! chi-squared variable, central or not.

use super::{exact::chi_squared_cdf, *};
use retrial_spec::Silent;

/// `r = scale (e + shift)` in the first `within` of `d` dimensions: `S / scale^2` is chi-squared with `within` degrees of
/// freedom and noncentrality `|shift|^2`.
struct Ball {
    d: usize,
    within: usize,
    scale: f64,
    shift: f64,
}

impl Ball {
    fn noncentrality(&self) -> f64 {
        self.within as f64 * self.shift.powi(2)
    }

    fn threshold(&self, x: f64) -> f32 {
        (self.scale * x.sqrt()) as f32
    }

    fn exact(&self, threshold: f32) -> f64 {
        let x = (f64::from(threshold) / self.scale).powi(2);
        chi_squared_cdf(self.within as f64, self.noncentrality(), x)
    }
}

impl Target for Ball {
    fn dimensions(&self) -> usize {
        self.d
    }
    fn ready(&self, samples: &[usize], work: &mut Work<'_>) -> Result<()> {
        work(&mut |noise| {
            assert!(noise.len().is_multiple_of(samples.len() * self.d));
            let wide = noise.chunks(self.d).map(|e| e.iter().map(|&v| v.into()).collect::<Vec<f64>>());
            Ok(wide.map(|e| self.square(0, &e).sqrt() as f32).collect())
        })
    }
    fn square(&self, _: usize, e: &[f64]) -> f64 {
        e[..self.within].iter().map(|v| (self.scale * (v + self.shift)).powi(2)).sum()
    }
    fn expand(&self, sample: usize, e: &[f64]) -> Expansion {
        let mut gram = vec![0.0; self.d * self.d];
        let mut slope = vec![0.0; self.d];
        for i in 0..self.within {
            slope[i] = self.scale * self.scale * (e[i] + self.shift);
            gram[i * (self.d + 1)] = self.scale * self.scale;
        }
        Expansion { square: self.square(sample, e), slope, gram }
    }
}

fn settings(particles: usize) -> Settings {
    Settings { particles, pilot: 2000, seed: 5, threads: 2 }
}

#[test]
fn both_methods_find_exact_tails() {
    let balls = [
        (Ball { d: 20, within: 20, scale: 0.7, shift: 0.0 }, [0.25, 0.5, 5.0, 30.0]),
        (Ball { d: 20, within: 8, scale: 1.3, shift: (30f64 / 8.0).sqrt() }, [0.1, 0.2, 4.0, 38.0]),
        (Ball { d: 5, within: 3, scale: 2.0, shift: 20f64.sqrt() }, [0.3, 2.0, 10.0, 60.0]),
        (Ball { d: 24, within: 20, scale: 0.1, shift: 2.5f64.sqrt() }, [3.0, 8.0, 20.0, 70.0]),
    ];
    for (ball, xs) in balls {
        let thresholds = xs.map(|x| ball.threshold(x));
        let found = tails(&ball, &[0, 1], &thresholds, &settings(1000), &Silent, &|_| ()).unwrap();
        for tail in found {
            for (estimates, &threshold) in tail.thresholds.iter().zip(&thresholds) {
                let exact = ball.exact(threshold);
                for (method, e) in Method::ALL.into_iter().zip(estimates) {
                    println!("{exact:.3e} {method:?} {e:?}");
                    if let Some(p) = e.p {
                        let off = (p / exact).ln() / (1.0 / e.ess).ln_1p().sqrt();
                        assert!(off.abs() < 4.0, "{method:?}: {p:e}, not {exact:e}: {off} standard errors");
                    }
                    assert!(e.low <= exact * 2.0 && e.high >= exact / 2.0);
                }
            }
        }
    }
}
