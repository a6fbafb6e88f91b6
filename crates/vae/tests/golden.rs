//! Against the model and the data that PyTorch wrote. The files are not in the repository: `RETRIAL_GOLDEN` names their
//! directory, and without it these tests say that they were not run.

use retrial_spec::Shape;
use retrial_vae::{Images, evaluate, weights};
use std::path::PathBuf;

fn golden(name: &str) -> PathBuf {
    let dir = std::env::var_os("RETRIAL_GOLDEN").expect("RETRIAL_GOLDEN must name the directory of the golden files");
    PathBuf::from(dir).join(name)
}

#[test]
#[ignore = "needs RETRIAL_GOLDEN"]
fn the_embedded_images_are_those_of_pytorch() {
    let golden = Images::load(golden("x400.npy").to_str().unwrap(), None).unwrap();
    let embedded = Images::load("fashion-mnist", None).unwrap();
    assert_eq!((golden.values(), golden.sha256()), (embedded.values(), embedded.sha256()));
}

/// The loss of the trained model at `z = mu`, by numpy in f64.
#[test]
#[ignore = "needs RETRIAL_GOLDEN"]
fn the_trained_model_has_the_loss_that_numpy_finds() {
    let file = weights::load(&golden("weights.safetensors")).unwrap();
    assert_eq!(file.weights.shape().unwrap(), Shape::PAPER);
    let loss = evaluate(&file.weights, &Images::load("fashion-mnist", None).unwrap()).unwrap();
    assert!((loss.bce - 197.9574451).abs() < 1e-3 && (loss.kl - 19.2848234).abs() < 1e-4, "{loss:?}");
}
