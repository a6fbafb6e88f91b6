use super::{Band, Gram, Sums, capacity, triangle};
use crate::{Error, Result};
use std::collections::BTreeMap;

/// A Gram matrix as it was read, not yet believed: what decodes may still be impossible.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Unchecked {
    samples: usize,
    seed: u64,
    bands: BTreeMap<u32, Band>,
}

impl Unchecked {
    /// The matrix, after holding its sums against each other: they must be those of standardised trials, as far as
    /// Cauchy and Schwarz can tell.
    ///
    /// # Errors
    /// [`Error::Input`], which names the band and what contradicts what.
    pub fn check(self) -> Result<Gram> {
        let gram = Gram { bands: self.bands, ..Gram::new(self.samples, self.seed)? };
        for (number, band) in &gram.bands {
            band.check(*number, gram.samples).map_err(|fault| {
                let object = format!("Gram matrix of {} samples, band {number}", gram.samples);
                Error::input(object, fault, "no list of errors gives this")
            })?;
        }
        Ok(gram)
    }
}

/// The first contradiction.
type Fault = &'static str;

/// A fault unless a condition holds.
fn require(holds: bool, fault: Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(fault) }
}

impl Band {
    fn check(&self, number: u32, samples: usize) -> Result<(), Fault> {
        let block = Gram::BLOCK as u64;
        let bands = super::band_of(Gram::MAX_TRIALS - 1);
        require(number <= bands, "a band beyond all trials")?;
        require((1..=capacity(number)).contains(&self.trials), "no trials, or more than there are")?;
        require(self.trials.is_multiple_of(block), "trials that are no whole blocks")?;
        require(self.shuffled.len() == Gram::SHUFFLES, "other than all shuffles")?;
        self.shuffled.iter().chain([&self.data]).try_for_each(|sums| sums.check(self.trials, samples))
    }
}

impl Sums {
    /// Every block may have moved a sum by half a unit, and a little in f64.
    fn check(&self, trials: u64, samples: usize) -> Result<(), Fault> {
        require(self.u.len() == samples, "sums of other samples")?;
        require(self.products.len() == triangle(samples), "products of other samples")?;
        require(self.trials <= trials, "more trials correlated than there are")?;
        let (slack, units) = ((trials / Gram::BLOCK as u64) as f64, self.trials as f64 / Gram::QUANTUM);
        let close = 1.0 + 1e-9;
        let square = |a: usize| self.products[triangle(a + 1) - 1] as f64;
        let squares: Vec<f64> = (0..samples).map(square).collect();
        require(squares.iter().all(|&s| s >= 0.0), "a negative sum of squares")?;
        let off = (squares.iter().sum::<f64>() - units * samples as f64).abs();
        require(off <= samples as f64 * (slack + units * 1e-9), "a trace of other than all trials")?;
        let below = |sum: i64, bound: f64| (sum as f64).abs() <= bound.sqrt() * close + slack;
        for (a, &sum) in self.u.iter().enumerate() {
            require(below(sum, units * (squares[a] + slack)), "a sum above its squares")?;
            let row = &self.products[triangle(a)..triangle(a + 1)];
            let bounded = |(b, &sum): (usize, &i64)| below(sum, (squares[a] + slack) * (squares[b] + slack));
            require(row.iter().enumerate().all(bounded), "a product above its squares")?;
        }
        Ok(())
    }
}
