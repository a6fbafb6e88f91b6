//! A case as arrays, for kernels that are written elsewhere: what goes in, and what must come out.
//!
//! | kernel | in | out |
//! |---|---|---|
//! | `encode` | `images` and the encoder's layers | `mu`, `logvar` `[N, latent]` |
//! | `sample_latent` | `mu`, `logvar`, `noise` | `z` `[N, W, latent]` |
//! | `decode` | `z` `[N W, latent]` and the decoder's layers | `y` `[N W, pixels]` |
//! | `l2_error` | `images`, `y` `[N, W, pixels]` | `errors` `[N, W]` |
//! | `pass_at_k` | `errors`, `thresholds` | `successes`, `first_success` `[N, thresholds]` |
//! | `correlation` | `errors` | `gram` `[N, N]` |
//! | `score` | `images`, `mu`, `logvar`, `noise`, `thresholds` and the decoder's layers | `errors`, `successes`, `first_success` |
//!
//! Inputs are f32, what is expected f64; counts are u64. A first success is the number of the trial from 1 on, counted from
//! trial 0 of the sample and not of the case; 0 is never. Layers are named `encoder.fc1`, `encoder.fc_mu`,
//! `encoder.fc_logvar`, `decoder.fc1` and `decoder.fc2`, each with a `.weight [outputs, inputs]` and a `.bias`.

use crate::{
    Agreement, Band, Case, Fault, Kernel, Tolerance, Verdict,
    case::{narrow, wide},
    compare, thresholds,
};
use retrial_reference as reference;
use retrial_spec::{Linear, Posterior, Shape};

/// An array of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// Its name, which is that of its file.
    pub name: String,
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub values: Values,
}

/// Values of an array.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Inputs.
    F32(Vec<f32>),
    /// What the reference makes of them.
    F64(Vec<f64>),
    /// Counts.
    U64(Vec<u64>),
}

impl Numbers {
    fn new(name: impl Into<String>, shape: &[usize], values: Values) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), values }
    }
}

impl Case {
    /// What the kernel gets. Temperature, seed and first trial are fields of the case.
    pub fn inputs(&self) -> Vec<Numbers> {
        let Shape { pixels, latent, .. } = self.shape;
        let (n, w) = (self.samples, self.trials);
        let (weights, images) = self.model();
        let f32s = |name: &str, shape: &[usize], values| Numbers::new(name, shape, Values::F32(values));
        let images = f32s("images", &[n, pixels], images);
        let layers = |prefix: &str| -> Vec<Numbers> {
            let of = weights.layers().into_iter().filter(|(name, _)| name.starts_with(prefix));
            of.flat_map(|(name, layer)| arrays(name, layer)).collect()
        };
        let posterior = || {
            let Posterior { mu, logvar } = self.posterior();
            vec![f32s("mu", &[n, latent], mu), f32s("logvar", &[n, latent], logvar)]
        };
        let noise = || f32s("noise", &[n, w, latent], narrow(&self.normals()));
        let limits = |errors: &[f32]| {
            let limits = thresholds(errors);
            f32s("thresholds", &[limits.len()], limits)
        };
        match self.kernel {
            Kernel::Encode => [vec![images], layers("encoder")].concat(),
            Kernel::SampleLatent => [posterior(), vec![noise()]].concat(),
            Kernel::Decode => [vec![f32s("z", &[n * w, latent], self.latents())], layers("decoder")].concat(),
            Kernel::L2Error => vec![images, f32s("y", &[n, w, pixels], self.pixels())],
            Kernel::PassAtK => {
                let errors = self.some_errors();
                vec![limits(&errors), f32s("errors", &[n, w], errors)]
            }
            Kernel::Correlation => vec![f32s("errors", &[n, w], self.some_errors())],
            Kernel::Score => {
                let limits = limits(&narrow(&self.want()));
                [vec![images, noise(), limits], posterior(), layers("decoder")].concat()
            }
        }
    }

    /// Names of what must come out.
    pub fn outputs(&self) -> &'static [&'static str] {
        match self.kernel {
            Kernel::Encode => &["mu", "logvar"],
            Kernel::SampleLatent => &["z"],
            Kernel::Decode => &["y"],
            Kernel::L2Error => &["errors"],
            Kernel::PassAtK => &["successes", "first_success"],
            Kernel::Correlation => &["gram"],
            Kernel::Score => &["errors", "successes", "first_success"],
        }
    }

    /// What must come out, by the reference.
    pub fn expected(&self) -> Vec<Numbers> {
        let Shape { pixels, latent, .. } = self.shape;
        let (n, w, want) = (self.samples, self.trials, self.want());
        let f64s = |name: &str, shape: &[usize], values| Numbers::new(name, shape, Values::F64(values));
        match self.kernel {
            Kernel::Encode => {
                let (mu, logvar) = want.split_at(n * latent);
                vec![f64s("mu", &[n, latent], mu.to_vec()), f64s("logvar", &[n, latent], logvar.to_vec())]
            }
            Kernel::SampleLatent => vec![f64s("z", &[n, w, latent], want)],
            Kernel::Decode => vec![f64s("y", &[n * w, pixels], want)],
            Kernel::L2Error => vec![f64s("errors", &[n, w], want)],
            Kernel::PassAtK => self.counts(&wide(&self.some_errors())).to_vec(),
            Kernel::Correlation => vec![f64s("gram", &[n, n], want)],
            Kernel::Score => {
                let counts = self.counts(&want);
                [f64s("errors", &[n, w], want)].into_iter().chain(counts).collect()
            }
        }
    }

    /// The bound that what came out is judged by.
    pub fn bound(&self) -> Tolerance {
        // Who writes a kernel elsewhere may add up in f32.
        self.tolerance(self.kernel != Kernel::Correlation)
    }

    /// Judges what came out, in the order of [`expected`](Self::expected), by the bounds of any backend. Counts of `score` may
    /// differ by trials whose errors are within the bound of a threshold.
    pub fn judge_outputs(&self, outputs: &[Vec<f64>]) -> Verdict {
        let tolerance = self.bound();
        let verdict = match (self.kernel, outputs) {
            (Kernel::PassAtK, [successes, firsts]) => {
                let errors = wide(&self.some_errors());
                self.judge_counts(&errors, [successes, firsts], Tolerance { absolute: 0.0, relative: 0.0 })
            }
            (Kernel::Score, [errors, successes, firsts]) => {
                let want = self.want();
                let values = compare(errors, &want, tolerance);
                values.and_then(|a| self.judge_counts(&want, [successes, firsts], tolerance).map(|_| a))
            }
            (_, values) => compare(&values.concat(), &self.want(), tolerance),
        };
        verdict.into()
    }

    fn judge_counts(
        &self,
        errors: &[f64],
        [successes, firsts]: [&Vec<f64>; 2],
        tolerance: Tolerance,
    ) -> Result<Agreement, Fault> {
        let limits = thresholds(&narrow(errors));
        for counts in [successes, firsts] {
            if counts.len() != self.samples * limits.len() {
                return Err(Fault::Length { got: counts.len(), want: self.samples * limits.len() });
            }
            // A count is a whole number, and no NaN.
            if let Some(at) = counts.iter().position(|&count| !(count >= 0.0 && count.fract() == 0.0)) {
                return Err(Fault::Value { at, got: counts[at], want: counts[at].round(), allowed: 0.0 });
            }
        }
        for (sample, errors) in errors.chunks(self.trials).enumerate() {
            for (t, &threshold) in limits.iter().enumerate() {
                let at = sample * limits.len() + t;
                let first = (firsts[at] > 0.0).then(|| firsts[at] as u64 - 1);
                Band::new(errors, self.first, threshold, tolerance).check(sample, successes[at] as u64, first)?;
            }
        }
        Ok(Agreement { used: 0.0, max_error: 0.0 })
    }

    /// Success counts and first successes of errors.
    fn counts(&self, errors: &[f64]) -> [Numbers; 2] {
        let errors = narrow(errors);
        let limits = thresholds(&errors);
        let outcomes = reference::pass_at_k(&errors, self.samples, self.first, &limits);
        let (successes, firsts) =
            outcomes.iter().map(|o| (o.successes, o.first_success.map_or(0, |at| at + 1))).unzip();
        let shape = [self.samples, limits.len()];
        [("successes", successes), ("first_success", firsts)]
            .map(|(name, values)| Numbers::new(name, &shape, Values::U64(values)))
    }
}

fn arrays(name: &str, layer: &Linear) -> [Numbers; 2] {
    let weight = Values::F32(layer.weight.clone());
    [
        Numbers::new(format!("{name}.weight"), &[layer.outputs, layer.inputs], weight),
        Numbers::new(format!("{name}.bias"), &[layer.outputs], Values::F32(layer.bias.clone())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;

    fn outputs(case: &Case) -> Vec<Vec<f64>> {
        let values = case.expected().into_iter().map(|numbers| match numbers.values {
            Values::F32(values) => wide(&values),
            Values::F64(values) => values,
            Values::U64(values) => values.into_iter().map(|value| value as f64).collect(),
        });
        values.collect()
    }

    /// The reference's own outputs pass, and one wrong number in any array does not.
    #[test]
    fn what_is_expected_passes_and_what_is_not_fails() {
        for case in cases().into_iter().filter(|case| case.shape.pixels < 100 && case.trials > 1) {
            let right = outputs(&case);
            let names: Vec<String> = case.expected().into_iter().map(|numbers| numbers.name).collect();
            assert_eq!(names, case.outputs());
            for (numbers, values) in case.expected().iter().zip(&right) {
                assert_eq!(numbers.shape.iter().product::<usize>(), values.len(), "{} {}", case.name(), numbers.name);
            }
            assert!(case.judge_outputs(&right).fault().is_none(), "{}", case.name());
            for array in 0..right.len() {
                let mut wrong = right.clone();
                let at = wrong[array].len() / 2;
                wrong[array][at] += 3.0;
                assert!(case.judge_outputs(&wrong).fault().is_some(), "{} {array}", case.name());
                wrong[array][at] = f64::NAN;
                assert!(case.judge_outputs(&wrong).fault().is_some(), "{} {array} NaN", case.name());
                wrong[array] = right[array].clone();
                wrong[array].pop();
                assert!(case.judge_outputs(&wrong).fault().is_some(), "{} {array} short", case.name());
            }
        }
    }
}
