//! The paper's Figs. 1 to 3 from anyone's counts.

use crate::{curves::beyond, fits::Fits, folder, priced::Priced};
use retrial_counts::Group;
use retrial_report::{About, Axis, Curve, Curves, Figure, Line, Pair};
use retrial_spec::Result;
use retrial_theory::fit::{Fitted, Kind};

/// The fit that stands for Eq 8: by least squares as in the paper, else by maximum likelihood.
fn eq8(fits: &Fits) -> Option<&Fitted> {
    [Kind::EQ8, Kind::ZERO_INFLATED, Kind::BETA].into_iter().find_map(|kind| fits.of(kind))
}

/// What a legend has room for.
fn label(group: &Group) -> String {
    let name = group.to_string();
    match name.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}

/// Fig. 1: coverage with Eq 8 and Eq 12, and the densities of the success probability beside.
pub fn coverage(fits: &[Fits]) -> Result<Figure> {
    let (mut left, mut right) = (vec![], vec![]);
    for (color, fits) in fits.iter().enumerate() {
        let points = &fits.band;
        let values: Vec<_> = points.iter().map(|p| (p.k as f64, p.value)).collect();
        let band: Vec<_> = points.iter().map(|p| (p.k as f64, p.low, p.high)).collect();
        let ks = beyond(&fits.data);
        let curve = |fitted: &Fitted| ks.iter().map(|&k| (k, fitted.coverage(k))).collect::<Vec<_>>();
        if let Some(fitted) = eq8(fits) {
            left.push(Curve::new("", curve(fitted)).color(color));
            // Densities over the success probability, which is what fits on a logarithmic axis; per unit of its ln.
            let density = |x: f64| fitted.law.density(1.0 - x).map(|density| (x, density * x));
            let xs = (0..=200).map(|i| 10f64.powf(-6.0 + 6.0 * f64::from(i) / 200.0));
            right.push(Curve::new("", xs.filter_map(density).collect::<Vec<_>>()).color(color));
        }
        if let Some(fitted) = fits.of(Kind::EQ12) {
            left.push(Curve::new("", curve(fitted)).color(color).line(Line::Dotted));
        }
        left.push(Curve::new(label(&fits.group), values).color(color).dots().band(band));
    }
    if fits.iter().any(|fits| eq8(fits).is_some()) {
        left.push(Curve::new("Eq. 8, Beta law", vec![]).color(6));
    }
    if fits.iter().any(|fits| fits.of(Kind::EQ12).is_some()) {
        left.push(Curve::new("Eq. 12, correlated attempts", vec![]).color(6).line(Line::Dotted));
    }
    let figure = Pair {
        left: (
            "(a) coverage".into(),
            Curves { x: Axis::log("attempts k"), y: Axis::linear("coverage pass@k").range(0.0, 1.02), curves: left },
        ),
        right: (
            "(b) difficulty".into(),
            Curves {
                x: Axis::log("success probability 1 − p"),
                y: Axis::linear("Beta density per unit of ln(1 − p)"),
                curves: right,
            },
        ),
    };
    Ok(figure.figure(About::new(
        "fig1-coverage",
        "Coverage of every group with its laws (the paper's Fig. 1)",
        "(a) Measured pass@k (dots, with 95 % bands for other problems of the same kind), Eq. 8 (solid) and Eq. 12 \
         (dotted), drawn tenfold beyond the attempts. (b) The Beta densities of Eq. 8: the weight at small success \
         probabilities decides how coverage grows.",
    )))
}

/// Fig. 2: inference loss against attempts.
pub fn loss(fits: &[Fits]) -> Result<Figure> {
    let mut curves = vec![];
    for (color, fits) in fits.iter().enumerate() {
        let points: Vec<_> = fits.band.iter().map(|p| (p.k as f64, 1.0 - p.value)).collect();
        if let Some(fitted) = eq8(fits) {
            let law: Vec<_> = beyond(&fits.data).into_iter().map(|k| (k, 1.0 - fitted.coverage(k))).collect();
            curves.push(Curve::new("", law).color(color));
        }
        curves.push(Curve::new(label(&fits.group), points).color(color).dots());
    }
    curves.push(Curve::new("Eq. 8, Beta law", vec![]).color(6));
    Ok(Curves { x: Axis::log("attempts k"), y: Axis::log("inference loss 1 − pass@k"), curves }.figure(About::new(
        "fig2-inference-loss",
        "Inference loss against attempts (the paper's Fig. 2)",
        "The share of problems that k attempts leave unsolved (Eq. 9). A Beta law falls as a power of k, with the \
         exponent of its hard tail; where Eq. 8 has a maximal coverage below 1, the loss levels off.",
    )))
}

/// Fig. 3: coverage against cost.
pub fn cost(priced: &[Priced], law: Kind, unit: &str) -> Figure {
    let mut curves = vec![];
    let name = law.name();
    for (color, p) in priced.iter().enumerate() {
        let at = |k: f64, coverage: f64| (p.price.total(k), coverage);
        let points: Vec<_> = p.measured().iter().map(|point| at(point.k as f64, point.value)).collect();
        let law: Vec<_> = p.forecast().into_iter().map(|(k, coverage)| at(k, coverage)).collect();
        curves.push(Curve::new("", law).color(color));
        curves.push(Curve::new(label(&p.group), points).color(color).dots());
    }
    curves.push(Curve::new(name, vec![]).color(6));
    Curves {
        x: Axis::log(format!("inference cost per problem C ({unit})")),
        y: Axis::linear("coverage pass@k").range(0.0, 1.02),
        curves,
    }
    .figure(About::new(
        "fig3-coverage-against-cost",
        "Coverage against inference cost (the paper's Fig. 3)",
        "Measured coverage (dots) and the law (lines), drawn tenfold beyond the attempts, at the cost of Eq. 13: the \
         prompt once and the decoded tokens of every attempt.",
    ))
}

/// Measured curves and laws as a table: a row per group, k and curve.
pub fn curves_csv(fits: &[Fits]) -> Result<String> {
    let mut rows = vec![];
    for fits in fits {
        let (model, benchmark) = (&fits.group.model, &fits.group.benchmark);
        rows.extend(
            fits.band.iter().map(|p| (model, benchmark, "measured", p.k as f64, p.value, Some(p.low), Some(p.high))),
        );
        for fitted in fits.laws.iter().filter_map(|(_, law)| law.as_ref().ok()) {
            let name = fitted.law.kind().name();
            rows.extend(
                beyond(&fits.data).into_iter().map(|k| (model, benchmark, name, k, fitted.coverage(k), None, None)),
            );
        }
    }
    folder::csv(["model", "benchmark", "curve", "k", "coverage", "low", "high"], rows)
}
