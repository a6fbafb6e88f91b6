//! `retrial report`, and the report that every run ends with.

use crate::{
    args::DeviceArgs,
    figures,
    fits::{self, Fits},
    input::Convention,
    made::Made,
    numbers::share_with_interval,
    score::read_errors,
    summary::{self, Found},
    ui,
};
use clap::Args;
use ndarray::Array2;
use retrial_engine::{Analysis, Manifest, RunDir};
use retrial_files::read_up_to;
use retrial_report::{Block, Section, Table};
use retrial_spec::{Backend, Error, Problem, Result, Tally};
use retrial_vae::problem;
use std::path::PathBuf;

/// Draw the figures and the report of a run again
///
/// Reads what sampling left in the directory, and the data it was made from.
#[derive(Args)]
#[command(after_help = "Example:\n  retrial report runs/reproduce")]
pub struct Report {
    /// Directory that retrial sample or reproduce wrote
    run: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Report {
    pub fn run(&self) -> Result<()> {
        let (dir, manifest) = RunDir::open(&self.run)?;
        let state = dir.kept(&manifest)?.map(|(state, _)| state);
        let tally = state.map(|state| state.tally).ok_or_else(|| {
            Error::file(dir.path().join("tally.bin"), "is missing", "sample with --resume to finish the run")
        })?;
        let lacking = manifest.goal().without(tally.trials());
        if !lacking.is_empty() || manifest.shard.is_some() {
            let fault = match manifest.shard {
                Some(shard) => format!("holds shard {shard} of a run"),
                None => format!("lacks {} of {} trials", lacking.count(), manifest.trials),
            };
            let fix = "sample with --resume to finish the run, or merge its shards";
            return Err(Error::file(dir.path().join("tally.bin"), fault, fix));
        }
        let Made { model, given, images } = Made::load(dir.path(), &manifest)?;
        let errors = read_errors(&dir.path().join("errors.npy"))?;
        let chosen = self.device.open()?;
        let backend = chosen.backend.as_ref();
        let problem = problem(&model, given.as_ref(), &images, backend, manifest.temperature, manifest.seed)?;
        let found = write(&dir, &manifest, &tally, &errors, &problem, backend)?;
        summary::print(&self.run, &manifest, &found, None, self.json)
    }
}

/// Analyses a run and writes curves, figures and `report.html`.
pub fn write(
    dir: &RunDir,
    manifest: &Manifest,
    tally: &Tally,
    errors: &Array2<f32>,
    problem: &Problem,
    backend: &dyn Backend,
) -> Result<Found> {
    let analysis = Analysis::new(tally, errors.view(), backend, manifest.seed)?;
    // Named after what a run is a function of, and not after its directory.
    let groups = retrial_counts::of_tally(&format!("vae {}", manifest.model.shape), tally)?;
    let fits = groups.into_iter().map(Fits::of_run).collect::<Result<Vec<_>>>()?;
    let found = Found { analysis, fits };
    let Found { analysis, fits } = &found;
    dir.write("pass_at_k.csv", analysis.pass_at_k_csv())?;
    dir.write("fits.csv", fits::csv(fits, Convention::Failure)?)?;
    dir.write("eq12.csv", analysis.eq12_csv())?;
    dir.write("spectrum.csv", analysis.spectrum_csv())?;

    let mut of_run = figures::of_run(&found, tally, errors.view(), problem, backend)?;
    if manifest.training.is_some() {
        let csv = read_up_to(&dir.path().join("loss.csv"), 256 << 20)?;
        of_run.push(figures::loss(&String::from_utf8_lossy(&csv)));
    }
    let closed_forms = figures::closed_forms()?;
    for figure in of_run.iter().chain(&closed_forms) {
        dir.write(&format!("figures/{}.svg", figure.name), &figure.svg)?;
        dir.write(&format!("figures/{}.png", figure.name), &figure.png)?;
    }
    let page = page(manifest, &found, of_run, closed_forms);
    dir.write("report.html", page.html())?;
    Ok(found)
}

fn page(
    manifest: &Manifest,
    Found { analysis, fits }: &Found,
    of_run: Vec<retrial_report::Figure>,
    closed_forms: Vec<retrial_report::Figure>,
) -> retrial_report::Report {
    let Manifest { model, data, temperature, seed, trials, variant, device, training, .. } = manifest;
    let table = |caption: &str, mut rows: Vec<Vec<String>>| {
        let head = rows.remove(0);
        Block::Table(Table { caption: caption.into(), head, rows })
    };
    let figure = |name: &str| of_run.iter().find(|f| f.name.starts_with(name)).cloned().map(Block::Figure);
    let total = trials.saturating_mul(data.samples as u64);

    let mut facts = vec![
        ("samples".into(), ui::thousands(data.samples as u64)),
        ("trials per sample".into(), ui::thousands(*trials)),
        ("trials in all".into(), ui::thousands(total)),
        ("temperature T".into(), temperature.to_string()),
    ];
    facts.extend(analysis.quantiles.get(2).map(|(_, median)| ("median error".into(), format!("{median:.3}"))));
    if let Some(t) = training {
        facts.push(("loss at sampled z".into(), format!("{:.2}", t.at_samples.total())));
    }
    if let Some(c) = &analysis.correlation {
        facts.push(("trial correlation ρ".into(), format!("{:.3}", c.rho)));
    }

    let mut coverage = vec![
        Block::Paragraph(
            "A trial succeeds when its L2 error is below the threshold ε. pass@k is the share of samples that at least \
             one of k trials solves. The first-success estimator asks whether one of the first k trials succeeded, as \
             the paper does; the unbiased one averages over all choices of k of the trials that were made."
                .into(),
        ),
        table("pass@k with 95 % intervals for other samples of the same kind.", summary::pass_at_k(*trials, analysis, share_with_interval)),
    ];
    coverage.extend(figure("fig5"));
    if manifest.counts_only {
        coverage.push(Block::Note(
            "Only trials below the largest threshold were kept (--counts-only): quantiles and histogram of all errors and \
             the worst trials are left out. Counts and first successes are those of a run that keeps every error."
                .into(),
        ));
    }
    coverage.push(Block::Paragraph(
        "Eq. 8 is the coverage of a Beta(α, β) law of the failure probability p, times a maximal coverage A. Eq. 12 \
         replaces k by an effective number of trials. A law that misses the curve is shown with its misfit, not hidden."
            .into(),
    ));
    for (c, fits) in analysis.thresholds.iter().zip(fits) {
        let caption = format!(
            "Laws at ε = {}; nll in nats, RMSE and worst deviation in units of coverage. retrial fit adds further laws, \
             intervals and goodness of fit.",
            c.threshold
        );
        coverage.push(table(&caption, fits.table(Convention::Failure)));
        coverage.extend(fits.verdicts().into_iter().map(Block::Note));
    }
    coverage.push(table(
        "Eq. 12 with A = 1: with the mean failure probability or one per sample, and with the exponent of the spectrum or \
         the one that suits the curve best.",
        summary::eq12(analysis),
    ));

    let mut sections = vec![
        Section::new("The experiment", figure("fig4").into_iter().collect::<Vec<_>>()),
        Section::new("Coverage", coverage),
    ];
    if let Some(c) = &analysis.correlation {
        let mut blocks = vec![Block::Paragraph(format!(
            "Over {} samples, two trials correlate by ρ = {:.3} on average: {} trials carry as much as {:.2} independent \
             ones. Over ranks {} to {} the eigenvalues fall with exponent {:.3}; shuffled within each sample they fall \
             with {:.3} ({:.3} to {:.3}).",
            c.samples,
            c.rho,
            ui::thousands(c.trials as u64),
            c.independent_trials,
            c.ranks.0,
            c.ranks.1,
            c.power_law.exponent,
            c.null.exponent.mean,
            c.null.exponent.min,
            c.null.exponent.max,
        ))];
        blocks.extend(figure("fig6"));
        blocks.push(Block::Note(
            "Given its sample, trials are independent draws of one law, hence exchangeable: the true matrix is (1 − ρ) I + ρ 1 1^{T}, with \
             one eigenvalue 1 + (k − 1) ρ and all others equal. The decay of the rest comes from the finite number of \
             samples and moves with the number of trials; where data and null agree, the exponent says nothing of the model."
                .into(),
        ));
        sections.push(Section::new("Correlation of trials", blocks));
    }
    sections.extend(figure("fig7").map(|gallery| Section::new("Reconstructions", vec![gallery])));
    sections.extend(figure("loss").map(|loss| Section::new("Training", vec![loss])));
    sections.push(Section::new(
        "The laws beyond this run",
        closed_forms.into_iter().map(Block::Figure).collect::<Vec<_>>(),
    ));
    let from = if manifest.thresholds_from_pilot { "error quantiles of a pilot" } else { "given" };
    sections.push(Section::new(
        "Provenance",
        vec![
            Block::Details(vec![
                ("Retrial".into(), manifest.version.clone()),
                ("model".into(), format!("{}, SHA-256 {}", model.shape, model.sha256)),
                (
                    "posterior".into(),
                    model
                        .posterior
                        .as_ref()
                        .map_or("of the encoder".into(), |sha256| format!("given, SHA-256 {sha256}")),
                ),
                ("data".into(), format!("{}, SHA-256 {}", data.source, data.sha256)),
                ("seed".into(), seed.to_string()),
                ("kernel".into(), variant.to_string()),
                ("device".into(), device.to_string()),
                ("thresholds".into(), from.into()),
            ]),
            Block::Paragraph("The same trials again, to the byte, whatever the number of threads:".into()),
            Block::Code(manifest.command()),
        ],
    ));
    retrial_report::Report {
        title: format!("{} trials at T = {temperature}", ui::thousands(total)),
        lead: format!(
            "A {} variational autoencoder that memorised {} samples of {} reconstructs each of them {} times with fresh \
             noise. How many does it get right at least once?",
            model.shape,
            ui::thousands(data.samples as u64),
            data.source,
            ui::thousands(*trials),
        ),
        facts,
        sections,
    }
}
