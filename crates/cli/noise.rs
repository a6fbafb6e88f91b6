//! `retrial noise`

use crate::ui;
use clap::Args;
use ndarray::Array3;
use retrial_engine::arrays;
use retrial_files::write_to;
use retrial_spec::{Error, Result, rng::trial_normals, text::visible};
use std::path::PathBuf;

/// Write the normals of trials, as every backend draws them
///
/// The noise of a trial is a function of seed, sample and trial: Philox4x32-10 with the seed as its key and (trial, sample,
/// block) as its counter, then Box-Muller with fixed polynomials, so that any kernel, in any language, can be fed the very
/// trials of a run. Writes f32 [sample, trial, dimension], which retrial score reads.
#[derive(Args)]
#[command(after_help = "Example:\n  retrial noise --samples 400 --trials 100 --latent 20 --seed 1 --out eps.npy")]
pub struct Noise {
    /// Samples, from the first on
    #[arg(long, value_name = "N")]
    samples: u32,
    /// Trials per sample
    #[arg(long, value_name = "K")]
    trials: u64,
    /// First trial
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Dimensions of the latent space
    #[arg(long, default_value_t = 20)]
    latent: usize,
    /// Seed of the run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the normals, .npy [sample, trial, dimension]
    #[arg(long)]
    out: PathBuf,
}

/// Most normals of a file: 512 MiB, of which there are two copies. More is written in parts, by --first.
const MAX_NORMALS: u64 = 1 << 27;

impl Noise {
    pub fn run(&self) -> Result<()> {
        let Self { samples, trials, first, latent, seed, .. } = *self;
        let values = u64::from(samples).checked_mul(trials).and_then(|pairs| pairs.checked_mul(latent as u64));
        if !values.is_some_and(|values| (1..=MAX_NORMALS).contains(&values)) {
            let got = format!("{samples} samples x {trials} trials x {latent} dimensions");
            return Err(Error::input(
                "noise",
                got,
                format!("must be at least 1 x 1 x 1 and at most {MAX_NORMALS} in all; write parts with --first"),
            ));
        }
        let Some(end) = first.checked_add(trials) else {
            return Err(Error::input("first trial", first, format!("{trials} more end beyond 2^64 - 1")));
        };
        let mut noise = Array3::zeros((samples as usize, trials as usize, latent));
        let mut normals = vec![0.0; latent];
        let pairs = (0..samples).flat_map(|sample| (first..end).map(move |trial| (sample, trial)));
        for (mut row, (sample, trial)) in noise.rows_mut().into_iter().zip(pairs) {
            trial_normals(seed, sample, trial, &mut normals);
            row.iter_mut().zip(&normals).for_each(|(to, normal)| *to = *normal);
        }
        write_to(&self.out, &arrays::npy(&noise))?;
        let out = self.out.display().to_string();
        let out = visible(&out);
        ui::print_of(
            &self.out,
            &format!("{out}  {samples} x {trials} x {latent} normals of trials from {first} on, seed {seed}\n"),
        )
    }
}
