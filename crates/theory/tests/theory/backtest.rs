//! The back-test: hidden attempts, and the published figures for the Pythia models.

use crate::data::{pythia_attempts, shared_csv};
use retrial_spec::Silent;
use retrial_theory::{
    Data,
    backtest::{Attempts, Comparison, Score, backtest},
    fit::{Kind, fit},
    forecast::bounds,
};

/// Beta-binomial and log-log forecasts of coverage at 10,000 from the first 100, 300 and 1000 attempts, to the digits
/// given; bounds hold the truth where 128 problems allow.
#[test]
fn pythia_forecasts_are_the_published_ones() {
    let (Some(sets), Some(anchors)) = (pythia_attempts(), shared_csv("data/extrapolation_anchors.csv")) else { return };
    let mut errors = [[0.0; 3]; 2];
    let (mut held, mut all) = (0, 0);
    for (model, attempts) in sets {
        for (m, shown) in [100u64, 300, 1000].into_iter().enumerate() {
            let row = anchors.iter().find(|row| row[1] == model && row[2] == shown.to_string()).unwrap();
            let want = |column: usize| row[column].parse::<f64>().unwrap();
            let data = Data::new(&attempts.first(shown).unwrap()).unwrap();
            for (kind, column) in [(Kind::BETA, 4), (Kind::LOG_LOG, 7)] {
                let got = fit(kind, &data).unwrap().coverage(1e4);
                assert!((got - want(column)).abs() < 3e-4, "{model} {shown} {kind:?}: {got}, not {}", want(column));
                errors[usize::from(column == 7)][m] += (got - want(3)).abs() / 7.0;
            }
            let worst = bounds(&data, &[1e4])[0];
            held += i32::from(worst.low <= want(3) && want(3) <= worst.high);
            all += 1;
        }
    }
    let published = |column: usize, m: usize| -> f64 {
        let rows = anchors.iter().filter(|row| row[2] == ["100", "300", "1000"][m]);
        rows.map(|row| (row[column].parse::<f64>().unwrap() - row[3].parse::<f64>().unwrap()).abs()).sum::<f64>() / 7.0
    };
    for m in 0..3 {
        assert!((errors[0][m] - published(4, m)).abs() < 1e-4, "{errors:?}");
        assert!((errors[1][m] - published(7, m)).abs() < 1e-4, "{errors:?}");
    }
    assert_eq!(held, all, "worst-case bounds");
}

/// Every method scores, against the coverage that was hidden.
#[test]
fn every_method_is_scored() {
    // Sample i succeeds at every trial divisible by i^2 + 1.
    let successes: Vec<Vec<u64>> = (1..=40u64).map(|i| (1..2000).filter(|t| t % (i * i + 1) == 0).collect()).collect();
    let attempts = Attempts::new(2000, successes).unwrap();
    let scores = backtest(&attempts, &[500, 1000], &Silent).unwrap();
    assert_eq!(scores.len(), 2 * (Kind::fitted().count() + 4));
    let of = |method: &str| scores.iter().filter(|s| s.method == method).collect::<Vec<&Score>>();
    for kind in Kind::fitted() {
        assert!(of(kind.name()).iter().all(|s| s.forecast.is_some_and(|f| f > 0.3) && s.truth == 1.0), "{kind:?}");
        assert!(of(kind.name()).iter().all(|s| s.low.is_some() == kind.by_likelihood()), "{kind:?}");
    }
    assert!(of("bounds").iter().all(|s| s.forecast.is_none() && s.low < s.high));
    assert!(of("Chao").iter().all(|s| s.error().unwrap() < 0.5));
    assert!(of("Good-Toulmin").iter().all(|s| s.forecast.is_some()));
}

#[test]
fn impossible_attempts_are_errors() {
    assert!(Attempts::new(0, vec![vec![]]).unwrap_err().is_input());
    assert!(Attempts::new(5, vec![]).unwrap_err().is_input());
    assert!(Attempts::new(5, vec![vec![0, 5]]).unwrap_err().to_string().contains("trial 5"));
    assert!(Attempts::new(5, vec![vec![1], vec![3, 3]]).unwrap_err().to_string().contains("sample 2"));
    let attempts = Attempts::new(5, vec![vec![4, 1], vec![]]).unwrap();
    let counts = |shown| attempts.first(shown).unwrap().iter().map(|s| s.successes()).collect::<Vec<_>>();
    assert_eq!((counts(1), counts(2), counts(5)), (vec![0, 0], vec![1, 0], vec![2, 0]));
    assert!(attempts.first(6).is_err());
    for shown in [0, 5] {
        assert!(backtest(&attempts, &[shown], &Silent).unwrap_err().is_input());
    }
}

/// A method that keeps silent where it would be wrong gains nothing by it: means are over the same groups.
#[test]
fn methods_are_compared_on_common_groups() {
    let score = |method, forecast: Option<f64>| Score {
        shown: 10,
        method,
        forecast,
        low: forecast.map(|f| f - 0.05),
        high: forecast.map(|f| f + 0.05),
        truth: 0.5,
    };
    let groups: Vec<Vec<Score>> = [
        // steady, silent where hard, nearly always silent, an interval alone
        [Some(0.52), Some(0.53), Some(0.5), None],
        [Some(0.9), None, None, None],
        [Some(0.46), Some(0.42), None, None],
    ]
    .iter()
    .map(|row| ["steady", "silent", "rare", "bounds"].into_iter().zip(row).map(|(m, f)| score(m, *f)).collect())
    .collect();
    let got = Comparison::new(&groups, 10);
    assert_eq!(got.common, [true, false, true]);
    let of = |method: &str| got.methods.iter().find(|m| m.method == method).unwrap();
    assert_eq!(got.methods.iter().map(|m| m.answered).collect::<Vec<_>>(), [3, 2, 1, 0]);
    assert!((of("steady").error.unwrap() - 0.03).abs() < 1e-12 && (of("silent").error.unwrap() - 0.055).abs() < 1e-12);
    assert_eq!((of("rare").error, of("bounds").error), (None, None));
    assert_eq!((of("silent").held, of("silent").intervals), (1, 2));
    assert_eq!(got.best().unwrap().0, "steady");
    assert_eq!(Comparison::new(&groups, 11).best(), None);
}
