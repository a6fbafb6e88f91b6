//! What a finished run prints.

use crate::{
    fits::Fits,
    input::Convention,
    numbers::{Short, share, table_ks},
    ui,
};
use retrial_engine::{
    Analysis, Manifest, Shard,
    analysis::{Coverage, Eq12},
};
use retrial_spec::{Result, text::visible};
use retrial_theory::{
    coverage::Point,
    fit::{Kind, Misfit},
};
use retrial_vae::Loss;
use serde_json::json;
use std::path::Path;

/// How fast a run sampled.
pub struct Speed {
    /// Trials of all samples.
    pub trials: u64,
    /// Wall time.
    pub seconds: f64,
}

/// What a run has to say.
pub struct Found {
    /// Curves, spectrum and Eq 12.
    pub analysis: Analysis,
    /// The other laws, one entry per threshold.
    pub fits: Vec<Fits>,
}

/// Prints the summary, or the whole analysis as JSON.
pub fn print(out: &Path, manifest: &Manifest, found: &Found, speed: Option<Speed>, json: bool) -> Result<()> {
    let Found { analysis, fits } = found;
    let report = out.join("report.html").display().to_string();
    if json {
        let speed = speed.map(|s| json!({ "trials": s.trials, "seconds": s.seconds, "trials_per_second": s.rate() }));
        return ui::print_json(&json!({
            "run": manifest, "speed": speed, "analysis": analysis,
            "fits": fits.iter().flat_map(|fits| fits.objects(Convention::Failure)).collect::<Vec<_>>(), "report": report,
        }));
    }
    let mut text = ui::facts(&facts(manifest, analysis, speed));
    text += "\npass@k (intervals are in the report)\n";
    text += &ui::table(&pass_at_k(manifest.trials, analysis, |p| share(p.value)));
    text += "\nLaws on the unbiased curve (alpha, beta of the failure probability; RMSE in coverage)\n";
    text += &ui::table(&laws(found));
    text += &unfitted(found);
    text += &correlation(analysis, manifest.data.samples);
    text += &format!("\nReport  {}\n", visible(&report));
    ui::print(&text)
}

/// Prints what a finished shard has.
pub fn print_shard(out: &Path, manifest: &Manifest, shard: Shard, speed: Speed, json: bool) -> Result<()> {
    let trials = manifest.goal();
    if json {
        let speed = json!({ "trials": speed.trials, "seconds": speed.seconds, "trials_per_second": speed.rate() });
        return ui::print_json(&json!({ "run": manifest, "speed": speed, "trials": trials }));
    }
    let mut facts = vec![
        ("Shard", format!("{shard}: trials {trials} of {}", ui::thousands(manifest.trials))),
        ("Run", out.display().to_string()),
        ("Next", "retrial merge SHARD... --out RUN, once all are done".into()),
    ];
    if speed.trials > 0 {
        facts.push(("Speed", format!("{} trials/s, {:.1} s", ui::thousands(speed.rate() as u64), speed.seconds)));
    }
    ui::print(&ui::facts(&facts))
}

/// Both readings of a model's loss, in nats per image.
pub fn loss(at_mean: &Loss, at_samples: &Loss) -> String {
    let one = |l: &Loss| format!("{:.2} = BCE {:.2} + KL {:.2}", l.total(), l.bce, l.kl);
    format!("{} at sampled z; {} at z = mu", one(at_samples), one(at_mean))
}

fn facts(manifest: &Manifest, analysis: &Analysis, speed: Option<Speed>) -> Vec<(&'static str, String)> {
    let Manifest { model, data, temperature, seed, trials, variant, device, training, .. } = manifest;
    let total = ui::thousands(trials.saturating_mul(data.samples as u64));
    let errors: Vec<String> = analysis.quantiles.iter().map(|(q, e)| format!("{:.0} % {e:.3}", 100.0 * q)).collect();
    let mut facts = vec![("Model", model.shape.to_string())];
    if let Some(t) = training {
        facts.push(("Loss", loss(&t.at_mean, &t.at_samples) + &format!(", {} epochs", t.epochs)));
    }
    facts.push(("Data", format!("{}, {} samples", data.source, data.samples)));
    let trials = ui::thousands(*trials);
    facts.push((
        "Sampling",
        format!("T = {temperature}, {trials} trials per sample ({total} in all), seed {seed}, {variant}"),
    ));
    facts.push(("Device", device.to_string()));
    if let Some(speed) = speed.filter(|s| s.trials > 0) {
        facts.push(("Speed", format!("{} trials/s, {:.1} s", ui::thousands(speed.rate() as u64), speed.seconds)));
    }
    facts.push(match manifest.counts_only {
        false => ("Errors", errors.join("   ")),
        true => ("Errors", "only successes were counted (--counts-only)".into()),
    });
    facts
}

impl Speed {
    fn rate(&self) -> f64 {
        self.trials as f64 / self.seconds.max(1e-9)
    }
}

/// Rows of a table of pass@k: both estimators per threshold, a head first.
pub fn pass_at_k(trials: u64, analysis: &Analysis, show: impl Fn(&Point) -> String) -> Vec<Vec<String>> {
    let ks = table_ks(trials);
    let mut rows = vec![
        ["threshold".to_string(), "estimator".into()]
            .into_iter()
            .chain(ks.iter().map(|&k| format!("k = {}", ui::thousands(k))))
            .collect::<Vec<_>>(),
    ];
    for c in &analysis.thresholds {
        for (name, points) in [("first-success", &c.first_success), ("unbiased", &c.unbiased)] {
            let cell = |k: &u64| match points.iter().find(|p| p.k == *k) {
                Some(p) => show(p),
                None => "not available".into(),
            };
            rows.push([c.threshold.to_string(), name.into()].into_iter().chain(ks.iter().map(cell)).collect());
        }
    }
    rows
}

/// Why Eq 8 has no fit, a line for each threshold without one.
fn unfitted(found: &Found) -> String {
    let why = |fits: &Fits| fits.laws.iter().find(|(kind, _)| *kind == Kind::ZERO_INFLATED)?.1.as_ref().err().cloned();
    let thresholds = found.analysis.thresholds.iter().zip(&found.fits);
    let lines = thresholds.filter_map(|(c, fits)| Some((c.threshold, why(fits)?)));
    lines.map(|(threshold, why)| format!("{threshold}: no fit of {}: {why}\n", Kind::ZERO_INFLATED.name())).collect()
}

/// Rows of a table of Eq 8 by maximum likelihood and of Eq 12 as the paper plots it, a head first.
fn laws(found: &Found) -> Vec<Vec<String>> {
    let head = ["threshold", "law", "by", "A", "alpha", "beta", "exponent", "RMSE", "worst"];
    let mut rows = vec![head.map(String::from).to_vec()];
    let number = |v: Option<f64>| v.map_or("-".into(), |v| Short(v).to_string());
    let three = |v: f64| format!("{v:.3}");
    for (c, fits) in found.analysis.thresholds.iter().zip(&found.fits) {
        let kind = Kind::ZERO_INFLATED;
        let first = [c.threshold.to_string(), kind.name().into(), "likelihood".into()];
        match fits.laws.iter().find(|(of, _)| *of == kind).map(|(_, law)| law) {
            Some(Ok(fitted)) => {
                let of = |name| number(fitted.law.parameter(name));
                let Misfit { rmse, max } = fitted.misfit;
                let rest = [of("A"), of("alpha"), of("beta"), "-".into(), three(rmse), three(max)];
                rows.push(first.into_iter().chain(rest).collect());
            }
            Some(Err(_)) => rows.push(vec![c.threshold.to_string(), kind.name().into(), "no fit".into()]),
            None => {}
        }
        if let Some(law) = c.paper() {
            let Misfit { rmse, max } = law.misfit;
            let first = [c.threshold.to_string(), Kind::EQ12.name().into(), "mean p, spectrum".into()];
            let rest = ["1".into(), "-".into(), "-".into(), number(Some(law.exponent)), three(rmse), three(max)];
            rows.push(first.into_iter().chain(rest).collect());
        }
    }
    rows
}

/// Rows of a table of Eq 12 in each way in which it can be read, a head first.
pub fn eq12(analysis: &Analysis) -> Vec<Vec<String>> {
    let head = ["threshold", "failure probability", "exponent from", "exponent a", "RMSE", "worst", "says"];
    let row = |c: &Coverage, law: &Eq12| {
        let Misfit { rmse, max } = law.misfit;
        let three = |v: f64| format!("{v:.3}");
        let first = [c.threshold.to_string(), law.failure.to_string(), law.exponent_from.to_string()];
        let rest = [Short(law.exponent).to_string(), three(rmse), three(max), law.says().unwrap_or("-").into()];
        first.into_iter().chain(rest).collect()
    };
    let rows = analysis.thresholds.iter().flat_map(|c| c.eq12.iter().map(move |law| row(c, law)));
    [head.map(String::from).to_vec()].into_iter().chain(rows).collect()
}

fn correlation(analysis: &Analysis, all: usize) -> String {
    let Some(c) = &analysis.correlation else {
        return "\nCorrelation  too few samples or trials, or no noise: no spectrum\n".into();
    };
    let (first, last) = c.ranks;
    let trials = ui::thousands(c.trials as u64);
    let samples = match c.samples < all {
        true => format!("the first {} of {} samples", ui::thousands(c.samples as u64), ui::thousands(all as u64)),
        false => format!("{} samples", c.samples),
    };
    format!("\nCorrelation of {trials} trials over {samples}\n")
        + &ui::facts(&[
            (
                "  rho",
                format!("{:.3}: {trials} trials carry as much as {:.2} independent ones", c.rho, c.independent_trials),
            ),
            ("  top eigenvalue", format!("{:.1}, null {:.1}", c.eigenvalues[0], c.null.eigenvalues[0].mean)),
            (
                "  exponent",
                format!(
                    "{:.3} over ranks {first} to {last}, null {:.3} ({:.3} to {:.3}, {} shuffles within each sample)",
                    c.power_law.exponent,
                    c.null.exponent.mean,
                    c.null.exponent.min,
                    c.null.exponent.max,
                    retrial_engine::analysis::NULL_REPEATS,
                ),
            ),
        ])
}
