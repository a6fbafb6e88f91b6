//! The paper's figures, drawn from a run.

use crate::summary::Found;
use ndarray::ArrayView2;
use retrial_engine::{
    analysis::{PER_DECADE, histogram, histogram_of, trial_correlation},
    tail::Reached,
};
use retrial_report::{
    About, Attempts, Axis, Cartoon, Correlation, Coverage, Curve, Curves, Epoch, Estimate, Figure, Gallery, Histogram,
    Image, Line, Pair, PowerLaw, Row, Threshold, Tile, training,
};
use retrial_spec::{Backend, Problem, Result, Tally, rng};
use retrial_theory::{
    coverage::{Point, log_grid},
    fit::Kind,
    laws::{BetaLaw, Cost},
};

/// Least-squares fits of Eq 8 to the coverage curves of the paper's Fig. 1, `(model, A, alpha, beta)`.
const PAPER_FITS: [(&str, f64, f64, f64); 3] =
    [("Gemma-2B", 1.0, 4.65, 0.361), ("Llama-3-8B", 1.0, 2.72, 0.388), ("Pythia-2.8B", 0.965, 15.7, 0.290)];

/// Figures 2 and 3, from the closed forms alone.
pub fn closed_forms() -> Result<Vec<Figure>> {
    let (mut loss, mut coverage) = (vec![], vec![]);
    let ks: Vec<f64> = log_grid(1_000_000, 8).into_iter().map(|k| k as f64).collect();
    for (color, (model, a, alpha, beta)) in PAPER_FITS.into_iter().enumerate() {
        let law = BetaLaw::new(alpha, beta)?;
        let curve = |f: &dyn Fn(f64) -> f64| ks.iter().map(|&k| (k, f(k))).collect::<Vec<_>>();
        let label = format!("{model}: α = {alpha}, β = {beta:.3}");
        loss.push(Curve::new(label.clone(), curve(&|k| law.loss(k))).color(color));
        loss.push(Curve::new("", curve(&|k| law.loss_asymptote(k))).color(color).line(Line::Dashed));
        // FLOPs per token are twice the parameters; the token counts are those of a short problem.
        let parameters = [2.5e9, 8.0e9, 2.8e9][color];
        let cost = Cost::new(2.0 * parameters, 200.0, 300.0)?;
        let points: Vec<_> = ks.iter().map(|&k| (cost.total(k), law.coverage(k, a))).collect();
        coverage.push(Curve::new(model, points).color(color));
    }
    loss.push(Curve::new("Γ(α + β) / Γ(α) k^{−β}", vec![]).color(6).line(Line::Dashed));
    let about = |name, title, caption| About::new(name, title, caption);
    Ok(vec![
        Curves { x: Axis::log("trials k"), y: Axis::log("inference loss L(k) = <p^{k}>"), curves: loss }.figure(about(
            "fig2-inference-loss",
            "Inference loss against trials (the paper's Fig. 2)",
            "Eq. 9 for the Beta laws fitted to the coverage of three language models on MATH: the loss falls as a \
             power of k, with the exponent β of the success probabilities near zero.",
        )),
        Curves {
            x: Axis::log("inference cost C (FLOPs)"),
            y: Axis::linear("coverage pass@k").range(0.0, 1.02),
            curves: coverage,
        }
        .figure(about(
            "fig3-coverage-against-cost",
            "Coverage against inference cost (the paper's Fig. 3)",
            "Eqs. 13 and 14 for the same laws, with F = 2 FLOPs per parameter and token, 200 prompt tokens and \
                 300 decoded tokens per trial. The token counts are examples; the order of the curves depends on them.",
        )),
    ])
}

/// The loss curve of a training, from `loss.csv`. Rows that are not numbers are left out.
pub fn loss(csv: &str) -> Figure {
    let row = |line: &str| {
        let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().ok()).collect::<Option<_>>()?;
        let &[epoch, bce, kl, total] = &cells[..] else { return None };
        Some(Epoch { epoch, total, bce, kl })
    };
    let epochs: Vec<Epoch> = csv.lines().filter_map(row).collect();
    let caption = "Mean loss per image at sampled latents, while the weights moved.";
    training(About::new("loss", "Training loss", caption), &epochs)
}

/// Figures 4 to 7.
pub fn of_run(
    found: &Found,
    tally: &Tally,
    errors: ArrayView2<'_, f32>,
    problem: &Problem,
    backend: &dyn Backend,
) -> Result<Vec<Figure>> {
    let mut figures = vec![cartoon(tally, problem, backend)?, coverage(found, tally, errors, problem.temperature())];
    if let Some(c) = &found.analysis.correlation {
        figures.push(correlation(c, errors)?);
    }
    figures.extend(gallery(tally, problem, backend)?);
    Ok(figures)
}

/// Pixels and error of one reconstruction; without a trial, of the posterior mean.
fn reconstruct(problem: &Problem, backend: &dyn Backend, sample: usize, trial: Option<u64>) -> Result<(Image, f64)> {
    let mut z = vec![0.0; problem.shape().latent];
    if let Some(trial) = trial {
        rng::trial_normals(problem.seed(), sample as u32, trial, &mut z);
    }
    for ((z, mu), scale) in z.iter_mut().zip(problem.mu(sample)).zip(problem.scale(sample)) {
        *z = scale.mul_add(*z, *mu);
    }
    let pixels = backend.decode(problem.weights(), &z)?;
    let error = backend.l2_error(problem.image(sample), &pixels, pixels.len())?[0];
    Ok((Image::new(pixels), error.into()))
}

fn cartoon(tally: &Tally, problem: &Problem, backend: &dyn Backend) -> Result<Figure> {
    let threshold = tally.thresholds().last().copied().unwrap_or_default();
    let samples = (0..problem.samples().min(4)).map(|sample| {
        let trials = (0..tally.trials().count().min(6)).map(|trial| reconstruct(problem, backend, sample, Some(trial)));
        Ok(Attempts { original: Image::new(problem.image(sample)), trials: trials.collect::<Result<_>>()? })
    });
    let about = About::new(
        "fig4-memorise-and-reconstruct",
        "Memorise, then reconstruct again and again (the paper's Fig. 4)",
        "The first samples and their first trials. Each trial draws new noise; it succeeds when its error is below the \
         largest of the thresholds.",
    );
    Ok(Cartoon { epsilon: threshold.into(), samples: samples.collect::<Result<_>>()? }.figure(about))
}

fn coverage(Found { analysis, fits }: &Found, tally: &Tally, errors: ArrayView2<'_, f32>, temperature: f64) -> Figure {
    let thresholds = analysis.thresholds.iter().zip(fits).map(|(c, fits)| {
        // Both laws at the same k.
        let eq8 = fits.of(Kind::ZERO_INFLATED).map(|fitted| {
            let ks = log_grid(tally.trials().count().saturating_mul(100), PER_DECADE);
            ks.into_iter().map(|k| (k as f64, fitted.coverage(k as f64))).collect()
        });
        Threshold {
            epsilon: c.threshold.into(),
            measured: c
                .unbiased
                .iter()
                .map(|&Point { k, value, low, high }| Estimate { k: k as f64, value, low, high })
                .collect(),
            eq8: eq8.unwrap_or_default(),
            eq12: c.paper().map(|law| law.curve.clone()).unwrap_or_default(),
        }
    });
    let (of, (edges, counts)) = match tally.is_counts_only() {
        false => ("all trials".into(), histogram(tally)),
        true => (format!("the first {} trials", errors.ncols()), histogram_of(errors.iter().copied())),
    };
    let histogram = Histogram { label: format!("errors of {of}, T = {temperature}"), edges, counts };
    let about = About::new(
        "fig5-coverage",
        "Coverage by threshold, and the errors (the paper's Fig. 5)",
        "(a) Unbiased pass@k with 95 % intervals for other samples of the same kind; Eq. 8 by maximum likelihood with a \
         free maximal coverage, and Eq. 12 with the mean failure probability and the exponent of the spectrum below, drawn a \
         hundredfold beyond the measured trials. (b) Errors of trials, with the thresholds.",
    );
    Coverage { log: true, thresholds: thresholds.collect(), histograms: vec![histogram] }.figure(about)
}

/// Coverage from success probabilities, as far as there are trials to imagine.
pub fn tail(reached: &[Reached], temperature: f64) -> Figure {
    let (mut coverage, mut unsolved) = (vec![], vec![]);
    let least = reached.iter().map(|r| r.reach.valued + r.reach.unvalued).max().unwrap_or(1) as f64;
    for (color, r) in reached.iter().enumerate() {
        let label = format!("ε = {}", r.threshold);
        let of = |value: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
            r.points.iter().map(|p| (p.k, value(p.value))).collect()
        };
        let band = r.points.iter().map(|p| (p.k, p.low, p.high)).collect::<Vec<_>>();
        let rest = r.points.iter().map(|p| (p.k, 1.0 - p.high, 1.0 - p.low)).collect::<Vec<_>>();
        coverage.push(Curve::new(label.clone(), of(&|v| v)).color(color).dots().band(band));
        unsolved.push(Curve::new(label, of(&|v| 1.0 - v)).color(color).dots().band(rest));
        for law in &r.laws {
            let line = if law.name == "Eq 8" { Line::Solid } else { Line::Dashed };
            let curve = || r.points.iter().zip(&law.curve);
            coverage.push(Curve::new("", curve().map(|(p, v)| (p.k, *v)).collect::<Vec<_>>()).color(color).line(line));
            let rest: Vec<_> = curve().map(|(p, v)| (p.k, 1.0 - v)).collect();
            unsolved.push(Curve::new("", rest).color(color).line(line));
        }
    }
    for (label, line) in [("Eq. 8, A free", Line::Solid), ("Eq. 8, A = 1", Line::Dashed)] {
        coverage.push(Curve::new(label, vec![]).color(6).line(line));
    }
    let x = || Axis::log("trials per sample k");
    let left = Curves { x: x(), y: Axis::linear("coverage pass@k").range(0.0, 1.02), curves: coverage };
    let right = Curves { x: x(), y: Axis::log("1 − pass@k").range(0.3 / least, 1.3), curves: unsolved };
    let about = About::new(
        "tail-coverage",
        "Coverage where no run of trials reaches",
        format!(
            "(a) pass@k from the success probabilities of single trials at T = {temperature}, with 95 % bands for these \
             samples; lines are Eq. 8 as fitted to the counted trials alone. (b) The share that stays unsolved, down to a third \
             of one sample: a power law is a straight line."
        ),
    );
    Pair { left: ("(a) coverage".into(), left), right: ("(b) unsolved".into(), right) }.figure(about)
}

fn correlation(c: &retrial_engine::analysis::Correlation, errors: ArrayView2<'_, f32>) -> Result<Figure> {
    // The map shows at most 200 trials each way; more of them would only be skipped.
    let shown = errors.ncols().min(200);
    let matrix = trial_correlation(errors.slice(ndarray::s![..c.samples, ..shown]))?;
    let (first, last) = c.ranks;
    let about = About::new(
        "fig6-correlation",
        "Correlation of trials (the paper's Fig. 6)",
        format!(
            "(a) Eigenvalues of the correlation matrix of {} trials over {} samples, beside those of errors shuffled \
             within each sample, which have no structure but rank and chance. (b) The matrix itself, first {shown} trials.",
            c.trials, c.samples
        ),
    );
    Ok(Correlation {
        eigenvalues: c.eigenvalues.clone(),
        null: c.null.eigenvalues.iter().map(|b| (b.min, b.mean, b.max)).collect(),
        fit: Some(PowerLaw {
            exponent: c.power_law.exponent,
            scale: c.power_law.scale,
            ranks: (first as f64, last as f64),
        }),
        matrix,
        trials: shown,
    }
    .figure(about))
}

/// `None` where no best trial is known: nothing was solved, and only successes were counted.
fn gallery(tally: &Tally, problem: &Problem, backend: &dyn Backend) -> Result<Option<Figure>> {
    let known: Vec<usize> = (0..problem.samples()).filter(|&sample| tally.rows()[sample].best().is_some()).collect();
    let shown = known.len().min(8);
    if shown == 0 {
        return Ok(None);
    }
    // Spread over the data, so that not only its beginning is seen.
    let samples: Vec<usize> = (0..shown).map(|i| known[i * known.len() / shown]).collect();
    let row = |label: &str, tile: &dyn Fn(usize) -> Result<Tile>| {
        let tiles = samples.iter().map(|&sample| tile(sample)).collect::<Result<_>>()?;
        Ok::<_, retrial_spec::Error>(Row { label: label.into(), tiles })
    };
    let drawn = |sample: usize, trial: Option<u64>| {
        let (image, error) = reconstruct(problem, backend, sample, trial)?;
        Ok(Tile { image, error: Some(error), trial: trial.map(|t| t + 1) })
    };
    let original = |sample: usize| Ok(Tile { image: Image::new(problem.image(sample)), error: None, trial: None });
    let mut rows = vec![
        row("original", &original)?,
        row("z = μ", &|sample| drawn(sample, None))?,
        row("best trial", &|sample| drawn(sample, tally.rows()[sample].best().map(|r| r.trial)))?,
    ];
    if !tally.is_counts_only() {
        rows.push(row("worst trial", &|sample| drawn(sample, tally.rows()[sample].worst().map(|r| r.trial)))?);
    }
    let about = About::new(
        "fig7-reconstructions",
        "Originals and reconstructions (the paper's Fig. 7)",
        "Originals, what the model makes of the posterior mean, and the trials of the smallest and, where it was kept, the \
         largest error.",
    );
    Ok(Some(Gallery { columns: samples.iter().map(|s| format!("sample {s}")).collect(), rows }.figure(about)))
}
