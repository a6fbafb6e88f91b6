//! Tensors as files hold them, before anybody asked what they are for.

use retrial_spec::{Error, Result, Shape};
use safetensors::{Dtype, SafeTensors};
use std::{borrow::Cow, path::Path};

/// A tensor of a file. Nothing is read before [`Stored::read`].
pub(crate) struct Stored<'a> {
    /// The file's name for it.
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    values: Values<'a>,
}

/// Where the values lie.
enum Values<'a> {
    Here(&'a [u8]),
    Torch(pytorch_reader::Tensor),
}

/// Above any tensor of this family.
const MAX_VALUES: usize = Shape::MAX.pixels * Shape::MAX.hidden;

impl Stored<'_> {
    /// All values as f32, and whether one of them was rounded: F16 and BF16 widen exactly, F64 may not fit.
    pub(super) fn read(&self, path: &Path) -> Result<(Vec<f32>, bool)> {
        let refuse = |fault: String, fix: &str| Err(Error::file(path, format!("{:?} {fault}", self.name), fix));
        let len = self.shape.iter().try_fold(1usize, |len, &axis| len.checked_mul(axis)).unwrap_or(usize::MAX);
        if len > MAX_VALUES {
            let shape = &self.shape;
            return refuse(format!("has shape {shape:?}"), "no model of this family holds as much; check the file");
        }
        let bytes = match &self.values {
            Values::Here(bytes) => Cow::Borrowed(*bytes),
            Values::Torch(tensor) => match tensor.read() {
                Ok(bytes) => Cow::Owned(bytes),
                Err(e) => {
                    return refuse(format!("cannot be read ({e})"), "save it again with torch.save, or fetch it again");
                }
            },
        };
        Ok(match self.dtype {
            Dtype::F32 => (each(&bytes, f32::from_le_bytes), false),
            Dtype::F16 => (each(&bytes, |b| half::f16::from_le_bytes(b).to_f32()), false),
            Dtype::BF16 => (each(&bytes, |b| half::bf16::from_le_bytes(b).to_f32()), false),
            Dtype::F64 => {
                let rounds = |b: [u8; 8]| f64::from_le_bytes(b) != f64::from(f64::from_le_bytes(b) as f32);
                (each(&bytes, |b| f64::from_le_bytes(b) as f32), each(&bytes, rounds).contains(&true))
            }
            other => {
                let fix = "must be F32, F16, BF16 or F64; save it converted, in PyTorch as model.float()";
                return refuse(format!("is {other}"), fix);
            }
        })
    }
}

fn each<T, const SIZE: usize>(bytes: &[u8], value: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&b| value(b)).collect()
}

/// The tensors of a parsed safetensors file, by name.
pub(crate) fn of_safetensors<'a>(file: &SafeTensors<'a>) -> Vec<Stored<'a>> {
    let stored = |(name, view): (String, safetensors::tensor::TensorView<'a>)| Stored {
        name,
        dtype: view.dtype(),
        shape: view.shape().to_vec(),
        values: Values::Here(view.data()),
    };
    let mut tensors: Vec<_> = file.tensors().into_iter().map(stored).collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    tensors
}

/// The tensors of an opened PyTorch file, by name.
pub(crate) fn of_torch(reader: pytorch_reader::PytorchReader) -> Vec<Stored<'static>> {
    use pytorch_reader::DType as T;
    let dtype = |dtype: T| match dtype {
        T::F64 => Dtype::F64,
        T::F32 => Dtype::F32,
        T::F16 => Dtype::F16,
        T::BF16 => Dtype::BF16,
        T::I64 => Dtype::I64,
        T::I32 => Dtype::I32,
        T::I16 => Dtype::I16,
        T::I8 => Dtype::I8,
        T::U64 => Dtype::U64,
        T::U32 => Dtype::U32,
        T::U16 => Dtype::U16,
        T::U8 => Dtype::U8,
        T::Bool => Dtype::BOOL,
    };
    let stored = |(name, tensor): (String, pytorch_reader::Tensor)| Stored {
        name,
        dtype: dtype(tensor.dtype()),
        shape: tensor.shape().to_vec(),
        values: Values::Torch(tensor),
    };
    let mut tensors: Vec<_> = reader.into_tensors().into_iter().map(stored).collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    tensors
}
