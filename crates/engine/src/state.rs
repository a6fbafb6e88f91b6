//! What a run has found out so far.

use retrial_spec::{Error, Gram, Result, Tally, Trials, gram, tally};
use serde::{Deserialize, Serialize};

/// What is known of some trials: a commutative monoid, as its parts are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct State {
    /// Counts, records and histograms.
    pub tally: Tally,
    /// How the trials correlate, where that was asked for: of the whole blocks among them.
    pub gram: Option<Gram>,
}

impl State {
    /// The state before any trial, that keeps what this one keeps.
    pub fn empty(&self) -> Self {
        Self { tally: self.tally.empty(), gram: self.gram.as_ref().map(Gram::empty) }
    }

    /// The trials that it knows.
    pub fn trials(&self) -> &Trials {
        self.tally.trials()
    }

    /// For another process of the same version.
    ///
    /// # Errors
    /// [`Error::Input`] where it cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        postcard::to_stdvec(self).map_err(|e| Error::input("state", e, "please report this"))
    }

    /// What another process sent, checked.
    ///
    /// # Errors
    /// [`Error::Input`] where it is no possible state.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        postcard::from_bytes::<Unchecked>(bytes)
            .map_err(|e| Error::input("state", e, "every process must be of the same version"))?
            .check()
    }

    /// Adds what is known of other trials.
    ///
    /// # Errors
    /// [`Error::Input`] where the other keeps something else, or knows a trial that this one knows; this one stays as it
    /// is.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.tally.accepts(&other.tally)?;
        match (&mut self.gram, &other.gram) {
            (Some(gram), Some(other)) => gram.merge(other)?,
            (None, None) => {}
            _ => return Err(Error::input("state to merge", "one with and one without a Gram matrix", "merge alike")),
        }
        self.tally.merge(&other.tally)
    }
}

/// A state as it was read, not yet believed.
#[derive(Deserialize)]
pub(crate) struct Unchecked {
    tally: tally::Unchecked,
    gram: Option<gram::Unchecked>,
}

impl Unchecked {
    /// The state, where its parts are possible.
    pub(crate) fn check(self) -> Result<State> {
        let (tally, gram) = (self.tally.check()?, self.gram.map(gram::Unchecked::check).transpose()?);
        if let Some(gram) = &gram
            && (gram.samples() != tally.rows().len() || gram.trials() > tally.trials().end())
        {
            let got = format!("{} trials of {} samples", gram.trials(), gram.samples());
            let limit = format!("the tally ends at {} of {}", tally.trials().end(), tally.rows().len());
            return Err(Error::input("Gram matrix", got, limit));
        }
        Ok(State { tally, gram })
    }
}
