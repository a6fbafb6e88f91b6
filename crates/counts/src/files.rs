//! Several files: directories opened, the same file found twice, and groups that lie in several put together.

use crate::{
    Group, Options, Outcomes, documents, matrix, rows, run,
    source::{self, Source},
    table, yaml,
};
use retrial_spec::{Error, Result, text::visible};
use retrial_theory::coverage::Counts;
use std::{
    collections::{
        HashMap,
        hash_map::{DefaultHasher, Entry},
    },
    fs::{self, File},
    hash::Hasher,
    io::{BufRead, Read},
    path::{Path, PathBuf},
};

/// What may lie in a directory of results.
const ENDS: [&str; 10] = ["csv", "tsv", "jsonl", "json", "npy", "yaml", "yml", "eval", "gz", "parquet"];

/// Reads one file of any format.
fn file(path: &Path, options: &Options) -> Result<Vec<Group>> {
    if path.as_os_str() != "-" {
        let mut start = [0; 6];
        let mut file = File::open(path).map_err(Error::io("read", path))?;
        let count = file.read(&mut start).map_err(Error::io("read", path))?;
        match &start[..count] {
            b"\x93NUMPY" => return matrix::array(path, options),
            [b'P', b'K', 3, 4, ..] => return documents::archive(path, options),
            [b'P', b'A', b'R', b'1', ..] => return crate::parquet::read(path, options),
            _ => {}
        }
    }
    let mut source = Source::open(path)?;
    // An empty file is a table without a header; blanks before the first row are nothing.
    let first = loop {
        let bytes = source.fill_buf().map_err(|e| source::fault(path, e))?;
        let blanks = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let (first, empty) = (bytes.get(blanks).copied(), bytes.is_empty());
        if first.is_some() || empty {
            let yaml = first.is_some() && yaml::is_yaml(&bytes[blanks..]);
            if matches!(first, Some(b'{' | b'[')) || yaml {
                source.consume(blanks);
            }
            break if yaml { Some(b'-') } else { first };
        }
        source.consume(blanks);
    };
    match first {
        Some(b'{' | b'[') => rows::read(path, source, options),
        Some(b'-') => yaml::read(path, source, options),
        Some(_) => table::read(path, source, options),
        None => Err(Error::file(path, "is empty", "give a table of counts or attempts, CSV or JSON lines")),
    }
}

/// Reads files and directories of any format; groups of one model and benchmark are one.
pub(crate) fn read(paths: &[PathBuf], options: &Options) -> Result<Vec<Group>> {
    let mut files = vec![];
    for path in paths {
        if path.is_dir() && !path.join("run.json").exists() {
            files.extend(inside(path)?);
        } else {
            files.push(path.clone());
        }
    }
    let mut seen: HashMap<(u64, u64), PathBuf> = HashMap::new();
    let mut merged: Vec<Group> = vec![];
    let mut index: HashMap<(String, String), usize> = HashMap::new();
    let several = files.len() > 1;
    for path in files {
        let mut copy = None;
        if several && let Some(print) = fingerprint(&path)? {
            match seen.entry(print) {
                Entry::Occupied(first) if is_same(first.get(), &path) => {
                    return Err(Error::file(
                        path,
                        "is given twice",
                        "give each file once: its attempts would count twice",
                    ));
                }
                // Short files of two attempts may well say the same.
                Entry::Occupied(first) => {
                    let (path, first) = (path.display(), first.get().display());
                    copy = Some(format!(
                        "{path} holds the same bytes as {first}: if it is a copy, its attempts count twice"
                    ));
                }
                Entry::Vacant(entry) => drop(entry.insert(path.clone())),
            }
        }
        let mut groups = if path.is_dir() { run::read(&path, options)? } else { file(&path, options)? };
        groups.iter_mut().for_each(|group| group.notes.extend(copy.clone()));
        for group in groups {
            match index.entry((group.model.clone(), group.benchmark.clone())) {
                Entry::Occupied(at) => add(&mut merged[*at.get()], group, &path, options)?,
                Entry::Vacant(entry) => {
                    entry.insert(merged.len());
                    merged.push(group);
                }
            }
        }
    }
    for group in &mut merged {
        group.notes.extend(looks_stopped(group, options));
    }
    Ok(merged)
}

/// The files of a directory, by name.
fn inside(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path).map_err(Error::io("read", path))?;
    let mut files = vec![];
    for entry in entries {
        let file = entry.map_err(Error::io("read", path))?.path();
        let known = file.extension().is_some_and(|end| ENDS.iter().any(|of| end.eq_ignore_ascii_case(of)));
        if known && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        let fault = format!("is a directory without run.json and without results (*.{})", ENDS.join(", *."));
        return Err(Error::file(path, fault, "name a run of retrial sample, or a directory of results"));
    }
    Ok(files)
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let full = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.into());
    full(one) == full(other)
}

/// Length and hash of a file; of no regular file there is none.
fn fingerprint(path: &Path) -> Result<Option<(u64, u64)>> {
    if !path.is_file() {
        return Ok(None);
    }
    let (mut file, mut hash, mut length) =
        (File::open(path).map_err(Error::io("read", path))?, DefaultHasher::new(), 0);
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece).map_err(Error::io("read", path))? {
            0 => return Ok(Some((length, hash.finish()))),
            count => {
                hash.write(&piece[..count]);
                length += count as u64;
            }
        }
    }
}

/// Adds what another file has of a group: further problems, and further attempts at the same ones.
fn add(group: &mut Group, more: Group, path: &Path, options: &Options) -> Result<()> {
    let mut at: HashMap<Box<str>, usize> = group.problems.iter().cloned().zip(0..).collect();
    let mut again = 0;
    if group.clusters.is_empty() != more.clusters.is_empty() {
        let fault = format!("and another file of {group} do not both say to what problems belong");
        return Err(Error::file(path, fault, "give the column cluster to both, or to none"));
    }
    let mut clusters = more.clusters.into_iter();
    let mut listed = match (std::mem::replace(&mut group.outcomes, Outcomes::Counted), more.outcomes) {
        (Outcomes::Listed(one), Outcomes::Listed(two)) => Some((one, two)),
        _ => None,
    };
    for (i, (problem, counts)) in more.problems.into_iter().zip(more.counts).enumerate() {
        let successes = listed.as_mut().map(|(_, two)| std::mem::take(&mut two[i]));
        let cluster = clusters.next();
        match at.entry(problem.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(group.problems.len());
                group.problems.push(problem);
                group.clusters.extend(cluster);
                group.counts.push(counts);
                if let (Some((one, _)), Some(successes)) = (&mut listed, successes) {
                    one.push(successes);
                }
            }
            Entry::Occupied(at) => {
                if options.stopped.is_some() {
                    let fault = format!("has problem {} of {group} again", visible(&problem));
                    return Err(Error::file(
                        path,
                        fault,
                        "attempts that stopped are of one file: give each problem once",
                    ));
                }
                again += 1;
                let before = group.counts[*at.get()];
                group.counts[*at.get()] =
                    Counts::new(before.trials() + counts.trials(), before.successes() + counts.successes())?;
                if let (Some((one, _)), Some(successes)) = (&mut listed, successes) {
                    one[*at.get()].extend(successes.into_iter().map(|trial| trial + before.trials()));
                }
            }
        }
    }
    if let Some((one, _)) = listed {
        group.outcomes = Outcomes::Listed(one);
    }
    group.notes.extend(more.notes);
    if again > 0 {
        group.notes.retain(|note| !note.starts_with("attempts of several files"));
        group.notes.push(format!("attempts of several files at the same problems are added, the last at {again}"));
    }
    Ok(())
}

/// What attempts that ended at a success look like: never two successes, unequal attempts at the solved problems, and none
/// of these with more than an unsolved one, which used up all there were.
fn looks_stopped(group: &Group, options: &Options) -> Option<String> {
    let trials =
        |solved: bool| group.counts.iter().filter(move |counts| (counts.successes() > 0) == solved).map(Counts::trials);
    let (least, most) = (trials(true).min()?, trials(true).max()?);
    let once = group.counts.iter().all(|counts| counts.successes() <= 1);
    let first = trials(false).all(|trials| trials >= most);
    (options.stopped.is_none() && once && least < most && first).then(|| {
        "no problem has two successes, and solved ones have unequal attempts: if attempts ended at a success, say --stopped"
            .into()
    })
}
