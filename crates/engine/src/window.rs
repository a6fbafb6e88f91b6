//! One window of trials: what is known of it.

use crate::State;
use retrial_host::fold;
use retrial_spec::{Error, Gram, Noise, Result, Scorer};
use std::ops::Range;

/// Most errors that a window which is correlated holds at once, 16 MiB.
const ERRORS: u64 = 4 << 20;

/// Adds a range of trials to an empty state.
///
/// Where trials are correlated, their errors are read back and folded here. The Gram matrix takes the blocks that *end* in
/// the range; the trials before the range that the first of them has are computed again. So every block is taken once,
/// however ranges cut it.
pub fn sample(scorer: &mut Scorer<'_>, trials: Range<u64>, mut part: State) -> Result<State> {
    let Some(gram) = &mut part.gram else {
        scorer.tally(trials, &mut part.tally)?;
        return Ok(part);
    };
    let (samples, block) = (part.tally.rows().len(), Gram::BLOCK as u64);
    let step = (ERRORS / samples as u64 / block).max(1) * block;
    let mut first = trials.start;
    while first < trials.end {
        if first >= Gram::MAX_TRIALS {
            scorer.tally(first..trials.end, &mut part.tally)?;
            break;
        }
        let begins = first - first % block;
        let begins = if begins.saturating_add(block) <= trials.end { begins } else { first };
        let end = (begins - begins % block).saturating_add(step).min(trials.end);
        let errors = scorer.errors(Noise::Trials(begins..end))?;
        if let Some(at) = errors.iter().position(|error| !error.is_finite()) {
            return Err(Error::Device {
                device: scorer.variant().to_string(),
                fault: format!("the error of a trial is {}", errors[at]),
                fix: "check the weights; retrial validate tells whether the device computes right".into(),
            });
        }
        if begins.is_multiple_of(block) {
            gram.add(begins, &errors)?;
        }
        let width = errors.len() / samples;
        let (thresholds, rows) = part.tally.rows_mut();
        fold(rows, errors.len(), |sample, row| {
            row.add(thresholds, first, &errors[sample * width..][..width][(first - begins) as usize..]);
            Ok(())
        })?;
        part.tally.add_trials(first..end)?;
        first = end;
    }
    Ok(part)
}
