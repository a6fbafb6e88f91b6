//! Held against laws that are known exactly: residuals that are linear in the noise, whose squared error is a scaled
//! chi-squared variable, central or not.

use super::{exact::chi_squared_cdf, *};
use retrial_spec::Silent;

/// `r = scale (e + shift)` in the first `within` of `d` dimensions: `S / scale^2` is chi-squared with `within` degrees of
/// freedom and noncentrality `within shift^2`, but for a residual that nothing moves.
struct Ball {
    d: usize,
    within: usize,
    scale: f64,
    shift: f64,
    /// The least error.
    floor: f64,
}

impl Ball {
    fn noncentrality(&self) -> f64 {
        self.within as f64 * self.shift.powi(2)
    }

    fn threshold(&self, x: f64) -> f32 {
        (self.scale * self.scale * x + self.floor * self.floor).sqrt() as f32
    }

    fn exact(&self, threshold: f32) -> f64 {
        let x = (f64::from(threshold).powi(2) - self.floor * self.floor) / (self.scale * self.scale);
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
        let moved = e[..self.within].iter().map(|v| (self.scale * (v + self.shift)).powi(2)).sum::<f64>();
        moved + self.floor * self.floor
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
    Settings { particles, pilot: 2000, seed: 5 }
}

/// Standard errors between an estimate's logarithm and the exact one's.
fn off(e: &Estimate, exact: f64) -> Option<f64> {
    Some((e.p? / exact).ln() / (1.0 / e.ess).ln_1p().sqrt())
}

#[test]
fn both_methods_find_exact_tails() {
    let balls = [
        (Ball { d: 20, within: 20, scale: 0.7, shift: 0.0, floor: 0.0 }, [0.25, 0.5, 5.0, 30.0]),
        (Ball { d: 20, within: 8, scale: 1.3, shift: (30f64 / 8.0).sqrt(), floor: 0.0 }, [0.1, 0.2, 4.0, 38.0]),
        (Ball { d: 5, within: 3, scale: 2.0, shift: 20f64.sqrt(), floor: 3.0 }, [0.3, 2.0, 10.0, 60.0]),
        (Ball { d: 24, within: 20, scale: 0.1, shift: 2.5f64.sqrt(), floor: 0.2 }, [3.0, 8.0, 20.0, 70.0]),
    ];
    for (ball, xs) in balls {
        let thresholds = xs.map(|x| ball.threshold(x));
        let found = tails(&ball, &[0, 1], &thresholds, &settings(1000), &Silent, &|_| ()).unwrap();
        for (estimates, &threshold) in found.iter().flat_map(|tail| tail.thresholds.iter().zip(&thresholds)) {
            let exact = ball.exact(threshold);
            assert!(estimates[1..].iter().all(|e| e.p.is_some()), "{exact:e}: {estimates:?}");
            for e in estimates {
                assert!(off(e, exact).is_none_or(|off| off.abs() < 4.0), "{exact:e}: {e:?}");
            }
            // The half width of importance sampling at 1e-15: a factor of 1.2.
            assert!(estimates[1].ess > 100.0 && estimates[2].ess > 4.0, "{exact:e}: {estimates:?}");
            assert_eq!(estimates[3].note.filter(|note| *note == Note::Disagree), None, "{exact:e}: {estimates:?}");
        }
    }
}

/// Of 60 replicates, which differ in their random numbers alone.
#[test]
fn intervals_hold_as_often_as_they_say() {
    let ball = Ball { d: 10, within: 6, scale: 1.0, shift: 1.5, floor: 0.5 };
    let thresholds = [0.02, 0.5, 4.0].map(|x| ball.threshold(x));
    let replicates: Vec<usize> = (0..60).collect();
    let found = tails(&ball, &replicates, &thresholds, &settings(500), &Silent, &|_| ()).unwrap();
    for (t, &threshold) in thresholds.iter().enumerate() {
        let exact = ball.exact(threshold);
        for method in [Method::Importance, Method::Subset, Method::Combined] {
            let of = || found.iter().map(|tail| &tail.thresholds[t][method as usize]);
            let held = of().filter(|e| (e.low..=e.high).contains(&exact)).count();
            // 57 of 60 are expected; 52 or fewer come once in a hundred times.
            assert!(held >= 52, "{method:?} at {exact:e}: {held} of 60");
            // Neither is biased: the mean is within four standard errors.
            let ratios: Vec<f64> = of().map(|e| e.p.unwrap() / exact).collect();
            let mean = ratios.iter().sum::<f64>() / 60.0;
            let spread = ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 59.0 / 60.0;
            assert!((mean - 1.0).abs() < 4.0 * spread.sqrt() + 0.02, "{method:?} at {exact:e}: {mean}");
        }
    }
}

#[test]
fn company_threads_and_order_change_nothing() {
    let ball = Ball { d: 6, within: 4, scale: 1.0, shift: 1.0, floor: 0.1 };
    let thresholds = [2.0, 0.01, 0.3].map(|x| ball.threshold(x));
    let run = |samples: &[usize], threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| tails(&ball, samples, &thresholds, &settings(200), &Silent, &|_| ()).unwrap())
    };
    let all = run(&[0, 1, 2, 3, 4], 3);
    assert_eq!(run(&[0, 1, 2, 3, 4], 1), all);
    assert_eq!(run(&[4, 2], 2), [all[4].clone(), all[2].clone()]);
    assert_ne!(all[0], all[1]);
    let sorted = [thresholds[1], thresholds[2], thresholds[0]];
    let sorted = tails(&ball, &[3], &sorted, &settings(200), &Silent, &|_| ()).unwrap();
    assert_eq!(sorted[0].thresholds[1][2], all[3].thresholds[2][2], "subset simulation goes down, whatever the order");
}

#[test]
fn what_cannot_be_reached_has_a_bound_and_no_value() {
    let ball = Ball { d: 6, within: 4, scale: 1.0, shift: 1.0, floor: 2.0 };
    let found = tails(&ball, &[0], &[1.9, 2.5], &settings(200), &Silent, &|_| ()).unwrap();
    assert!((found[0].least - 2.0).abs() < 1e-3, "{}", found[0].least);
    let [unreached, reached] = [0, 1].map(|t| found[0].thresholds[t][3]);
    assert_eq!((unreached.p, unreached.low, unreached.note), (None, 0.0, Some(Note::NotReached)));
    // As far as f32 tells errors apart: what is 1e-7 above 2 is as rare as 1e-14.
    assert!(unreached.high < 1e-12, "{unreached:?}");
    assert!(off(&reached, ball.exact(2.5)).unwrap().abs() < 4.0);
}

#[test]
fn coverage_follows_to_where_nobody_can_count() {
    let sure = |p: f64| Estimate::new(p, 1e-12, 1);
    let estimates = [sure(1.0), sure(1e-3), sure(1e-12), Estimate::none(1e-16, 1, Some(Note::NotReached))];
    let points = tail_coverage(&estimates, &[1.0, 1e3, 1e12, 1e15]);
    let e = std::f64::consts::E;
    let want =
        [(1.0 + 1e-3 + 1e-12) / 4.0, (1.0 + 1.0 - (1.0f64 - 1e-3).powi(1000)) / 4.0, (3.0 - 1.0 / e) / 4.0, 0.75];
    for (point, want) in points.iter().zip(want) {
        assert!((point.value - want).abs() < 1e-9 && point.low <= want && point.high >= want, "{point:?}, not {want}");
        assert!(point.population.0 <= point.low && point.population.1 >= point.high);
    }
    // The bound of the last: 0.1 of a sample.
    assert!((points[3].high - 0.75 - 0.0238).abs() < 1e-3, "{:?}", points[3]);
    // Of p^-1 e^(-k p), the derivative by hand.
    let slope = (1.0 / e) / (1.0 + 1.0 / e);
    assert!((points[2].slope - slope).abs() < 1e-9, "{:?}", points[2]);
    // A law of p with exponent 1/2 below: p_i = ((i + 1/2) / N)^2.
    let law: Vec<Estimate> = (0..20_000).map(|i| sure(((f64::from(i) + 0.5) / 20_000.0).powi(2))).collect();
    let slope = tail_coverage(&law, &[1e5])[0].slope;
    assert!((slope - 0.5).abs() < 0.01, "{slope}");
}
