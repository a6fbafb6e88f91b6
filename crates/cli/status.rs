//! `retrial status`

use crate::ui;
use clap::Args;
use indicatif::HumanDuration;
use retrial_engine::{Manifest, State, lock, run};
use retrial_spec::Result;
use serde_json::json;
use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

/// Look at a run, live or dead, without disturbing it
#[derive(Args)]
#[command(after_help = "Examples:\n  retrial status run\n  watch retrial status run")]
pub struct Status {
    /// Directory that retrial sample writes
    run: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub fn run(&self) -> Result<()> {
        let manifest = run::manifest(&self.run)?;
        let state = match run::read(&self.run) {
            Ok((_, state)) => state,
            // Before its first checkpoint.
            Err(_) if !self.run.join("tally.bin").exists() => manifest.state()?,
            Err(fault) => return Err(fault),
        };
        let (held, holder) = (lock::is_held(&self.run), lock::holder(&self.run));
        let missing = manifest.goal().without(state.trials());
        let (done, total) = (state.trials().count(), manifest.goal().count());
        let sampling = holder.as_ref().and_then(|holder| holder.sampling);
        let rate =
            sampling.map(|s| s.kept.saturating_sub(s.from) as f64 / s.seconds.max(1e-9)).filter(|&rate| rate > 0.0);
        let left = rate.filter(|_| held && done < total).map(|rate| missing.count() as f64 / rate);
        let kept = fs::metadata(self.run.join("tally.bin")).and_then(|file| file.modified()).ok();
        let ago = kept.map(|kept| SystemTime::now().duration_since(kept).unwrap_or(Duration::ZERO));
        let samples = manifest.data.samples as f64;
        let word = match (held, done == total) {
            (true, _) => "running",
            (false, true) => "finished",
            (false, false) => "stopped",
        };
        if self.json {
            return ui::print_json(&json!({
                "state": word, "done": done, "total": total, "missing": missing, "process": holder.filter(|_| held),
                "trials_per_second": rate.map(|rate| rate * samples), "seconds_left": left,
                "seconds_since_checkpoint": ago.map(|ago| ago.as_secs_f64()), "coverage": coverage(&manifest, &state),
            }));
        }
        let percent = 100.0 * done as f64 / total.max(1) as f64;
        let mut facts = vec![
            ("Run", self.run.display().to_string()),
            (
                "State",
                match holder.filter(|_| held) {
                    Some(holder) => format!("{word}: {holder}"),
                    None => word.to_string(),
                },
            ),
            ("Done", format!("{} of {} trials per sample, {percent:.1} %", ui::thousands(done), ui::thousands(total))),
        ];
        if !missing.is_empty() {
            facts.push(("Missing", missing.to_string()));
        }
        if let Some(shard) = manifest.shard {
            facts.push(("Shard", format!("{shard}, of {} trials per sample", ui::thousands(manifest.trials))));
        }
        if let Some(rate) = rate {
            facts.push(("Rate", format!("{} trials/s", ui::thousands((rate * samples) as u64))));
        }
        if let Some(left) = left.and_then(|left| Duration::try_from_secs_f64(left).ok()) {
            facts.push(("Left", HumanDuration(left).to_string()));
        }
        if let Some(ago) = ago {
            facts.push(("Checkpoint", format!("{} ago", HumanDuration(ago))));
        }
        if !held && done < total {
            facts.push(("Next", format!("retrial sample --resume {}", self.run.display())));
        }
        let mut rows = vec![["threshold", "solved", "coverage", "pass@1"].map(String::from).to_vec()];
        rows.extend(coverage(&manifest, &state).into_iter().map(|c| {
            let (solved, share) = (c.solved, c.solved as f64 / samples);
            vec![c.threshold.to_string(), solved.to_string(), format!("{share:.4}"), format!("{:.3e}", c.pass_at_1)]
        }));
        ui::print(&(ui::facts(&facts) + "\n" + &ui::table(&rows)))
    }
}

/// Where one threshold stands.
#[derive(serde::Serialize)]
struct Coverage {
    threshold: f32,
    /// Samples that some trial solved.
    solved: usize,
    /// Mean share of successful trials.
    pass_at_1: f64,
}

fn coverage(manifest: &Manifest, state: &State) -> Vec<Coverage> {
    let trials = state.trials().count() as f64 * manifest.data.samples as f64;
    let one = |(t, &threshold): (usize, &f32)| {
        let successes = state.tally.successes(t);
        let all: u64 = successes.iter().sum();
        let solved = successes.iter().filter(|&&count| count > 0).count();
        Coverage { threshold, solved, pass_at_1: all as f64 / trials.max(1.0) }
    };
    manifest.thresholds.iter().enumerate().map(one).collect()
}
