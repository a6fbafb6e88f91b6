//! `retrial info`

use crate::{args::DeviceArgs, ui};
use clap::Args;
use retrial_check::Kernel;
use retrial_cpu::Isa;
use retrial_spec::{Result, Shape};
use serde_json::json;

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
        let chosen = self.device.open()?;
        let device = chosen.backend.device();
        let sets: Vec<String> = Isa::ALL.iter().filter(|isa| isa.available()).map(Isa::to_string).collect();
        let threads = retrial_cpu::Cpu::new(self.device.threads)?.threads();
        let precisions: Vec<String> = device.precisions.iter().map(|p| p.to_string()).collect();
        let kernels: Vec<&str> = Kernel::ALL.iter().map(|k| k.name()).collect();
        if self.json {
            return ui::print_json(&json!({
                "version": env!("CARGO_PKG_VERSION"),
                "device": device,
                "why": chosen.why,
                "threads": threads,
                "instruction_sets": sets,
                "kernels": kernels,
                "limits": Shape::MAX,
            }));
        }
        let Shape { pixels, hidden, latent } = Shape::MAX;
        ui::print(&ui::facts(&[
            ("Retrial", env!("CARGO_PKG_VERSION").into()),
            ("Chosen", format!("{device}: {}", chosen.why)),
            ("Threads", threads.to_string()),
            ("Instructions", format!("{} (RETRIAL_CPU=name forces one)", sets.join(", "))),
            ("Precisions", precisions.join(", ")),
            ("Kernels", kernels.join(", ")),
            ("Limits", format!("{pixels} pixels, {hidden} hidden units, {latent} latent dimensions, 2^64 trials")),
        ]))
    }
}
