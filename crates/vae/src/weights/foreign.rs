//! What a file is that is no weight file, and what to do about it.

/// How the files of others become readable.
pub(crate) const SAVE_STATE: &str =
    "save it as torch.save(model.state_dict(), \"model.pt\") or with safetensors.torch.save_file";

/// A fault and its cure.
pub(crate) type Verdict = (String, String);

/// Longest part of a file that is searched for words.
const START: usize = 4096;

/// What a file is by its first bytes, where that is something known and not safetensors or a zip archive.
pub(crate) fn file(bytes: &[u8]) -> Option<Verdict> {
    // A header's length may look like anything; behind it safetensors has a brace, as no other format here does.
    if let [_, _, _, _, 0, 0, 0, 0, b'{', ..] = bytes {
        return None;
    }
    let start = &bytes[..bytes.len().min(START)];
    let text =
        String::from_utf8_lossy(start).trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']).to_ascii_lowercase();
    let is = |what: &str, cure: &str| Some((format!("is {what}"), cure.to_owned()));
    let convert = |from: &str| format!("convert it with {from}, then safetensors.numpy.save_file");
    match start {
        [] => is("empty", "fetch or save it again"),
        [0x80, 2..=5, ..] if start.windows(8).take(24).any(|w| w == b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8") => is(
            "a PyTorch file of the old format, no zip archive",
            "load it in PyTorch and save it with torch.save(state, \"model.pt\", _use_new_zipfile_serialization=True) \
             or safetensors.torch.save_file",
        ),
        [0x80, 2..=5, ..] => is(
            "a raw pickle, which may run any code when loaded",
            "load it where you trust it and write the arrays with safetensors.numpy.save_file",
        ),
        [0x89, b'H', b'D', b'F', ..] => is(
            "HDF5, as Keras writes (.h5)",
            "in Keras: safetensors.numpy.save_file({w.path: w.numpy() for w in model.weights}, \"model.safetensors\")",
        ),
        [b'G', b'G', b'U', b'F', ..] => {
            is("GGUF, a format of language models", "give the safetensors it was made from")
        }
        [0x1f, 0x8b, ..] => is("gzipped", "gunzip it"),
        [b'B', b'Z', b'h', ..] => is("packed with bzip2", "bunzip2 it"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => is("packed with xz", "unxz it"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => is("packed with zstd", "unzstd it"),
        [b'7', b'z', 0xbc, 0xaf, ..] => is("a 7z archive", "unpack it"),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => {
            is("a .npy, a single array", "write all ten arrays with safetensors.numpy.save_file")
        }
        _ if start.get(257..262) == Some(b"ustar") => is("a tar archive", "unpack it and give the file inside"),
        _ if start.get(4..8) == Some(b"TFL3") => is("TensorFlow Lite", &convert("the original model's weights")),
        // The fields of an ONNX model: its version, then the name of its producer.
        [8, 1..=32, 0x12, len, name @ ..]
            if name.get(..usize::from(*len)).is_some_and(|n| n.iter().all(u8::is_ascii_graphic)) =>
        {
            is("ONNX, a graph", &convert("onnx.numpy_helper.to_array on each initializer"))
        }
        _ if text.starts_with("version https://git-lfs") || text.starts_with("version https://hawser") => {
            is("a git-lfs pointer, not the file it points to", "run git lfs pull")
        }
        _ if text.starts_with("<!doctype html") || text.starts_with("<html") || text.starts_with("<head") => is(
            "an HTML page",
            "download the file itself: on Hugging Face and GitHub the link with /resolve/ or /raw/ instead of /blob/",
        ),
        _ if text.starts_with('<') => is("a page of XML", "download the file itself"),
        _ if text.starts_with('{') && text.contains("\"weight_map\"") => is(
            "the index of a model in shards",
            "load the shards it names and write them to one file with safetensors.torch.save_file",
        ),
        _ if text.starts_with('{') => is("JSON", "give the file of weights beside it"),
        // MessagePack: a small map whose first key is a short string.
        [0x80..=0x8f, 0xa1..=0xbf, ..] => is(
            "MessagePack, as Flax writes",
            "in Flax: safetensors.flax.save_file(flax.traverse_util.flatten_dict(params, sep=\".\"), \
             \"model.safetensors\")",
        ),
        _ => None,
    }
}

/// What an archive is by the names in it, where it is not what `torch.save` writes.
pub(crate) fn archive(names: &[String]) -> Option<Verdict> {
    let is = |what: &str, cure: &str| Some((format!("is a zip archive: {what}"), cure.to_owned()));
    let has = |test: &dyn Fn(&str) -> bool| names.iter().any(|name| test(name));
    let ends = |suffix: &'static str| has(&|name| name == suffix || name.ends_with(&format!("/{suffix}")));
    match () {
        () if ends("constants.pkl") || has(&|name| name.contains("/code/") || name.starts_with("code/")) => {
            is("TorchScript, a program", &format!("torch.jit.load it, then {SAVE_STATE}"))
        }
        () if ends("data.pkl") => None,
        () if ends("model.weights.h5") => is(
            "a Keras model (.keras)",
            "in Keras: safetensors.numpy.save_file({w.path: w.numpy() for w in model.weights}, \"model.safetensors\")",
        ),
        () if ends("archive_format") || has(&|name| name.contains("models/model.json")) => {
            is("a program of torch.export (.pt2)", SAVE_STATE)
        }
        () if has(&|name| name.ends_with(".npy")) => is(
            "NumPy arrays (.npz)",
            "safetensors.numpy.save_file(dict(numpy.load(\"model.npz\")), \"model.safetensors\")",
        ),
        () if has(&|name| [".pt", ".pth", ".ckpt", ".safetensors"].iter().any(|end| name.ends_with(end))) => {
            is("a weight file lies packed in it", "unzip it and give the file inside")
        }
        () => is("none that torch.save wrote", SAVE_STATE),
    }
}
