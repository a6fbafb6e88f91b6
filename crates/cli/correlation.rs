//! `retrial correlation`

use crate::{
    numbers::{Short, fixed},
    score::read_errors,
    ui,
};
use clap::Args;
use retrial_engine::{
    Drift, Manifest, RunDir, State,
    correlation::{Law, Point, Ranks},
    run,
};
use retrial_report::{About, Axis, Curve, Curves, Figure};
use retrial_spec::{Error, Gram, Result, Tally, text::visible};
use serde_json::json;
use std::path::{Path, PathBuf};

/// How trials correlate across samples, and how that moves with their number k
///
/// At k = 256, 1,024, 4,096 and so on: the eigenvalues of the k x k correlation matrix of trials (Eq. 17), from sums that
/// take no more memory for more trials. Beside them stand three nulls. Exchangeable trials with equal noise have one
/// eigenvalue 1 + (k - 1) rho, and all others within the interval of Marchenko and Pastur. Errors shuffled within each
/// sample keep what each sample drew, and lose what lay in the same trial. And Eqs. 11 and 12, which take the exponent of
/// the spectrum for that of the effective number of trials, are held against the measured coverage up to k.
///
/// Eigenvalues take time as the cube of the samples: 22 s for 2,048, which are the most that are correlated, on two CPU
/// cores.
///
/// Writes correlation.csv, eigenvalues.csv and figures/fig8-correlation into the run.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  retrial correlation runs/reproduce\n  retrial correlation runs/reproduce --json | jq '.correlation.points[].rho'"
)]
pub struct Correlation {
    /// Directory that retrial sample or reproduce wrote
    run: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Correlation {
    pub fn run(&self) -> Result<()> {
        let (dir, manifest) = RunDir::open(&self.run)?;
        let (_, State { tally, gram }) = run::read(&self.run)?;
        let gram = match gram {
            Some(gram) => gram,
            None => {
                let kept = of_kept_errors(&dir, &manifest)?;
                let trials = ui::thousands(kept.trials());
                ui::note(format_args!(
                    "the run kept the errors of its first {trials} trials in whole blocks; sample with --gram correlates all"
                ));
                kept
            }
        };
        let drift = Drift::new(&gram, &tally)?;
        if drift.points.is_empty() {
            let got = format!("fewer than {} trials", Gram::BLOCK);
            return Err(Error::input("trials to correlate", got, "sample more, with --resume"));
        }
        dir.write("correlation.csv", drift.csv())?;
        dir.write("eigenvalues.csv", drift.eigenvalues_csv())?;
        let figure = figure(&drift);
        dir.write(&format!("figures/{}.svg", figure.name), &figure.svg)?;
        dir.write(&format!("figures/{}.png", figure.name), &figure.png)?;
        if self.json {
            return ui::print_json(&json!({
                "run": manifest, "trials": tally.trials().count(), "samples": tally.rows().len(), "correlation": drift,
            }));
        }
        ui::print(&text(&drift, &tally, dir.path()))
    }
}

/// The Gram matrix of a run's kept errors, the first trials.
fn of_kept_errors(dir: &RunDir, manifest: &Manifest) -> Result<Gram> {
    let path = dir.path().join("errors.npy");
    let errors = read_errors(&path)?;
    if errors.nrows() != manifest.data.samples {
        let fault = format!("holds {} samples", errors.nrows());
        return Err(Error::file(path, fault, format!("the run has {}; sample again", manifest.data.samples)));
    }
    let samples = errors.nrows().min(Gram::MAX_SAMPLES);
    let mut gram = Gram::new(samples, manifest.seed)?;
    let first: Vec<f32> = errors.rows().into_iter().take(samples).flatten().copied().collect();
    gram.add(0, &first)?;
    Ok(gram)
}

fn text(drift: &Drift, tally: &Tally, run: &Path) -> String {
    let (samples, all) = (drift.samples, tally.rows().len());
    let over = match samples == all {
        true => format!("{samples} samples"),
        false => format!(
            "the first {} of {} samples, no more are correlated",
            ui::thousands(samples as u64),
            ui::thousands(all as u64)
        ),
    };
    let mut text = format!(
        "Correlation of the first {} of {} trials over {over}\n",
        ui::thousands(drift.trials),
        ui::thousands(tally.trials().count())
    );
    let left_out: u64 = drift.points.last().map_or(0, |p| p.left_out);
    if left_out > 0 {
        text += &format!("{} trials are the same in all samples, and left out\n", ui::thousands(left_out));
    }
    let head =
        ["k", "rho", "independent", "largest", "1+(k-1)rho", "second", "shuffled", "alike", "exponent", "shuffled"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for p in &drift.points {
        let value = |rank: usize| p.eigenvalues.get(rank).map_or("-".into(), |&v| Short(v).to_string());
        let rank = |show: &dyn Fn(&Ranks) -> String| p.ranks.as_ref().map_or("-".into(), show);
        rows.push(vec![
            ui::thousands(p.k),
            fixed(p.rho, 4),
            Short(p.independent_trials).to_string(),
            value(0),
            Short(p.exchangeable.largest).to_string(),
            value(1),
            rank(&|r| Short(r.null.eigenvalues[1].mean).to_string()),
            Short(p.exchangeable.others.1).to_string(),
            rank(&|r| fixed(r.power_law.exponent, 3)),
            rank(&|r| format!("{} to {}", fixed(r.null.exponent.min, 3), fixed(r.null.exponent.max, 3))),
        ]);
    }
    text += &ui::table(&rows);
    if let Some(Ranks { first, last, .. }) = drift.points.iter().rev().find_map(|p| p.ranks.as_ref()) {
        text += &format!(
            "Alike: the largest of exchangeable trials whose noise is the same in all samples. Exponents over ranks {first} to \
             {last}, at the last k\n"
        );
    }
    text += &misfits(drift);
    text + &format!("\nSpectra  {}\n", visible(&run.join("eigenvalues.csv").display().to_string()))
}

/// By k and threshold, how far Eq 12 misses the coverage up to k.
fn misfits(drift: &Drift) -> String {
    let laws = |p: &Point| p.ranks.as_ref().map(|r| r.laws.clone()).filter(|laws| !laws.is_empty());
    let Some(first) = drift.points.iter().find_map(laws) else { return String::new() };
    let head = first.iter().map(|law| format!("threshold {}", law.threshold));
    let mut rows = vec![["k".into(), "effective k".into()].into_iter().chain(head).collect::<Vec<String>>()];
    for (p, laws) in drift.points.iter().filter_map(|p| Some((p, laws(p)?))) {
        let cell = |law: &Law| format!("{:.3} / {:.3}", law.mean.rmse, law.per_sample.rmse);
        let head = [ui::thousands(p.k), Short(laws[0].effective_trials).to_string()];
        rows.push(head.into_iter().chain(laws.iter().map(cell)).collect());
    }
    format!(
        "\nEq. 12 with the exponent at k: RMSE to the unbiased coverage up to k, by mean p / by the p of each sample\n{}",
        ui::table(&rows)
    )
}

/// The spectrum at up to five k, the first and the last among them.
fn figure(drift: &Drift) -> Figure {
    const SHOWN: usize = 5;
    let (count, mut curves) = (drift.points.len(), vec![]);
    let shown = count.min(SHOWN);
    for (color, at) in (0..shown).map(|i| (i, if shown > 1 { i * (count - 1) / (shown - 1) } else { 0 })) {
        let Point { k, eigenvalues, ranks, .. } = &drift.points[at];
        let ranked = (1..).map(f64::from).zip(eigenvalues.iter().copied()).collect::<Vec<_>>();
        let label = format!("k = {}", ui::thousands(*k));
        curves.push(Curve::new(label, ranked).color(color).dots());
        if let Some(ranks) = ranks {
            let null = || (1..).map(f64::from).zip(&ranks.null.eigenvalues);
            let middle: Vec<_> = null().map(|(rank, band)| (rank, band.mean)).collect();
            let band: Vec<_> = null().map(|(rank, band)| (rank, band.min, band.max)).collect();
            curves.push(Curve::new("", middle).color(color).band(band));
        }
    }
    curves.push(Curve::new("shuffled within samples", vec![]).color(6));
    let about = About::new(
        "fig8-correlation",
        "Spectrum of the trial correlation by the number of trials",
        format!(
            "Eigenvalues of the correlation matrix of the first k trials over {} samples (dots), beside those of errors \
             shuffled within each sample (lines, range of {} shuffles). Below k = {} they are the noise of few trials; \
             far beyond, the variances of single samples.",
            drift.samples,
            Gram::SHUFFLES,
            drift.samples
        ),
    );
    Curves { x: Axis::log("rank"), y: Axis::log("eigenvalue"), curves }.figure(about)
}
