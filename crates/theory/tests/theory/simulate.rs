//! Simulated counts have the laws they were drawn from, and are the same for the same seed.

use crate::close;
use retrial_theory::{
    Data,
    fit::{Kind, Law},
    laws::BetaLaw,
    simulate::{Design, simulate},
};

const TRIALS: u64 = 1000;

fn law(name: &str, parameters: &[(&str, f64)]) -> Law {
    Law::new(Kind::named(name).unwrap(), parameters).unwrap()
}

/// Of every law that has a probability per sample.
fn designs() -> Vec<Design> {
    let beta = [("alpha", 4.65), ("beta", 0.36)];
    let with = |more: &[(&'static str, f64)]| [&beta[..], more].concat();
    let laws = [
        law("beta-binomial", &beta),
        law("zipf", &[("alpha", 0.8)]),
        law("point", &[("p", 0.99)]),
        law("eq8", &with(&[("A", 0.7)])),
        law("zero-inflated", &with(&[("A", 0.7)])),
        law("scaled-beta", &with(&[("scale", 0.4)])),
        law("kumaraswamy", &beta),
        law("logit-normal", &[("mu", -5.0), ("sigma", 2.0)]),
        law("two-betas", &with(&[("alpha2", 3.0), ("beta2", 9.0), ("share", 0.8)])),
    ];
    assert_eq!(laws.len(), Kind::ALL.len() - 4, "all but the laws of the curve");
    laws.map(|law| Design { law, samples: 20_000, trials: TRIALS, batch: None }).to_vec()
}

/// Coverage with trials set beforehand and stopped, in batches that 1000 is a multiple of and not.
#[test]
fn coverage_is_that_of_the_law() {
    for design in designs() {
        let truth = |k: f64| design.law.coverage(k);
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
    let design = Design { law: law.into(), samples: 10_000, trials: 1_000_000_000_000, batch: None };
    let counts = simulate(&design, 3).unwrap();
    let mean = counts.iter().map(|s| s.successes() as f64 / 1e12).sum::<f64>() / 1e4;
    close(mean, 1.0 - law.mean(), 0.05);
}

#[test]
fn impossible_designs_are_errors() {
    let good = designs()[2];
    let curve = law("log-log", &[("a", 3.0), ("b", 0.4)]);
    let bad = [
        Design { samples: 0, ..good },
        Design { trials: 0, ..good },
        Design { batch: Some(0), ..good },
        Design { trials: 1 << 54, ..good },
        Design { law: curve, ..good },
    ];
    assert!(bad.iter().all(|design| simulate(design, 1).unwrap_err().is_input()));
}

/// Parameters that are missing, unknown, twice there or out of range.
#[test]
fn laws_are_of_their_parameters() {
    assert!(Kind::named("gauss").unwrap_err().to_string().contains("beta-binomial"));
    for (name, parameters) in [
        ("point", &[("p", 1.5)][..]),
        ("point", &[("p", f64::NAN)]),
        ("point", &[]),
        ("point", &[("p", 0.5), ("p", 0.5)]),
        ("point", &[("p", 0.5), ("q", 0.5)]),
        ("zipf", &[("alpha", 0.0)]),
        ("beta-binomial", &[("alpha", 1.0), ("beta", f64::INFINITY)]),
    ] {
        let error = Law::new(Kind::named(name).unwrap(), parameters).unwrap_err();
        assert!(error.is_input() && error.to_string().contains(name), "{error}");
    }
    let law = law("kumaraswamy", &[("beta", 0.3), ("alpha", 2.0)]);
    assert_eq!(law.to_string(), "kumaraswamy alpha 2 beta 0.3");
    assert_eq!(
        serde_json::to_value(law).unwrap(),
        serde_json::json!({ "law": "kumaraswamy", "alpha": 2.0, "beta": 0.3 })
    );
}
