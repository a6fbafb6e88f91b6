//! Sets of trials: what a tally holds, what a run still lacks, and the share of one of many machines.

use crate::{Error, Result};
use std::{fmt, ops::Range};

/// A set of trial indices, from 0, as the fewest ranges that give it.
///
/// A run that was done in any order by any number of workers is a few ranges, and one range when it is finished.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Trials {
    /// Not empty, increasing, and apart from each other.
    ranges: Vec<Range<u64>>,
}

impl Trials {
    /// No trial.
    pub fn none() -> Self {
        Self::default()
    }

    /// The ranges, increasing; between two of them lies at least one trial.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// How many trials.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The first trial.
    pub fn first(&self) -> Option<u64> {
        self.ranges.first().map(|range| range.start)
    }

    /// One beyond the last trial; 0 of none.
    pub fn end(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.end)
    }

    /// Whether it is `0..k` for some `k`: what estimators that count trials from the first on need.
    pub fn is_prefix(&self) -> bool {
        self.is_empty() || self.ranges.len() == 1 && self.first() == Some(0)
    }

    /// Whether it has this trial.
    pub fn contains(&self, trial: u64) -> bool {
        let at = self.ranges.partition_point(|range| range.end <= trial);
        self.ranges.get(at).is_some_and(|range| range.start <= trial)
    }

    /// How many of its trials are at or after this one.
    pub fn count_from(&self, trial: u64) -> u64 {
        self.ranges.iter().map(|range| range.end.saturating_sub(range.start.max(trial))).sum()
    }

    /// The trials of both sets.
    pub fn overlap(&self, other: &Self) -> Self {
        let (mut common, mut at) = (vec![], 0);
        for range in &self.ranges {
            at += other.ranges[at..].partition_point(|theirs| theirs.end <= range.start);
            let theirs = other.ranges[at..].iter().take_while(|theirs| theirs.start < range.end);
            common.extend(theirs.map(|theirs| theirs.start.max(range.start)..theirs.end.min(range.end)));
        }
        Self { ranges: common }
    }

    /// The trials of this set that the other lacks.
    pub fn without(&self, other: &Self) -> Self {
        let mut left = vec![];
        for range in &self.ranges {
            let mut start = range.start;
            for theirs in &other.overlap(&range.clone().into()).ranges {
                left.push(start..theirs.start);
                start = theirs.end;
            }
            left.push(start..range.end);
        }
        left.retain(|range| !range.is_empty());
        Self { ranges: left }
    }

    /// Adds trials that it does not have yet.
    ///
    /// # Errors
    /// [`Error::Input`] where it has some of them, which stays as it is: a trial counts once.
    pub fn add(&mut self, other: &Self) -> Result<()> {
        let twice = self.overlap(other);
        if !twice.is_empty() {
            return Err(Error::input("trials", twice, "are counted already; a trial counts once"));
        }
        self.ranges.extend(other.ranges.iter().cloned());
        self.ranges.sort_unstable_by_key(|range| range.start);
        self.ranges.dedup_by(|next, range| {
            let meets = range.end == next.start;
            if meets {
                range.end = next.end;
            }
            meets
        });
        Ok(())
    }

    /// Takes the first trials away, at most `most` of them and all of one range.
    pub fn take(&mut self, most: u64) -> Option<Range<u64>> {
        let first = self.ranges.first_mut()?;
        let taken = first.start..first.start.saturating_add(most).min(first.end);
        first.start = taken.end;
        if first.is_empty() {
            self.ranges.remove(0);
        }
        (!taken.is_empty()).then_some(taken)
    }

    /// The share `index`, from 0, of `count` workers: contiguous, as equal as whole blocks of `block` trials allow, and
    /// all of the set between them.
    ///
    /// # Panics
    /// Where `index` is not below `count`, or `block` is 0.
    pub fn shard(trials: u64, index: u64, count: u64, block: u64) -> Self {
        assert!(index < count && block > 0, "shard {index} of {count} in blocks of {block}");
        let blocks = u128::from(trials.div_ceil(block));
        // No more than `trials`, which fits.
        let bound = |at: u64| {
            let start = blocks * u128::from(at) / u128::from(count) * u128::from(block);
            start.min(u128::from(trials)) as u64
        };
        (bound(index)..bound(index + 1)).into()
    }

    /// Whether the ranges are what they must be, for a set that was read.
    pub(crate) fn is_sound(&self) -> bool {
        self.ranges.iter().all(|range| range.start < range.end)
            && self.ranges.windows(2).all(|pair| pair[0].end < pair[1].start)
    }
}

impl From<Range<u64>> for Trials {
    fn from(range: Range<u64>) -> Self {
        Self { ranges: if range.is_empty() { vec![] } else { vec![range] } }
    }
}

/// First and last trial of each range, from 0: "0 to 99, 200 to 299".
impl fmt::Display for Trials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// More would not be read.
        const SHOWN: usize = 4;
        if self.is_empty() {
            return f.write_str("none");
        }
        for (at, range) in self.ranges.iter().take(SHOWN).enumerate() {
            let (comma, last) = (if at > 0 { ", " } else { "" }, range.end - 1);
            match range.start == last {
                true => write!(f, "{comma}{last}")?,
                false => write!(f, "{comma}{} to {last}", range.start)?,
            }
        }
        match self.ranges.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} ranges more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use std::collections::BTreeSet;

    fn set(trials: &Trials) -> BTreeSet<u64> {
        trials.ranges().iter().cloned().flatten().collect()
    }

    fn random(stream: &mut Stream) -> Trials {
        let mut trials = Trials::none();
        for _ in 0..stream.below(6) {
            let start = stream.below(40);
            let _ = trials.add(&(start..start + 1 + stream.below(9)).into());
        }
        trials
    }

    #[test]
    fn it_is_the_set_that_it_stands_for() {
        let mut stream = Stream::new(1, 0);
        for _ in 0..3000 {
            let (a, b) = (random(&mut stream), random(&mut stream));
            let (x, y) = (set(&a), set(&b));
            assert!(a.is_sound());
            assert_eq!(set(&a.overlap(&b)), x.intersection(&y).copied().collect(), "{a} and {b}");
            assert_eq!(set(&a.without(&b)), x.difference(&y).copied().collect(), "{a} without {b}");
            assert!(a.without(&b).is_sound() && a.overlap(&b).is_sound());
            let mut both = a.clone();
            assert_eq!(both.add(&b).is_ok(), x.is_disjoint(&y));
            match x.is_disjoint(&y) {
                true => assert_eq!(set(&both), x.union(&y).copied().collect()),
                false => assert_eq!(both, a, "what is refused changes nothing"),
            }
            assert!(both.is_sound());
            for trial in 0..50 {
                assert_eq!(a.contains(trial), x.contains(&trial));
                assert_eq!(a.count_from(trial), x.range(trial..).count() as u64);
            }
            let (mut left, mut taken) = (a.clone(), vec![]);
            while let Some(range) = left.take(3) {
                assert!(range.end - range.start <= 3);
                taken.extend(range);
            }
            assert_eq!(taken, x.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn shards_are_all_of_it() {
        for (trials, count, block) in
            [(10, 3, 1), (2, 5, 1), (5000, 3, 1024), (u64::MAX, 7, 1024), (1 << 62, u64::MAX, 1)]
        {
            let shards: Vec<Trials> =
                (0..count.min(7)).map(|index| Trials::shard(trials, index, count, block)).collect();
            let ends = shards.iter().map(Trials::end);
            assert!(shards.windows(2).all(|pair| pair[0].overlap(&pair[1]).is_empty()), "{trials} {count}");
            if count <= 7 {
                let mut all = Trials::none();
                shards.iter().for_each(|shard| all.add(shard).unwrap());
                assert_eq!(all, (0..trials).into());
                assert!(ends.filter(|&end| end > 0 && end < trials).all(|end| end % block == 0));
            }
        }
    }

    #[test]
    fn ranges_are_shown_as_a_person_counts_them() {
        assert_eq!(Trials::none().to_string(), "none");
        let mut trials = Trials::from(0..10);
        trials.add(&(20..21).into()).unwrap();
        assert_eq!(trials.to_string(), "0 to 9, 20");
        assert!(Trials::from(0..3).is_prefix() && !trials.is_prefix());
    }
}
