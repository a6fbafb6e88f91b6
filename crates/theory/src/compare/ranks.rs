//! Many models in order, and how sure the order is.

use super::{Ends, Pairs};
use crate::{
    Data,
    coverage::{Counts, Scope, TAIL},
};
use retrial_spec::Result;
use serde::Serialize;

/// The place of a model among others on the same problems.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rank {
    /// Which model, in the order in which they were given.
    pub model: usize,
    /// pass@k.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Ends,
    /// The places that it may have: 95 % confident.
    pub places: [usize; 2],
}

/// Models by pass@k, the best first; `models` are their counts of the same problems in the same order, with at least `k`
/// attempts each.
///
/// A model is behind those from which its difference is certain, and ahead of those where that is certain too; in between
/// lie the places it may have. With differences at 95 % together (Bonferroni over the other models), the places hold the
/// true one in at least 95 % of cases (Mogstad, Romano, Shaikh and Wilhelm 2024) — which the spread of ranks
/// over bootstrap replicates does not, where models are nearly equal.
pub fn ranks(models: &[Vec<Counts>], k: u64, scope: Scope) -> Result<Vec<Rank>> {
    let others = models.len().saturating_sub(1).max(1) as f64;
    let mut places = vec![[1, models.len()]; models.len()];
    for a in 0..models.len() {
        for b in a + 1..models.len() {
            let pairs = Pairs::new(&models[a], &models[b])?;
            let Some([low, high]) = pairs.ends(k, scope, TAIL / others) else { continue };
            let (ahead, behind) = match (low > 0.0, high < 0.0) {
                (true, _) => (a, b),
                (_, true) => (b, a),
                _ => continue,
            };
            places[behind][0] += 1;
            places[ahead][1] -= 1;
        }
    }
    let mut ranks = vec![];
    for (model, (counts, places)) in models.iter().zip(places).enumerate() {
        if let Some(point) = Data::new(counts)?.curve(&[k], scope).first() {
            ranks.push(Rank { model, value: point.value, interval: [point.low, point.high], places });
        }
    }
    ranks.sort_by(|one, two| two.value.total_cmp(&one.value));
    Ok(ranks)
}
