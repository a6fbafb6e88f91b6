//! `retrial page`: one file, sound modules, and the same counts in a real browser as on the CPU.

use crate::{
    cli::{model, refuses, succeeds},
    skip,
};
use serde_json::Value;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const TOP: &str = env!("CARGO_MANIFEST_DIR");

/// A program that `tests/run` installs for the page.
fn tool(name: &str, what: &str) -> Option<PathBuf> {
    let found = env::var_os("RETRIAL_WEB").map(|folder| Path::new(&folder).join(name)).filter(|path| path.exists());
    if found.is_none() {
        skip(what, &format!("no {name} (RETRIAL_WEB names a folder that has it; tests/run makes one)"));
    }
    found
}

fn passes(what: &str, output: &Output) {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{what}\n{stdout}\n{stderr}");
}

/// Deno in the folder of the modules.
fn deno(program: &Path, args: &str) -> Command {
    let mut command = Command::new(program);
    command.args(args.split_whitespace()).current_dir(Path::new(TOP).join("crates/page/web"));
    command.envs([("DENO_NO_UPDATE_CHECK", "1"), ("NO_COLOR", "1")]);
    command
}

/// The modules are formatted, their types hold, and their own tests pass.
#[test]
fn its_modules_are_sound() {
    let Some(program) = tool("deno", "deno") else { return };
    let without_gpu = "test --quiet --allow-read --no-prompt --ignore=tests/gpu.test.js";
    for args in ["fmt --check", "lint --quiet", "check --quiet .", without_gpu] {
        passes(&format!("deno {args}"), &deno(&program, args).output().unwrap());
    }
}

/// The sampler runs on another WebGPU than Chromium's: Deno's, which is Firefox's, on Mesa's software adapter.
#[test]
fn its_sampler_runs_on_wgpu() {
    let Some(program) = tool("deno", "deno") else { return };
    let args = "test --quiet --allow-read --no-prompt tests/gpu.test.js";
    let output = deno(&program, args).output().unwrap();
    // By what it says, not how it ends: with some drivers Deno crashes when it gives them back.
    let [said, errors] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    if said.contains("ignored") && !said.contains("FAILED") {
        return skip("wgsl", "Deno finds no adapter; install mesa-vulkan-drivers");
    }
    assert!(said.contains("ok | ") && said.contains("| 0 failed"), "{said}\n{errors}");
}

/// Whatever it shows or runs is in it, and it is small.
#[test]
fn it_is_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let (weights, page) = (model().display(), dir.path().join("page.html"));
    let told = succeeds(&format!("page --weights {weights} --samples 12 --seed 7 --out {}", page.display()));
    assert!(told.contains("page.html") && told.contains("seed 7"), "{told}");
    let text = fs::read_to_string(&page).unwrap();
    for source in ["src=\"", "<link", "@import", "url("] {
        assert!(!text.contains(source), "{source}");
    }
    for module in fs::read_dir(Path::new(TOP).join("crates/page/web")).unwrap().map(|entry| entry.unwrap().path()) {
        let text = if module.is_file() { fs::read_to_string(&module).unwrap() } else { String::new() };
        for source in ["fetch(", "XMLHttpRequest", "WebSocket", "sendBeacon"] {
            assert!(!text.contains(source), "{}: {source}", module.display());
        }
    }
    assert!(text.contains("\"seed\":\"7\"") && !text.contains("{{"));
    let run = dir.path().join("run");
    succeeds(&format!(
        "sample --weights {weights} --samples 12 --trials 300 --thresholds 9,10 --out {}",
        run.display()
    ));
    let told = succeeds(&format!("page {} --out {} --json", run.display(), page.display()));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["bytes"].as_u64().unwrap(), fs::metadata(&page).unwrap().len());
    assert!(fs::read_to_string(&page).unwrap().contains("\"thresholds\":[9.0,10.0]"));
}

#[test]
fn what_it_cannot_show_is_refused() {
    let weights = model().display();
    let out = env::temp_dir().join("never.html");
    let out = out.display();
    for (args, words) in [
        (format!("page --weights {weights} --temperature -1 --out {out}"), &["temperature", "-1"][..]),
        (format!("page --weights {weights} --samples 500 --out {out}"), &["500"]),
        (format!("page --weights {weights} --thresholds 3,2 --out {out}"), &["2 after 3"]),
        (format!("page --weights nowhere.pt --out {out}"), &["nowhere.pt"]),
        (format!("page --rename a=b --out {out}"), &["--weights"]),
        (format!("page nowhere --out {out}"), &["nowhere"]),
        (format!("page nowhere --seed 3 --out {out}"), &["--seed"]),
        (format!("page nowhere --epochs 3 --out {out}"), &["--epochs"]),
        (format!("page --weights {weights} --hidden 3 --out {out}"), &["--hidden"]),
        ("page".into(), &["--out"]),
    ] {
        refuses(&args, words);
    }
    assert!(!env::temp_dir().join("never.html").exists());
}

/// The page as a visitor has it: in a Chromium whose GPU is software. It proves itself, samples, stops, starts again, loses
/// its device, hides, and does without WebGPU; broken shaders show no number; and what it exports are the counts that the
/// CPU makes of the same trials. Screenshots stay in `target/page`, for whoever wants to look.
#[test]
fn it_samples_in_a_browser() {
    let Some(python) = tool("python", "browser") else { return };
    if Command::new("chromedriver").arg("--version").output().is_err() {
        return skip("browser", "no chromedriver; install chromium and chromium-driver");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (page, run) = (path("page.html"), path("run"));
    succeeds(&format!("train --epochs 150 --out {} --quiet", path("model")));
    let weights = path("model/weights.safetensors");
    succeeds(&format!("page --weights {weights} --out {page}"));
    let size = fs::metadata(&page).unwrap().len();
    assert!(size < 3_000_000, "the page has {size} bytes");
    let shots = Path::new(TOP).join("target/page");
    let script = Path::new(TOP).join("tests/browser.py");
    let output =
        Command::new(python).arg(script).args([Path::new(&page), &shots]).arg(env!("CARGO_BIN_EXE_retrial")).output();
    let output = output.unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    assert!(output.status.success(), "{found:#}\n{}", String::from_utf8_lossy(&output.stderr));
    for export in ["webgpu.json", "asked.json"] {
        let export = shots.join(export);
        let read: Value = serde_json::from_slice(&fs::read(&export).unwrap()).unwrap();
        let trials = read["end"].as_str().unwrap();
        succeeds(&format!("sample --weights {weights} --trials {trials} --device cpu --force --out {run}"));
        let told = succeeds(&format!("merge {run} --check {} --json", export.display()));
        let told: Value = serde_json::from_str(&told).unwrap();
        let [edges, differ] = ["edges", "differ"].map(|key| told[key].as_u64().unwrap());
        assert!(edges > 1000 && differ * 100 < edges, "{told}");

        // The errors of one sample turned around; then one of them lost.
        let changed = dir.path().join("changed.json");
        let mut other = read.clone();
        other["histogram"]["counts"][3].as_array_mut().unwrap().reverse();
        fs::write(&changed, other.to_string()).unwrap();
        let out = crate::cli::retrial(&format!("merge {run} --check {}", changed.display()));
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() == Some(1) && said.contains("sample 3"), "{said}");
        let counts = other["histogram"]["counts"][3].as_array_mut().unwrap();
        let last = counts.iter().rposition(|count| count.as_u64() > Some(0)).unwrap();
        counts[last] = (counts[last].as_u64().unwrap() - 1).into();
        fs::write(&changed, other.to_string()).unwrap();
        refuses(&format!("merge {run} --check {}", changed.display()), &["sample 3 counts", "must be all"]);
        other["seed"] = "99".into();
        fs::write(&changed, other.to_string()).unwrap();
        refuses(&format!("merge {run} --check {}", changed.display()), &["seed 99", "the run has 1"]);
    }
    fs::write(path("no.json"), "{}").unwrap();
    refuses(&format!("merge {run} --check {}", path("no.json")), &["no.json", "the page exports"]);
}
