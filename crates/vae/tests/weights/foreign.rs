//! Files that are no such model: refused by what they are, with the way out.

use super::*;

/// A good model in `nn.Sequential`, with something more in it.
#[track_caller]
fn refused_beside(extra: &[(&str, &[usize])], expected: &[&str]) {
    for prefix in ["", "module.vae."] {
        let names = ["encoder.0", "fc_mu", "fc_logvar", "decoder.0", "decoder.3"];
        let entries = named(names).into_iter().chain(extra.iter().map(|(name, shape)| Entry::zeros(*name, shape)));
        let entries: Vec<Entry> = entries.map(|e| Entry { name: format!("{prefix}{}", e.name), ..e }).collect();
        refused(
            &bytes(&entries),
            &[expected, &["Retrial computes one hidden layer with ReLU on each side and a sigmoid"]].concat(),
        );
    }
}

#[test]
fn what_would_change_the_function_is_refused_by_name() {
    let norm: &[(&str, &[usize])] = &[
        ("decoder.1.weight", &[3]),
        ("decoder.1.bias", &[3]),
        ("decoder.1.running_mean", &[3]),
        ("decoder.1.running_var", &[3]),
        ("decoder.1.num_batches_tracked", &[]),
    ];
    refused_beside(norm, &["decoder.1.running_mean\"", "batch normalisation", "fuse_linear_bn_eval"]);
    refused_beside(&norm[..2], &["decoder.1.weight\"", "normalisation or a PReLU"]);
    refused_beside(&norm[4..], &["decoder.1.num_batches_tracked\"", "batch normalisation"]);
    refused_beside(&[("decoder.1.weight", &[1])], &["decoder.1.weight\"", "PReLU"]);
    refused_beside(
        &[("decoder.6.weight", &[5, 5]), ("decoder.6.bias", &[5])],
        &["3 layers in its decoder", "decoder.6\""],
    );
    refused_beside(&[("encoder.2.weight", &[3, 3])], &["2 layers in its encoder beside its heads", "encoder.2\""]);
    refused_beside(&[("discriminator.weight", &[1, 5])], &["6 layers", "discriminator\""]);
    refused_beside(&[("conv.weight", &[4, 1, 3, 3])], &["conv.weight\" of a convolution"]);
    refused_beside(
        &[("decoder.3.weight_g", &[5, 1]), ("decoder.3.weight_v", &[5, 3])],
        &["parametrised", "remove_weight_norm"],
    );
    refused_beside(&[("decoder.3.parametrizations.weight.original0", &[5, 1])], &["remove_parametrizations"]);
    refused_beside(&[("decoder.3.weight_mask", &[5, 3])], &["pruned", "prune.remove"]);
    refused_beside(&[("decoder.3.lora_A.weight", &[2, 3])], &["lora_A.weight\" of an adapter", "merge"]);
    refused_beside(&[("logvar_scale", &[])], &["logvar_scale\" of an unknown use"]);
    refused_beside(&[("prior_mean", &[2])], &["prior_mean\" of an unknown use"]);
    refused_beside(&[("attn.in_proj_weight", &[9, 3])], &["attention"]);
}

#[test]
fn names_that_mean_something_else() {
    for head in ["fc_sigma", "log_std", "fc_std", "z_scale", "log_sigma"] {
        let entries = named(["encoder.0", "fc_mu", head, "decoder.0", "decoder.2"]);
        refused(&bytes(&entries), &[&format!("{head:?}"), "standard deviation", "--rename it to encoder.fc_logvar"]);
    }
    let pyro = named(["encoder.fc1", "encoder.fc21", "encoder.fc22", "decoder.fc1", "decoder.fc21"]);
    refused(&bytes(&pyro), &["Pyro", "softplus"]);
    let touching = named(["encoder.0", "mu", "logvar", "decoder.0", "decoder.1"]);
    refused(&bytes(&touching), &["\"decoder.0\" and \"decoder.1\" side by side", "no activation between"]);
    refused(
        &bytes(&named(["encoder.a", "encoder.b", "encoder.c", "decoder.a", "decoder.b"])),
        &["none of which is named as mean"],
    );
    refused(
        &bytes(&named(["fc1", "mu", "mean", "fc3", "fc4"])),
        &["the heads \"mean\", \"mu\"", "one mean and one log variance"],
    );
    refused(&bytes(&[]), &["holds no dense layer"]);
    let control = named(["encoder.0", "mu", "logvar", "decoder.0", "decoder.\u{1b}[31m"]);
    assert!(load(&control, &weights::Options::default()).unwrap().notes.concat().contains("\\u{1b}"));
}

#[test]
fn formats_are_named_with_their_cure() {
    let long = "x".repeat(400);
    let mut tar = vec![0u8; 512];
    tar[257..262].copy_from_slice(b"ustar");
    let cases: &[(&[u8], &str, &str)] = &[
        (b"", "is empty", "fetch"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 2612152\n",
            "git-lfs pointer",
            "git lfs pull",
        ),
        (b"<!DOCTYPE html>\n<html><body>Not found</body></html>", "an HTML page", "/resolve/"),
        (b"\xef\xbb\xbf\n  <HTML lang=en>", "an HTML page", "/raw/"),
        (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "XML", "download"),
        (
            b"{\"metadata\": {}, \"weight_map\": {\"fc1.weight\": \"model-00001-of-00002.safetensors\"}}",
            "index of a model in shards",
            "one file",
        ),
        (b"{\"architectures\": [\"VAE\"]}", "is JSON", "beside it"),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.", "raw pickle", "safetensors.numpy.save_file"),
        (b"\x80\x02}q\x00X\x0a\x00\x00\x00fc1.weight", "raw pickle", "safetensors.numpy.save_file"),
        (b"\x89HDF\r\n\x1a\n\0\0\0\0", "HDF5", "w.path"),
        (b"GGUF\x03\0\0\0", "GGUF", "safetensors"),
        (b"\x1f\x8b\x08\0", "gzipped", "gunzip"),
        (b"BZh91AY", "bzip2", "bunzip2"),
        (b"\xfd7zXZ\0", "xz", "unxz"),
        (b"\x28\xb5\x2f\xfd\0", "zstd", "unzstd"),
        (b"\x93NUMPY\x01\0", ".npy", "ten arrays"),
        (b"\x08\x08\x12\x07pytorch\x1a\x05", "ONNX", "onnx.numpy_helper.to_array"),
        (b"\x1c\0\0\0TFL3", "TensorFlow Lite", "safetensors"),
        (b"\x81\xa6params\x85\xa7Dense_0", "MessagePack", "flatten_dict"),
        (&tar, "tar archive", "unpack"),
        (long.as_bytes(), "not a whole safetensors file", "fetch it again"),
    ];
    for (bytes, what, cure) in cases {
        refused(bytes, &[what, cure]);
    }
}

#[test]
fn a_shard_is_known_by_its_name() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("model-00002-of-00003.safetensors");
    fs::write(&path, bytes(&named(OWN)[..4])).unwrap();
    holds(&weights::load(&path).unwrap_err().to_string(), &["shard 00002 of 00003", "write all shards to one file"]);
    fs::write(&path, bytes(&named(OWN))).unwrap();
    assert!(weights::load(&path).is_ok(), "a whole model is one, whatever its name");
}

/// A header is bounded, however much of a file it fills.
#[test]
fn long_headers_are_refused() {
    let many: Vec<Entry> =
        (0..40_000).map(|i| Entry::zeros(format!("a tensor with quite a long name, {i}"), &[0])).collect();
    refused(&bytes(&many), &["a header of", "above 2 MiB"]);
}
