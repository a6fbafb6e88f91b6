//! `retrial info`

use crate::{
    args::{Chosen, DeviceArgs},
    ui, validate,
};
use clap::Args;
use retrial_check::{
    Agreement, Kernel,
    prove::{self, Truth},
};
use retrial_cpu::Isa;
use retrial_cuda::{Compiler, DeviceInfo};
use retrial_spec::{Error, Result, Shape, Variant};
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
        let chosen = self.device.choose()?;
        let device = chosen.backend.device();
        let sets: Vec<String> = Isa::ALL.iter().filter(|isa| isa.available()).map(Isa::to_string).collect();
        let threads = retrial_cpu::Cpu::new(self.device.threads)?.threads();
        let precisions: Vec<String> = device.precisions().iter().map(|p| p.to_string()).collect();
        let adapters = retrial_wgsl::adapters();
        let cuda = Cuda::find();
        let kernels: Vec<&str> = Kernel::ALL.iter().map(|k| k.name()).collect();
        let proofs = proofs(&chosen)?;
        if self.json {
            return ui::print_json(&json!({
                "version": env!("CARGO_PKG_VERSION"),
                "device": device,
                "why": chosen.why,
                "threads": threads,
                "instruction_sets": sets,
                "cuda": cuda.json(),
                "adapters": adapters.iter().map(adapter_json).collect::<Vec<_>>(),
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
        let mib = |bytes: u64| format!("{} MiB", ui::thousands(bytes >> 20));
        let mut rows = vec![
            ["adapter", "api", "kind", "pci", "buffer", "binding", "f16", "timestamps"].map(String::from).to_vec(),
        ];
        rows.extend(adapters.iter().map(|a| {
            let yes = |v: bool| String::from(if v { "yes" } else { "no" });
            let name = format!("{}: {}", a.index, a.name);
            let (api, kind, pci) = (a.backend.clone(), a.kind.clone(), a.pci.clone());
            vec![name, api, kind, pci, mib(a.max_buffer), mib(a.max_binding), yes(a.f16), yes(a.timestamps)]
        }));
        let list = if adapters.is_empty() {
            "No GPU adapter: no Vulkan, Metal or Direct3D 12 driver was found\n".into()
        } else {
            ui::table(&rows) + "A software adapter is used only when --adapter names it\n"
        };
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
                + &cuda.table()
                + "\n"
                + &list),
        )
    }
}

/// What the implementations of `score` make of a random model of the paper's shape, run on the device now.
fn proofs(chosen: &Chosen) -> Result<Vec<(Variant, Result<Agreement, String>)>> {
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

/// What there is of CUDA.
struct Cuda {
    driver: Result<u32>,
    devices: Vec<DeviceInfo>,
    compiler: Result<&'static Compiler>,
}

impl Cuda {
    fn find() -> Self {
        let devices = retrial_cuda::devices().unwrap_or_default();
        Self { driver: retrial_cuda::driver_version(), devices, compiler: retrial_cuda::compiler() }
    }

    fn json(&self) -> serde_json::Value {
        let dotted = |version: &u32| format!("{}.{}", version / 1000, version % 1000 / 10);
        json!({
            "driver": self.driver.as_ref().ok().map(dotted),
            "nvrtc": self.compiler.as_ref().ok().map(|c| format!("{}.{}", c.version().0, c.version().1)),
            "cache": self.compiler.as_ref().ok().and_then(|c| c.cache()),
            "devices": self.devices.iter().map(|d| json!({
                "index": d.index,
                "name": d.name,
                "capability": format!("{}.{}", d.capability.0, d.capability.1),
                "memory": d.memory,
                "multiprocessors": d.multiprocessors,
            })).collect::<Vec<_>>(),
        })
    }

    fn table(&self) -> String {
        let fault = |error: &Error| match error {
            Error::Device { fault, .. } => fault.clone(),
            other => other.to_string(),
        };
        let driver = self.driver.as_ref().map_or_else(fault, |v| format!("for {}.{}", v / 1000, v % 1000 / 10));
        let compiler = self.compiler.as_ref().map_or_else(fault, |c| {
            let cache = c.cache().map_or("no cache".into(), |cache| format!("cache {}", cache.display()));
            format!("{}.{}, {cache} (RETRIAL_CACHE chooses another, empty none)", c.version().0, c.version().1)
        });
        let mut text = ui::facts(&[("CUDA driver", driver), ("NVRTC", compiler)]);
        if !self.devices.is_empty() {
            let mut rows = vec![["device", "name", "capability", "SMs", "memory"].map(String::from).to_vec()];
            rows.extend(self.devices.iter().map(|d| {
                let capability = format!("{}.{}", d.capability.0, d.capability.1);
                let memory = format!("{} MiB", ui::thousands(d.memory >> 20));
                vec![format!("cuda:{}", d.index), d.name.clone(), capability, d.multiprocessors.to_string(), memory]
            }));
            text += &ui::table(&rows);
        }
        text
    }
}

fn adapter_json(a: &retrial_wgsl::Adapter) -> serde_json::Value {
    json!({
        "index": a.index,
        "name": a.name,
        "api": a.backend,
        "kind": a.kind,
        "pci": a.pci,
        "driver": a.driver,
        "software": a.software,
        "max_buffer": a.max_buffer,
        "max_binding": a.max_binding,
        "workgroup_memory": a.workgroup_memory,
        "invocations": a.invocations,
        "f16": a.f16,
        "subgroups": a.subgroups,
        "timestamps": a.timestamps,
    })
}
