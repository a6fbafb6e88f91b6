//! Shapes, weights in PyTorch's layout, and the problem a backend is given.

use crate::{
    Error, Result,
    values::{outside, rows, within},
};

/// The three widths of a VAE of this family: `pixels -> hidden -> (mu, logvar) latent -> hidden -> pixels`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    /// Values in one sample.
    pub pixels: usize,
    /// Units of the hidden layers.
    pub hidden: usize,
    /// Dimensions of the latent space.
    pub latent: usize,
}

impl Shape {
    /// The paper's model: 784-400-20.
    pub const PAPER: Self = Self { pixels: 784, hidden: 400, latent: 20 };
    /// The largest of each width.
    pub const MAX: Self = Self { pixels: 4096, hidden: 1024, latent: 128 };

    /// Refuses a width of zero or above [`Shape::MAX`].
    pub fn check(self) -> Result<Self> {
        let widths = [
            ("pixels", self.pixels, Self::MAX.pixels),
            ("hidden units", self.hidden, Self::MAX.hidden),
            ("latent dimensions", self.latent, Self::MAX.latent),
        ];
        for (name, got, max) in widths {
            if !(1..=max).contains(&got) {
                return Err(Error::input(format!("model with {got} {name}"), got, format!("must be 1 to {max}")));
            }
        }
        Ok(self)
    }

    /// Multiply-adds of the two decoder layers, times two: the FLOPs by which trials/s become FLOP/s.
    pub fn flops_per_trial(self) -> u64 {
        2 * (self.hidden * (self.latent + self.pixels)) as u64
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}", self.pixels, self.hidden, self.latent)
    }
}

/// A dense layer `y = W x + b`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Linear {
    /// Rows of `W`.
    pub outputs: usize,
    /// Columns of `W`.
    pub inputs: usize,
    /// `W`, row-major `[outputs, inputs]`, as PyTorch lays it out.
    pub weight: Vec<f32>,
    /// `b`, `[outputs]`.
    pub bias: Vec<f32>,
}

/// All weights of a VAE, named as in the safetensors files.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Weights {
    /// `encoder.fc1`: `[hidden, pixels]`.
    pub encoder_fc1: Linear,
    /// `encoder.fc_mu`: `[latent, hidden]`.
    pub encoder_fc_mu: Linear,
    /// `encoder.fc_logvar`: `[latent, hidden]`.
    pub encoder_fc_logvar: Linear,
    /// `decoder.fc1`: `[hidden, latent]`.
    pub decoder_fc1: Linear,
    /// `decoder.fc2`: `[pixels, hidden]`.
    pub decoder_fc2: Linear,
}

impl Weights {
    /// Largest magnitude of a weight or bias. With the limits of pixels, means, scales and noise it keeps every sum of a
    /// model of any allowed [`Shape`] finite in f32, so that no kernel ever meets an infinity.
    pub const LIMIT: f32 = 1e6;

    /// The layers with their names in files.
    pub fn layers(&self) -> [(&'static str, &Linear); 5] {
        [
            ("encoder.fc1", &self.encoder_fc1),
            ("encoder.fc_mu", &self.encoder_fc_mu),
            ("encoder.fc_logvar", &self.encoder_fc_logvar),
            ("decoder.fc1", &self.decoder_fc1),
            ("decoder.fc2", &self.decoder_fc2),
        ]
    }

    /// Both heads of the encoder as one layer, the means first: the hidden layer is then computed once for both.
    pub fn heads(&self) -> Linear {
        let [mu, logvar] = [&self.encoder_fc_mu, &self.encoder_fc_logvar];
        Linear {
            outputs: mu.outputs + logvar.outputs,
            inputs: mu.inputs,
            weight: [&mu.weight[..], &logvar.weight].concat(),
            bias: [&mu.bias[..], &logvar.bias].concat(),
        }
    }

    /// The shape, after checking that the five layers fit each other and hold only finite numbers.
    pub fn shape(&self) -> Result<Shape> {
        let (pixels, hidden) = (self.decoder_fc2.outputs, self.decoder_fc2.inputs);
        let latent = self.decoder_fc1.inputs;
        let shape = Shape { pixels, hidden, latent }.check()?;
        let expected = [(hidden, pixels), (latent, hidden), (latent, hidden), (hidden, latent), (pixels, hidden)];
        for ((name, layer), (outputs, inputs)) in self.layers().into_iter().zip(expected) {
            if (layer.outputs, layer.inputs) != (outputs, inputs) {
                return Err(Error::input(
                    format!("{name}.weight"),
                    format!("shape [{}, {}]", layer.outputs, layer.inputs),
                    format!("must be [{outputs}, {inputs}] to fit decoder.fc1 and decoder.fc2"),
                ));
            }
            for (part, values, len) in [("weight", &layer.weight, outputs * inputs), ("bias", &layer.bias, outputs)] {
                if values.len() != len {
                    return Err(Error::input(
                        format!("{name}.{part}"),
                        format!("{} values", values.len()),
                        format!("must hold {len}"),
                    ));
                }
                if let Some(at) = outside(values, &(-Self::LIMIT..=Self::LIMIT)) {
                    return Err(Error::input(
                        format!("{name}.{part}[{at}]"),
                        values[at],
                        "must be finite and within +-1e6; retrain, or convert the file again",
                    ));
                }
            }
        }
        Ok(shape)
    }
}

/// What the encoder says of each sample.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Posterior {
    /// Means, `[N, latent]`.
    pub mu: Vec<f32>,
    /// Log variances, `[N, latent]`.
    pub logvar: Vec<f32>,
}

impl Posterior {
    /// Largest magnitude of a mean.
    pub const LIMIT: f32 = 1e12;

    /// From what [`Weights::heads`] gives, `[N, 2 latent]`.
    pub fn of_heads(rows: &[f32], latent: usize) -> Self {
        let (mu, logvar): (Vec<_>, Vec<_>) = rows.chunks(2 * latent).map(|row| row.split_at(latent)).unzip();
        Self { mu: mu.concat(), logvar: logvar.concat() }
    }
}

/// Everything that determines a trial's error, checked once.
#[derive(Clone, Debug)]
pub struct Problem {
    shape: Shape,
    weights: Weights,
    images: Vec<f32>,
    posterior: Posterior,
    scale: Vec<f32>,
    temperature: f64,
    seed: u64,
}

impl Problem {
    /// Largest `T exp(logvar / 2)`.
    pub const SCALE_LIMIT: f32 = 1e6;
    /// Largest magnitude of a pixel of an image. (Those of a data set lie in `[0, 1]`.)
    pub const PIXEL_LIMIT: f32 = 1e6;
    /// Largest magnitude of a latent that is decoded, above any that `sample_latent` gives.
    pub const LATENT_LIMIT: f32 = 1e13;

    /// Checks shapes and ranges. `images` is `[N, pixels]`; the temperature multiplies the posterior's standard
    /// deviation, `z = mu + T exp(logvar / 2) eps`.
    ///
    /// # Errors
    /// [`Error::Input`] where layers, images and posterior do not fit each other, there is no image or more than 2^32 - 1,
    /// a number is not finite or beyond its limit, or the temperature is negative.
    pub fn new(weights: Weights, images: Vec<f32>, posterior: &Posterior, temperature: f64, seed: u64) -> Result<Self> {
        let shape = weights.shape()?;
        let whole = format!("N >= 1 samples x {} pixels", shape.pixels);
        let samples = rows("images", images.len(), shape.pixels, whole)?;
        numbered("images", samples)?;
        within("pixel", &images, -Self::PIXEL_LIMIT..=Self::PIXEL_LIMIT)?;
        let place = |at: usize| format!("[{}, {}]", at / shape.latent, at % shape.latent);
        let parts = [("mu", &posterior.mu, Posterior::LIMIT), ("logvar", &posterior.logvar, f32::MAX)];
        for (name, values, most) in parts {
            if values.len() != samples * shape.latent {
                let got = format!("{} values", values.len());
                return Err(Error::input(name, got, format!("must be {samples} x {}", shape.latent)));
            }
            if let Some(at) = outside(values, &(-most..=most)) {
                let limit = format!("must be finite and within +-{most:e}; retrain");
                return Err(Error::input(format!("{name}{}", place(at)), values[at], limit));
            }
        }
        if !(temperature.is_finite() && temperature >= 0.0) {
            return Err(Error::input("temperature", temperature, "must be a finite number >= 0"));
        }
        // In f64 and rounded once, so that every backend starts from the same bits.
        let scale: Vec<f32> =
            posterior.logvar.iter().map(|&v| (temperature * (0.5 * f64::from(v)).exp()) as f32).collect();
        if let Some(at) = outside(&scale, &(0.0..=Self::SCALE_LIMIT)) {
            let object = format!("temperature {temperature} times sigma{}", place(at));
            let limit = "must be at most 1e6; lower the temperature, or check the model's logvar";
            return Err(Error::input(object, scale[at], limit));
        }
        Ok(Self { shape, weights, images, posterior: posterior.clone(), scale, temperature, seed })
    }

    /// The problem of some of its samples, which must exist, numbered anew from 0: trials have other noise.
    pub fn subset(&self, samples: &[usize]) -> Self {
        let pick = |values: &[f32], width: usize| -> Vec<f32> {
            samples.iter().flat_map(|&sample| &values[sample * width..][..width]).copied().collect()
        };
        let Shape { pixels, latent, .. } = self.shape;
        let Posterior { mu, logvar } = &self.posterior;
        Self {
            weights: self.weights.clone(),
            images: pick(&self.images, pixels),
            posterior: Posterior { mu: pick(mu, latent), logvar: pick(logvar, latent) },
            scale: pick(&self.scale, latent),
            ..*self
        }
    }

    /// The model's widths.
    pub fn shape(&self) -> Shape {
        self.shape
    }
    /// Number of samples `N`.
    pub fn samples(&self) -> usize {
        self.images.len() / self.shape.pixels
    }
    /// The model.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }
    /// The images, `[N, pixels]`.
    pub fn images(&self) -> &[f32] {
        &self.images
    }
    /// Image of one sample, `[pixels]`.
    pub fn image(&self, sample: usize) -> &[f32] {
        &self.images[sample * self.shape.pixels..][..self.shape.pixels]
    }
    /// What the encoder said of the images.
    pub fn posterior(&self) -> &Posterior {
        &self.posterior
    }
    /// Posterior means of all samples, `[N, latent]`.
    pub fn mus(&self) -> &[f32] {
        &self.posterior.mu
    }
    /// `T exp(logvar / 2)` of all samples, `[N, latent]`.
    pub fn scales(&self) -> &[f32] {
        &self.scale
    }
    /// Posterior mean of one sample, `[latent]`.
    pub fn mu(&self, sample: usize) -> &[f32] {
        &self.posterior.mu[sample * self.shape.latent..][..self.shape.latent]
    }
    /// `T exp(logvar / 2)` of one sample, `[latent]`.
    pub fn scale(&self, sample: usize) -> &[f32] {
        &self.scale[sample * self.shape.latent..][..self.shape.latent]
    }
    /// The temperature `T`.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }
    /// The seed, the key of every random number.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

/// Refuses more samples than 32 bits number.
pub(crate) fn numbered(object: &str, samples: usize) -> Result<()> {
    match u32::try_from(samples) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::input(object, format!("{samples} samples"), "at most 2^32 - 1 can be numbered")),
    }
}
