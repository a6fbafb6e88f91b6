//! What a tensor is that Retrial does not compute.

use super::{foreign::Verdict, stored::Stored};

/// What a model computes, and hence what it may hold.
pub(crate) const COMPUTES: &str =
    "Retrial computes one hidden layer with ReLU on each side and a sigmoid at the pixels, and nothing else";

/// Refuses tensors that would change what a model computes, by what the first of them is.
pub(crate) fn refuse(tensors: &[&Stored<'_>]) -> Verdict {
    let kinds =
        KINDS.iter().map(|(is, what, cure)| (tensors.iter().filter(|t| is(t)).copied().collect(), *what, *cure));
    let (found, what, cure) =
        kinds.into_iter().find(|(found, ..): &(Vec<&Stored<'_>>, _, _)| !found.is_empty()).unwrap_or((
            tensors.to_vec(),
            "without a weight beside it",
            "give it the name of its weight, or leave it out of the file",
        ));
    (format!("holds {} {what}", list(found.iter().map(|t| &t.name))), format!("{COMPUTES}; {cure}"))
}

/// Whether a tensor is of a kind whose names could pass for those of plain layers.
pub(crate) fn is_variant(tensor: &Stored<'_>) -> bool {
    tensor.name.contains("lora_") || tensor.name.contains("parametrizations.")
}

/// A test, what passes it, and what to do about that.
type Kind = (fn(&Stored<'_>) -> bool, &'static str, &'static str);

/// From the surest sign to the least.
const KINDS: [Kind; 9] = [
    (
        |t| ends(t, &["running_mean", "running_var", "num_batches_tracked"]),
        "of a batch normalisation",
        "fold it into its neighbour with torch.nn.utils.fusion.fuse_linear_bn_eval, or train without it",
    ),
    (
        |t| ends(t, &["weight_g", "weight_v"]) || t.name.contains("parametrizations."),
        "of a parametrised weight",
        "make it plain with torch.nn.utils.remove_weight_norm or parametrize.remove_parametrizations",
    ),
    (
        |t| ends(t, &["weight_orig", "weight_mask", "bias_orig", "bias_mask", "weight_u"]),
        "of a pruned or normalised weight",
        "make it plain with torch.nn.utils.prune.remove or remove_spectral_norm",
    ),
    (|t| t.name.contains("lora_"), "of an adapter", "merge it into the weights first"),
    (
        |t| ends(t, &["zero_point", "weight_scale", "qweight", "_packed_params"]) || t.name.contains("_packed_params"),
        "of a quantised layer",
        "save the model before it was quantised",
    ),
    (
        |t| ends(t, &["weight", "kernel"]) && matches!(t.shape.len(), 3..),
        "of a convolution",
        "its decoder alone can be used where it is dense, with --mu and --logvar",
    ),
    (
        |t| ends(t, &["weight", "gamma", "beta", "scale"]) && t.shape.len() == 1,
        "of a normalisation or a PReLU",
        "fold it into its neighbour, or train without it",
    ),
    (
        |t| ends(t, &["in_proj_weight", "in_proj_bias", "weight_ih_l0"]),
        "of attention or recurrence",
        "train without it",
    ),
    (
        |t| !ends(t, &["bias"]),
        "of an unknown use",
        "rename it where it is one of the model's, else leave it out of the file",
    ),
];

fn ends(tensor: &Stored<'_>, leaves: &[&str]) -> bool {
    let name = tensor.name.strip_suffix(":0").unwrap_or(&tensor.name);
    leaves.contains(&name.rsplit(['.', '/']).next().unwrap_or(name))
}

/// Some names, quoted: a file may call its tensors anything.
pub(crate) fn list<S: std::fmt::Debug>(names: impl ExactSizeIterator<Item = S>) -> String {
    let more = names.len().saturating_sub(12);
    let listed: Vec<String> = names.take(12).map(|name| format!("{name:?}")).collect();
    let listed = listed.join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}
