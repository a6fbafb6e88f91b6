//! The same model as others name and store it.

use super::*;
use retrial_vae::weights::Options;

const EXAMPLES: [&str; 5] = ["fc1", "fc21", "fc22", "fc3", "fc4"];

/// The inputs-first twin of an entry.
fn transposed(entry: &Entry) -> Entry {
    let [rows, columns] = entry.shape[..] else { return entry.clone() };
    let cell = |at: usize| &entry.bytes[4 * (at % rows * columns + at / rows)..][..4];
    let bytes = (0..rows * columns).flat_map(cell).copied().collect();
    Entry { shape: vec![columns, rows], bytes, ..entry.clone() }
}

fn rename(pairs: &[(&str, &str)]) -> Options {
    let renames = pairs.iter().map(|(old, new)| ((*old).into(), (*new).into())).collect();
    Options { renames, decoder_only: false }
}

#[test]
fn names_of_many_frameworks_give_the_same_bits() {
    let styles: &[[&str; 5]] = &[
        EXAMPLES,
        ["encoder.0", "fc_mu", "fc_logvar", "decoder.0", "decoder.2"],
        ["encoder.0", "fc_mu", "fc_var", "decoder.0", "decoder.2"],
        ["encoder.0", "mu", "logvar", "decoder.0", "decoder.2"],
        ["encoder.0", "mu", "log_var", "decoder.0", "decoder.3"],
        ["encoder.0", "mean", "log_var", "decoder.0", "decoder.2"],
        ["encoder.0", "fc_mean", "fc_log_var", "decoder.0", "decoder.2"],
        ["encoder.0", "mean_layer", "logvar_layer", "decoder.0", "decoder.2"],
        ["encoder.0.0", "fc_mu", "fc_var", "decoder_input", "final_layer.0"],
        ["encoder.0.0", "fc_mu", "fc_var", "decoder.0.0", "decoder.1.0"],
        ["encoder.net.0", "encoder.mu", "encoder.logvar", "decoder.net.0", "decoder.net.2"],
        ["encoder.fc1", "encoder.fc21", "encoder.fc22", "decoder.fc3", "decoder.fc4"],
        ["encoder.FC_input", "encoder.FC_mean", "encoder.FC_var", "decoder.FC_hidden", "decoder.FC_output"],
        ["encoder.hidden", "encoder.linear_means", "encoder.linear_log_var", "decoder.in", "decoder.out"],
        ["encoder.hidden", "encoder.fcMu", "encoder.fcLogVar", "decoder.out_hidden", "decoder.last"],
        ["encoder_fc1", "encoder_mu", "encoder_logvar", "decoder_fc1", "decoder_fc2"],
        ["enc1", "enc_mu", "enc_logvar", "dec1", "dec2"],
        ["fc1", "fc2_mu", "fc2_logvar", "fc3", "fc4"],
        ["fc1", "fc_mu", "fc_logvar", "fc2", "fc3"],
        ["fc1", "fc2", "fc3", "fc4", "fc5"],
        ["encoder", "z_mean", "z_log_var", "decoder.hidden", "decoder.output"],
        ["encoder/dense", "encoder/z_mean", "encoder/z_log_var", "decoder/dense_1", "decoder/dense_2"],
        ["Dense_0", "Dense_1", "Dense_2", "Dense_3", "Dense_4"],
        ["encoder.Dense_0", "encoder.Dense_1", "encoder.Dense_2", "decoder.Dense_0", "decoder.Dense_1"],
    ];
    let prefixes =
        ["", "module.", "_orig_mod.", "vae.", "model.", "state_dict.", "module.vae.model._orig_mod.", "my.own.deep."];
    for style in styles {
        for prefix in prefixes {
            let entries: Vec<Entry> =
                named(*style).into_iter().map(|e| Entry { name: format!("{prefix}{}", e.name), ..e }).collect();
            let notes = same(&bytes(&entries));
            holds(
                &notes[0],
                &[
                    "reads ",
                    &format!(
                        "{:?} as decoder.fc2",
                        format!("{prefix}{}", style[4])
                            .replace("module.", "")
                            .replace("_orig_mod.", "")
                            .replace('/', ".")
                    ),
                ],
            );
            // As Flax and Keras store them.
            let kernels: Vec<Entry> = entries
                .iter()
                .map(|e| Entry {
                    name: e.name.replace(".weight", "/kernel:0").replace(".bias", "/bias:0"),
                    ..transposed(e)
                })
                .collect();
            assert!(same(&bytes(&kernels)).iter().all(|note| !note.contains("transposes")));
        }
    }
    for prefix in prefixes {
        let entries = named(OWN).into_iter().map(|e| Entry { name: format!("{prefix}{}", e.name), ..e });
        assert_eq!(same(&bytes(&entries.collect::<Vec<_>>())), [""; 0], "the names are Retrial's own");
    }
}

#[test]
fn wrappers_lie_anywhere() {
    let style = [
        "encoder.module.fc1",
        "_orig_mod.encoder.fc_mu",
        "encoder._orig_mod.module.fc_logvar",
        "decoder.fc1",
        "decoder.module.fc2",
    ];
    same(&bytes(&named(style)));
}

/// What a number alone tells is said; fc21 and fc22 are told by PyTorch's example.
#[test]
fn conventions_are_said() {
    let said = |style| same(&bytes(&named(style))).join("\n");
    holds(
        &said(["fc1", "fc2", "fc3", "fc4", "fc5"]),
        &["by their numbers, \"fc2\" is taken for the mean and \"fc3\" for the log"],
    );
    assert!(!said(EXAMPLES).contains("by their numbers"));
}

#[test]
fn other_floats() {
    let narrow = |dtype, size: usize, store: fn(f32) -> Vec<u8>| {
        let mut entries = named(OWN);
        for e in &mut entries {
            e.dtype = dtype;
            e.bytes = e.bytes.as_chunks().0.iter().flat_map(|&b| store(f32::from_le_bytes(b))).collect();
            assert_eq!(e.bytes.len(), size * e.shape.iter().product::<usize>());
        }
        load(&entries, &Options::default()).unwrap()
    };
    // The upper half of an f32 is a bf16; zeros widen it.
    let bf16 = narrow(Dtype::BF16, 2, |v| v.to_le_bytes()[2..].to_vec());
    let cut = |v: &f32| f32::from_bits(v.to_bits() & 0xffff_0000);
    assert_eq!(bf16.weights.decoder_fc2.weight, model(SHAPE).decoder_fc2.weight.iter().map(cut).collect::<Vec<_>>());
    assert_eq!(bf16.notes, [""; 0]);
    let f16 = narrow(Dtype::F16, 2, |_| 0xb555u16.to_le_bytes().to_vec()); // -0.33325195, the nearest to -1/3
    assert!(f16.weights.decoder_fc1.weight.iter().all(|&v| v == -0.333_251_95));
    let f64 = narrow(Dtype::F64, 8, |v| f64::from(v).to_le_bytes().to_vec());
    assert_eq!((f64.weights, f64.notes), (model(SHAPE), vec![]), "no value was rounded");
    let f64 = narrow(Dtype::F64, 8, |_| 0.1f64.to_le_bytes().to_vec());
    assert!(f64.weights.decoder_fc1.weight.iter().all(|&v| v == 0.1));
    holds(&f64.notes[0], &["rounds F64 to f32: \"encoder.fc1.weight\", \"encoder.fc1.bias\""]);
    let mut huge = named(OWN);
    huge[9].dtype = Dtype::F64;
    huge[9].bytes = 1e300f64.to_le_bytes().repeat(5);
    refused(&bytes(&huge), &["decoder.fc2.bias[0]: got inf", "finite"]);
}

#[test]
fn transposed_layers_are_known_by_their_shapes() {
    for style in [OWN, EXAMPLES] {
        let all: Vec<Entry> = named(style).iter().map(transposed).collect();
        let notes = same(&bytes(&all)).join("\n");
        holds(&notes, &["transposes ", &format!("\"{}.weight\"", style[0]), &format!("\"{}.weight\"", style[4])]);
        for at in [0, 2, 4, 6, 8] {
            let mut one = named(style);
            one[at] = transposed(&one[at]);
            holds(&same(&bytes(&one)).join("\n"), &[&format!("transposes {:?}: by their shapes", one[at].name)]);
        }
        let bare: Vec<Entry> = all.into_iter().filter(|e| e.name.ends_with("weight")).collect();
        let file = load(&bare, &Options::default()).unwrap();
        assert_eq!(file.weights.decoder_fc1.weight, model(SHAPE).decoder_fc1.weight);
    }
}

/// A square layer is PyTorch's by its name, unless another layer of the file shows that the names cannot be trusted.
#[test]
fn square_layers() {
    let square = Shape { pixels: 5, hidden: 3, latent: 3 };
    let entries = |names: [&str; 5]| -> Vec<Entry> {
        let model = model(square);
        let weight = |((_, layer), name): ((&str, &Linear), &str)| {
            [
                Entry::new(format!("{name}.weight"), &[layer.outputs, layer.inputs], &layer.weight),
                Entry::new(format!("{name}.bias"), &[layer.outputs], &layer.bias),
            ]
        };
        model.layers().into_iter().zip(names).flat_map(weight).collect()
    };
    assert_eq!(load(&entries(OWN), &Options::default()).unwrap().weights, model(square));
    let mut odd = entries(OWN);
    odd[0] = transposed(&odd[0]);
    refused(&bytes(&odd), &["in several ways", "\"decoder.fc1\" [3, 3] + [3]", "--rename X.weight=X.kernel"]);
    let all: Vec<Entry> = entries(OWN).iter().map(transposed).collect();
    let kernels = ["encoder.fc_mu", "encoder.fc_logvar", "decoder.fc1"]
        .map(|name| [format!("{name}.weight"), format!("{name}.kernel")]);
    let pairs: Vec<(&str, &str)> = kernels.iter().map(|[old, new]| (old.as_str(), new.as_str())).collect();
    assert_eq!(load(&all, &rename(&pairs)).unwrap().weights, model(square), "--rename says what the shape does not");
}

#[test]
fn a_layer_without_bias_has_a_bias_of_zero() {
    for at in [1, 3, 5, 7, 9] {
        let mut entries = named(EXAMPLES);
        let name = entries.remove(at).name;
        let file = load(&entries, &Options::default()).unwrap();
        let (_, layer) = file.weights.layers()[at / 2];
        assert!(layer.bias.iter().all(|&b| b == 0.0));
        holds(&file.notes.join("\n"), &[&format!("takes 0 for the bias of {:?}", name.trim_end_matches(".bias"))]);
    }
}

/// `mu, logvar = encoder(x).chunk(2, -1)`
#[test]
fn both_heads_in_one_layer() {
    let both = named(["encoder.0", "a", "b", "decoder.0", "decoder.2"]);
    for name in ["encoder.2", "encoder.mu_logvar"] {
        let join = |a: &Entry, b: &Entry, suffix: &str| Entry {
            name: format!("{name}.{suffix}"),
            shape: [&[2 * a.shape[0]], &a.shape[1..]].concat(),
            bytes: [&a.bytes[..], &b.bytes].concat(),
            ..a.clone()
        };
        let mut entries = both.clone();
        let joined = [join(&both[2], &both[4], "weight"), join(&both[3], &both[5], "bias")];
        entries.splice(2..6, joined.clone());
        holds(&same(&bytes(&entries)).join("\n"), &["as encoder.fc_mu and encoder.fc_logvar"]);
        entries[2] = transposed(&entries[2]);
        holds(&same(&bytes(&entries)).join("\n"), &["transposes"]);
    }
}

#[test]
fn what_a_training_keeps_is_left_out_and_said() {
    let mut entries =
        named(["model.encoder.0", "model.fc_mu", "model.fc_logvar", "model.decoder.0", "model.decoder.2"]);
    for name in [
        "optimizer.state.0.exp_avg",
        "optimizer.state.0.exp_avg_sq",
        "scheduler.last",
        "torch_rng_state",
        "rng",
        "epoch",
    ] {
        entries.push(Entry::zeros(name, &[2]));
    }
    holds(
        &same(&bytes(&entries)).join("\n"),
        &["no part of the model: \"epoch\", \"optimizer\" (2 tensors), \"rng\", \"scheduler\""],
    );
}

#[test]
fn copies_of_a_model() {
    let prefixed = |prefix: &str| {
        named(EXAMPLES).into_iter().map(|e| Entry { name: format!("{prefix}{}", e.name), ..e }).collect::<Vec<_>>()
    };
    let average: Vec<Entry> = prefixed("ema.").into_iter().map(|e| Entry::zeros(e.name, &e.shape)).collect();
    let notes = same(&bytes(&[prefixed(""), average.clone()].concat()));
    holds(&notes.join("\n"), &["left out another copy of the model: \"ema\""]);
    let both = [prefixed("model."), average].concat();
    refused(&bytes(&both), &["holds several models, \"ema\", \"model\"", "--rename ema="]);
    let file = load(&both, &rename(&[("model", "")])).unwrap();
    assert_eq!(file.weights, model(SHAPE));
}

#[test]
fn tensors_are_renamed() {
    let style = ["a", "b", "c", "d", "e"];
    let pairs: Vec<(&str, &str)> = style.into_iter().zip(OWN).collect();
    let file = load(&named(style), &rename(&pairs)).unwrap();
    assert_eq!((file.weights, file.notes), (model(SHAPE), vec![]));
    refused(
        &bytes(&named(style)),
        &["\"a\", \"b\", \"c\", \"d\", \"e\"", "none of which is named", "--rename OLD=encoder.fc_mu"],
    );
    // Exchanged, not chained.
    let swapped = ["encoder.fc1", "encoder.fc_logvar", "encoder.fc_mu", "decoder.fc1", "decoder.fc2"];
    let swap = rename(&[("encoder.fc_mu", "encoder.fc_logvar"), ("encoder.fc_logvar", "encoder.fc_mu")]);
    assert_eq!(load(&named(swapped), &swap).unwrap().weights, model(SHAPE));
    // Whole components only, and never in vain.
    for old in ["encoder.fc", "encoder.fc1.weigh", "fc1", "nothing"] {
        let error = load(&named(OWN), &rename(&[(old, "x")])).unwrap_err();
        holds(&error.to_string(), &[&format!("--rename {old}"), "no such tensor or layer", "\"decoder.fc1.bias\""]);
    }
    let twice = rename(&[("decoder.fc1", "decoder.fc2")]);
    holds(&load(&named(OWN), &twice).unwrap_err().to_string(), &["holds one layer twice"]);
}

#[test]
fn a_decoder_alone() {
    let decoder = |options: &Options, entries: &[Entry]| {
        load(entries, options).map(|f| (f.weights.decoder_fc1, f.weights.decoder_fc2, f.sha256))
    };
    let options = Options { decoder_only: true, renames: vec![] };
    let whole = decoder(&options, &named(OWN)).unwrap();
    assert_eq!((&whole.0, &whole.1), (&model(SHAPE).decoder_fc1, &model(SHAPE).decoder_fc2));
    for style in [
        OWN,
        EXAMPLES,
        ["x", "y", "z", "decoder.0", "decoder.2"],
        ["x", "y", "z", "0", "2"],
        ["x", "y", "z", "fc3", "fc4"],
    ] {
        if style[0] != "x" {
            assert_eq!(decoder(&options, &named(style)).unwrap(), whole);
        }
        assert_eq!(decoder(&options, &named(style)[6..]).unwrap(), whole, "{style:?}");
        refused(
            &bytes(&named(style)[6..]),
            if style == OWN { &["holds a decoder only", "--mu and --logvar"] } else { &["--mu and --logvar"] },
        );
    }
    // The encoder may be anything.
    let mut convolutional = named(["x", "y", "z", "decoder.0", "decoder.2"])[6..].to_vec();
    convolutional.extend([
        Entry::zeros("encoder.conv1.weight", &[2, 1, 3, 3]),
        Entry::zeros("encoder.bn.running_mean", &[2]),
        Entry::zeros("fc_mu.weight", &[2, 50]),
    ]);
    refused(&bytes(&convolutional), &["\"encoder.bn.running_mean\" of a batch normalisation"]);
    let file = load(&convolutional, &options).unwrap();
    assert_eq!(file.sha256, whole.2);
    holds(&file.notes.join("\n"), &["the encoder, 3 tensors, is not used"]);
    // What is saved is the decoder, which no one can take for a model with an encoder.
    let (_dir, path) = write(b"");
    file.save(&path).unwrap();
    assert_eq!(retrial_files::sha256_hex(&fs::read(&path).unwrap()), whole.2);
    assert!(weights::load(&path).is_err() && options.load(&path).unwrap().weights == file.weights);
}
