use super::{Histogram, Record, Row, Tally, check_thresholds};
use crate::{Error, Result, Trials};

/// A tally as it was read, not yet believed: what decodes may still be impossible.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Unchecked {
    thresholds: Vec<f32>,
    rows: Vec<Row>,
    trials: Trials,
    counts_only: bool,
}

impl Unchecked {
    /// The tally, after holding every number of it against the others: counts, records, worst trials and histograms
    /// must be those of some list of an error per trial.
    ///
    /// # Errors
    /// [`Error::Input`], which names the row and what contradicts what.
    pub fn check(self) -> Result<Tally> {
        let Self { thresholds, rows, trials, counts_only } = self;
        check_thresholds(&thresholds)?;
        if counts_only && thresholds.is_empty() {
            return Err(Error::input("tally of counts alone", "no threshold", "must have one"));
        }
        if !trials.is_sound() {
            return Err(Error::input("tally", "ranges of trials out of order", "they must increase"));
        }
        let tally = Tally { thresholds, rows, trials, counts_only };
        for (sample, row) in tally.rows.iter().enumerate() {
            row.check(&tally).map_err(|fault| {
                let object = format!("tally of {} trials, row {sample}", tally.trials.count());
                Error::input(object, fault, "no list of errors gives this")
            })?;
        }
        Ok(tally)
    }
}

/// The first contradiction of a row.
type Fault = &'static str;

/// A fault unless a condition holds.
fn require(holds: bool, fault: Fault) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(fault) }
}

impl Row {
    fn check(&self, tally: &Tally) -> Result<(), Fault> {
        require(self.counts_only == tally.counts_only, "a row of another kind")?;
        require(self.successes.len() == tally.thresholds.len(), "counts of other thresholds")?;
        let sound = |r: &Record| tally.trials.contains(r.trial) && r.error.is_finite() && r.error >= 0.0;
        require(self.records.iter().chain(&self.worst).all(sound), "a record beyond all trials or errors")?;
        let falls = |pair: &[Record]| pair[0].trial < pair[1].trial && pair[0].error > pair[1].error;
        require(self.records.windows(2).all(falls), "records out of order")?;
        if self.counts_only {
            let limit = tally.thresholds.last().copied().unwrap_or_default();
            require(self.records.iter().all(|r| r.error < limit), "a record above the largest threshold")?;
            require(self.worst.is_none(), "a worst trial among counts alone")?;
            require(self.histogram == Histogram::default(), "a histogram among counts alone")?;
        } else {
            self.check_worst(&tally.trials)?;
            self.check_histogram(tally.trials.count())?;
        }
        self.check_counts(tally)
    }

    /// Of a row that keeps all errors: the first trial is a record, and no record is as large as the worst but that one.
    fn check_worst(&self, trials: &Trials) -> Result<(), Fault> {
        match (self.records.first(), self.worst) {
            (None, None) => require(trials.is_empty(), "trials without a record"),
            (Some(first), Some(worst)) => {
                require(Some(first.trial) == trials.first(), "a first record that is not the first trial")?;
                let beyond = worst.error > first.error && self.records.iter().all(|r| r.trial != worst.trial);
                require(beyond || worst == *first, "a worst trial that contradicts the records")
            }
            _ => Err("a best trial without a worst, or the reverse"),
        }
    }

    /// It counts all trials, from the best's bin to the worst's.
    fn check_histogram(&self, trials: u64) -> Result<(), Fault> {
        let Histogram { first, counts } = &self.histogram;
        let total = counts.iter().try_fold(0u64, |sum, &count| sum.checked_add(count));
        require(total == Some(trials), "a histogram of other than all trials")?;
        let Some((best, worst)) = self.best().zip(self.worst) else {
            return require(self.histogram == Histogram::default(), "a histogram without trials");
        };
        let bins = Histogram::bin(best.error)..Histogram::bin(worst.error) + 1;
        require(
            (*first, counts.len()) == (bins.start, bins.len()),
            "a histogram that ends at other than best and worst",
        )
    }

    /// Success counts and sums of the histogram say how many errors lie below each of some *cuts*. They must rise from
    /// cut to cut by no fewer than the trials known to lie between, and there must be so many trials from the first
    /// below a cut on.
    fn check_counts(&self, tally: &Tally) -> Result<(), Fault> {
        let mut cuts: Vec<(f32, u64)> = tally.thresholds.iter().copied().zip(self.successes.iter().copied()).collect();
        let mut below = 0;
        for bin in self.histogram.bins() {
            cuts.push((Histogram::edge(bin), below));
            below += self.histogram.count(bin);
        }
        cuts.extend([(0.0, 0), (f32::INFINITY, tally.trials.count())]);
        cuts.sort_by(|a, b| a.0.total_cmp(&b.0));

        let unlisted = self.worst.filter(|worst| self.records.first() != Some(worst));
        let mut known: Vec<f32> = self.records.iter().chain(&unlisted).map(|r| r.error).collect();
        known.sort_by(f32::total_cmp);
        for pair in cuts.windows(2) {
            let [(low, below), (high, upto)] = [pair[0], pair[1]];
            let between = known.partition_point(|&e| e < high) - known.partition_point(|&e| e < low);
            let rise = upto.checked_sub(below).ok_or("counts that fall as errors rise")?;
            require(rise >= between as u64, "counts that lack a record")?;
            require(low < high || rise == 0, "counts that contradict the histogram")?;
        }
        for (cut, below) in cuts {
            let most = self.first_success(cut).map_or(0, |first| {
                let late = unlisted.is_some_and(|worst| worst.trial > first && worst.error >= cut);
                tally.trials.count_from(first) - u64::from(late)
            });
            let least = if self.worst.is_some_and(|worst| worst.error < cut) { tally.trials.count() } else { 0 };
            require(below >= least, "failures above the worst trial")?;
            // Trials that a row of counts alone does not know are above every threshold.
            require(below <= most || self.counts_only && cut == f32::INFINITY, "counts above what the records allow")?;
        }
        Ok(())
    }
}
