use crate::{cpus, validate};
use retrial_check::Kernel;
use retrial_reference as reference;
use retrial_spec::Backend;

#[test]
fn matches_the_reference() {
    validate(Kernel::Correlation);
}

/// Traces of C = U^T U / N and G = U U^T / N agree, and so do those of their squares: they share their eigenvalues.
#[test]
fn shares_its_spectrum_with_the_trial_correlation_matrix() {
    let errors: Vec<f32> = (0..6 * 9).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 20) as f32 / 1000.0).collect();
    let wide: Vec<f64> = errors.iter().map(|&e| e.into()).collect();
    let trials = reference::trial_correlation(&wide, 6);
    let square = |m: &[f64]| m.iter().map(|v| v * v).sum::<f64>();
    for cpu in cpus() {
        let gram = cpu.correlation(&errors, 6).unwrap();
        let trace: f64 = (0..6).map(|i| gram[i * 7]).sum();
        assert!((trace - 9.0).abs() < 1e-12);
        assert!((square(&gram) - square(&trials)).abs() < 1e-10);
    }
}

/// A trial that is the same for all samples has no correlation to speak of.
#[test]
fn a_constant_trial_contributes_nothing() {
    for cpu in cpus() {
        assert_eq!(cpu.correlation(&[1.5, 1.5], 2).unwrap(), [0.0; 4]);
    }
}
