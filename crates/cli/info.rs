//! `retrial info`

#[cfg(feature = "wgsl")]
mod adapters;
#[cfg(feature = "cuda")]
mod cuda;

use crate::{args::DeviceArgs, ui, validate};
use clap::Args;
use retrial_check::{
    Agreement, Kernel,
    prove::{self, Truth},
};
use retrial_cpu::Isa;
use retrial_devices::Opened;
use retrial_spec::{Result, Shape, Variant};
use serde_json::{Value, json};

/// Show devices, their limits, and which one is chosen and why
#[derive(Args)]
#[command(after_help = "Examples:\n  retrial info\n  retrial info --json")]
pub struct Info {
    #[command(flatten)]
    device: DeviceArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Info {
    pub fn run(&self) -> Result<()> {
        let chosen = self.device.request().open()?;
        let device = chosen.backend.device();
        let sets: Vec<String> = Isa::ALL.iter().filter(|isa| isa.available()).map(Isa::to_string).collect();
        let threads = retrial_cpu::Cpu::new(self.device.threads)?.threads();
        let precisions: Vec<String> = device.precisions().iter().map(|p| p.to_string()).collect();
        let ((cuda, cuda_text), (adapters, adapters_text)) = (cuda(), adapters());
        let kernels: Vec<&str> = Kernel::ALL.iter().map(|k| k.name()).collect();
        let proofs = proofs(&chosen)?;
        if self.json {
            return ui::print_json(&json!({
                "version": env!("CARGO_PKG_VERSION"),
                "device": device,
                "why": chosen.why,
                "threads": threads,
                "instruction_sets": sets,
                "cuda": cuda,
                "adapters": adapters,
                "kernels": kernels,
                "score": proofs.iter().map(|(variant, proof)| json!({
                    "kernel": variant.kernel,
                    "precision": variant.precision,
                    "max_error": proof.as_ref().ok().map(|agreement| agreement.max_error),
                    "of_bound": proof.as_ref().ok().map(|agreement| agreement.used),
                    "fault": proof.as_ref().err(),
                })).collect::<Vec<_>>(),
                "limits": Shape::MAX,
            }));
        }
        let Shape { pixels, hidden, latent } = Shape::MAX;
        ui::print(
            &(ui::facts(&[
                ("Retrial", env!("CARGO_PKG_VERSION").into()),
                ("Chosen", format!("{device}: {}", chosen.why)),
                ("Threads", threads.to_string()),
                ("Instructions", format!("{} (RETRIAL_CPU=name forces one)", sets.join(", "))),
                ("Precisions", precisions.join(", ")),
                ("Kernels", kernels.join(", ")),
                ("Limits", format!("{pixels} pixels, {hidden} hidden units, {latent} latent dimensions, 2^64 trials")),
            ]) + "\n"
                + &table_of(&proofs)
                + "\n"
                + &cuda_text
                + "\n"
                + &adapters_text),
        )
    }
}

/// What there is of CUDA: as JSON and as text.
#[cfg(feature = "cuda")]
fn cuda() -> (Value, String) {
    let cuda = cuda::Cuda::find();
    (cuda.json(), cuda.table())
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> (Value, String) {
    (Value::Null, "CUDA is not in this build (cargo feature cuda)\n".into())
}

/// The adapters of wgpu: as JSON and as text.
#[cfg(feature = "wgsl")]
fn adapters() -> (Value, String) {
    let adapters = adapters::Adapters::find();
    (adapters.json(), adapters.table())
}

#[cfg(not(feature = "wgsl"))]
fn adapters() -> (Value, String) {
    (Value::Null, "GPU adapters are not in this build (cargo feature wgsl)\n".into())
}

/// What the implementations of `score` make of a random model of the paper's shape, run on the device now.
fn proofs(chosen: &Opened) -> Result<Vec<(Variant, Result<Agreement, String>)>> {
    let backend = chosen.backend.as_ref();
    let problem = validate::paper(16)?;
    let truth = if backend.device().backend == "cpu" { Truth::Reference } else { Truth::Backend(chosen.cpu()?) };
    let prove = |variant: &Variant| -> Result<Result<Agreement, String>> {
        let mut scorer = backend.load_variant(&problem, variant)?;
        Ok(prove::proof(backend, &mut scorer, truth)?.map_err(|fault| fault.to_string()))
    };
    let proof = |variant: &Variant| prove(variant).unwrap_or_else(|fault| Err(fault.to_string()));
    Ok(backend.device().variants.iter().map(|variant| (variant.clone(), proof(variant))).collect())
}

fn table_of(proofs: &[(Variant, Result<Agreement, String>)]) -> String {
    let mut rows = vec![["score by", "precision", "proof on this device", "of bound"].map(String::from).to_vec()];
    rows.extend(proofs.iter().map(|(variant, proof)| {
        let (verdict, used) = match proof {
            Ok(a) => (format!("off by {:.1e} at most", a.max_error), format!("{:.0} %", 100.0 * a.used)),
            Err(fault) => (fault.clone(), "-".into()),
        };
        vec![variant.kernel.clone(), variant.precision.to_string(), verdict, used]
    }));
    ui::table(&rows) + "A run proves its kernel again, on its own model and data, and takes the next where it fails\n"
}
