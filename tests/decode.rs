use crate::{cpus, validate};
use retrial_check::{Kernel, weights};
use retrial_spec::{Backend, Linear, Shape, Weights};

#[test]
fn matches_the_reference() {
    validate(Kernel::Decode);
}

/// Pre-activations of +-1000 saturate to 0 and 1 without NaN, and a zero latent gives the sigmoid of the bias.
#[test]
fn saturates() {
    let shape = Shape { pixels: 3, hidden: 2, latent: 1 };
    let fc1 = Linear { outputs: 2, inputs: 1, weight: vec![1.0, -1.0], bias: vec![0.0; 2] };
    let fc2 =
        Linear { outputs: 3, inputs: 2, weight: vec![1000.0, 1000.0, -1000.0, -1000.0, 0.0, 0.0], bias: vec![0.0; 3] };
    let weights = Weights { decoder_fc1: fc1, decoder_fc2: fc2, ..weights(shape, 0) };
    for cpu in cpus() {
        assert_eq!(
            cpu.decode(&weights, &[1.0, -1.0]).unwrap(),
            [1.0, 0.0, 0.5, 1.0, 0.0, 0.5].map(|v: f32| v.max(2f32.powi(-125)))
        );
        assert_eq!(cpu.decode(&weights, &[0.0]).unwrap(), [0.5; 3]);
    }
}
