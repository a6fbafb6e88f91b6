//! The nonparametric estimate against scipy's, with its certificate.

use crate::data::{llm_sets, shared_csv};
use retrial_theory::{Data, npmle::npmle};

/// At least as likely as the reference's solution, and certified.
#[test]
fn at_least_as_likely_as_the_reference() {
    let Some(reference) = shared_csv("data/reference_fits.csv") else { return };
    for (row, (name, counts)) in reference.iter().zip(llm_sets().unwrap()) {
        let got = npmle(&Data::new(&counts).unwrap());
        let want: f64 = row[15].parse().unwrap();
        assert!(got.gap <= 1e-6, "{name}: gap {}", got.gap);
        assert!(got.nll <= want + 5e-3, "{name}: {} above {want}", got.nll);
    }
}
