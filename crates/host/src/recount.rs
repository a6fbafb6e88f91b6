//! What a device made of errors, held against what the host made of the same errors, which must agree exactly: a run of
//! billions of trials never trusts a transfer or a driver blindly.

use retrial_spec::{
    Row,
    tally::{Histogram, Record},
};

/// What a device made of errors is not what the host made of the same errors.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("sample {sample}, {what}: the device counts {device}, the host {host} of the errors it read back")]
pub struct Disagreement {
    /// The sample.
    pub sample: usize,
    /// What they differ in.
    pub what: String,
    /// What the device says.
    pub device: String,
    /// What the host says.
    pub host: String,
}

/// Refuses two values that differ.
fn equal<T: PartialEq>(
    sample: usize,
    what: impl FnOnce() -> String,
    [device, host]: [T; 2],
    say: impl Fn(T) -> String,
) -> Result<(), Disagreement> {
    if device == host {
        return Ok(());
    }
    Err(Disagreement { sample, what: what(), device: say(device), host: say(host) })
}

/// Holds the row that a device made of some trials of a sample against the one that the host made of the same errors.
/// Of records a device looks only for those below `before`.
pub fn compare(
    sample: usize,
    thresholds: &[f32],
    before: Option<f32>,
    device: &Row,
    host: &Row,
) -> Result<(), Disagreement> {
    let rows = [device, host];
    for (t, threshold) in thresholds.iter().enumerate() {
        let what = || format!("threshold {threshold}");
        equal(sample, what, rows.map(|row| row.successes()[t]), |count| format!("{count} successes"))?;
    }
    let bins = rows.map(|row| row.histogram().bins());
    for bin in bins[0].start.min(bins[1].start)..bins[0].end.max(bins[1].end) {
        let what = || format!("from {} to {}", Histogram::edge(bin), Histogram::edge(bin + 1));
        equal(sample, what, rows.map(|row| row.histogram().count(bin)), |count| format!("{count} errors"))?;
    }
    let trial = |r: Option<Record>| r.map_or("none".into(), |r| format!("trial {} of error {}", r.trial, r.error));
    equal(sample, || "worst".into(), rows.map(Row::worst), trial)?;
    let known = host.records().partition_point(|r| before.is_some_and(|before| r.error >= before));
    let (device, host) = (device.records(), &host.records()[known..]);
    for at in 0..device.len().max(host.len()) {
        equal(sample, || format!("record {}", at + 1), [device, host].map(|list| list.get(at).copied()), trial)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrial_spec::Tally;

    const THRESHOLDS: [f32; 3] = [1.0, 2.0, 3.0];

    /// A row that differs in anything is named with both results; records that were known before are not asked for.
    #[test]
    fn rows_that_differ_are_told_apart() {
        let row = |errors: &[f32]| {
            let mut tally = Tally::new(1, &THRESHOLDS).unwrap();
            tally.rows_mut().1[0].add(&THRESHOLDS, 10, errors);
            tally.rows()[0].clone()
        };
        let host = row(&[2.5, 1.5, 9.0, 0.5, 1.5]);
        compare(0, &THRESHOLDS, None, &host, &host).unwrap();
        let mut device = Row::clone(&host);
        device.add_candidate(Record { trial: 9, error: 2.0 });
        device.add_candidate(Record { trial: 8, error: 1.5 });
        assert_eq!(device.records().len(), 2);
        let differ = |device: &Row, before| compare(4, &THRESHOLDS, before, device, &host).unwrap_err().to_string();
        assert!(
            differ(&device, None).starts_with("sample 4, record 1: the device counts trial 8 of error 1.5, the host")
        );
        for (errors, what) in [
            ([2.5, 1.5, 9.0, 0.5, 2.5], "threshold 2: the device counts 2 successes, the host 3 successes"),
            ([2.5, 1.5, 9.0, 0.5, 1.75], "from 1.5 to 1.5078125: the device counts 1 errors, the host 2 errors"),
            ([2.5, 1.5, 8.99, 0.5, 1.5], "from 8.9375 to 9: the device counts 1 errors, the host 0 errors"),
            (
                [2.5, 0.5, 9.0, 1.5, 1.5],
                "record 2: the device counts trial 11 of error 0.5, the host trial 11 of error 1.5",
            ),
            (
                [2.5, 1.5, 9.001, 0.5, 1.5],
                "worst: the device counts trial 12 of error 9.001, the host trial 12 of error 9",
            ),
        ] {
            let found = differ(&row(&errors), None);
            assert!(found.starts_with(&format!("sample 4, {what}")), "{found}");
        }
        let mut later = host.empty();
        later.add(&THRESHOLDS, 11, &[1.5, 9.0, 0.5, 1.5]);
        later.add(&THRESHOLDS, 8, &[2.5]); // no record: the trial before is not of this window
        assert!(differ(&later, Some(2.0)).contains("record 1"));
    }
}
