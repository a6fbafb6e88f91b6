//! Every shader is right before any GPU sees it: it parses and validates, and the host writes its parameters where it
//! reads them.

use naga::valid::{Capabilities, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use retrial_check::Kernel;
use retrial_wgsl::{Shader, shaders};
use std::{io::Write, process::Command};

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

/// The browsers' compiler is stricter than naga: it proves that barriers are reached by all invocations.
#[test]
fn tint_agrees() {
    if Command::new("tint").arg("--help").output().is_err() {
        return crate::skip("tint", "not installed; naga's validation alone was run");
    }
    for shader in shaders() {
        let mut file = tempfile::Builder::new().suffix(".wgsl").tempfile().unwrap();
        // Browsers want the extension named, which naga does not know yet, and cannot prove what the subgroup's loop
        // does: that its condition is the same for the whole subgroup.
        let enable = "enable subgroups;\ndiagnostic(off, subgroup_uniformity);\n";
        file.write_all(if shader.subgroup { enable } else { "" }.as_bytes()).unwrap();
        file.write_all(shader.text.as_bytes()).unwrap();
        let output = Command::new("tint").args(["--format", "wgsl"]).arg(file.path()).output().unwrap();
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {messages}", shader.kernel);
    }
}
