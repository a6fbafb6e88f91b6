//! A law fitted to data: its parameters, their intervals, and how well it fits.

use super::{Kind, Law, Misfit};
use crate::{coverage::Point, npmle::Npmle};
use retrial_spec::text::thousands;
use std::fmt;

/// How a 95 % interval was found. Both are for samples drawn from a population, and both hold only if the law does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Method {
    /// Values that a likelihood within 1.92 nats of the largest allows: of laws by maximum likelihood. In simulations
    /// they hold .93 to .97 where bootstraps hold .88 to .96, at a fraction of the cost.
    #[serde(rename = "profile likelihood")]
    Profile,
    /// Bias-corrected and accelerated percentiles of refits to samples drawn with replacement: of laws by least squares.
    #[serde(rename = "BCa bootstrap")]
    Bootstrap,
}

impl Method {
    /// That of a kind of law.
    pub fn of(kind: Kind) -> Self {
        if kind.by_likelihood() { Self::Profile } else { Self::Bootstrap }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Profile => "profile likelihood",
            Self::Bootstrap => "BCa bootstrap",
        })
    }
}

/// A 95 % interval of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Interval {
    /// The parameter's name.
    pub parameter: &'static str,
    /// How it was found.
    pub method: Method,
    /// Lower end.
    pub low: f64,
    /// Upper end; may be infinite.
    pub high: f64,
}

/// Whether the law could have made the counts: the likelihood ratio against the NPMLE, the best of all laws.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Goodness {
    /// Nats by which the NPMLE is likelier.
    pub nats: f64,
    /// Share of data sets simulated from the law that the NPMLE beats by as much (the data themselves counted in, so
    /// at least `1 / (replicates + 1)`).
    pub p_value: f64,
    /// Data sets simulated.
    pub replicates: u32,
}

/// A law fitted to data.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Fitted {
    /// The law.
    pub law: Law,
    /// Negative log likelihood in nats, binomial coefficients included; `None` for least squares.
    pub nll: Option<f64>,
    /// Distance from the coverage curve of the data at 20 `k`, equally spaced in `ln k`.
    pub misfit: Misfit,
    /// Akaike's criterion, `2 nll + 2 d` for `d` free parameters.
    pub aic: Option<f64>,
    /// The Bayesian criterion, `2 nll + d ln N`.
    pub bic: Option<f64>,
    /// Intervals of the parameters; empty until asked for.
    pub intervals: Vec<Interval>,
    /// Goodness of fit; `None` until asked for, and for least squares.
    pub goodness: Option<Goodness>,
}

impl Fitted {
    /// Coverage of `k >= 0` trials per sample.
    pub fn coverage(&self, k: f64) -> f64 {
        self.law.coverage(k)
    }

    /// One plain sentence on whether the law fits.
    pub fn verdict(&self) -> String {
        let Misfit { rmse, max } = self.misfit;
        let miss = format!("misses the measured coverage by {rmse:.3} (RMS), at most {max:.3}");
        self.tested().map_or(miss.clone(), |tested| format!("{tested}; {miss}"))
    }

    /// What the test of the counts says, if there was one.
    fn tested(&self) -> Option<String> {
        self.goodness.map(|Goodness { nats, p_value, .. }| match p_value < 0.05 {
            true => format!("does not fit (p = {p_value:.3}): a free law is {nats:.1} nats likelier"),
            false => format!("is not refuted (p = {p_value:.3})"),
        })
    }

    /// [`verdict`](Self::verdict) beside a band of [measured coverage](crate::Data::band), which a law that fits does not leave.
    pub fn verdict_beside(&self, band: &[Point]) -> String {
        let verdict = self.verdict();
        self.leaves(band).map_or(verdict.clone(), |leaves| format!("{leaves}; it {verdict}"))
    }

    /// The same without the misfit.
    pub fn standing(&self, band: &[Point]) -> String {
        let untested = || "stays within the 95 % band of measured coverage; not tested".into();
        self.leaves(band).or_else(|| self.tested()).unwrap_or_else(untested)
    }

    /// Whether the data refute the law, by the test of the counts if there was one, or by the band.
    pub fn is_refuted(&self, band: &[Point]) -> bool {
        self.goodness.is_some_and(|tested| tested.p_value < 0.05) || self.outside(band).is_some()
    }

    /// Where the law leaves the band, if it does.
    fn leaves(&self, band: &[Point]) -> Option<String> {
        let [from, to] = self.outside(band)?;
        let end = if to > from { format!(" to {}", thousands(to)) } else { String::new() };
        Some(format!("does not fit: it leaves the 95 % band of measured coverage at k = {}{end}", thousands(from)))
    }

    /// The first and the last k where the law leaves the band. A law of samples of the same kind may miss an interval for
    /// these very ones.
    pub fn outside(&self, band: &[Point]) -> Option<[u64; 2]> {
        let inside = |p: &&Point| (p.low..=p.high).contains(&self.coverage(p.k as f64));
        let outside: Vec<u64> = band.iter().filter(|p| !inside(p)).map(|p| p.k).collect();
        Some([*outside.first()?, *outside.last()?])
    }

    /// Nats by which the NPMLE is likelier; `None` of least squares, and where the NPMLE is not
    /// [certified](Npmle::is_certified).
    pub fn behind(&self, npmle: &Npmle) -> Option<f64> {
        Some((self.nll? - Some(npmle).filter(|npmle| npmle.is_certified())?.nll).max(0.0))
    }
}

/// How much to compute for intervals and goodness of fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Bootstrap replicates; 0 for none.
    pub replicates: u32,
    /// Seed of the replicates. Results do not depend on the number of threads.
    pub seed: u64,
}
