//! Files that were damaged or made to harm: every mutant of every kind of input ends in an answer or a refusal, in time
//! and in memory.
//!
//! `RETRIAL_MUTANTS` sets how many are tried, `RETRIAL_MUTANTS_SEED` which ones. Mutant `i` of a seed is the same
//! whatever their number; one that fails is kept, and the command that reads it is printed.

use crate::cli::{model, succeeds};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};
use std::{
    env, fs,
    io::Write,
    mem::MaybeUninit,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

const MAX_MEMORY: u64 = 1 << 30;
const MAX_TIME: Duration = Duration::from_secs(30);

/// An input that someone may give, and the command that reads it.
struct Kind {
    /// The file to mutate.
    valid: Vec<u8>,
    /// Where it lies, below a folder `{dir}`.
    file: &'static str,
    /// Arguments; `{dir}` is the folder, and the rest of it is as in the folder of the valid input.
    command: &'static str,
    /// What is done to a mutant before it is written: a checksum or a wrapping that lets it reach the reader behind.
    wrap: fn(Vec<u8>) -> Vec<u8>,
    /// In how many of a hundred rounds it is tried: all but the slow ones.
    share: u64,
}

fn plain(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

pub fn gzip(bytes: Vec<u8>) -> Vec<u8> {
    let mut packed = GzEncoder::new(vec![], Compression::fast());
    packed.write_all(&bytes).unwrap();
    packed.finish().unwrap()
}

/// A tally whose checksum is right.
fn stamped(mut tally: Vec<u8>) -> Vec<u8> {
    let start = b"RETRIAL-TALLY-3\n".len();
    if tally.len() > start + 65 {
        let hash = Sha256::digest(&tally[start + 65..]);
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        tally[start..start + 64].copy_from_slice(hash.as_bytes());
    }
    tally
}

fn npy<T: ndarray_npy::WritableElement, D: ndarray::Dimension>(array: ndarray::Array<T, D>) -> Vec<u8> {
    let mut bytes = vec![];
    ndarray_npy::WriteNpyExt::write_npy(&array, &mut bytes).unwrap();
    bytes
}

/// The folder in which every valid input lies, and the kinds. A new format is a file of `setup` and a line of the table.
fn setup(dir: &Path) -> Vec<Kind> {
    let write = |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes).unwrap();
    let counts = "model,benchmark,problem_id,num_samples,num_correct\nm,b,1,10,3\nm,b,\"2, x\",20,0\nn,b,1,9,9\n";
    write("counts.csv", counts.as_bytes());
    write("packed.csv.gz", &gzip(counts.into()));
    write("attempts.csv", b"problem_id,attempt,success\na,1,0\na,2,true\nb,1,0\nb,2,1\nb,3,FALSE\n");
    write(
        "counts.jsonl",
        b"{\"problem_id\":\"a\",\"num_samples\":8,\"num_correct\":2,\"x\":[1,{\"y\":null}]}\n\
          {\"problem_id\":\"b\",\"num_samples\":8,\"num_correct\":0.0}\n",
    );
    let pixels = ndarray::Array2::from_shape_fn((4, 784), |(i, j)| ((i * 784 + j) % 97) as f32 / 97.0);
    let noise = ndarray::Array3::from_shape_fn((4, 3, 5), |(i, j, d)| ((i * 15 + j * 5 + d) as f32).sin());
    write("images.npy", &npy(pixels.clone()));
    write("images-u8.npy", &npy(pixels.mapv(|v| (255.0 * v) as u8)));
    write("noise.npy", &npy(noise));
    let mut idx = vec![0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 28, 0, 0, 0, 28];
    idx.extend(pixels.iter().map(|v| (255.0 * v) as u8));
    write("images.idx", &idx);
    write("packed.idx.gz", &gzip(idx));
    fs::copy(model(), dir.join("weights.safetensors")).unwrap();
    let train = "train --samples 4 --epochs 1 --hidden 6 --latent 2";
    succeeds(&format!("{train} --out {}", dir.join("model").display()));
    let sample = "--samples 4 --trials 50 --correlate 5 --thresholds 8,9,10 --device cpu";
    let (weights, run) = (dir.join("model/weights.safetensors"), dir.join("run"));
    succeeds(&format!("sample --weights {} {sample} --out {}", weights.display(), run.display()));
    // Which would stand in for a damaged one.
    fs::remove_file(run.join("tally.previous.bin")).unwrap();

    let kind = |file: &'static str, command| Kind {
        valid: fs::read(dir.join(file)).unwrap(),
        file,
        command,
        wrap: plain,
        share: 100,
    };
    const SCORE: &str = "--temperature 1 --device cpu --threads 1 --out {dir}/errors.npy";
    let score = |file, data: &str, noise: &str| {
        let weights = if file == "weights.safetensors" { file } else { "../weights.safetensors" };
        let text = format!("score --weights {{dir}}/{weights} --data {{dir}}/{data} --noise {{dir}}/{noise} {SCORE}");
        kind(file, String::leak(text))
    };
    vec![
        kind("counts.csv", "coverage {dir}/counts.csv"),
        kind("counts.csv", "difficulty {dir}/counts.csv --json"),
        Kind { share: 30, ..kind("counts.csv", "fit {dir}/counts.csv --law beta-binomial --out {dir}/fit") },
        kind("attempts.csv", "coverage {dir}/attempts.csv --json"),
        kind("counts.jsonl", "coverage {dir}/counts.jsonl"),
        kind("packed.csv.gz", "coverage {dir}/packed.csv.gz"),
        Kind { wrap: gzip, ..kind("counts.csv", "coverage {dir}/counts.csv") },
        score("images.npy", "images.npy", "../noise.npy"),
        score("images-u8.npy", "images-u8.npy", "../noise.npy"),
        score("images.idx", "images.idx", "../noise.npy"),
        Kind { wrap: gzip, ..score("images.idx", "images.idx", "../noise.npy") },
        score("packed.idx.gz", "packed.idx.gz", "../noise.npy"),
        score("noise.npy", "../images.npy", "noise.npy"),
        score("weights.safetensors", "../images.npy", "../noise.npy"),
        kind("run/tally.bin", "coverage {dir}/run"),
        Kind { wrap: stamped, ..kind("run/tally.bin", "coverage {dir}/run") },
        kind("run/run.json", "coverage {dir}/run --json"),
        Kind { share: 5, wrap: stamped, ..kind("run/tally.bin", "report {dir}/run --device cpu") },
        Kind { share: 5, ..kind("run/errors.npy", "report {dir}/run --device cpu") },
        Kind { share: 5, ..kind("run/run.json", "report {dir}/run --device cpu") },
        Kind {
            share: 50,
            ..kind(
                "model/training.safetensors",
                "train --samples 4 --epochs 2 --hidden 6 --latent 2 --out {dir}/model --resume",
            )
        },
    ]
}

/// A sequence of random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// Mostly the beginning of a file, where headers are.
    fn place(&mut self, len: usize) -> usize {
        let end = *self.of(&[16, 128, 1024, usize::MAX]);
        self.below(len.min(end))
    }
}

const NUMBERS: [&str; 16] = [
    "0",
    "-1",
    "1",
    "2",
    "255",
    "65536",
    "4294967295",
    "9007199254740992",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "1e308",
    "1e999999999",
    "NaN",
    "0.1",
];
const PIECES: [&[u8]; 18] = [
    b"\0",
    b"\xff\xfe",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\n",
    b"\r\n",
    b"\"",
    b",",
    b"=1+1",
    b"\x1b[2J\x1b]0;x\x07",
    "\u{202e}\u{9b}31m".as_bytes(),
    b"\nerror: forged\n",
    b"\x1f\x8b\x08\0\0\0\0\0",
    b"../../x",
    b"true",
    b"null",
    b"{}",
    b"'shape': (",
];

/// Changes bytes in one to four ways.
fn mutant(random: &mut Random, valid: &[u8], others: &[Kind]) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.place(bytes.len());
        let end = at + random.below(bytes.len() - at + 1).min(*random.of(&[1, 8, 64, usize::MAX]));
        match random.below(12) {
            0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
            1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.next() as u8),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            // A block again and again, up to a megabyte.
            4 => {
                let block = bytes[at..end].to_vec();
                let most = *random.of(&[1, 10, 1 << 20]);
                let times = (most / block.len().max(1)).max(1);
                bytes.splice(at..at, block.repeat(times));
            }
            // A piece of something else.
            5 => {
                let other = &random.of(others).valid;
                let from = random.place(other.len());
                let to = from + random.below(other.len() - from + 1);
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            // A length or value, in binary.
            6 => {
                let number =
                    *random.of(&[0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 40, u64::MAX >> 1, u64::MAX]);
                let width = *random.of(&[1, 2, 4, 8]);
                let little = number.to_le_bytes();
                let big: Vec<u8> = little[..width].iter().rev().copied().collect();
                let number = if random.below(2) == 0 { &little[..width] } else { &big };
                bytes.iter_mut().skip(at).zip(number).for_each(|(byte, new)| *byte = *new);
            }
            // The same in digits, in place of digits where there are some.
            7 | 8 => {
                let digit = |byte: &u8| byte.is_ascii_digit();
                let start = bytes.iter().skip(at).position(digit).map_or(at, |after| at + after);
                let end = bytes.iter().skip(start).position(|b| !digit(b)).map_or(start, |after| start + after);
                bytes.splice(start..end, random.of(&NUMBERS).bytes());
            }
            9 => {
                let bracket = *random.of(&[&b"["[..], b"{", b"(", b"{\"a\":", b"[{", b"'", b"{{{{]]]]"]);
                let times = *random.of(&[1, 20, 200, 100_000]);
                bytes.splice(at..at, bracket.repeat(times));
            }
            _ => drop(bytes.splice(at..at, random.of(&PIECES).iter().copied())),
        }
    }
    bytes
}

/// How a command ended.
pub struct End {
    pub status: ExitStatus,
    time: Duration,
    memory: u64,
    stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Runs the program with a limit on its memory, and kills it where it runs on.
pub fn run(args: &[String], dir: &Path) -> End {
    let output = |name: &str| fs::File::create(dir.join(name)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_retrial"));
    command.args(args).current_dir(dir).stdout(output("stdout")).stderr(output("stderr"));
    // SAFETY: setrlimit may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit { rlim_cur: MAX_MEMORY, rlim_max: MAX_MEMORY };
            if libc::setrlimit(libc::RLIMIT_DATA, &limit) == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
    let start = Instant::now();
    #[expect(clippy::zombie_processes, reason = "wait4 below waits for it, and says what it used")]
    let mut child = command.spawn().unwrap();
    let (mut status, mut usage) = (0, MaybeUninit::<libc::rusage>::zeroed());
    loop {
        // SAFETY: a process of ours, and places for what is told of it.
        match unsafe { libc::wait4(child.id() as i32, &mut status, libc::WNOHANG, usage.as_mut_ptr()) } {
            0 if start.elapsed() > MAX_TIME => child.kill().unwrap(),
            0 => {}
            _ => break,
        }
        thread::sleep(Duration::from_millis(1));
    }
    // SAFETY: zeroed, which is valid, and then filled in.
    let usage = unsafe { usage.assume_init() };
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    let read = |name: &str| fs::read(dir.join(name)).unwrap();
    End {
        status: ExitStatus::from_raw(status),
        time: start.elapsed(),
        memory: usage.ru_maxrss as u64 * unit,
        stdout: read("stdout"),
        stderr: read("stderr"),
    }
}

/// What is wrong with an end, if anything.
pub fn fault(end: &End) -> Option<String> {
    let stderr = String::from_utf8_lossy(&end.stderr);
    let errors = stderr.lines().filter(|line| line.starts_with("error: ")).count();
    let obeyed =
        |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(|c| c != '\n' && retrial_spec::text::is_obeyed(c));
    Some(match end.status.code() {
        _ if end.time >= MAX_TIME => format!("ran for {:?}", end.time),
        Some(0) if errors > 0 => "succeeded with an error".into(),
        Some(1 | 2 | 130) if errors != 1 => format!("{} with {errors} lines of errors", end.status),
        Some(0 | 1 | 2 | 130) if stderr.contains("panicked") => "panicked".into(),
        Some(0 | 1 | 2 | 130) if obeyed(&end.stdout) || obeyed(&end.stderr) => "printed what a terminal obeys".into(),
        Some(0 | 1 | 2 | 130) if end.memory >= MAX_MEMORY => format!("took {} MiB", end.memory >> 20),
        Some(0 | 1 | 2 | 130) => return None,
        _ => format!("ended by {}", end.status),
    })
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// A folder beside the valid inputs with copies of the directories that a command takes.
fn copy(from: &Path, to: &Path, folders: &[&str]) {
    for folder in folders {
        fs::create_dir_all(to.join(folder)).unwrap();
        for entry in fs::read_dir(from.join(folder)).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), to.join(folder).join(entry.file_name())).unwrap();
            }
        }
    }
}

#[test]
fn every_mutant_ends_in_an_answer_or_a_refusal() {
    let (seed, mutants) = (number("RETRIAL_MUTANTS_SEED", 1), number("RETRIAL_MUTANTS", 1000));
    let dir = tempfile::tempdir().unwrap();
    let kinds = setup(dir.path());
    // The unharmed inputs are read: mutants of what is refused anyway would show nothing.
    let attempt = |kind: &Kind, bytes: Vec<u8>, name: &str| {
        let below = dir.path().join(name);
        copy(dir.path(), &below, &["run", "model"]);
        fs::write(below.join(kind.file), (kind.wrap)(bytes)).unwrap();
        let args = kind.command.split_whitespace().map(|arg| arg.replace("{dir}", &below.display().to_string()));
        let args: Vec<String> = args.collect();
        let end = run(&args, &below);
        (below, args, end)
    };
    for kind in &kinds {
        let (_, args, end) = attempt(kind, kind.valid.clone(), "valid");
        assert!(end.status.success(), "{args:?}: {}", String::from_utf8_lossy(&end.stderr));
        fs::remove_dir_all(dir.path().join("valid")).unwrap();
    }
    let (next, faults) = (AtomicU64::new(0), Mutex::new(Vec::<String>::new()));
    let work = || {
        loop {
            let at = next.fetch_add(1, Relaxed);
            if at >= mutants {
                break;
            }
            let mut random = Random(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ at);
            random.next();
            let kind = loop {
                let kind = random.of(&kinds);
                if random.next() % 100 < kind.share {
                    break kind;
                }
            };
            let bytes = mutant(&mut random, &kind.valid, &kinds);
            let (below, args, end) = attempt(kind, bytes, &at.to_string());
            match fault(&end) {
                Some(fault) => {
                    let kept: PathBuf = env::temp_dir().join(format!("retrial-mutant-{seed}-{at}"));
                    let _ = fs::remove_dir_all(&kept);
                    fs::rename(&below, &kept).unwrap();
                    let args = args.join(" ").replace(&below.display().to_string(), &kept.display().to_string());
                    let stderr = String::from_utf8_lossy(&end.stderr);
                    let stderr: String = stderr.escape_debug().take(300).collect();
                    faults.lock().unwrap().push(format!("mutant {at} {fault}: retrial {args}\n    {stderr}"));
                }
                None => fs::remove_dir_all(&below).unwrap(),
            }
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, |n| n.get());
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} of {mutants} mutants of seed {seed}:\n{}", faults.len(), faults.join("\n"));
}
