//! `retrial merge`

use crate::{
    args::DeviceArgs,
    exported::{self, Agreement},
    made::{self, Made},
    sample::Pipeline,
    sampling::SampleArgs,
    train::existing,
    ui,
};
use clap::{Args, FromArgMatches};
use retrial_engine::{Manifest, RunDir, State, run};
use retrial_spec::{Error, Result};
use std::path::{Path, PathBuf};

/// Put shards of a run together, exactly and in any order
///
/// Takes runs of the same model, data and settings that hold different trials, finished or not. What comes out is what one
/// run would have kept, to the byte; trials that nobody did are named, and retrial sample --resume does them. A complete
/// run gets its results and its report, on the kind of device that sampled it.
///
/// With --check, what the page of retrial page exported is held against the runs first: the same model, data, seed,
/// temperature and trials must give the same numbers of errors below every edge of the histogram, but for those so near to
/// one that the noise's last digit decides.
#[derive(Args)]
#[command(after_help = "Examples:\n  retrial merge shard-1 shard-2 shard-3 --out run\n  \
                        retrial merge shards/* --out run && retrial sample --resume run\n  \
                        retrial merge run --check retrial-page.json")]
pub struct Merge {
    /// Directories that retrial sample wrote
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Directory to write; not needed to --check alone
    #[arg(long, required_unless_present = "check")]
    out: Option<PathBuf>,
    /// The JSON that a page exported, to hold against these runs
    #[arg(long, value_name = "JSON")]
    check: Option<PathBuf>,
    /// Write over a directory that is not empty
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Merge {
    pub fn run(&self) -> Result<()> {
        let (manifest, state) = self.merged()?;
        if let Some(path) = &self.check {
            self.checked(path, &manifest, &state)?;
        }
        let Some(out) = &self.out else { return Ok(()) };
        if let Some(run) = self.runs.iter().find(|run| run.canonicalize().ok() == out.canonicalize().ok()) {
            return Err(Error::input("--out", run.display(), "is among the runs to merge; name another directory"));
        }
        let dir = RunDir::create(out, existing(self.force, false))?;
        made::copy(&self.runs[0], &dir)?;
        dir.write_manifest(&manifest)?;
        dir.finish(&manifest, &state)?;
        drop(dir);
        let missing = manifest.goal().without(state.trials());
        if missing.is_empty() {
            return self.finish(out, manifest);
        }
        let (out, done) = (out.display(), state.trials().count());
        if self.json {
            return ui::print_json(&serde_json::json!({ "run": manifest, "done": done, "missing": missing }));
        }
        ui::print(&ui::facts(&[
            ("Run", out.to_string()),
            ("Trials", format!("{} of {} per sample", ui::thousands(done), ui::thousands(manifest.trials))),
            ("Missing", missing.to_string()),
            ("Next", format!("retrial sample --resume {out}")),
        ]))
    }

    /// Holds an export against the runs, and says how they agree.
    fn checked(&self, path: &Path, manifest: &Manifest, state: &State) -> Result<()> {
        let Agreement { samples, edges, differ, largest, fault } = exported::check(path, manifest, state)?;
        if let Some(fault) = fault {
            return Err(Error::Device {
                device: format!("page of {}", path.display()),
                fault,
                fix: "the browser's GPU or its driver computes something else; try another browser".into(),
            });
        }
        if self.json && self.out.is_none() {
            return ui::print_json(
                &serde_json::json!({ "samples": samples, "edges": edges, "differ": differ, "largest": largest }),
            );
        }
        let verdict = format!(
            "agrees: {} of {} counts are the same, the others differ by at most {largest}",
            ui::thousands((edges - differ) as u64),
            ui::thousands(edges as u64)
        );
        if self.out.is_some() {
            ui::tell(format_args!("{} {verdict}", path.display()));
            return Ok(());
        }
        let trials = format!(
            "{} per sample, {samples} of {} samples",
            ui::thousands(state.trials().count()),
            manifest.data.samples
        );
        ui::print(&ui::facts(&[("Trials", trials), ("Page", verdict)]))
    }

    /// All runs in one.
    fn merged(&self) -> Result<(Manifest, State)> {
        let mut merged: Option<(Manifest, State)> = None;
        for (at, path) in self.runs.iter().enumerate() {
            let (theirs, part) = run::read(path)?;
            let Some((manifest, state)) = &mut merged else {
                merged = Some((Manifest { shard: None, ..theirs }, part));
                continue;
            };
            if let Some(difference) = theirs.difference(manifest) {
                let got = format!("a run whose {difference} as in {}", self.runs[0].display());
                return Err(Error::input(path.display(), got, "merge runs of the same settings"));
            }
            let twice = state.trials().overlap(part.trials());
            if !twice.is_empty() {
                let overlaps = |run: &&PathBuf| {
                    run::read(run).is_ok_and(|(_, earlier)| !earlier.trials().overlap(part.trials()).is_empty())
                };
                let other = self.runs[..at].iter().find(overlaps).unwrap_or(path);
                let limit = format!("{} holds them too; a trial counts once", other.display());
                return Err(Error::input(path.display(), format!("trials {twice}"), limit));
            }
            state.merge(&part)?;
            manifest.trials = manifest.trials.max(theirs.trials);
        }
        merged.ok_or_else(|| Error::input("runs", "none", "name the directories to merge"))
    }

    /// Writes the results, as a run that has no trial left to do.
    fn finish(&self, out: &Path, manifest: Manifest) -> Result<()> {
        let mut device = self.device.clone();
        if device.device == "auto" {
            device.device.clone_from(&manifest.device.backend);
        }
        let chosen = match device.open() {
            Ok(chosen) => chosen,
            Err(fault) => {
                let out = out.display();
                ui::note(format_args!(
                    "all trials are merged; retrial sample --resume {out} writes the results where {} is",
                    manifest.device
                ));
                return Err(fault);
            }
        };
        let made = Made::load(out, &manifest)?;
        let command = SampleArgs::augment_args(clap::Command::new("merge"));
        let flags = command.try_get_matches_from(["merge", "--resume"]).and_then(|m| SampleArgs::from_arg_matches(&m));
        let args = flags.map_err(|fault| Error::input("merge", fault, "report it as a bug"))?;
        let args = SampleArgs { device, json: self.json, ..args };
        let training = manifest.training.clone();
        Pipeline { args: &args, made, earlier: Some(manifest), chosen, training, out, dir: None, job: None }.run()
    }
}
