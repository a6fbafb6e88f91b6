//! The back-test's figures for the Pythia attempts.

use crate::data::pythia_attempts;
use retrial_spec::Silent;
use retrial_theory::backtest::backtest;

#[test]
fn scratch3() {
    let Some(sets) = pythia_attempts() else { return };
    for (name, attempts) in sets {
        for s in backtest(&attempts, &[100, 300, 1000], &Silent).unwrap() {
            eprintln!(
                "{name} {} {:14} {:.4?} {:.4?} {:.4?} truth {:.4}",
                s.shown, s.method, s.forecast, s.low, s.high, s.truth
            );
        }
    }
}
