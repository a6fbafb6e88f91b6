//! `retrial reproduce`

use crate::{
    args::DataArgs,
    made::Made,
    progress::Terminal,
    ranks::{self, Job},
    sample::Pipeline,
    sampling::SampleArgs,
    train::{TrainArgs, existing},
    ui,
};
use clap::Args;
use retrial_engine::{RunDir, TrainingInfo, run};
use retrial_spec::Result;
use retrial_vae::weights;
use std::path::PathBuf;

/// Train on real images, sample at a temperature, and report: the paper's VAE experiment in one command
///
/// With the defaults this memorises the first 400 Fashion-MNIST images, decodes each 20,000 times at T = 1, and
/// leaves the report in runs/reproduce. Takes about a minute on two cores.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  retrial reproduce\n  retrial reproduce --temperature 2 --trials 100000 --out runs/hot\n  \
                        retrial reproduce --samples 100 --epochs 200 --trials 2000 --out runs/quick"
)]
pub struct Reproduce {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    training: TrainArgs,
    #[command(flatten)]
    sampling: SampleArgs,
    /// Directory to write (default: runs/reproduce, or the first of runs/reproduce-2, -3 ... that is free)
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Reproduce {
    pub fn run(&self, job: Option<&Job>) -> Result<()> {
        let Self { data, training, sampling, .. } = self;
        sampling.check()?;
        let images = data.load()?;
        let chosen = ranks::device(job, &sampling.device).open()?;
        let out = sampling.directory(self.out.as_deref())?.unwrap_or_else(|| self.free_directory());
        let earlier = if sampling.resumes() { run::manifest(&out).ok() } else { None };
        let dir = RunDir::create(&out, existing(sampling.force, sampling.resumes()))?;
        ui::tell(format_args!("writing to {}", out.display()));
        let seed = sampling.seed.or(earlier.as_ref().map(|m| m.seed)).unwrap_or(1);
        let trained = training.run(seed, &images, &dir, &Terminal::new())?;
        let model = weights::load(&out.join("weights.safetensors"))?;
        let info = TrainingInfo {
            epochs: trained.curve.len(),
            batch: training.batch,
            learning_rate: training.learning_rate,
            at_mean: trained.at_mean,
            at_samples: trained.at_samples,
        };
        let made = Made { model, given: None, images };
        Pipeline { args: sampling, made, earlier, chosen, training: Some(info), out: &out, dir: Some(dir), job }.run()
    }

    /// `runs/reproduce`, numbered on when it is taken and neither --force nor --resume says to use it.
    fn free_directory(&self) -> PathBuf {
        let name = |n: u32| PathBuf::from(if n == 1 { "runs/reproduce".into() } else { format!("runs/reproduce-{n}") });
        let reuse = self.sampling.force || self.sampling.resumes();
        (1..).map(name).find(|path| reuse || !path.exists()).unwrap_or_else(|| name(1))
    }
}
