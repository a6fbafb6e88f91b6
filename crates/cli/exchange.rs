//! Cases in files, for kernels that are written elsewhere: `retrial validate --dump` and `--against`.

use crate::{
    folder::FolderArgs,
    ui,
    verdicts::{Judged, Outcome},
};
use ndarray::{ArrayD, IxDyn};
use retrial_check::{
    Case, Kernel,
    exchange::{Numbers, Values},
};
use retrial_engine::arrays::{Element, npy};
use retrial_files::{Array, read_up_to};
use retrial_spec::{Error, Precision, Result, Shape, Variant};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, Metadata},
    path::{Component, Path},
};

/// Of `cases.json`. It changes when a reader of this one would go wrong.
const SCHEMA: u32 = 1;
/// Largest `cases.json`: thousands of cases.
const MAX_BYTES: u64 = 64 << 20;
/// Most trials of a case: the reference is slow, and an unbounded case would look like a hang.
pub const MAX_TRIALS: usize = 1 << 20;

/// Most values of an array, and most operations of the reference, of a case in files: minutes, and 1 GiB.
const MAX_VALUES: u64 = 1 << 27;
const MAX_FLOPS: u64 = 1 << 38;
/// Counts are exact in files up to here, whatever type an array has.
const EXACT: u64 = 1 << 53;

/// Refuses a case that is too large for files, with what is too large and what it may be.
fn fits(case: &Case) -> Result<(), (String, String)> {
    let Shape { pixels, hidden, latent } = case.shape;
    let rows = (case.samples as u64).saturating_mul(case.trials as u64);
    let widest = match case.kernel {
        Kernel::Correlation => (case.samples as u64).saturating_mul(case.samples as u64).max(rows),
        _ => rows.saturating_mul(pixels.max(latent) as u64),
    };
    let values = widest.max((pixels.max(latent) * hidden) as u64);
    let refuse =
        |what: &str, got: u64, most: u64| Err((format!("{what} {got}"), format!("must be at most {most} in files")));
    if !(1..=MAX_TRIALS as u64).contains(&rows) {
        return refuse("trials of all samples", rows, MAX_TRIALS as u64);
    }
    if values > MAX_VALUES {
        return refuse("values of an array", values, MAX_VALUES);
    }
    if case.flops() > MAX_FLOPS {
        return refuse("operations", case.flops(), MAX_FLOPS);
    }
    if case.first.saturating_add(case.trials as u64) > EXACT {
        return refuse("last trial", case.first.saturating_add(case.trials as u64), EXACT);
    }
    if !(0.0..=1e6).contains(&case.temperature) {
        return Err((format!("temperature {}", case.temperature), "must be 0 to 1000000".into()));
    }
    Ok(())
}

/// `cases.json`.
#[derive(Serialize, Deserialize)]
struct Dump {
    schema: u32,
    retrial: String,
    cases: Vec<Dumped>,
}

/// A case in files.
#[derive(Serialize, Deserialize)]
struct Dumped {
    folder: String,
    kernel: String,
    shape: Shape,
    samples: usize,
    trials: usize,
    first: u64,
    temperature: f64,
    seed: u64,
    /// What a value may be off by: `absolute + relative |expected|`; root mean square by a part of it.
    absolute: f64,
    relative: f64,
    flops: u64,
    bytes: u64,
    inputs: Vec<File>,
    outputs: Vec<File>,
}

/// An array in a file of the case's folder; of an output, where a kernel writes it and where what is expected lies.
#[derive(Serialize, Deserialize)]
struct File {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    file: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
}

/// Writes cases to a directory.
pub fn dump(cases: &[Case], out: &Path, force: bool) -> Result<()> {
    for case in cases {
        fits(case).map_err(|(got, limit)| Error::input(format!("case of {}", case.kernel), got, limit))?;
    }
    let folder = FolderArgs { out: Some(out.into()), force }.create()?;
    let folder = folder.ok_or_else(|| Error::input("--dump", "no directory", "name one"))?;
    let mut dump = Dump { schema: SCHEMA, retrial: env!("CARGO_PKG_VERSION").into(), cases: vec![] };
    for (number, case) in cases.iter().enumerate() {
        let within = format!("{number:02}-{}", case.kernel);
        let write = |prefix: &str, numbers: &Numbers| -> Result<String> {
            let name = format!("{prefix}.{}.npy", numbers.name);
            folder.write(&format!("{within}/{name}"), bytes(numbers)?)?;
            Ok(name)
        };
        let (mut inputs, mut outputs) = (vec![], vec![]);
        for numbers in case.inputs() {
            inputs.push(File::new(&numbers, write("in", &numbers)?, None));
        }
        for numbers in case.expected() {
            let expected = write("want", &numbers)?;
            outputs.push(File::new(&numbers, format!("got.{}.npy", numbers.name), Some(expected)));
        }
        let tolerance = case.bound();
        dump.cases.push(Dumped {
            folder: within,
            kernel: case.kernel.name().into(),
            shape: case.shape,
            samples: case.samples,
            trials: case.trials,
            first: case.first,
            temperature: case.temperature,
            seed: case.seed,
            absolute: tolerance.absolute,
            relative: tolerance.relative,
            flops: case.flops(),
            bytes: case.bytes(),
            inputs,
            outputs,
        });
    }
    let json = serde_json::to_string_pretty(&dump).map_err(|e| Error::input("cases", e, "report it as a bug"))?;
    folder.write("cases.json", json)?;
    ui::print(&ui::facts(&[
        ("Cases", format!("{} in {}", cases.len(), out.display())),
        ("Next", "let a kernel read in.*.npy and write got.*.npy beside, as cases.json says".into()),
        ("Then", format!("retrial validate --against {}", out.display())),
    ]))
}

/// Judges what a kernel wrote for those cases that `wanted` takes.
pub fn against(dir: &Path, precision: Precision, wanted: impl Fn(Kernel) -> bool) -> Result<Vec<Judged>> {
    let file = dir.join("cases.json");
    let dump: Dump = serde_json::from_slice(&read_up_to(&file, MAX_BYTES)?)
        .map_err(|fault| Error::file(&file, fault, "give what retrial validate --dump wrote"))?;
    if dump.schema != SCHEMA {
        let fix = format!("this version reads {SCHEMA}; dump again");
        return Err(Error::file(&file, format!("has schema {}", dump.schema), fix));
    }
    let mut judged = vec![];
    for dumped in &dump.cases {
        let case = dumped.case(&file, precision)?;
        if !wanted(case.kernel) {
            continue;
        }
        let outcome = match dumped.outputs(dir, &case) {
            Ok(outputs) => Outcome::Judged(case.judge_outputs(&outputs)),
            Err(fault) => Outcome::Unfit(fault.to_string()),
        };
        let name = dumped.folder.clone();
        let command = format!(
            "retrial validate --against {:?} --kernel {} --precision {precision}",
            dir.display().to_string(),
            case.kernel
        );
        judged.push(Judged { command, name, case, outcome });
    }
    if judged.is_empty() {
        return Err(Error::file(&file, "has no such case", "dump cases of this kernel, or drop --kernel"));
    }
    Ok(judged)
}

impl Dumped {
    fn case(&self, file: &Path, precision: Precision) -> Result<Case> {
        let Self { shape, samples, trials, first, temperature, seed, .. } = *self;
        let (kernel, shape) = (self.kernel.parse()?, shape.check()?);
        let variant = (kernel == Kernel::Score).then(|| Variant::new("", precision));
        let case = Case { kernel, shape, samples, trials, first, temperature, seed, variant };
        let fix = |limit| format!("{limit}; no such case was dumped, dump again");
        fits(&case).map_err(|(got, limit)| Error::file(file, format!("has a case of {got}"), fix(limit)))?;
        let mut parts = Path::new(&self.folder).components();
        let plain =
            matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) && self.folder.len() < 256;
        if !plain {
            let name: String = self.folder.chars().take(60).collect();
            return Err(Error::file(
                file,
                format!("has a case in {name:?}"),
                "must be a folder of the directory; dump again",
            ));
        }
        Ok(case)
    }

    /// What the kernel wrote.
    fn outputs(&self, dir: &Path, case: &Case) -> Result<Vec<Vec<f64>>> {
        // All are there before anything is computed.
        let folder = dir.join(&self.folder);
        let file = |name: &str| folder.join(format!("got.{name}.npy"));
        real(&folder, Metadata::is_dir, "a folder")?;
        case.outputs().iter().try_for_each(|name| real(&file(name), Metadata::is_file, "a file"))?;
        let read = |numbers: Numbers| {
            let path = file(&numbers.name);
            let array = Array::open(&path)?;
            if array.shape() != numbers.shape {
                let fault = format!("has shape {:?}", array.shape());
                return Err(Error::file(&path, fault, format!("must be {:?}", numbers.shape)));
            }
            Ok(array.read::<f64>(None)?.values)
        };
        case.expected().into_iter().map(read).collect()
    }
}

/// Refuses what is a link or otherwise not what it should be: nothing outside of the directory is read, and no pipe.
fn real(path: &Path, is: impl Fn(&Metadata) -> bool, what: &str) -> Result<()> {
    let found = fs::symlink_metadata(path).map_err(Error::io("read", path))?;
    if is(&found) { Ok(()) } else { Err(Error::file(path, format!("is not {what}"), "no link is followed there")) }
}

impl File {
    fn new(numbers: &Numbers, file: String, expected: Option<String>) -> Self {
        let dtype = match numbers.values {
            Values::F32(_) => f32::DTYPE,
            Values::F64(_) => f64::DTYPE,
            Values::U64(_) => u64::DTYPE,
        };
        Self { name: numbers.name.clone(), dtype: dtype.into(), shape: numbers.shape.clone(), file, expected }
    }
}

/// The array as a `.npy` file.
fn bytes(numbers: &Numbers) -> Result<Vec<u8>> {
    fn shaped<T: Element>(shape: &[usize], values: &[T]) -> Result<Vec<u8>> {
        let array = ArrayD::from_shape_vec(IxDyn(shape), values.to_vec());
        array.map(|array| npy(&array)).map_err(|e| Error::input("array", e, "report it as a bug"))
    }
    match &numbers.values {
        Values::F32(values) => shaped(&numbers.shape, values),
        Values::F64(values) => shaped(&numbers.shape, values),
        Values::U64(values) => shaped(&numbers.shape, values),
    }
}
