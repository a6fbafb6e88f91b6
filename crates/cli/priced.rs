//! A group of counts with its price, its law, and what a target takes and a budget buys.

use crate::curves;
use retrial_counts::Group;
use retrial_theory::{
    budget::{Allocation, Outlook, Sequential},
    coverage::Point,
    laws::Cost as Price,
    npmle::Npmle,
};

/// A group with its price and its law.
pub struct Priced {
    pub group: Group,
    pub outlook: Outlook,
    pub price: Price,
    pub target: Option<Target>,
    pub budget: Option<Budget>,
}

/// What a target takes.
#[derive(serde::Serialize)]
pub struct Target {
    pub coverage: f64,
    /// Attempts per problem; none reach it where there is nothing.
    pub attempts: Option<u64>,
    pub cost: Option<f64>,
    /// The fewest and the most attempts, 95 %; nothing in place of an end that is out of reach.
    pub interval: Option<[Option<u64>; 2]>,
    /// Why there is no interval.
    pub no_interval: Option<&'static str>,
    /// Whether it lies beyond the attempts that were made.
    pub forecast: bool,
}

/// What a budget buys.
#[derive(serde::Serialize)]
pub struct Budget {
    pub cost: f64,
    /// Attempts per problem; 0 where not even the prompt is paid.
    pub attempts: u64,
    /// Coverage; unknown where it would take a law and none fits.
    pub coverage: Option<f64>,
    /// Whether it lies beyond the attempts that were made.
    pub forecast: bool,
    /// The same budget spent on top of what was tried, where it helps most.
    pub allocation: Option<Allocation>,
    /// The same budget, spent one attempt after the other.
    pub sequential: Option<Sequential>,
    /// What both go by.
    #[serde(skip)]
    pub npmle: Npmle,
}

impl Priced {
    /// The measured curve with intervals for other problems.
    pub fn measured(&self) -> Vec<Point> {
        self.outlook.data.band()
    }

    /// The law from the first attempt to ten times beyond the last.
    pub fn forecast(&self) -> Vec<(f64, f64)> {
        let fitted = self.outlook.fitted.iter();
        fitted
            .flat_map(|fitted| curves::beyond(&self.outlook.data).into_iter().map(|k| (k, fitted.coverage(k))))
            .collect()
    }
}
