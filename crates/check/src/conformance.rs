//! All cases of a device, judged: what any backend has to pass.

use crate::{Case, Verdict};
use retrial_spec::{Backend, Result};

/// What became of each case.
#[derive(Clone, Debug)]
pub struct Report {
    /// Cases with their verdicts; `None` where an implementation has no room for the model, and another computes.
    pub results: Vec<(Case, Option<Verdict>)>,
}

impl Report {
    /// Cases that ran and differ from the reference.
    pub fn failures(&self) -> impl Iterator<Item = &Case> {
        let differs = |verdict: &Option<Verdict>| verdict.as_ref().is_some_and(|verdict| verdict.fault().is_some());
        self.results.iter().filter(move |(_, verdict)| differs(verdict)).map(|(case, _)| case)
    }

    /// Whether there was a case and none differs.
    pub fn passed(&self) -> bool {
        self.results.iter().any(|(_, verdict)| verdict.is_some()) && self.failures().next().is_none()
    }
}

/// Runs cases, those of [`cases_of`](crate::cases_of) for example, on a backend and holds them against the reference.
///
/// # Errors
/// Those of a device that fails to run one.
///
/// ```
/// use retrial_check::{cases_of, conformance};
/// use retrial_cpu::Cpu;
/// use retrial_spec::Backend;
///
/// # fn main() -> retrial_spec::Result<()> {
/// let cpu = Cpu::new(None)?;
/// let mut cases = cases_of(cpu.device());
/// cases.retain(|case| case.shape.pixels < 100); // the small ones: all take a minute
/// assert!(conformance(&cpu, &cases)?.passed());
/// # Ok(())
/// # }
/// ```
pub fn conformance(backend: &dyn Backend, cases: &[Case]) -> Result<Report> {
    let run = |case: &Case| match case.run(backend) {
        // An implementation may have no room for a model; the next one of its precision then has.
        Err(refused) if refused.is_input() && case.variant.is_some() => Ok((case.clone(), None)),
        verdict => Ok((case.clone(), Some(verdict?))),
    };
    Ok(Report { results: cases.iter().map(run).collect::<Result<_>>()? })
}
