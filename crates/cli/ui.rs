//! What a person at a terminal sees: tables, notes, and the way to stop.

pub use retrial_spec::text::thousands;
use retrial_spec::{
    Error, Result,
    text::{is_obeyed, visible},
};
use std::{
    borrow::Cow,
    collections::HashSet,
    env,
    fmt::Display,
    fs,
    io::{self, BufWriter, Write},
    path::Path,
    process,
    sync::{
        Mutex, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static QUIET: AtomicBool = AtomicBool::new(false);
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
                tell(""); // below what the terminal made of the keys
                tell("stopping; press Ctrl-C again to stop at once");
            }
            let _kept = PROMISE.lock();
            if let Ok(words) = LAST_WORDS.lock()
                && !words.is_empty()
            {
                tell("");
                tell(&*words);
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

/// Whether a signal came.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Ends the program as a signal does.
pub fn stop() -> ! {
    process::exit(130)
}

/// Tells something on stderr, in one line. Whatever names it holds, a terminal shows them and obeys none.
pub fn tell(text: impl Display) {
    /// Nobody reads on, and a name may be as long as a file.
    const LONGEST: usize = 4000;
    let text = text.to_string();
    let (shown, more) = match text.char_indices().nth(LONGEST) {
        Some((end, _)) => (&text[..end], " ..."),
        None => (&*text, ""),
    };
    // Where stderr is closed or full, there is nobody to tell that to.
    let _ = writeln!(io::stderr(), "{}{more}", visible(shown));
}

/// Tells nothing but errors from now on.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Tells what a user should know and need not act on.
pub fn note(text: impl Display) {
    if QUIET.load(Ordering::Relaxed) {
        return;
    }
    tell(format_args!("note: {text}"));
}

/// Writes lines of results to stdout, as wide as it is.
pub fn print(text: &str) -> Result<()> {
    print_as_is(&wrapped(text, width()))
}

/// Writes lines to stdout, in which a terminal finds nothing to obey.
pub fn print_as_is(text: &str) -> Result<()> {
    written(io::stdout().lock().write_all(escaped(text, |c| c.escape_default().to_string()).as_bytes()))
}

/// Prints a value as JSON. What a terminal would obey is escaped, as JSON allows of any character.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let result = serde_json::to_writer_pretty(Json(&mut out), value).map_err(io::Error::from);
    written(result.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()))
}

/// Takes JSON as it is made, a whole piece of text at a time.
struct Json<W>(W);

impl<W: Write> Write for Json<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_all(escaped(text, |c| format!("\\u{:04x}", u32::from(c))).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A reader that went away (`| head`) is no error.
fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::io("write", "standard output")(e)),
        _ => Ok(()),
    }
}

/// Prints what became of an output: beside it, where that went to stdout or a pipe.
pub fn print_of(out: &Path, text: &str) -> Result<()> {
    let apart = fs::metadata(out).is_ok_and(|found| !found.is_file());
    if !apart {
        return print(text);
    }
    text.lines().for_each(tell);
    Ok(())
}

/// Lines in which what a terminal would obey is written otherwise.
fn escaped(text: &str, escape: impl Fn(char) -> String) -> Cow<'_, str> {
    let obeyed = |c| is_obeyed(c) && c != '\n';
    if !text.contains(obeyed) {
        return text.into();
    }
    text.chars().map(|c| if obeyed(c) { escape(c) } else { c.into() }).collect()
}

/// Columns that results may take: those of the terminal, and without one `COLUMNS` or 80.
fn width() -> usize {
    let asked = || env::var("COLUMNS").ok()?.parse().ok();
    let seen = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    seen.or_else(asked).unwrap_or(80).max(40)
}

/// Lines of so many columns at most, where words allow. Rows of tables, which have two spaces somewhere, stay as they are.
fn wrapped(text: &str, width: usize) -> String {
    text.split_inclusive('\n').map(|line| fill(line, width, "  ")).collect()
}

/// One line as several, all but the first behind `indent`.
fn fill<'a>(line: &'a str, width: usize, indent: &str) -> Cow<'a, str> {
    let words = line.trim_end_matches('\n');
    if words.contains("  ") || words.chars().count() <= width {
        return line.into();
    }
    let options = textwrap::Options::new(width).subsequent_indent(indent).break_words(false);
    let options = options.word_splitter(textwrap::WordSplitter::NoHyphenation);
    (textwrap::fill(words, options) + &line[words.len()..]).into()
}

/// Aligned columns: the first to the left, the others to the right, two spaces between. A row is a line, whatever its
/// cells hold. Columns beyond the width of the terminal follow below, beside those that say what a row is.
pub fn table(rows: &[Vec<String>]) -> String {
    table_within(rows, width())
}

fn table_within(rows: &[Vec<String>], most: usize) -> String {
    let rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    let keys = keys(&rows);
    let mut from = keys;
    loop {
        let mut taken = widths.iter().take(keys).map(|width| width + 2).sum::<usize>().saturating_sub(2);
        let fits = widths.iter().skip(from).take_while(|&&width| {
            taken += 2 + width;
            taken <= most
        });
        // One at least, or there would be no end.
        let to = columns.min(from + fits.count().max(1));
        for row in &rows {
            // By hand: a width of the formatter's has 16 bits, and a name may be as long as a file.
            let cell = |c: usize| {
                let cell = row.get(c)?;
                let pad = " ".repeat(widths[c] - cell.chars().count());
                Some(if c == 0 { format!("{cell}{pad}") } else { format!("{pad}{cell}") })
            };
            let line: Vec<String> = (0..keys).chain(from..to).filter_map(cell).collect();
            text += line.join("  ").trim_end();
            text.push('\n');
        }
        if to >= columns {
            return text;
        }
        text.push('\n');
        from = to;
    }
}

/// How many columns, from the first on, tell the rows apart; an empty cell stands for the one above. Where that takes more
/// than three, the first has to do.
fn keys(rows: &[Vec<Cow<'_, str>>]) -> usize {
    let tells = |columns: &usize| {
        let mut above = vec![""; *columns];
        let mut seen = HashSet::new();
        rows.iter().all(|row| {
            for (cell, above) in row.iter().zip(&mut above).filter(|(cell, _)| !cell.is_empty()) {
                *above = cell;
            }
            seen.insert(above.clone())
        })
    };
    (1..4).find(tells).unwrap_or(1)
}

/// The columns of a table that say something: a head first, then no `-` alone.
pub fn without_empty(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let says = |c: usize| rows.iter().skip(1).any(|row| row.get(c).is_some_and(|cell| !cell.is_empty() && cell != "-"));
    let kept: Vec<bool> = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).map(|c| c == 0 || says(c)).collect();
    let of = |row: Vec<String>| row.into_iter().zip(&kept).filter(|(_, kept)| **kept).map(|(cell, _)| cell).collect();
    rows.into_iter().map(of).collect()
}

/// Name and value pairs, one a line, and long values behind their name.
pub fn facts(facts: &[(&str, String)]) -> String {
    facts_within(facts, width())
}

fn facts_within(facts: &[(&str, String)], most: usize) -> String {
    let names = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let indent = " ".repeat(names + 2);
    let line = |(name, value): &(&str, String)| {
        let value = visible(value);
        let value = fill(&value, most.saturating_sub(names + 2).max(20), "");
        format!("{name:<names$}  {}\n", value.replace('\n', &format!("\n{indent}")))
    };
    facts.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let rows = [vec!["a".into(), "10".into()], vec!["bcd".into(), "5".into()]];
        assert_eq!(table(&rows), "a    10\nbcd   5\n");
        let rows = [vec!["a\nb".into(), "10".into()], vec!["\x1b[2J".into(), "5".into()]];
        assert_eq!(table(&rows), "a\\nb       10\n\\u{1b}[2J   5\n");
        assert_eq!(facts(&[("Name", "a\nError".into())]), "Name  a\\nError\n");
        assert_eq!(
            facts_within(&[("Name", "one two three four five".into())], 26),
            "Name  one two three four\n      five\n"
        );
        let rows = [["a", "b", "c", "d"], ["1", "-", "333", "4444"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(table_within(&rows, 9), "a  b    c\n1  -  333\n\na     d\n1  4444\n");
        assert_eq!(table_within(&rows[..1], 1), "a  b\n\na  c\n\na  d\n");
        let tied =
            [["a", "b", "c", "d"], ["1", "x", "3", "4"], ["", "y", "3", "4"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(table_within(&tied, 8), "a  b  c\n1  x  3\n   y  3\n\na  b  d\n1  x  4\n   y  4\n");
        assert_eq!(table(&without_empty(rows.to_vec())), "a    c     d\n1  333  4444\n");
    }

    #[test]
    fn prose_is_wrapped_and_tables_are_not() {
        assert_eq!(wrapped("one two three\n\na  b  c  d  e\n", 8), "one two\n  three\n\na  b  c  d  e\n");
        assert_eq!(wrapped("averyveryverylongword and\nmore", 8), "averyveryverylongword\n  and\nmore");
    }

    #[test]
    fn json_stays_json() {
        let value = serde_json::json!({ "a\u{9b}": "\x1b\u{7f}\u{202e}\u{2028}\n é" });
        let mut bytes = vec![];
        serde_json::to_writer_pretty(Json(&mut bytes), &value).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains(|c| is_obeyed(c) && c != '\n'), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
