//! The page that samples on the visitor's own GPU: one HTML file that needs nothing else.
//!
//! The page is the files of `web/`, as they are: plain JavaScript modules, a style sheet and a template. Here they are put
//! into one file with the shaders that the WGSL backend runs, a model, its images, and the errors that the reference makes of
//! a few trials, by which the page proves itself before it shows a number.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytemuck::NoUninit;
use retrial_host::constant;
use retrial_reference as reference;
use retrial_spec::{Posterior, Problem};
use retrial_wgsl::{Shader, shaders};
use serde_json::{Value, json};

const TEMPLATE: &str = include_str!("../web/index.html");
const STYLE: &str = include_str!("../web/style.css");

macro_rules! modules {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("../web/", $name)))),*] };
}

/// The modules, which import each other as `retrial/NAME`.
const MODULES: &[(&str, &str)] = &modules![
    "analysis.js",
    "best.js",
    "bindings.js",
    "breath.js",
    "computing.js",
    "counts.js",
    "coverage.js",
    "decoder.js",
    "device.js",
    "eq8.js",
    "experiment.js",
    "export.js",
    "fallback.js",
    "figures.js",
    "gpu.js",
    "kernels.js",
    "layout.js",
    "main.js",
    "minimise.js",
    "model.js",
    "normals.js",
    "pace.js",
    "philox.js",
    "pilot.js",
    "proof.js",
    "quantile.js",
    "rate.js",
    "special.js",
    "svg.js",
    "tally.js",
    "thresholds.js",
    "view.js",
    "window.js",
    "words.js",
];

/// Samples and trials that the page proves itself by: from before to after the carry of the trial counter's low word.
const PROOF_SAMPLES: usize = 2;
const PROOF_TRIALS: u64 = 128;
const PROOF_FIRST: u64 = (1 << 32) - PROOF_TRIALS / 2;
/// What an error may differ by from the reference's, relative: noise differs by 1e-6 or so between compilers.
const TOLERANCE: f64 = 1e-5;

/// Numbers of a buffer that WebGPU promises on any device, 128 MiB.
const PROMISED: usize = 1 << 25;
/// Bins of a sample's histogram.
const BINS: usize = constant(include_str!("../web/tally.js"), "BINS");

/// Samples of so many pixels that a page has room for on any GPU.
pub fn most_samples(pixels: usize) -> usize {
    PROMISED / pixels.max(BINS)
}

/// What a page is about.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Model, images, temperature and seed. The visitor may choose another temperature.
    pub problem: &'a Problem,
    /// Means and log variances of the images.
    pub posterior: &'a Posterior,
    /// SHA-256 of the weights as Retrial writes them, and of the images' values.
    pub sha256: [&'a str; 2],
    /// Thresholds to begin with; where there are none, the page takes one from the errors that it sees.
    pub thresholds: &'a [f32],
}

impl Page<'_> {
    /// The whole page.
    pub fn html(&self) -> String {
        let imports: serde_json::Map<String, Value> = MODULES
            .iter()
            .map(|(name, text)| {
                (format!("retrial/{name}"), format!("data:text/javascript;base64,{}", STANDARD.encode(text)).into())
            })
            .collect();
        let modules = format!(
            "<script type=\"importmap\">{}</script>\n<script type=\"module\">import \"retrial/main.js\";</script>",
            inline(&json!({ "imports": imports }))
        );
        // Each marker stands once, and what is put in is not looked at again.
        let mut page = String::new();
        let mut rest = TEMPLATE;
        for (marker, text) in [("{{style}}", STYLE), ("{{data}}", &self.data()), ("{{modules}}", &modules)] {
            let (before, after) = rest.split_once(marker).unwrap_or((rest, ""));
            page += before;
            page += text;
            rest = after;
        }
        page + rest
    }

    fn data(&self) -> String {
        let Self { problem, posterior, .. } = self;
        let decoder = [&problem.weights().decoder_fc1, &problem.weights().decoder_fc2];
        let bytes: Option<Vec<u8>> = problem.images().iter().map(|&value| byte(value)).collect();
        let images = bytes.as_ref().map_or_else(|| encoded(problem.images()), |bytes| encoded(bytes));
        let golden = self.golden();
        let about = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "shape": problem.shape(),
            "samples": problem.samples(),
            "seed": problem.seed().to_string(),
            "temperature": problem.temperature(),
            "images": if bytes.is_some() { "u8" } else { "f32" },
            "model": { "weights": self.sha256[0], "data": self.sha256[1] },
            "thresholds": self.thresholds,
            "shaders": texts(),
            "golden": {
                "first": PROOF_FIRST.to_string(),
                "trials": PROOF_TRIALS,
                "samples": (0..PROOF_SAMPLES.min(problem.samples())).collect::<Vec<_>>(),
                "tolerance": TOLERANCE,
            },
        });
        let arrays = [
            ("w3", encoded(&decoder[0].weight)),
            ("b3", encoded(&decoder[0].bias)),
            ("w4", encoded(&decoder[1].weight)),
            ("b4", encoded(&decoder[1].bias)),
            ("mu", encoded(&posterior.mu)),
            ("logvar", encoded(&posterior.logvar)),
            ("images", images),
            ("golden", encoded(&golden)),
        ];
        let mut data = format!("<script type=\"application/json\" id=\"about\">{}</script>", inline(&about));
        for (name, text) in arrays {
            data += &format!("\n<script type=\"text/base64\" id=\"{name}\">{text}</script>");
        }
        data
    }

    /// Errors of the reference, `[samples, trials]`.
    fn golden(&self) -> Vec<f64> {
        let Self { problem, posterior, .. } = self;
        let shape = problem.shape();
        let samples = PROOF_SAMPLES.min(problem.samples());
        let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&value| value.into()).collect() };
        let noise: Vec<f64> = (0..samples as u32)
            .flat_map(|sample| (PROOF_FIRST..PROOF_FIRST + PROOF_TRIALS).map(move |trial| (sample, trial)))
            .flat_map(|(sample, trial)| reference::normals(problem.seed(), sample, trial, shape.latent))
            .collect();
        let first = |values: &[f32], width: usize| wide(&values[..samples * width]);
        reference::score(
            problem.weights(),
            &first(problem.images(), shape.pixels),
            (&first(&posterior.mu, shape.latent), &first(&posterior.logvar, shape.latent)),
            problem.temperature(),
            &noise,
        )
    }
}

/// The shaders of the page, as browsers want them.
fn texts() -> Value {
    let text = |kernel: &str, subgroup: bool| {
        let wanted = |shader: &&Shader| shader.kernel == kernel && shader.subgroup == subgroup && !shader.f16;
        shaders().iter().find(wanted).map(Shader::browser_text)
    };
    json!({
        "score": text("score", false),
        "pass_at_k": text("pass_at_k", false),
        "pass_at_k_subgroup": text("pass_at_k", true),
    })
}

/// A pixel as the byte that it was made of, if it was made of one.
fn byte(value: f32) -> Option<u8> {
    let byte = (value * 255.0).round();
    ((0.0..=255.0).contains(&byte) && byte / 255.0 == value).then_some(byte as u8)
}

/// Little-endian, in base64.
fn encoded<T: NoUninit>(values: &[T]) -> String {
    STANDARD.encode(bytemuck::cast_slice::<T, u8>(values))
}

/// JSON that may stand in a script element: no text in it ends the element.
fn inline(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_byte_makes_is_a_byte() {
        assert_eq!([0.0, 1.0, 17.0 / 255.0].map(byte), [Some(0), Some(255), Some(17)]);
        assert_eq!([0.5, -0.1, 1.1, f32::NAN].map(byte), [None; 4]);
    }

    #[test]
    fn no_text_ends_its_element() {
        assert_eq!(inline(&json!("a</script>")), r#""a\u003c/script>""#);
    }

    #[test]
    fn there_is_room_for_what_the_modules_keep() {
        let (_, tally) = MODULES.iter().find(|(name, _)| *name == "tally.js").unwrap();
        assert!(tally.contains(&format!("export const BINS = {BINS};")));
        assert_eq!([most_samples(1), most_samples(784)], [65_536, 42_799]);
    }

    /// Whoever adds a module must name it here.
    #[test]
    fn every_module_is_in_the_page() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/web");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut scripts: Vec<String> = files.filter(|name| name.ends_with(".js")).collect();
        scripts.sort();
        let mut named: Vec<&str> = MODULES.iter().map(|(name, _)| *name).collect();
        named.sort_unstable();
        assert_eq!(scripts, named);
        for marker in ["{{style}}", "{{data}}", "{{modules}}"] {
            assert_eq!(TEMPLATE.matches(marker).count(), 1, "{marker}");
        }
    }
}
