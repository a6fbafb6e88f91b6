//! Adapters of wgpu.

use crate::ui;
use retrial_wgsl::Adapter;
use serde_json::{Value, json};

/// Every adapter of this machine.
pub struct Adapters(Vec<Adapter>);

impl Adapters {
    pub fn find() -> Self {
        Self(retrial_wgsl::adapters())
    }

    pub fn json(&self) -> Value {
        self.0.iter().map(adapter_json).collect()
    }

    pub fn table(&self) -> String {
        let mib = |bytes: u64| format!("{} MiB", ui::thousands(bytes >> 20));
        let mut rows = vec![
            ["adapter", "api", "kind", "pci", "buffer", "binding", "f16", "timestamps"].map(String::from).to_vec(),
        ];
        rows.extend(self.0.iter().map(|a| {
            let yes = |v: bool| String::from(if v { "yes" } else { "no" });
            let name = format!("{}: {}", a.index, a.name);
            let (api, kind, pci) = (a.backend.clone(), a.kind.clone(), a.pci.clone());
            vec![name, api, kind, pci, mib(a.max_buffer), mib(a.max_binding), yes(a.f16), yes(a.timestamps)]
        }));
        if self.0.is_empty() {
            "No GPU adapter: no Vulkan, Metal or Direct3D 12 driver was found\n".into()
        } else {
            ui::table(&rows) + "A software adapter is used only when --adapter names it\n"
        }
    }
}

fn adapter_json(a: &Adapter) -> Value {
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
