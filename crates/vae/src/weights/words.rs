//! What the names of tensors and layers say.

use std::cmp::Ordering;

/// Components that wrap a module without changing what it computes: data parallelism, compilation, sharding.
const WRAPPERS: [&str; 5] =
    ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"];

/// The components of a tensor's name: at dots and slashes, without wrappers and TensorFlow's `:0`.
pub(crate) fn components(name: &str) -> Vec<&str> {
    let name = name.strip_suffix(":0").unwrap_or(name);
    name.split(['.', '/']).filter(|part| !part.is_empty() && !WRAPPERS.contains(part)).collect()
}

/// Which half of the model a layer's name puts it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Encoder,
    Decoder,
    Unsaid,
}

/// What a layer's name says it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    Mean,
    LogVar,
    /// Mean and log variance, one after the other.
    Both,
    /// A standard deviation, or its logarithm.
    Spread,
    No,
}

pub(crate) fn side(path: &[&str]) -> Side {
    let has = |names: &[&str]| words(path).iter().any(|word| names.contains(&word.as_str()));
    match (has(&["encoder", "enc", "encode", "encoding"]), has(&["decoder", "dec", "decode", "decoding"])) {
        (true, false) => Side::Encoder,
        (false, true) => Side::Decoder,
        _ => Side::Unsaid,
    }
}

pub(crate) fn head(path: &[&str]) -> Head {
    let words = words(path);
    let has = |names: &[&str]| words.iter().any(|word| names.contains(&stem(word)));
    let spread =
        has(&["sigma", "sigmas", "std", "stds", "stddev", "stdev", "sd", "scale", "logstd", "logsigma", "logscale"]);
    let mean = has(&["mu", "mus", "mean", "means", "loc"]);
    let logvar = has(&["logvar", "logvars", "lnvar", "logvariance", "var", "vars", "variance"]);
    match (mean, logvar, spread) {
        (_, _, true) => Head::Spread,
        (true, true, _) => Head::Both,
        (true, ..) => Head::Mean,
        (_, true, _) => Head::LogVar,
        _ => Head::No,
    }
}

/// Whether a component names what a training keeps beside its model.
pub(crate) fn is_record(component: &str) -> bool {
    let name = component.to_ascii_lowercase();
    let starts = ["optim", "scheduler", "lr_scheduler", "scaler", "grad_scaler", "callback"];
    let whole = [
        "adam",
        "curve",
        "step",
        "steps",
        "global_step",
        "epoch",
        "epochs",
        "iteration",
        "history",
        "loops",
        "n_averaged",
    ];
    starts.iter().any(|start| name.starts_with(start))
        || name == "rng"
        || name.contains("rng_state")
        || name.contains("loss")
        || whole.contains(&name.as_str())
}

/// The order in which a reader would list names: numbers by value.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let key = |name: &str| -> Vec<(Option<char>, u64)> {
        let mut key: Vec<(Option<char>, u64)> = vec![];
        for c in name.chars() {
            match (c.to_digit(10), key.last_mut()) {
                (Some(digit), Some((None, number))) => *number = number.saturating_mul(10).saturating_add(digit.into()),
                (Some(digit), _) => key.push((None, digit.into())),
                (None, _) => key.push((Some(c), 0)),
            }
        }
        key
    };
    key(a).cmp(&key(b)).then_with(|| a.cmp(b))
}

/// Whether two names differ in their numbers only.
pub(crate) fn numbered(a: &str, b: &str) -> bool {
    let bare = |name: &str| name.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    bare(a) == bare(b)
}

/// Lower-case words, split at punctuation, digits and capitals.
fn words(path: &[&str]) -> Vec<String> {
    let mut words = vec![];
    for part in path {
        let mut word = String::new();
        let mut before = ' ';
        for c in part.chars() {
            if !c.is_alphabetic() || before.is_lowercase() && c.is_uppercase() {
                words.push(std::mem::take(&mut word));
            }
            if c.is_alphabetic() {
                word.extend(c.to_lowercase());
            }
            before = c;
        }
        words.push(word);
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A word without the `fc` of `fcmu`.
fn stem(word: &str) -> &str {
    ["fc", "linear", "lin", "dense", "z"]
        .iter()
        .find_map(|prefix| word.strip_prefix(prefix))
        .filter(|s| !s.is_empty())
        .unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_known_by_many_names() {
        for name in
            ["fc_mu", "mu", "z_mean", "fcMu", "FC_mean", "mean_layer", "to_mu", "fcmu", "linear_means", "loc", "fc2_mu"]
        {
            assert_eq!(head(&[name]), Head::Mean, "{name}");
        }
        for name in
            ["fc_logvar", "logvar", "fc_log_var", "log_var", "fc_var", "z_log_var", "logVar", "fclogvar", "FC_var"]
        {
            assert_eq!(head(&[name]), Head::LogVar, "{name}");
        }
        for name in ["sigma", "fc_sigma", "log_sigma", "logstd", "fc_std", "scale"] {
            assert_eq!(head(&[name]), Head::Spread, "{name}");
        }
        for name in ["fc1", "0", "multi", "hidden", "input", "fc", "zz"] {
            assert_eq!(head(&[name]), Head::No, "{name}");
        }
        assert_eq!(head(&["fc_mu_logvar"]), Head::Both);
    }

    #[test]
    fn sides_and_wrappers() {
        assert_eq!(components("module._orig_mod.vae.encoder.0.weight"), ["vae", "encoder", "0", "weight"]);
        assert_eq!(components("vae/dense_1/kernel:0"), ["vae", "dense_1", "kernel"]);
        assert_eq!(side(&["encoder", "0"]), Side::Encoder);
        assert_eq!(side(&["decoder_input"]), Side::Decoder);
        assert_eq!(side(&["autoencoder", "fc1"]), Side::Unsaid);
    }

    #[test]
    fn numbers_sort_by_value() {
        let mut names = ["decoder.10", "decoder.fc", "decoder.2", "decoder"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["decoder", "decoder.2", "decoder.10", "decoder.fc"]);
        assert!(natural("fc3", "fc21").is_lt());
        assert!(numbered("fc3", "fc21") && !numbered("fc3", "out"));
    }
}
