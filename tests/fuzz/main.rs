//! Every reader of bytes that strangers may have written, within this process: none panics, none takes more memory than its
//! limit, a refusal is one line that names the file, and what is read is valid.
//!
//! Each test mutates valid files, some of them behind a checksum or a wrapping that lets mutants reach the reader inside.
//! Without a word it tries the same few hundred cases each time; `RETRIAL_FUZZ_SECONDS=60` tries as many as that time holds,
//! of another seed each time, which `RETRIAL_FUZZ_SEED` sets. A case that fails is made as small as it goes and kept, and the
//! command that reads it again is printed. One that ends the whole process, as an overflow of the stack does, is the newest
//! `input` below `target/tmp/fuzz`.
//!
//! `tests/hostile.rs` does this to the program, a process for each case: fewer of them, and all that comes after reading.

mod arrays;
mod counts;
mod memory;
mod mutate;
mod runs;
mod weights;

use mutate::Case;
use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use retrial_spec::{Error, Result, text};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    env, fs,
    io::{self, Write},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::Once,
    time::{Duration, Instant, SystemTime},
};

/// Cases of one seed, and how many times that is done where no time is set.
const CASES: u32 = 100;
const ROUNDS: u64 = 4;
/// Bytes that a reader may hold at once: what the documentation of the readers promises.
const MOST_MEMORY: usize = 1_000_000_000;
/// As of the program's own test: no small file keeps a reader this long, on any machine.
const MOST_TIME: Duration = Duration::from_secs(30);

/// A valid file to mutate.
struct Seed {
    bytes: Vec<u8>,
    /// What is done to a mutant before it is written.
    wrap: fn(Vec<u8>) -> Vec<u8>,
}

impl Seed {
    fn plain(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), wrap: |bytes| bytes }
    }
}

/// A reader to be tried, and the folder in which it finds its input.
struct Target {
    name: &'static str,
    folder: PathBuf,
    input: PathBuf,
}

impl Target {
    /// Named after its test; `file` is what the input is called.
    fn new(name: &'static str, file: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self { name, input: folder.join(file), folder }
    }

    /// Tries the reader on mutants of the seeds. It gets the path of the input, says with what error it was refused, and
    /// panics where what it read is not valid.
    fn run(&self, seeds: &[Seed], read: impl Fn(&Path) -> Result<()>) {
        hook();
        if let Ok(kept) = env::var("RETRIAL_FUZZ_INPUT") {
            let bytes = fs::read(&kept).unwrap_or_else(|e| panic!("RETRIAL_FUZZ_INPUT: {kept}: {e}"));
            return match self.attempt(&bytes, &read) {
                Ok(Ok(())) => eprintln!("{kept}: is read"),
                Ok(Err(error)) => eprintln!("{kept}: is refused: {error}"),
                Err(fault) => panic!("{}: {fault}", self.name),
            };
        }
        // Mutants of what is refused anyway would show nothing.
        for (at, seed) in seeds.iter().enumerate() {
            let end = self.attempt(&(seed.wrap)(seed.bytes.clone()), &read);
            assert!(matches!(end, Ok(Ok(()))), "{}: seed {at} is valid, but: {end:?}", self.name);
        }
        let time = env::var("RETRIAL_FUZZ_SECONDS").ok().map(|text| {
            let seconds = text.parse().unwrap_or_else(|_| panic!("RETRIAL_FUZZ_SECONDS is no whole number: {text}"));
            Duration::from_secs(seconds)
        });
        let first = match (env::var("RETRIAL_FUZZ_SEED"), time) {
            (Ok(text), _) => text.parse().unwrap_or_else(|_| panic!("RETRIAL_FUZZ_SEED is no number: {text}")),
            (Err(_), Some(_)) => SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs()),
            (Err(_), None) => 1,
        };
        let start = Instant::now();
        let [accepted, refused] = [Cell::new(0u64), Cell::new(0u64)];
        let mut round = 0;
        while time.map_or(round < ROUNDS, |time| start.elapsed() < time) {
            self.round(first, round, seeds, |bytes| {
                let end = self.attempt(bytes, &read)?;
                let count = if end.is_ok() { &accepted } else { &refused };
                count.set(count.get() + 1);
                Ok(())
            });
            round += 1;
        }
        let (accepted, refused) = (accepted.get(), refused.get());
        if time.is_some() {
            // Past the capture of tests: a minute of silence is long, and the numbers are what it was for.
            let all = accepted + refused;
            let _ = writeln!(io::stderr(), "fuzz {}: {all} cases of seed {first}, {accepted} of them read", self.name);
        }
        assert!(accepted > 0 && refused > 0, "{}: {accepted} read and {refused} refused show little", self.name);
    }

    /// Tries the cases of one seed.
    fn round(&self, first: u64, round: u64, seeds: &[Seed], attempt: impl Fn(&[u8]) -> Result<(), String>) {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&first.to_le_bytes());
        seed[8..16].copy_from_slice(&round.to_le_bytes());
        seed[16..][..self.name.len().min(16)].copy_from_slice(&self.name.as_bytes()[..self.name.len().min(16)]);
        let config = Config { cases: CASES, max_shrink_iters: 2000, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        let strategy = mutate::case(seeds.len()).prop_map(|case: Case| case.bytes(seeds));
        match runner.run(&strategy, |bytes| attempt(&bytes).map_err(TestCaseError::fail)) {
            Ok(()) => {}
            Err(TestError::Fail(fault, bytes)) => {
                let kept = self.folder.with_extension(format!("{first}-{round}"));
                fs::write(&kept, &bytes).unwrap();
                panic!(
                    "{}: {fault}\nseed {first}, round {round}, {} bytes\nrerun: RETRIAL_FUZZ_INPUT={} cargo test --release \
                     --test fuzz -- --nocapture {}",
                    self.name,
                    bytes.len(),
                    kept.display(),
                    self.name
                );
            }
            Err(TestError::Abort(why)) => panic!("{}: {why}", self.name),
        }
    }

    /// Reads an input: how that ended, or what is wrong with it.
    fn attempt(&self, bytes: &[u8], read: &impl Fn(&Path) -> Result<()>) -> Result<Result<()>, String> {
        write(&self.input, bytes);
        let start = Instant::now();
        IN_A_CASE.set(true);
        let (end, memory) = memory::most(|| panic::catch_unwind(AssertUnwindSafe(|| read(&self.input))));
        IN_A_CASE.set(false);
        if memory > MOST_MEMORY {
            return Err(format!("took {} MB", memory / 1_000_000));
        }
        if start.elapsed() > MOST_TIME {
            return Err(format!("took {:?}", start.elapsed()));
        }
        match end {
            Err(panic) => Err(format!("panicked{}: {}", PLACE.take(), said(&*panic))),
            Ok(Err(error)) => self.fault(&error).map_or(Ok(Err(error)), Err),
            Ok(Ok(())) => Ok(Ok(())),
        }
    }

    /// What is wrong with a refusal.
    fn fault(&self, error: &Error) -> Option<String> {
        let message = error.to_string();
        let wrong = if !error.is_input() {
            "is not the input's fault"
        } else if message.contains(text::is_obeyed) {
            "is more than one plain line"
        } else if message.chars().count() > 4000 {
            "is too long to be read"
        } else if !message.contains(&*self.folder.to_string_lossy()) {
            "does not name the file"
        } else {
            return None;
        };
        Some(format!("a refusal that {wrong}: {:?}", message.chars().take(500).collect::<String>()))
    }
}

thread_local! {
    static IN_A_CASE: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps where a case panicked, and prints nothing of it: shrinking panics a thousand times.
fn hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| match IN_A_CASE.get() {
            true => PLACE.set(panic.location().map(|at| format!(" at {at}")).unwrap_or_default()),
            false => before(panic),
        }));
    });
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words")
}

/// Writes over what a file holds. Cutting it to nothing before that would have some systems wait for the disk.
fn write(path: &Path, bytes: &[u8]) {
    let mut file = fs::File::options().create(true).truncate(false).write(true).open(path).unwrap();
    file.write_all(bytes).and_then(|()| file.set_len(bytes.len() as u64)).unwrap();
}

fn gzip(bytes: Vec<u8>) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    packed.write_all(&bytes).unwrap();
    packed.finish().unwrap()
}

/// An archive of these files, packed or not.
fn zip(files: &[(&str, &[u8])], packed: bool) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(io::Cursor::new(vec![]));
    let method = if packed { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The harness sees what it is for.
#[test]
fn faults_are_found() {
    let target = Target::new("faults_are_found", "input");
    hook();
    let path = target.input.clone();
    let refuse = |fault: &str| Err(Error::file(&path, fault, "mend it"));
    let told = |read: &dyn Fn(&Path) -> Result<()>| target.attempt(b"x", &|path| read(path)).unwrap_err();
    assert!(told(&|_| panic!("over {}", 7)).contains("main.rs") && told(&|_| panic!("over")).contains(": over"));
    let allocate = |_: &Path| {
        std::hint::black_box(vec![1u8; MOST_MEMORY + 1]);
        Ok(())
    };
    assert!(told(&allocate).contains("took 1000 MB"));
    assert!(told(&|_| Err(Error::Cancelled)).contains("is not the input's fault"));
    assert!(told(&|_| Err(Error::io("read", &path)(io::Error::other("a\nb")))).contains("one plain line"));
    let long = || io::Error::other("x".repeat(4000));
    assert!(told(&|_| Err(Error::io("read", &path)(long()))).contains("too long"));
    assert!(told(&|_| Err(Error::input("counts", 1, "must be 2"))).contains("does not name"));
    assert!(matches!(target.attempt(b"x", &|_| refuse("is wrong")), Ok(Err(_))));
    // A needle that mutations find, and that shrinking leaves alone.
    let seen = RefCell::new(vec![]);
    let failed = panic::catch_unwind(AssertUnwindSafe(|| {
        target.round(1, 0, &[Seed::plain(&b"0123456789"[..])], |bytes| {
            let found = bytes.contains(&0xFF);
            seen.replace(if found { bytes.to_vec() } else { seen.take() });
            if found { Err("needle".into()) } else { Ok(()) }
        });
    }));
    assert!(said(&*failed.unwrap_err()).contains("rerun: RETRIAL_FUZZ_INPUT="));
    assert!(seen.take().len() < 20, "what is kept is small");
}
