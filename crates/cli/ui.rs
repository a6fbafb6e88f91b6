//! What a person at a terminal sees: progress, tables, and the way to stop.

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use retrial_spec::{Error, Observer, Progress, Result};
use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Lets Ctrl-C end the work at the next window; a second one ends the program at once.
pub fn catch_interrupt() -> Result<()> {
    let handler = || {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("\nstopping; press Ctrl-C again to stop at once");
    };
    ctrlc::set_handler(handler).map_err(|e| Error::input("signal handler", e, "Ctrl-C must be available"))
}

/// Progress on stderr: a bar with ETA on a terminal, a line every ten seconds elsewhere.
pub struct Terminal {
    bar: Mutex<Option<(String, ProgressBar)>>,
    last_line: Mutex<Instant>,
    started: Mutex<Instant>,
}

impl Terminal {
    /// A fresh display.
    pub fn new() -> Self {
        let now = || Mutex::new(Instant::now());
        Self { bar: Mutex::new(None), last_line: now(), started: now() }
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
        let (Ok(mut last), Ok(mut started)) = (self.last_line.lock(), self.started.lock()) else { return };
        if p.done == 0 {
            *started = Instant::now();
        }
        let elapsed = started.elapsed();
        // What is done within ten seconds passes in silence.
        let wait = Duration::from_secs(10);
        if p.done == 0 || elapsed < wait || last.elapsed() < wait && p.done != p.total {
            return;
        }
        *last = Instant::now();
        let left = elapsed.mul_f64((p.total - p.done) as f64 / p.done as f64);
        let percent = 100 * p.done / p.total.max(1);
        eprintln!("{}: {percent} % of {} {}, {} left", p.stage, p.total, p.unit, HumanDuration(left));
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
}
