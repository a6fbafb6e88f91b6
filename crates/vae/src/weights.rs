//! Weight files: what Retrial writes, and what it reads of others.
//!
//! A model is `pixels -> hidden -> (mu, logvar)` and `latent -> hidden -> pixels`, with ReLU in both hidden layers and
//! a sigmoid at the pixels; `mu` and `logvar` are taken as they come, without a clamp. Retrial writes safetensors:
//!
//! | tensor | shape |
//! |---|---|
//! | `encoder.fc1.weight`, `.bias` | `[hidden, pixels]`, `[hidden]` |
//! | `encoder.fc_mu.weight`, `.bias` | `[latent, hidden]`, `[latent]` |
//! | `encoder.fc_logvar.weight`, `.bias` | `[latent, hidden]`, `[latent]` |
//! | `decoder.fc1.weight`, `.bias` | `[hidden, latent]`, `[hidden]` |
//! | `decoder.fc2.weight`, `.bias` | `[pixels, hidden]`, `[pixels]` |
//!
//! It reads the same model under other names, from safetensors or a zip archive of `torch.save`:
//!
//! - those of PyTorch's example, `fc1, fc21, fc22, fc3, fc4`; any with `encoder` and `decoder` in them, as in
//!   `encoder.0`, `decoder.0`, `decoder.2`, beside heads such as `fc_mu` and `fc_logvar`, `mu` and `log_var`; behind
//!   any common prefix, in any wrapper of PyTorch, inside a checkpoint whose optimizer is left out;
//! - F32; F16 and BF16, which widen exactly; F64, which is rounded;
//! - `kernel`, which is `[inputs, outputs]`, and a `weight` whose shape shows that it is; a layer without bias.
//!
//! A file does not say which activations its model has. Whatever it does say is held to: a tensor that is no part of
//! such a model is refused by name, since what computes it would not be computed.

mod assemble;
mod foreign;
mod layer;
mod roles;
mod stored;
mod torch;
mod unknown;
mod words;

use assemble::assemble;
use retrial_files::{read_up_to, sha256_hex, write_atomic};
use retrial_spec::{Error, Linear, Result, Weights};
use roles::{Part, Placed, Role};
use safetensors::{Dtype, SafeTensors, View, tensor::serialize};
use std::{borrow::Cow, collections::HashMap, path::Path};
use stored::Stored;

/// A model, and what is to be said of the file it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightFile {
    /// The weights; their [`shape`](Weights::shape) is valid. Of a decoder alone, the encoder's are zero.
    pub weights: Weights,
    /// Whether only the decoder was read.
    pub decoder_only: bool,
    /// SHA-256, in hex, of the file that [`save`](Self::save) writes: equal weights have equal fingerprints, whatever
    /// file they came from.
    pub sha256: String,
    /// What a user should know of how the file was read, a line each.
    pub notes: Vec<String>,
}

impl WeightFile {
    /// Of weights that no file holds yet.
    ///
    /// # Errors
    /// [`Error::Input`] where the layers do not fit each other or hold a number that is not finite.
    pub fn of(weights: Weights) -> Result<Self> {
        weights.shape()?;
        let sha256 = sha256_hex(&canonical(&weights, false)?);
        Ok(Self { weights, decoder_only: false, sha256, notes: vec![] })
    }

    /// Writes the weights atomically, or the decoder's where there are no others. Equal weights give equal bytes.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_atomic(path, &canonical(&self.weights, self.decoder_only)?)
    }
}

/// How to read a weight file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Names in the file and what to read them as: of a tensor, or of a layer or module, which renames all below it.
    pub renames: Vec<(String, String)>,
    /// Read the decoder alone. The encoder may then be missing, or anything.
    pub decoder_only: bool,
}

/// Reads weights of any shape up to [`Shape::MAX`](retrial_spec::Shape::MAX).
///
/// # Errors
/// Those of [`Options::load`].
pub fn load(path: &Path) -> Result<WeightFile> {
    Options::default().load(path)
}

impl Options {
    /// Reads weights of any shape up to [`Shape::MAX`](retrial_spec::Shape::MAX).
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is neither safetensors nor PyTorch's zip
    /// archive, is damaged, lacks a layer, holds a tensor that such a model does not have, one of another type, layers
    /// that do not fit each other, or a number that is not finite; [`Error::Input`] where a name to be changed is not
    /// in the file.
    pub fn load(&self, path: &Path) -> Result<WeightFile> {
        let bytes = read_up_to(path, MAX_BYTES)?;
        let refuse = |(fault, fix): foreign::Verdict| Error::file(path, fault, fix);
        if let Some(verdict) = foreign::file(&bytes) {
            return Err(refuse(verdict));
        }
        if bytes.starts_with(b"PK") {
            let tensors = torch::tensors(path, &bytes, MAX_BYTES)?;
            drop(bytes);
            return self.read(path, tensors);
        }
        self.read(path, stored::of_safetensors(&parse(path, &bytes)?))
    }

    fn read(&self, path: &Path, mut tensors: Vec<Stored<'_>>) -> Result<WeightFile> {
        rename(&mut tensors, &self.renames)?;
        let part = if self.decoder_only { Part::Decoder } else { Part::Whole };
        let assembled = assemble(&tensors, part).map_err(|(fault, fix)| match shard(path) {
            Some(shard) => Error::file(path, format!("{fault}; it is {shard}"), "write all shards to one file first"),
            None => Error::file(path, fault, fix),
        })?;
        let mut notes = assembled.notes;
        let mut weights = Weights::default();
        let mut rounded = vec![];
        for placed in &assembled.layers {
            let layer = linear(path, placed, &mut rounded)?;
            match placed.role {
                Role::EncoderHidden => weights.encoder_fc1 = layer,
                Role::Mean => weights.encoder_fc_mu = layer,
                Role::LogVar => weights.encoder_fc_logvar = layer,
                Role::Heads => (weights.encoder_fc_mu, weights.encoder_fc_logvar) = halves(&layer),
                Role::DecoderHidden => weights.decoder_fc1 = layer,
                Role::Pixels => weights.decoder_fc2 = layer,
            }
        }
        if self.decoder_only {
            let [pixels, hidden] = [weights.decoder_fc2.outputs, weights.decoder_fc2.inputs];
            weights.encoder_fc1 = zeros(hidden, pixels);
            weights.encoder_fc_mu = zeros(weights.decoder_fc1.inputs, hidden);
            weights.encoder_fc_logvar = weights.encoder_fc_mu.clone();
        }
        if !rounded.is_empty() {
            notes.push(format!("rounds F64 to f32: {}", unknown::list(rounded.iter())));
        }
        check(path, &weights)?;
        let sha256 = sha256_hex(&canonical(&weights, self.decoder_only)?);
        Ok(WeightFile { weights, decoder_only: self.decoder_only, sha256, notes })
    }
}

/// Writes weights atomically and returns the SHA-256 of the file, in hex. Equal weights give equal bytes.
///
/// # Errors
/// [`Error::Input`] where the layers do not fit each other or hold a number that is not finite; [`Error::Io`] where
/// the file cannot be written.
pub fn save(path: &Path, weights: &Weights) -> Result<String> {
    weights.shape()?;
    let bytes = canonical(weights, false)?;
    write_atomic(path, &bytes)?;
    Ok(sha256_hex(&bytes))
}

/// The file of a model, or of its decoder.
fn canonical(weights: &Weights, decoder_only: bool) -> Result<Vec<u8>> {
    let mut tensors = tensors(weights);
    tensors.retain(|(name, _)| !decoder_only || name.starts_with("decoder."));
    to_bytes(tensors, None)
}

/// Changes the names of tensors, each at most once, so that two names may be exchanged.
fn rename(tensors: &mut [Stored<'_>], renames: &[(String, String)]) -> Result<()> {
    let below = |name: &str, old: &str| -> Option<String> {
        let rest = name.strip_prefix(old)?;
        (rest.is_empty() || rest.starts_with(['.', '/'])).then(|| rest.to_owned())
    };
    for (old, _) in renames {
        if !tensors.iter().any(|tensor| below(&tensor.name, old).is_some()) {
            let names = unknown::list(tensors.iter().map(|tensor| &tensor.name));
            return Err(Error::input(
                format!("--rename {old}"),
                "no such tensor or layer",
                format!("the file holds {names}"),
            ));
        }
    }
    for tensor in tensors {
        let renamed = renames.iter().find_map(|(old, new)| Some(format!("{new}{}", below(&tensor.name, old)?)));
        if let Some(renamed) = renamed {
            tensor.name = renamed.trim_start_matches(['.', '/']).to_owned();
        }
    }
    Ok(())
}

/// Reads a layer, and adds to `rounded` the tensors that f32 does not hold exactly.
fn linear(path: &Path, placed: &Placed<'_>, rounded: &mut Vec<String>) -> Result<Linear> {
    let Placed { layer, flipped, .. } = placed;
    let (outputs, inputs) = layer.widths(*flipped);
    let mut read = |tensor: &Stored<'_>| {
        let (values, rounds) = tensor.read(path)?;
        rounded.extend(rounds.then(|| tensor.name.clone()));
        Ok(values)
    };
    let mut weight = read(layer.weight)?;
    if layer.kernel || *flipped {
        weight = (0..outputs * inputs).map(|at| weight[at % inputs * outputs + at / inputs]).collect();
    }
    let bias = match layer.bias {
        Some(bias) => read(bias)?,
        None => vec![0.0; outputs],
    };
    Ok(Linear { outputs, inputs, weight, bias })
}

/// A layer of two heads as two layers.
fn halves(layer: &Linear) -> (Linear, Linear) {
    let outputs = layer.outputs / 2;
    let (weight, bias) = (layer.weight.split_at(outputs * layer.inputs), layer.bias.split_at(outputs));
    let half = |weight: &[f32], bias: &[f32]| Linear {
        outputs,
        inputs: layer.inputs,
        weight: weight.to_vec(),
        bias: bias.to_vec(),
    };
    (half(weight.0, bias.0), half(weight.1, bias.1))
}

fn zeros(outputs: usize, inputs: usize) -> Linear {
    Linear { outputs, inputs, weight: vec![0.0; outputs * inputs], bias: vec![0.0; outputs] }
}

/// Which shard of a model a file is by its name, `model-00001-of-00003.safetensors`.
fn shard(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    let (left, total) = stem.rsplit_once("-of-")?;
    let number = left.rsplit_once('-').map_or(left, |(_, number)| number);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits(number) && digits(total)).then(|| format!("shard {number} of {total}"))
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
    pub(crate) fn f32(shape: Vec<usize>, values: &[f32]) -> Self {
        Self { dtype: Dtype::F32, shape, bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect() }
    }

    pub(crate) fn f64(shape: Vec<usize>, values: &[f64]) -> Self {
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

/// Longest header of a safetensors file. The largest checkpoint has one of two kilobytes.
const MAX_HEADER: u64 = 2 << 20;

pub(crate) fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>> {
    let refuse = |why: String| {
        let fault = format!("{} bytes that are not a whole safetensors file ({why})", bytes.len());
        Error::file(path, fault, "write it with safetensors.torch.save_file, or fetch it again")
    };
    let header = bytes.first_chunk().map_or(0, |&len| u64::from_le_bytes(len));
    if header > MAX_HEADER && header < bytes.len() as u64 {
        return Err(refuse(format!("a header of {header} bytes, above {} MiB", MAX_HEADER >> 20)));
    }
    SafeTensors::deserialize(bytes).map_err(|e| refuse(e.to_string()))
}

/// The weights of a parsed file.
pub(crate) fn read_weights(path: &Path, file: &SafeTensors<'_>) -> Result<Weights> {
    Ok(Options::default().read(path, stored::of_safetensors(file))?.weights)
}

/// What `weights.shape()` refuses, as a fault of the file.
fn check(path: &Path, weights: &Weights) -> Result<()> {
    match weights.shape() {
        Ok(_) => Ok(()),
        Err(Error::Input { object, got, limit }) => Err(Error::file(path, format!("{object}: got {got}"), limit)),
        Err(other) => Err(other),
    }
}
