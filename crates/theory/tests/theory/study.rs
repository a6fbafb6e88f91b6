//! Every law on every data set: point estimates, intervals and goodness of fit.

use crate::data::llm_sets;
use retrial_spec::observer::Silent;
use retrial_theory::{
    Data,
    fit::{Kind, Settings, fit, study},
    npmle::npmle,
};
use std::time::Instant;

#[test]
fn scratch() {
    let Some(sets) = llm_sets() else { return };
    let mut total = [0.0; 10];
    for (name, counts) in sets.into_iter().skip(7) {
        let data = Data::new(&counts).unwrap();
        let free = npmle(&data);
        eprintln!("{name} {:.2}", free.nll);
        for (kind, total) in Kind::ALL.into_iter().zip(&mut total) {
            let start = Instant::now();
            let got = fit(kind, &data);
            let t = start.elapsed().as_secs_f64();
            *total += t;
            match got {
                Ok(f) => eprintln!(
                    "   {:14} nll {:.3?} {:.4?} rmse {:.4} 1e6 {:.4} {t:.3}",
                    kind.name(),
                    f.nll,
                    f.law.parameters().iter().map(|p| p.1).collect::<Vec<_>>(),
                    f.misfit.rmse,
                    f.coverage(1e6)
                ),
                Err(e) => eprintln!("   {:14} {e}", kind.name()),
            }
        }
    }
    eprintln!("{total:.3?}");
}

#[test]
fn scratch2() {
    let Some(sets) = llm_sets() else { return };
    let settings = Settings { replicates: 200, seed: 1, threads: 2 };
    for (name, counts) in sets.into_iter().step_by(5) {
        let data = Data::new(&counts).unwrap();
        let free = npmle(&data);
        eprintln!("{name}");
        for kind in Kind::ALL {
            let start = Instant::now();
            let f = study(kind, &data, &free, &settings, &Silent).unwrap().unwrap();
            eprintln!("   {:14} {:.3?} {}", kind.name(), start.elapsed(), f.verdict());
            for i in f.intervals {
                eprintln!("       {} {} {:.4} {:.4}", i.parameter, i.method, i.low, i.high);
            }
        }
    }
}
