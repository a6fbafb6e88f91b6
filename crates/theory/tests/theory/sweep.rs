//! Every estimate that takes counts, over counts of every kind: each ends, holds what it estimates, and orders like the
//! counts.

use crate::close;
use retrial_spec::rng::Stream;
use retrial_theory::{
    Data,
    budget::trials_to_reach,
    coverage::{
        Counts, Estimator, Point, Scope, all_succeed, first_success_curve, log_grid, most_succeed, unbiased,
        unbiased_curve,
    },
    difficulty::posterior,
    fit::eq8_least_squares,
    forecast::bounds,
    npmle::npmle,
};
use std::time::Instant;

fn data(n: u64, c: u64) -> Data {
    Data::new(&[Counts::new(n, c).unwrap()]).unwrap()
}

/// `I_x(c, n-c+1)`, the probability of `c` successes or more at the rate `x`, as a plain sum of logarithms.
fn at_least(n: u64, c: u64, x: f64) -> f64 {
    let mut ln = n as f64 * (-x).ln_1p();
    let mut sum = if c == 0 { ln.exp() } else { 0.0 };
    for i in 1..=n {
        ln += ((n + 1 - i) as f64 / i as f64).ln() + x.ln() - (-x).ln_1p();
        if i >= c {
            sum += ln.exp();
        }
    }
    sum
}

/// Every `c` of many `n`: the interval of the success rate of one sample holds the rate and rises with it.
#[test]
fn intervals_of_all_counts_are_ordered() {
    let start = Instant::now();
    let mut stream = Stream::new(1, 0);
    for n in [1, 2, 3, 10, 97, 1000, 3000, 5000, 8000, 10_000, 20_000] {
        let data = Data::new(&[Counts::new(n, n / 3).unwrap(), Counts::new(n, 0).unwrap()]).unwrap();
        let free = npmle(&data);
        let (mut low, mut high) = (0.0, 0.0);
        for c in 0..=n {
            let p = posterior(&free, Counts::new(n, c).unwrap());
            let rate = c as f64 / n as f64;
            assert!(p.low <= rate && rate <= p.high && p.low >= low && p.high > high, "{c} of {n}: {p:?}");
            assert!((p.low > 0.0) == (c > 0) && (p.high < 1.0) == (c < n), "{c} of {n}: {p:?}");
            (low, high) = (p.low, p.high);
            // By their definition: at the ends, so many successes or more and so many or fewer have 2.5 %.
            if stream.below(2000) == 0 && 0 < c && c < n {
                close(at_least(n, c, p.low), 0.025, 1e-7);
                close(1.0 - at_least(n, c + 1, p.high), 0.025, 1e-7);
            }
        }
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

/// Random counts to n = 20,000, and those whose tails once underflowed: every estimator at every k, in both scopes.
#[test]
fn estimates_of_random_counts_end() {
    let start = Instant::now();
    let mut stream = Stream::new(2, 0);
    let known = [(3000, 2483), (5000, 3792), (8000, 5650), (10_000, 6851), (20_000, 13_000)];
    let random = (0..1500).map(|_| {
        let n = 1 + stream.below(20_000);
        (n, stream.below(n + 1))
    });
    let pairs: Vec<(u64, u64)> = known.into_iter().chain(random).collect();
    for (n, c) in pairs {
        let ks = [1, 2, 1 + n / 7, 1 + n / 2, n - n / 50, n];
        let inside = |p: &Point| 0.0 <= p.low && p.low <= p.value && p.value <= p.high && p.high <= 1.0;
        for scope in [Scope::Benchmark, Scope::Population] {
            for estimator in [Estimator::Pass, Estimator::AllPass, Estimator::MostPass(0.3), Estimator::MostPass(0.9)] {
                let points = data(n, c).unbiased(estimator, &ks, scope).unwrap();
                assert!(points.len() == ks.len() && points.iter().all(inside), "{c} of {n}, {estimator:?}: {points:?}");
            }
        }
        for k in ks {
            let (any, all) = (unbiased(n, c, k).unwrap(), all_succeed(n, c, k).unwrap());
            let most = [0.0, 0.25, 0.5, 0.75, 1.0].map(|tau| most_succeed(n, c, k, tau).unwrap());
            assert!(most.windows(2).all(|w| w[0] >= w[1] - 1e-12), "{c} of {n}, {k}: {most:?}");
            assert!((most[0] - any).abs() < 1e-10 && (most[4] - all).abs() < 1e-10, "{c} of {n}, {k}");
        }
        let first = [Some(c.min(n - 1)), None, (c < n).then_some(c)];
        assert!(first_success_curve(&first, n, &ks).unwrap().iter().all(inside));
        let stopped = [Counts::new(n, 1).unwrap(), Counts::new(1 + c, 0).unwrap()];
        assert!(Data::stopped(&stopped).unwrap().curve(&ks, Scope::Population).iter().all(inside));
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

/// Tails that start below the least float, where a product of ratios would stay at it for ever.
#[test]
fn far_tails_of_many_trials_end() {
    const N: u64 = 1_000_000_000_000;
    let start = Instant::now();
    for (c, k, tau, want) in [(N / 2, N / 3, 0.9, 0.0), (N / 2, N / 3, 0.1, 1.0), (N / 10, 1 << 30, 0.5, 0.0)] {
        assert_eq!(most_succeed(N, c, k, tau), Some(want), "{c} {k} {tau}");
    }
    for samples in [1, 3] {
        let counts = vec![Counts::new(N, 700_000_000_000).unwrap(); samples];
        for scope in [Scope::Benchmark, Scope::Population] {
            assert_eq!(unbiased_curve(&counts, &[1, 1000, N / 3, N], scope).unwrap().len(), 4);
        }
    }
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

/// Searches for what is not there end: targets out of reach, attempts without end, slopes that are infinite.
#[test]
fn searches_end_without_an_answer() {
    for most in [f64::INFINITY, f64::NAN, 0.0, 1e300] {
        assert_eq!(trials_to_reach(|_| 0.5, 0.9, most), None);
        assert_eq!(trials_to_reach(|_| f64::NAN, 0.9, most), None);
    }
    let counts = [3, 0, 10].map(|c| Counts::new(10, c).unwrap());
    for k in [f64::INFINITY, 1e300, 1e15] {
        assert!(bounds(&Data::new(&counts).unwrap(), &[k])[0].high <= 1.0);
    }
    assert!(npmle(&data(u64::MAX, u64::MAX / 3)).gap.is_finite());
    assert!(log_grid(u64::MAX, u32::MAX).len() < 200_001);
    // Steep without end at k = 0, where ln k is infinite.
    let curve = [(0.0, 0.0), (1e-300, 0.4), (1.0, 0.5), (1e300, 0.6)];
    assert!(eq8_least_squares(&curve).unwrap().misfit.rmse.is_finite());
}

/// scipy's `gammaln`, for a file of 128 problems with 10,000 attempts each.
#[test]
fn coverage_of_a_slow_file() {
    let Some(rows) = crate::data::shared_csv("cases/coverage_slow.csv") else { return };
    let counts: Vec<Counts> =
        rows.iter().map(|row| Counts::new(row[3].parse().unwrap(), row[4].parse().unwrap()).unwrap()).collect();
    let ks = [1, 10, 100, 1000, 5000, 10_000];
    for scope in [Scope::Benchmark, Scope::Population] {
        let points = unbiased_curve(&counts, &ks, scope).unwrap();
        for (p, want) in points.iter().zip([0.022493, 0.167678, 0.497544, 0.751313, 0.878163, 0.914063]) {
            assert!((p.value - want).abs() < 1e-6 && p.low < want && want < p.high, "{p:?}");
        }
    }
}
