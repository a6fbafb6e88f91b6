//! Readers of runs, of what ranks send each other, and of what a page exports.

// Parts of the program and of a crate that only compiles where there is MPI: as they stand, without either.
#[allow(unreachable_pub, reason = "it is public where it belongs")]
#[path = "../../crates/cli/exported.rs"]
mod exported;
#[allow(dead_code, unreachable_pub, reason = "it is public where it belongs, and used by the chief and the workers")]
#[path = "../../crates/mpi/src/message.rs"]
mod message;

use crate::{Seed, Target};
use message::{Order, Report, Setup};
use retrial_engine::{Manifest, State, run};
use retrial_files::sha256_hex;
use retrial_spec::{Posterior, Shape};
use retrial_vae::weights;
use serde::{Serialize, de::DeserializeOwned};
use std::{fs, path::Path, process::Command};

/// Samples a small run, all errors or counts alone.
fn sampled(dir: &Path, more: &str) {
    let (model, run) = (dir.join("model.safetensors"), dir.join("run"));
    weights::save(&model, &retrial_check::weights(Shape { pixels: 784, hidden: 9, latent: 3 }, 1)).unwrap();
    let args = format!(
        "sample --weights {} --samples 3 --trials 60 --correlate 5 --thresholds 12,12.5,13 --device cpu {more} --out {}",
        model.display(),
        run.display()
    );
    let out = Command::new(env!("CARGO_BIN_EXE_retrial")).args(args.split_whitespace()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

const MAGIC: &[u8] = b"RETRIAL-TALLY-3\n";

/// A tally with the checksum that it has.
fn sealed(payload: Vec<u8>) -> Vec<u8> {
    [MAGIC, sha256_hex(&payload).as_bytes(), b"\n", &payload].concat()
}

fn payload(tally: &Path) -> Vec<u8> {
    fs::read(tally).unwrap()[MAGIC.len() + 65..].to_vec()
}

/// Whatever state is believed, it is one that was saved, to the byte.
fn possible(state: &State) {
    let bytes = state.to_bytes().unwrap();
    let again = State::from_bytes(&bytes).unwrap();
    assert!(again == *state && again.to_bytes().unwrap() == bytes);
    let trials = state.trials().count();
    for row in state.tally.rows() {
        assert!(row.successes().is_sorted() && row.successes().iter().all(|&count| count <= trials));
        let [best, worst] = [row.best(), row.worst()].map(|record| record.map(|record| record.error));
        assert!(best.zip(worst).is_none_or(|(best, worst)| best <= worst));
    }
    let mut twice = state.clone();
    assert_eq!(twice.merge(state).is_ok(), trials == 0, "no trial counts twice");
}

#[test]
fn tallies() {
    let mut seeds = vec![];
    let target = Target::new("tallies", "tally.bin");
    for more in ["", "--gram", "--counts-only"] {
        sampled(&target.folder, &format!("{more} --force"));
        let run = target.folder.join("run");
        seeds.push(Seed { bytes: payload(&run.join("tally.bin")), wrap: sealed });
        fs::copy(run.join("run.json"), target.folder.join("run.json")).unwrap();
    }
    fs::remove_dir_all(target.folder.join("run")).unwrap();
    target.run(&seeds, |path| {
        let (_, state) = run::read(path.parent().unwrap())?;
        possible(&state);
        Ok(())
    });
}

#[test]
fn manifests() {
    let target = Target::new("manifests", "run.json");
    sampled(&target.folder, "--shard 1/2");
    let seed = fs::read(target.folder.join("run/run.json")).unwrap();
    target.run(&[Seed::plain(seed)], |path| {
        let manifest = run::manifest(path.parent().unwrap())?;
        let text = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
        Ok(())
    });
}

/// What a page exports, held against the run that it belongs to.
#[test]
fn exports() {
    let target = Target::new("exports", "export.json");
    sampled(&target.folder, "");
    let (manifest, state) = run::read(&target.folder.join("run")).unwrap();
    let bins = state.tally.bins();
    let counts = state.tally.rows().iter().map(|row| bins.clone().map(|bin| row.histogram().count(bin)).collect());
    let export = serde_json::json!({
        "model": {"weights": manifest.model.sha256, "data": manifest.data.sha256},
        "seed": manifest.seed.to_string(), "temperature": manifest.temperature, "first": "0", "end": "60",
        "histogram": {"first_bin": bins.start, "counts": counts.collect::<Vec<Vec<u64>>>()},
    });
    target.run(&[Seed::plain(export.to_string())], |path| {
        let agreement = exported::check(path, &manifest, &state)?;
        assert!(agreement.samples <= 3 && agreement.differ <= agreement.edges);
        assert!(agreement.largest <= 60 && (agreement.fault.is_none() || agreement.largest > 0));
        Ok(())
    });
}

/// A message that is decoded is one that was encoded.
fn message_of<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> retrial_spec::Result<T> {
    let message: T = message::decode(bytes)?;
    let once = message::encode(&message)?;
    let twice = message::encode(&message::decode::<T>(&once)?)?;
    assert_eq!(once, twice);
    Ok(message)
}

/// What ranks send each other, in place of files.
#[test]
fn messages() {
    let target = Target::new("messages", "message");
    sampled(&target.folder, "");
    let (manifest, state) = run::read(&target.folder.join("run")).unwrap();
    let setup = Setup {
        manifest: serde_json::to_string(&manifest).unwrap(),
        weights: retrial_check::weights(Shape { pixels: 6, hidden: 4, latent: 2 }, 1),
        images: vec![0.5; 12],
        posterior: Posterior { mu: vec![0.0; 4], logvar: vec![-1.0; 4] },
        device: "cpu".into(),
        adapter: None,
        threads: Some(2),
        window: None,
        checkpoint: 60.0,
    };
    let encode = |order: &Order| [&[0], &message::encode(order).unwrap()[..]].concat();
    let report = |report: &Report| [&[1], &message::encode(report).unwrap()[..]].concat();
    let seeds = [
        encode(&Order::Serve(Box::new(setup))),
        encode(&Order::Work(5..70_000)),
        report(&Report::Want { most: 1 << 40, least: 3 }),
        report(&Report::Found { state: state.to_bytes().unwrap(), rate: 1e6 }),
        report(&Report::Failed("no device".into())),
    ];
    let folder = target.folder.display().to_string();
    target.run(&seeds.map(Seed::plain), |path| {
        // Of a message no file is named, so the one here is.
        let named = |error: retrial_spec::Error| {
            assert!(error.is_input(), "{error}");
            retrial_spec::Error::input(&folder, error, "send another")
        };
        let bytes = fs::read(path).unwrap();
        let Some((kind, bytes)) = bytes.split_first() else {
            return Err(named(message::decode::<Order>(&[]).unwrap_err()));
        };
        if kind % 2 == 0 {
            let order = message_of::<Order>(bytes).map_err(named)?;
            if let Order::Serve(setup) = order {
                let problem = setup.problem(1.0, 7).map_err(named)?;
                assert_eq!(problem.posterior().mu.len(), problem.samples() * problem.shape().latent);
            }
        } else if let Report::Found { state, .. } = message_of::<Report>(bytes).map_err(named)? {
            possible(&State::from_bytes(&state).map_err(named)?);
        }
        Ok(())
    });
}
