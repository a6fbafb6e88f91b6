//! How long work says where it stands: a bar, lines of a log, or JSON.

use crate::ui::{interrupted, tell};
use clap::ValueEnum;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use retrial_spec::{Observer, Progress, Tally};
use serde::Serialize;
use serde_json::json;
use std::{
    fmt,
    io::{self, IsTerminal},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Show {
    /// A bar on a terminal, lines elsewhere
    #[default]
    Auto,
    /// One line that moves
    Bar,
    /// A line a minute
    Lines,
    /// A JSON object a second, for machines
    Json,
    /// Nothing
    None,
}

static SHOW: OnceLock<Show> = OnceLock::new();

/// Settles how progress is shown, once.
pub fn show(show: Show) {
    SHOW.set(show).ok();
}

/// Progress on stderr.
pub struct Terminal {
    show: Show,
    bar: Mutex<Option<(String, ProgressBar)>>,
    lines: Mutex<Lines>,
    sampled: Mutex<Option<Sampled>>,
}

/// What is known of a run that samples.
#[derive(Serialize)]
struct Sampled {
    /// Errors below are successes.
    thresholds: Vec<f32>,
    /// Share of samples that some trial solved, for each threshold.
    coverage: Vec<f64>,
    /// Seconds to the next checkpoint.
    next_checkpoint: f64,
}

impl Sampled {
    fn of(so_far: &Tally, checkpoint: Duration) -> Self {
        let rows = so_far.rows();
        let solved = |t: usize| rows.iter().filter(|row| row.successes()[t] > 0).count();
        Self {
            thresholds: so_far.thresholds().to_vec(),
            coverage: (0..so_far.thresholds().len()).map(|t| solved(t) as f64 / rows.len().max(1) as f64).collect(),
            next_checkpoint: checkpoint.as_secs_f64(),
        }
    }
}

/// The coverage at the first thresholds: "coverage 0.02 0.31 1.00".
impl fmt::Display for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// As many as a line holds.
        const SHOWN: usize = 6;
        if !self.coverage.is_empty() {
            f.write_str("coverage")?;
        }
        self.coverage.iter().take(SHOWN).try_for_each(|share| write!(f, " {share:.2}"))?;
        if self.coverage.len() > SHOWN { f.write_str(" ...") } else { Ok(()) }
    }
}

impl Terminal {
    /// A fresh display.
    pub fn new() -> Self {
        let show = match SHOW.get().copied().unwrap_or_default() {
            Show::Auto if io::stderr().is_terminal() => Show::Bar,
            Show::Auto => Show::Lines,
            show => show,
        };
        Self {
            show,
            bar: Mutex::new(None),
            lines: Mutex::new(Lines::new(Instant::now(), show)),
            sampled: Mutex::new(None),
        }
    }

    /// Takes the bar down before something else is printed.
    pub fn clear(&self) {
        if let Ok(mut bar) = self.bar.lock()
            && let Some((_, bar)) = bar.take()
        {
            bar.finish_and_clear();
        }
    }

    fn draw(&self, p: Progress<'_>) {
        let Ok(mut slot) = self.bar.lock() else { return };
        if slot.as_ref().is_none_or(|(stage, _)| stage != p.stage) {
            let style =
                "{prefix:>8} {bar:32.cyan/blue} {percent:>3}%  {human_pos} of {human_len} {msg}  {per_sec}, {eta} left";
            let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(p.total).with_style(style.progress_chars("━╸ "));
            bar.set_prefix(p.stage.to_string());
            bar.set_position(p.done);
            bar.reset_eta();
            *slot = Some((p.stage.into(), bar));
        }
        if let Some((_, bar)) = slot.as_ref() {
            bar.set_message(match self.sampled().as_ref() {
                Some(sampled) => format!("{}, {sampled}, kept in {:.0} s", p.unit, sampled.next_checkpoint),
                None => p.unit.to_string(),
            });
            bar.set_position(p.done);
        }
    }

    fn sampled(&self) -> MutexGuard<'_, Option<Sampled>> {
        self.sampled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, p: Progress<'_>) {
        let Ok(mut lines) = self.lines.lock() else { return };
        let Some(pace) = lines.next(p, Instant::now()) else { return };
        let sampled = self.sampled();
        if self.show == Show::Json {
            let Progress { stage, done, total, unit } = p;
            let Rate { rate, left } = pace;
            let left = left.as_secs_f64();
            tell(json!({
                "stage": stage, "done": done, "total": total, "unit": unit, "per_second": rate, "seconds_left": left,
                "sampled": *sampled,
            }));
            return;
        }
        let coverage = sampled.as_ref().map(|sampled| format!(", {sampled}")).unwrap_or_default();
        tell(format_args!("{}{coverage}", pace.line(p)));
    }
}

/// Progress as lines of a log: at most one a minute (a second for machines), whatever the stages, and none of what is done
/// before.
struct Lines {
    every: Duration,
    last: Instant,
    stage: String,
    /// When the stage began, and what was done then.
    started: (Instant, u64),
}

/// How fast work goes.
struct Rate {
    /// Units a second.
    rate: f64,
    left: Duration,
}

impl Rate {
    fn line(&self, p: Progress<'_>) -> String {
        let percent = (100.0 * p.done as f64 / p.total.max(1) as f64).floor();
        let Progress { stage, total, unit, .. } = p;
        format!("{stage}: {percent} % of {total} {unit}, {:.3e}/s, {} left", self.rate, HumanDuration(self.left))
    }
}

impl Lines {
    fn new(now: Instant, show: Show) -> Self {
        let every = Duration::from_secs(if show == Show::Json { 1 } else { 60 });
        Self { every, last: now, stage: String::new(), started: (now, 0) }
    }

    /// The pace to tell of now, if a line is due.
    fn next(&mut self, p: Progress<'_>, now: Instant) -> Option<Rate> {
        if self.stage != p.stage || p.done < self.started.1 {
            (self.stage, self.started) = (p.stage.into(), (now, p.done));
        }
        let (began, before) = self.started;
        if now - self.last < self.every || p.done == before {
            return None;
        }
        self.last = now;
        let rate = (p.done - before) as f64 / (now - began).as_secs_f64().max(1e-9);
        let left = Duration::try_from_secs_f64(p.total.saturating_sub(p.done) as f64 / rate);
        Some(Rate { rate, left: left.unwrap_or(Duration::MAX) })
    }
}

impl Observer for Terminal {
    fn progress(&self, p: Progress<'_>) {
        match self.show {
            Show::Bar => self.draw(p),
            Show::None => {}
            Show::Lines | Show::Json | Show::Auto => self.line(p),
        }
    }

    fn sampled(&self, so_far: &Tally, checkpoint: Duration) {
        *self.sampled() = Some(Sampled::of(so_far, checkpoint));
    }

    fn cancelled(&self) -> bool {
        interrupted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_gets_a_line_a_minute_whatever_the_stages() {
        let start = Instant::now();
        let mut lines = Lines::new(start, Show::Lines);
        let mut printed = vec![];
        // Ten minutes of stages that take a second each, in steps of 0.1 s, then one long stage.
        for tenth in 0..6000_u64 {
            let (stage, done) = (format!("stage {}", tenth / 10), tenth % 10 + 1);
            let p = Progress { stage: &stage, done, total: 10, unit: "steps" };
            printed.extend(lines.next(p, start + Duration::from_millis(100 * tenth)).map(|pace| pace.line(p)));
        }
        assert_eq!(printed.len(), 9, "{printed:?}");
        for second in 600..=900 {
            let p = Progress { stage: "sample", done: second - 600, total: u64::MAX, unit: "trials" };
            printed.extend(lines.next(p, start + Duration::from_secs(second)).map(|pace| pace.line(p)));
        }
        assert_eq!(printed.len(), 14, "{printed:?}");
        assert!(printed[13].starts_with("sample: 0 % of 18446744073709551615 trials, "), "{printed:?}");
    }
}
