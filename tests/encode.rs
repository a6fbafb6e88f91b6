use crate::validate;
use retrial_check::Kernel;

#[test]
fn matches_the_reference() {
    validate(Kernel::Encode);
}
