use crate::{cpus, validate};
use retrial_check::Kernel;
use retrial_spec::Backend;

#[test]
fn matches_the_reference() {
    validate(Kernel::L2Error);
}

#[test]
fn is_the_euclidean_distance() {
    for cpu in cpus() {
        let images = [0.0, 0.0, 1.0, 1.0];
        let outputs = [3.0, 4.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0];
        assert_eq!(cpu.l2_error(&images, &outputs, 2).unwrap(), [5.0, 0.0, 0.0, 1.0]);
    }
}
