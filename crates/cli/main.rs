//! The command line. One file per command; results go to stdout, everything else to stderr.

#![allow(unreachable_pub, reason = "a program has no API: what is pub is for its other files")]

mod args;
mod backtest;
mod bench;
mod compare;
mod contest;
mod correlation;
mod cost;
mod coverage;
mod curves;
mod difficulty;
mod exchange;
mod exported;
mod figures;
mod fit;
mod fits;
mod folder;
mod forecast;
mod info;
mod input;
mod laws;
mod made;
mod merge;
mod model;
mod noise;
mod numbers;
#[cfg(feature = "wgsl")]
mod page;
mod plan;
mod policy;
mod price;
mod priced;
mod progress;
mod ranks;
mod report;
mod reproduce;
mod sample;
mod sampling;
mod score;
mod selection;
mod simulate;
mod status;
mod summary;
mod tail;
mod tails;
mod train;
mod ui;
mod validate;
mod verdicts;

use clap::{Parser, Subcommand};
use retrial_spec::{Error, Result, text::visible};
use std::process::ExitCode;

/// Measures how far repeated attempts carry a generative model.
///
/// Decodes a trained VAE with noise at a temperature, many trials per memorised image, scores each trial by its L2
/// error, and reduces the errors to pass@k for every threshold, to the trial-correlation spectrum and to the laws of
/// "A Simple Model of Inference Scaling Laws" (arXiv 2410.16377).
///
/// Results depend on the inputs, the seed and the precision, never on threads or windows. Exit codes: 0 success,
/// 1 failure of a check or a device, 2 bad input, 130 stopped by a signal: within a second, having kept what was sampled or
/// trained.
#[derive(Parser)]
#[command(name = "retrial", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How long work says where it stands, on stderr
    #[arg(long, global = true, value_enum, default_value_t, value_name = "HOW", help_heading = "Progress")]
    progress: progress::Show,
    /// Print results and errors, and nothing else
    #[arg(long, global = true, conflicts_with = "progress", help_heading = "Progress")]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    Reproduce(reproduce::Reproduce),
    Train(train::Train),
    Sample(sample::Sample),
    Merge(merge::Merge),
    Status(status::Status),
    Report(report::Report),
    Correlation(correlation::Correlation),
    Tail(tail::Tail),
    Score(score::Score),
    Noise(noise::Noise),
    #[cfg(feature = "wgsl")]
    Page(page::Page),
    Coverage(coverage::Coverage),
    Compare(compare::Compare),
    Fit(fit::Fit),
    Forecast(forecast::Forecast),
    Difficulty(difficulty::Difficulty),
    Plan(plan::Plan),
    Cost(cost::Cost),
    Simulate(simulate::Simulate),
    Validate(validate::Validate),
    Bench(bench::Bench),
    Info(info::Info),
}

fn run(command: &Command) -> Result<ExitCode> {
    ui::catch_signals()?;
    // Until the end of this function the process belongs to its job.
    let job = ranks::join()?;
    if let Some(job) = job.as_ref().filter(|job| job.is_other()) {
        ui::be_quiet();
        return job.serve().map(|()| ExitCode::SUCCESS);
    }
    let code = obey(command, job.as_ref());
    match (&code, job) {
        (Err(Error::Cancelled), Some(job)) => job.abandon(),
        (_, Some(job)) => job.end()?,
        (_, None) => {}
    }
    code
}

fn obey(command: &Command, job: Option<&ranks::Job>) -> Result<ExitCode> {
    match command {
        Command::Reproduce(c) => c.run(job),
        Command::Train(c) => c.run(),
        Command::Sample(c) => c.run(job),
        Command::Merge(c) => c.run(),
        Command::Status(c) => c.run(),
        Command::Report(c) => c.run(),
        Command::Correlation(c) => c.run(),
        Command::Tail(c) => c.run(),
        Command::Score(c) => c.run(),
        Command::Noise(c) => c.run(),
        #[cfg(feature = "wgsl")]
        Command::Page(c) => c.run(),
        Command::Coverage(c) => return c.run(),
        Command::Compare(c) => c.run(),
        Command::Fit(c) => c.run(),
        Command::Forecast(c) => c.run(),
        Command::Difficulty(c) => c.run(),
        Command::Plan(c) => c.run(),
        Command::Cost(c) => c.run(),
        Command::Simulate(c) => c.run(),
        Command::Validate(c) => return c.run(),
        Command::Bench(c) => c.run(),
        Command::Info(c) => c.run(),
    }
    .map(|()| ExitCode::SUCCESS)
}

/// The command line; where it cannot be used, ends the program with what clap says.
fn arguments() -> Cli {
    Cli::try_parse().unwrap_or_else(|error| {
        // Clap repeats what was typed, or pasted: here as a terminal may show it.
        if !ranks::speaks() {
            std::process::exit(error.exit_code());
        }
        let shown = std::env::args_os().map(|arg| visible(&arg.to_string_lossy()).into_owned());
        Cli::try_parse_from(shown).err().unwrap_or(error).exit()
    })
}

fn main() -> ExitCode {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // Mesa prints an error without it, on every machine where nobody is logged in. It needs no such directory, and one
        // where others can write would not be this user's own.
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", "/nonexistent") };
    }
    let Cli { command, progress, quiet } = arguments();
    if quiet {
        ui::be_quiet();
    }
    progress::show(if quiet { progress::Show::None } else { progress });
    match run(&command) {
        Ok(code) => code,
        Err(error) => {
            if !matches!(error, Error::Cancelled) && ranks::speaks() {
                ui::tell(format_args!("error: {error}"));
            }
            ExitCode::from(match error {
                Error::Cancelled => 130,
                e if e.is_input() => 2,
                _ => 1,
            })
        }
    }
}
