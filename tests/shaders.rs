//! Every shader is right before any GPU sees it: it parses and validates, and the host writes its parameters where it
//! reads them.

use crate::skip;
use naga::{
    ShaderStage,
    back::{pipeline_constants::process_overrides, spv},
    valid::{Capabilities, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator},
};
use retrial_check::Kernel;
use retrial_wgsl::{Shader, shaders};
use serde_json::json;
use std::{
    collections::HashMap,
    env,
    io::Write,
    process::{Command, Stdio},
};

/// Parses and validates with only the capabilities that the backend asks a device for.
fn parsed(shader: &Shader) -> (naga::Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(shader.text)
        .unwrap_or_else(|e| panic!("{}", e.emit_to_string_with_path(shader.text, shader.kernel)));
    let mut capabilities = Capabilities::empty();
    capabilities.set(Capabilities::SHADER_FLOAT16, shader.f16);
    capabilities.set(Capabilities::SUBGROUP, shader.subgroup);
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    if shader.subgroup {
        validator.subgroup_stages(ShaderStages::COMPUTE).subgroup_operations(SubgroupOperationSet::all());
    }
    let validated = validator.validate(&module);
    let info = validated.unwrap_or_else(|e| panic!("{}", e.emit_to_string_with_path(shader.text, shader.kernel)));
    (module, info)
}

#[test]
fn shaders_are_valid() {
    for shader in shaders() {
        let (module, _) = parsed(&shader);
        assert!(!module.entry_points.is_empty(), "{} has no entry point", shader.kernel);
        // What WebGPU promises of any device.
        for global in module.global_variables.iter().filter(|(_, v)| v.space == naga::AddressSpace::Uniform) {
            assert_eq!(global.1.name.as_deref(), Some("p"), "{}", shader.kernel);
        }
        assert_eq!(shader.text.contains("enable f16"), shader.f16);
        let uses_subgroups = shader.text.contains("subgroupAdd(");
        assert_eq!(uses_subgroups, shader.subgroup, "{} needs more than the default features", shader.kernel);
    }
}

/// A mistake is reported with its place: file, line and a caret.
#[test]
fn a_broken_shader_is_shown() {
    let text = shaders()[0].text.replace("RELU);", "RELUX);");
    let message = naga::front::wgsl::parse_str(&text).unwrap_err().emit_to_string_with_path(&text, "encode");
    assert!(message.contains("RELUX") && message.contains("encode:") && message.contains('^'), "{message}");
}

#[test]
fn every_kernel_has_its_shader() {
    for kernel in Kernel::ALL {
        let file = format!("{}/shaders/{kernel}.wgsl", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(text.starts_with(&format!("// {kernel}: ")), "{file} must open with what it computes");
        let found = shaders().into_iter().find(|s| s.kernel == kernel.name());
        assert!(found.is_some_and(|s| s.text.contains(&text)), "{file} is not what the backend runs");
    }
}

#[test]
fn parameters_lie_where_the_shaders_read_them() {
    for shader in shaders() {
        let (module, _) = parsed(&shader);
        let params = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Params"));
        let (_, params) = params.unwrap_or_else(|| panic!("{} has no Params", shader.kernel));
        let naga::TypeInner::Struct { members, span } = &params.inner else { panic!("Params is no struct") };
        let read: Vec<_> = members.iter().map(|m| (m.name.as_deref().unwrap(), m.offset as usize)).collect();
        assert_eq!(read, shader.members, "{}", shader.kernel);
        assert_eq!(*span as usize, shader.size, "{}: size of Params", shader.kernel);
    }
}

/// Storage buffers and workgroup memory of every entry point stay within WebGPU's defaults, constants as they stand.
#[test]
fn entry_points_need_only_the_default_limits() {
    for shader in shaders() {
        let (module, info) = parsed(&shader);
        for (index, entry) in module.entry_points.iter().enumerate() {
            let used = module.global_variables.iter().filter(|(v, _)| !info.get_entry_point(index)[*v].is_empty());
            let storage = used.filter(|(_, v)| matches!(v.space, naga::AddressSpace::Storage { .. })).count();
            assert!(storage <= 8, "{} {}: {storage} storage buffers", shader.kernel, entry.name);
            assert!(entry.workgroup_size.iter().product::<u32>() <= 256, "{} {}", shader.kernel, entry.name);
        }
    }
}

/// What Vulkan drivers get is valid, by the judgement of those who define it: every entry point at all constants in use.
#[test]
fn spirv_val_agrees() {
    if Command::new("spirv-val").arg("--version").output().is_err() {
        return skip("spirv-val", "no spirv-val (Debian's spirv-tools); what drivers get is not judged");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut judged = 0;
    for shader in shaders() {
        let (module, info) = parsed(&shader);
        for entry in &module.entry_points {
            for set in shader.constants(&entry.name) {
                let constants = set.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
                let point = Some((ShaderStage::Compute, &*entry.name));
                let (module, info) = process_overrides(&module, &info, point, &constants).unwrap();
                let options =
                    spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: entry.name.clone() };
                // The version that subgroups need, of Vulkan 1.1.
                let target = spv::Options { lang_version: (1, 3), ..spv::Options::default() };
                let words = spv::write_vec(&module, &info, &target, Some(&options)).unwrap();
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                std::fs::write(file.path(), bytes).unwrap();
                let output =
                    Command::new("spirv-val").args(["--target-env", "vulkan1.1"]).arg(file.path()).output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{} {} at {set:?}: {said}", shader.kernel, entry.name);
                judged += 1;
            }
        }
    }
    assert!(judged > 100, "{judged}");
}

/// The browsers' compiler is stricter than naga: it proves that all invocations reach barriers and subgroup operations. It
/// judges every text, and a pipeline of every entry point at all constants in use, within the limits of any device; and
/// what it judges is looked at, or it would say nothing of a broken text.
#[test]
fn tint_agrees() {
    let Some(python) = env::var_os("RETRIAL_TINT") else {
        return skip("tint", "no Dawn (RETRIAL_TINT names a Python that has dawn-python); naga alone judged");
    };
    let mut asked = vec![];
    for shader in shaders() {
        let (module, _) = parsed(&shader);
        let features: Vec<&str> = [("f16", shader.f16), ("subgroups", shader.subgroup)]
            .iter()
            .filter(|(_, has)| *has)
            .map(|(f, _)| *f)
            .collect();
        for entry in module.entry_points.iter().map(|entry| &entry.name) {
            let sets = shader.constants(entry).into_iter().map(|set| set.into_iter().collect());
            let sets: Vec<HashMap<&str, f64>> = sets.collect();
            asked.push(json!({
                "name": shader.kernel, "text": shader.browser_text(), "features": features, "entries": [entry],
                "overrides": sets,
            }));
        }
    }
    let texts = asked.len();
    let broken = [
        ("a barrier for some", "if p.count > local { workgroupBarrier(); }\n\n    var most = 0u;"),
        ("a word that is none", "worgroupBarrier();\n\n    var most = 0u;"),
    ];
    for (name, with) in broken {
        let mut worse = asked.iter().find(|shader| shader["name"] == "pass_at_k").unwrap().clone();
        let text = worse["text"].as_str().unwrap().replacen("workgroupBarrier();\n\n    var most = 0u;", with, 1);
        (worse["name"], worse["text"]) = (name.into(), text.into());
        asked.push(worse);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tint.py");
    let mut child = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(&asked).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script} failed");
    let faults: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    let (of_broken, of_ours): (Vec<_>, Vec<_>) =
        faults.iter().partition(|fault| broken.iter().any(|(name, _)| fault.starts_with(name)));
    assert!(of_ours.is_empty(), "of {texts} texts: {of_ours:#?}");
    assert_eq!(of_broken.len(), broken.len(), "{of_broken:#?}");
}
