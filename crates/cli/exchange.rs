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
use retrial_spec::{Error, Precision, Result, Shape, Variant};
use retrial_vae::{Array, file::read_up_to};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Of `cases.json`. It changes when a reader of this one would go wrong.
const SCHEMA: u32 = 1;
/// Largest `cases.json`: thousands of cases.
const MOST: u64 = 64 << 20;
/// Most trials of a case: the reference is slow, and an unbounded case would look like a hang.
pub const MOST_TRIALS: usize = 1 << 20;

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
    let dump: Dump = serde_json::from_slice(&read_up_to(&file, MOST)?)
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
        judged.push(Judged { command: format!("retrial validate --against {}", dir.display()), name, case, outcome });
    }
    if judged.is_empty() {
        return Err(Error::file(&file, "has no such case", "dump cases of this kernel, or drop --kernel"));
    }
    Ok(judged)
}

impl Dumped {
    fn case(&self, file: &Path, precision: Precision) -> Result<Case> {
        let Self { shape, samples, trials, first, temperature, seed, .. } = *self;
        let fits = (1..=MOST_TRIALS).contains(&samples.saturating_mul(trials))
            && first.checked_add(trials as u64).is_some()
            && temperature.is_finite()
            && temperature >= 0.0;
        if !fits {
            let fault =
                format!("{}: {samples} samples x {trials} trials from {first} at T = {temperature}", self.folder);
            return Err(Error::file(file, fault, "no such case was dumped; dump again"));
        }
        let (kernel, shape) = (self.kernel.parse()?, shape.check()?);
        let variant = (kernel == Kernel::Score).then(|| Variant::new("", precision));
        Ok(Case { kernel, shape, samples, trials, first, temperature, seed, variant })
    }

    /// What the kernel wrote.
    fn outputs(&self, dir: &Path, case: &Case) -> Result<Vec<Vec<f64>>> {
        let read = |numbers: Numbers| {
            // Names are this program's, not the file's: nothing outside of the folder is read.
            let path = dir.join(Path::new(&self.folder).file_name().unwrap_or_default());
            let path = path.join(format!("got.{}.npy", numbers.name));
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
