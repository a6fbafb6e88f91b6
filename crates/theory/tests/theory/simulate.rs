//! Simulated counts have the laws they were drawn from, and are the same for the same seed.

use crate::close;
use retrial_theory::{
    Data,
    laws::{BetaLaw, HutterLaw},
    simulate::{Design, Difficulty, simulate},
};

const TRIALS: u64 = 1000;

fn designs() -> [Design; 3] {
    let all = [
        Difficulty::Beta(BetaLaw::new(4.65, 0.36).unwrap()),
        Difficulty::Zipf(HutterLaw::new(0.8).unwrap()),
        Difficulty::Point(0.99),
    ];
    all.map(|difficulty| Design { difficulty, samples: 20_000, trials: TRIALS, batch: None })
}

/// Coverage by Eqs 1, 8 and 6, with trials set beforehand and stopped, in batches that 1000 is a multiple of and not.
#[test]
fn coverage_is_that_of_the_law() {
    for design in designs() {
        let truth = |k: f64| match design.difficulty {
            Difficulty::Beta(law) => law.coverage(k, 1.0),
            Difficulty::Zipf(law) => 1.0 - law.loss(k),
            Difficulty::Point(p) => 1.0 - p.powf(k),
        };
        for batch in [None, Some(1), Some(8), Some(60), Some(2000)] {
            let counts = simulate(&Design { batch, ..design }, 1).unwrap();
            let data = batch.map_or_else(|| Data::new(&counts), |batch| Data::batched(&counts, batch)).unwrap();
            for (k, value) in data.values(&[1, 10, 100, TRIALS]) {
                let error = (truth(k) * (1.0 - truth(k)) / 20_000.0).sqrt();
                assert!((value - truth(k)).abs() < 5.0 * error, "{design:?} {batch:?} {k}: {value}, not {}", truth(k));
            }
        }
    }
}

#[test]
fn seeds_decide() {
    for design in designs() {
        assert_eq!(simulate(&design, 1).unwrap(), simulate(&design, 1).unwrap());
        assert_ne!(simulate(&design, 1).unwrap(), simulate(&design, 2).unwrap());
    }
}

/// A trillion trials of ten thousand samples, at once.
#[test]
fn trials_cost_nothing() {
    let law = BetaLaw::new(4.65, 0.36).unwrap();
    let difficulty = Difficulty::Beta(law);
    let design = Design { difficulty, samples: 10_000, trials: 1_000_000_000_000, batch: None };
    let counts = simulate(&design, 3).unwrap();
    let mean = counts.iter().map(|s| s.successes() as f64 / 1e12).sum::<f64>() / 1e4;
    close(mean, 1.0 - law.mean(), 0.05);
}

#[test]
fn impossible_designs_are_errors() {
    let good = designs()[2];
    let bad = [
        Design { samples: 0, ..good },
        Design { trials: 0, ..good },
        Design { batch: Some(0), ..good },
        Design { trials: 1 << 54, ..good },
        Design { difficulty: Difficulty::Point(1.5), ..good },
        Design { difficulty: Difficulty::Point(f64::NAN), ..good },
    ];
    assert!(bad.iter().all(|design| simulate(design, 1).unwrap_err().is_input()));
}
