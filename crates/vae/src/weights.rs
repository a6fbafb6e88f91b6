//! Weight files: safetensors with PyTorch's names and layout.
//!
//! | tensor | shape |
//! |---|---|
//! | `encoder.fc1.weight`, `.bias` | `[hidden, pixels]`, `[hidden]` |
//! | `encoder.fc_mu.weight`, `.bias` | `[latent, hidden]`, `[latent]` |
//! | `encoder.fc_logvar.weight`, `.bias` | `[latent, hidden]`, `[latent]` |
//! | `decoder.fc1.weight`, `.bias` | `[hidden, latent]`, `[hidden]` |
//! | `decoder.fc2.weight`, `.bias` | `[pixels, hidden]`, `[pixels]` |
//!
//! All are F32. Other tensors may lie beside them and are ignored.

use crate::file::{read_up_to, sha256_hex, write_atomic};
use retrial_spec::{Error, Linear, Result, Weights};
use safetensors::{Dtype, SafeTensors, View, tensor::serialize};
use std::{borrow::Cow, collections::HashMap, path::Path};

/// Weights and the fingerprint of the file that holds them.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightFile {
    /// The weights; their [`shape`](Weights::shape) is valid.
    pub weights: Weights,
    /// SHA-256 of the file's bytes, in hex.
    pub sha256: String,
}

/// Reads weights of any shape up to [`Shape::MAX`](retrial_spec::Shape::MAX).
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is not safetensors, is truncated, lacks a
/// tensor, or holds one of another type, a shape that does not fit, or a number that is not finite.
pub fn load(path: &Path) -> Result<WeightFile> {
    let bytes = read_up_to(path, MAX_BYTES)?;
    let weights = read_weights(path, &parse(path, &bytes)?)?;
    Ok(WeightFile { weights, sha256: sha256_hex(&bytes) })
}

/// Writes weights atomically and returns the SHA-256 of the file, in hex. Equal weights give equal bytes.
///
/// # Errors
/// [`Error::Input`] where the layers do not fit each other or hold a number that is not finite; [`Error::Io`] where
/// the file cannot be written.
pub fn save(path: &Path, weights: &Weights) -> Result<String> {
    weights.shape()?;
    let bytes = to_bytes(tensors(weights), None)?;
    write_atomic(path, &bytes)?;
    Ok(sha256_hex(&bytes))
}

/// Above any checkpoint of the largest shape: three copies of 35 MB of weights, and the loss curve.
pub(crate) const MAX_BYTES: u64 = 256 << 20;

/// A tensor to be written.
pub(crate) struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    pub fn f32(shape: Vec<usize>, values: &[f32]) -> Self {
        Self { dtype: Dtype::F32, shape, bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect() }
    }

    pub fn f64(shape: Vec<usize>, values: &[f64]) -> Self {
        Self { dtype: Dtype::F64, shape, bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect() }
    }
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// The ten tensors of a model.
pub(crate) fn tensors(weights: &Weights) -> Vec<(String, Tensor)> {
    let both = |(name, layer): (&str, &Linear)| {
        [
            (format!("{name}.weight"), Tensor::f32(vec![layer.outputs, layer.inputs], &layer.weight)),
            (format!("{name}.bias"), Tensor::f32(vec![layer.outputs], &layer.bias)),
        ]
    };
    weights.layers().into_iter().flat_map(both).collect()
}

/// A safetensors file. At most one entry of metadata keeps the bytes reproducible: more would come in random order.
pub(crate) fn to_bytes(tensors: Vec<(String, Tensor)>, metadata: Option<(&str, String)>) -> Result<Vec<u8>> {
    let metadata = metadata.map(|(key, value)| HashMap::from([(key.to_owned(), value)]));
    serialize(tensors.iter().map(|(name, tensor)| (name, tensor)), metadata)
        .map_err(|e| Error::input("tensors to save", e, "cannot be written as safetensors"))
}

pub(crate) fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>> {
    SafeTensors::deserialize(bytes).map_err(|e| {
        let fault = format!("{} bytes that are not a whole safetensors file ({e})", bytes.len());
        Error::file(path, fault, "write it with safetensors.torch.save_file, or fetch it again")
    })
}

pub(crate) fn read_weights(path: &Path, file: &SafeTensors<'_>) -> Result<Weights> {
    let layer = |name: &str| {
        let ([outputs, inputs], weight) = read_f32(path, file, &format!("{name}.weight"))?;
        let ([_], bias) = read_f32(path, file, &format!("{name}.bias"))?;
        Ok(Linear { outputs, inputs, weight, bias })
    };
    let weights = Weights {
        encoder_fc1: layer("encoder.fc1")?,
        encoder_fc_mu: layer("encoder.fc_mu")?,
        encoder_fc_logvar: layer("encoder.fc_logvar")?,
        decoder_fc1: layer("decoder.fc1")?,
        decoder_fc2: layer("decoder.fc2")?,
    };
    match weights.shape() {
        Ok(_) => Ok(weights),
        Err(Error::Input { object, got, limit }) => Err(Error::file(path, format!("{object}: got {got}"), limit)),
        Err(other) => Err(other),
    }
}

/// Shape and values of an F32 tensor of `RANK` dimensions.
pub(crate) fn read_f32<const RANK: usize>(
    path: &Path,
    file: &SafeTensors<'_>,
    name: &str,
) -> Result<([usize; RANK], Vec<f32>)> {
    let (shape, bytes) = read(path, file, name, Dtype::F32)?;
    Ok((shape, bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()))
}

/// Shape and values of an F64 tensor of `RANK` dimensions.
pub(crate) fn read_f64<const RANK: usize>(
    path: &Path,
    file: &SafeTensors<'_>,
    name: &str,
) -> Result<([usize; RANK], Vec<f64>)> {
    let (shape, bytes) = read(path, file, name, Dtype::F64)?;
    Ok((shape, bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect()))
}

fn read<'a, const RANK: usize>(
    path: &Path,
    file: &SafeTensors<'a>,
    name: &str,
    dtype: Dtype,
) -> Result<([usize; RANK], &'a [u8])> {
    let tensor = file.tensor(name).map_err(|_| {
        let mut names = file.names();
        names.sort_unstable();
        let more = names.len().saturating_sub(12);
        names.truncate(12);
        let fault = format!("has no tensor {name}; it holds {names:?}");
        let fault = if more > 0 { format!("{fault} and {more} more") } else { fault };
        Error::file(
            path,
            fault,
            "rename the tensors to encoder.fc1, encoder.fc_mu, encoder.fc_logvar, decoder.fc1, decoder.fc2",
        )
    })?;
    if tensor.dtype() != dtype {
        let fault = format!("{name} is {}", tensor.dtype());
        return Err(Error::file(
            path,
            fault,
            format!("must be {dtype}; save it converted, in PyTorch as model.float()"),
        ));
    }
    let shape = tensor.shape().try_into().map_err(|_| {
        Error::file(path, format!("{name} has shape {:?}", tensor.shape()), format!("must have {RANK} dimension(s)"))
    })?;
    Ok((shape, tensor.data()))
}
