//! Which of the ways to run `score` an adapter gets. All give the same bytes; what is fastest differs by adapter.

use retrial_spec::{Error, Result};

/// Ways that the environment variable `RETRIAL_WGSL` asks for; without it the backend decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// "plain": neither half precision nor subgroups.
    pub plain: bool,
    /// "skip" or "dense": whether hidden units that are 0 in a whole tile are left out.
    pub skip: Option<bool>,
    /// "double" or "single": whether the next units are fetched while these are multiplied.
    pub double: Option<bool>,
    /// "device" or "host": who tallies.
    pub device_tally: Option<bool>,
    /// "screen" or "full": whether tallies that only count are screened, by estimate where it is not asked for.
    pub screen: Option<bool>,
}

impl Wanted {
    /// What the environment asks for.
    pub(crate) fn from_env() -> Result<Self> {
        std::env::var_os("RETRIAL_WGSL").map_or(Ok(Self::default()), |words| Self::parse(&words.to_string_lossy()))
    }

    /// Words with commas between them.
    pub(crate) fn parse(words: &str) -> Result<Self> {
        let mut wanted = Self::default();
        for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "plain" => wanted.plain = true,
                "skip" | "dense" => wanted.skip = Some(word == "skip"),
                "double" | "single" => wanted.double = Some(word == "double"),
                "device" | "host" => wanted.device_tally = Some(word == "device"),
                "screen" | "full" => wanted.screen = Some(word == "screen"),
                _ => {
                    let limit = "must be words out of plain, skip or dense, double or single, device or host, screen or \
                                 full, with commas between them";
                    return Err(Error::input("RETRIAL_WGSL", format!("{word:?}"), limit));
                }
            }
        }
        Ok(wanted)
    }

    /// The ways that are allowed, the likely best first; `room` says whether two stages fit workgroup memory.
    pub(crate) fn choices(&self, room: bool) -> Result<Vec<Choice>> {
        if self.double == Some(true) && !room {
            return Err(Error::input("RETRIAL_WGSL", "double", "needs more workgroup memory than this adapter has"));
        }
        let allowed = |asked: Option<bool>, can: bool| match asked {
            Some(asked) => vec![asked],
            None if can => vec![true, false],
            None => vec![false],
        };
        let doubles = allowed(self.double, room);
        let both = |skip| doubles.iter().map(move |&double| Choice { skip, double });
        Ok(allowed(self.skip, true).into_iter().flat_map(both).collect())
    }
}

/// One way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Whether hidden units that are 0 in a whole tile are left out.
    pub skip: bool,
    /// Whether there are two stages in workgroup memory.
    pub double: bool,
}

impl Choice {
    /// Stages in workgroup memory.
    pub(crate) fn stages(self) -> u64 {
        1 + u64::from(self.double)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_force_ways() {
        let choices = |words: &str, room| Wanted::parse(words).and_then(|wanted| wanted.choices(room));
        let choice = |skip, double| Choice { skip, double };
        let all = [choice(true, true), choice(true, false), choice(false, true), choice(false, false)];
        assert_eq!(choices("", true).unwrap(), all);
        assert_eq!(choices("plain", false).unwrap(), [all[1], all[3]]);
        assert_eq!(choices("dense, double", true).unwrap(), [all[2]]);
        assert_eq!(choices("skip,single", true).unwrap(), [all[1]]);
        for (words, room) in [("double", false), ("fast", true), ("plain;skip", true)] {
            assert!(choices(words, room).unwrap_err().is_input(), "{words}");
        }
        let wanted = Wanted::parse("host,full").unwrap();
        assert_eq!((wanted.device_tally, wanted.screen), (Some(false), Some(false)));
    }
}
