//! Models of others at the command line: the same numbers under any name, and nothing scored that is not computed.

use crate::cli::{refuses, retrial, succeeds};
use ndarray::{Array2, Array3};
use ndarray_npy::write_npy;
use retrial_cpu::Cpu;
use retrial_spec::{Backend, Posterior};
use retrial_vae::{Images, weights};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const SAMPLES: usize = 9;
const LATENT: usize = 5;

/// A trained tiny model, its posterior, and noise.
struct Given {
    dir: TempDir,
}

impl Given {
    fn new() -> Self {
        let given = Self { dir: tempfile::tempdir().unwrap() };
        let train =
            format!("train --samples {SAMPLES} --epochs 3 --hidden 17 --latent {LATENT} --out {}", given.path("model"));
        succeeds(&train);
        let model = weights::load(Path::new(&given.weights())).unwrap().weights;
        let images = Images::load("fashion-mnist", Some(SAMPLES)).unwrap();
        let Posterior { mu, logvar } = Cpu::new(None).unwrap().encode(&model, images.values()).unwrap();
        for (name, values) in [("mu", mu), ("logvar", logvar)] {
            write_npy(given.path(&format!("{name}.npy")), &Array2::from_shape_vec((SAMPLES, LATENT), values).unwrap())
                .unwrap();
        }
        let noise = Array3::from_shape_fn((SAMPLES, 4, LATENT), |(a, b, c)| ((a * 31 + b * 7 + c) as f32).sin());
        write_npy(given.path("noise.npy"), &noise).unwrap();
        given
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn weights(&self) -> String {
        self.path("model/weights.safetensors")
    }

    /// The model's file with other names of tensors, and only those that `rename` keeps.
    fn renamed(&self, name: &str, rename: impl Fn(&str) -> Option<String>) -> String {
        let bytes = fs::read(self.weights()).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.tensors().into_iter().filter_map(|(name, view)| Some((rename(&name)?, view)));
        let path = self.path(name);
        fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
        path
    }

    /// The errors of the noise.
    fn score(&self, weights: &str, more: &str) -> Vec<u8> {
        let out = self.path("errors.npy");
        let noise = self.path("noise.npy");
        succeeds(&format!("score --device cpu --weights {weights} --noise {noise} --out {out} {more}"));
        fs::read(out).unwrap()
    }

    fn given(&self) -> String {
        format!("--mu {} --logvar {}", self.path("mu.npy"), self.path("logvar.npy"))
    }
}

fn example(name: &str) -> Option<String> {
    let names = [
        ("encoder.fc1", "fc1"),
        ("encoder.fc_mu", "fc21"),
        ("encoder.fc_logvar", "fc22"),
        ("decoder.fc1", "fc3"),
        ("decoder.fc2", "fc4"),
    ];
    names.iter().find_map(|(own, other)| Some(format!("module.{other}{}", name.strip_prefix(own)?)))
}

#[test]
fn any_name_gives_the_same_errors() {
    let given = Given::new();
    let (example, odd) =
        (given.renamed("e.st", example), given.renamed("o.st", |name| Some(name.replace("encoder.fc1", "net.lin"))));
    let rename = format!("{odd} --rename net.lin=encoder.fc1");
    for precision in ["", "--precision f64"] {
        let own = given.score(&given.weights(), precision);
        assert!(given.score(&example, precision) == own);
        assert!(given.score(&rename, precision) == own);
    }
    let note = retrial(&format!("bench --device cpu --kernel encode --samples 2 --trials 8 --weights {example}"));
    let stderr = String::from_utf8(note.stderr).unwrap();
    assert!(stderr.contains("note: ") && stderr.contains("\"fc21\" as encoder.fc_mu"), "{stderr}");
    refuses("bench --rename a=b", &["--weights", "--rename, --mu and --logvar need it"]);
    let out = given.path("out");
    refuses(&format!("sample --weights {example} --rename fc9=fc1 --out {out}"), &["--rename fc9", "no such tensor"]);
    refuses(&format!("sample --weights {example} --rename fc9 --out {out}"), &["must be OLD=NEW"]);
    assert!(!Path::new(&out).exists());
}

#[test]
fn a_model_that_is_not_computed_is_not_scored() {
    let given = Given::new();
    let bytes = fs::read(given.weights()).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors = file.tensors();
    let mean = file.tensor("decoder.fc1.bias").unwrap();
    tensors.push(("decoder.bn.running_mean".into(), mean));
    let path = given.path("bn.safetensors");
    fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    let words = ["decoder.bn.running_mean", "batch normalisation", "ReLU", "sigmoid"];
    let (noise, out) = (given.path("noise.npy"), given.path("out"));
    refuses(&format!("score --weights {path} --noise {noise} --out {out}"), &words);
    refuses(&format!("sample --weights {path} --out {out}"), &words);
    refuses(&format!("bench --weights {path}"), &words);
    assert!(!Path::new(&out).exists());
    for command in ["sample", "score", "bench"] {
        let help = succeeds(&format!("{command} --help"));
        for word in ["ReLU", "sigmoid", "clamp", "--rename", "--mu", "--logvar"] {
            assert!(help.contains(word), "{command} --help lacks {word}");
        }
    }
}

#[test]
fn a_decoder_with_a_given_posterior() {
    let given = Given::new();
    let decoder = given.renamed("d.st", |name| name.strip_prefix("decoder.").map(str::to_owned));
    let posterior = given.given();
    for precision in ["", "--precision f64"] {
        let own = given.score(&given.weights(), precision);
        // The f64 reference encodes for itself, and rounds what the CPU rounds otherwise.
        if precision.is_empty() {
            assert!(given.score(&decoder, &posterior) == own);
        }
        let [whole, part] = [&given.weights(), &decoder].map(|w| given.score(w, &format!("{posterior} {precision}")));
        assert!(whole == part, "the encoder is not used");
    }
    let out = given.path("out");
    refuses(&format!("sample --weights {decoder} --out {out}"), &["holds a decoder only", "--mu and --logvar"]);
    let mu = given.path("mu.npy");
    assert_eq!(retrial(&format!("sample --weights {decoder} --mu {mu} --out {out}")).status.code(), Some(2));
    let wide = given.path("wide.npy");
    write_npy(&wide, &Array2::<f32>::zeros((SAMPLES, LATENT + 1))).unwrap();
    let words = ["wide.npy", "has shape [9, 6]", "must be [9, 5]"];
    refuses(&format!("sample --weights {decoder} --samples {SAMPLES} --mu {wide} --logvar {mu} --out {out}"), &words);
    refuses(
        &format!("sample --weights {decoder} --samples 10 {posterior} --out {out}"),
        &["has shape [9, 5]", "[10, 5]"],
    );
    write_npy(&wide, &Array2::from_elem((SAMPLES, LATENT), f32::NAN)).unwrap();
    refuses(
        &format!("sample --weights {decoder} --samples 9 --mu {mu} --logvar {wide} --out {out}"),
        &["NaN", "finite"],
    );
    assert!(!Path::new(&out).exists());
}

/// The same trials as with the encoder; everything a run needs to go on or be reported lies in it.
#[test]
fn a_run_keeps_the_given_posterior() {
    let given = Given::new();
    let decoder = given.renamed("d.st", |name| name.starts_with("decoder.").then(|| name.to_owned()));
    let run = |out: &str, weights: &str, more: &str| {
        format!(
            "sample --device cpu --weights {weights} --samples {SAMPLES} --trials 300 --correlate 20 --thresholds 5,9 \
             --out {} {more}",
            given.path(out)
        )
    };
    let (posterior, weights) = (given.given(), given.weights());
    succeeds(&run("a", &weights, ""));
    succeeds(&run("b", &decoder, &posterior));
    let read = |file: &str| fs::read(given.path(file)).unwrap();
    for file in ["successes.npy", "first_success.npy", "errors.npy"] {
        assert!(read(&format!("a/{file}")) == read(&format!("b/{file}")), "{file}");
    }
    assert!(!PathBuf::from(given.path("a/mu.npy")).exists());
    let report = read("b/report.html");
    succeeds(&format!("report --device cpu {}", given.path("b")));
    assert!(read("b/report.html") == report);
    // Its own files are all that it needs.
    let kept = |name: &str| given.path(&format!("b/{name}"));
    let own = format!("--mu {} --logvar {}", kept("mu.npy"), kept("logvar.npy"));
    succeeds(&run("b", &kept("weights.safetensors"), &format!("{own} --resume")));
    refuses(&run("b", &kept("weights.safetensors"), "--resume"), &["holds a decoder only"]);
    refuses(&run("b", &weights, "--resume"), &["tally.bin", "belongs to another run"]);
    let other = format!("--mu {} --logvar {}", kept("logvar.npy"), kept("mu.npy"));
    refuses(&run("b", &decoder, &format!("{other} --resume")), &["tally.bin", "belongs to another run"]);
    fs::copy(kept("logvar.npy"), kept("mu.npy")).unwrap();
    refuses(&format!("report --device cpu {}", given.path("b")), &["mu.npy", "SHA-256", "the run was made with"]);
    // The same weights under other names are the same run.
    succeeds(&run("a", &given.renamed("e.st", example), "--resume"));
    succeeds(&run("b", &weights, "--force"));
    assert!(!PathBuf::from(kept("mu.npy")).exists());
}
