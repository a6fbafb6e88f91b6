//! What a person at a terminal sees: progress, tables, and the way to stop.

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use retrial_spec::{Error, Observer, Progress, Result};
use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    process,
    sync::{
        Mutex, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static PROMISE: Mutex<()> = Mutex::new(());
static LAST_WORDS: Mutex<String> = Mutex::new(String::new());

/// Lets a signal (Ctrl-C, SIGTERM, SIGHUP) end the program: at once, or where a [`promise`] is held when it was kept. A
/// second signal waits for nothing.
pub fn catch_signals() -> Result<()> {
    let handler = || {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            stop();
        }
        // Not here: this thread must hear the second signal.
        thread::spawn(|| {
            if PROMISE.try_lock().is_err_and(|e| matches!(e, TryLockError::WouldBlock)) {
                eprintln!("\nstopping; press Ctrl-C again to stop at once");
            }
            let _kept = PROMISE.lock();
            if let Ok(words) = LAST_WORDS.lock()
                && !words.is_empty()
            {
                eprintln!("\n{words}");
            }
            stop();
        });
    };
    ctrlc::set_handler(handler).map_err(|e| Error::input("signal handler", e, "Ctrl-C must be available"))
}

/// Held by work that saves what it has done when it is cancelled, and notices that within a fraction of a second: until
/// it is dropped, no first signal ends the program. There is one at a time.
pub fn promise() -> impl Drop {
    PROMISE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What to say from now on when a signal ends the program.
pub fn last_words(words: String) {
    if let Ok(mut last) = LAST_WORDS.lock() {
        *last = words;
    }
}

/// Ends the program as a signal does.
pub fn stop() -> ! {
    process::exit(130)
}

/// Progress on stderr: a bar with ETA on a terminal, a line a minute elsewhere.
pub struct Terminal {
    bar: Mutex<Option<(String, ProgressBar)>>,
    lines: Mutex<Lines>,
}

impl Terminal {
    /// A fresh display.
    pub fn new() -> Self {
        Self { bar: Mutex::new(None), lines: Mutex::new(Lines::new(Instant::now())) }
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
            bar.set_message(p.unit.to_string());
            bar.set_position(p.done);
            bar.reset_eta();
            *slot = Some((p.stage.into(), bar));
        }
        if let Some((_, bar)) = slot.as_ref() {
            bar.set_position(p.done);
        }
    }

    fn line(&self, p: Progress<'_>) {
        if let Ok(mut lines) = self.lines.lock()
            && let Some(line) = lines.next(p, Instant::now())
        {
            eprintln!("{line}");
        }
    }
}

/// Progress as lines of a log: at most one a minute, whatever the stages, and none of what is done within a minute.
struct Lines {
    last: Instant,
    stage: String,
    started: Instant,
}

impl Lines {
    const EVERY: Duration = Duration::from_secs(60);

    fn new(now: Instant) -> Self {
        Self { last: now, stage: String::new(), started: now }
    }

    /// The line to print now, if one is due.
    fn next(&mut self, p: Progress<'_>, now: Instant) -> Option<String> {
        if self.stage != p.stage || p.done == 0 {
            (self.stage, self.started) = (p.stage.into(), now);
        }
        if now - self.last < Self::EVERY || p.done == 0 {
            return None;
        }
        self.last = now;
        let left = (now - self.started).mul_f64(p.total.saturating_sub(p.done) as f64 / p.done as f64);
        let percent = (100.0 * p.done as f64 / p.total.max(1) as f64).floor();
        Some(format!("{}: {percent} % of {} {}, {} left", p.stage, p.total, p.unit, HumanDuration(left)))
    }
}

impl Observer for Terminal {
    fn progress(&self, p: Progress<'_>) {
        if io::stderr().is_terminal() { self.draw(p) } else { self.line(p) }
    }

    fn cancelled(&self) -> bool {
        INTERRUPTED.load(Ordering::SeqCst)
    }
}

/// Tells what a user should know and need not act on, one line on stderr.
pub fn note(text: impl Display) {
    eprintln!("note: {text}");
}

/// Writes results to stdout. A reader that went away (`| head`) is no error.
pub fn print(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::io("write", "standard output")(e)),
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::input("JSON", e, "please report this"))?;
    print(&(text + "\n"))
}

/// Aligned columns: the first to the left, the others to the right, two spaces between.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(c, (cell, &width))| match c {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        let line: Vec<String> = cells.collect();
        text += line.join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// Name and value pairs, one a line.
pub fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    facts.iter().map(|(name, value)| format!("{name:<width$}  {value}\n")).collect()
}

/// `12345678` as `12,345,678`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let rows = [vec!["a".into(), "10".into()], vec!["bcd".into(), "5".into()]];
        assert_eq!(table(&rows), "a    10\nbcd   5\n");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(123), "123");
    }

    #[test]
    fn a_log_gets_a_line_a_minute_whatever_the_stages() {
        let start = Instant::now();
        let mut lines = Lines::new(start);
        let mut printed = vec![];
        // Ten minutes of stages that take a second each, in steps of 0.1 s, then one long stage.
        for tenth in 0..6000_u64 {
            let (stage, done) = (format!("stage {}", tenth / 10), tenth % 10 + 1);
            let p = Progress { stage: &stage, done, total: 10, unit: "steps" };
            printed.extend(lines.next(p, start + Duration::from_millis(100 * tenth)));
        }
        assert_eq!(printed.len(), 9, "{printed:?}");
        for second in 600..=900 {
            let p = Progress { stage: "sample", done: second - 600, total: u64::MAX, unit: "trials" };
            printed.extend(lines.next(p, start + Duration::from_secs(second)));
        }
        assert_eq!(printed.len(), 14, "{printed:?}");
        assert!(printed[13].starts_with("sample: 0 % of 18446744073709551615 trials, "), "{printed:?}");
    }
}
