//! What a file is that holds no array, by its first bytes, and what to do about it.

/// What the bytes begin, and the cure.
pub fn recognise(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let save = "save its array with numpy.save";
    Some(match head {
        [0x89, b'P', b'N', b'G', ..] => ("is a single PNG", "give the folder of the images"),
        [0xFF, 0xD8, 0xFF, ..] => ("is a JPEG", "save the images as PNG in a folder, and give the folder"),
        [b'G', b'I', b'F', b'8', ..] => ("is a GIF", "save the images as PNG in a folder, and give the folder"),
        [0x89, b'H', b'D', b'F', ..] => ("is an HDF5 file", save),
        [b'M', b'A', b'T', b'L', b'A', b'B', ..] => ("is a MATLAB file", save),
        [b'P', b'A', b'R', b'1', ..] => ("is a Parquet file", save),
        [b'A', b'R', b'R', b'O', b'W', ..] => ("is an Arrow file", save),
        [0x80, 2..=5, ..] => ("is a Python pickle, which may run any code and is not read", save),
        [_, _, _, _, 0, 0, 0, 0, b'{', ..] => ("is a safetensors file of weights", "give it to --weights"),
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', ..] => {
            ("is a git-lfs pointer, not the file it points to", "run git lfs pull")
        }
        [b'<', ..] => ("is a web page", "download the file itself"),
        [b'{' | b'[', ..] => ("is JSON", save),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => ("is text in UTF-16", "save it as UTF-8"),
        [0x1F, 0x8B, ..] => ("is gzipped twice", "gunzip it once"),
        [0xFD, b'7', b'z', b'X', b'Z', ..] => ("is packed with xz", "unpack it, or pack it with gzip"),
        [b'B', b'Z', b'h', ..] => ("is packed with bzip2", "unpack it, or pack it with gzip"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => ("is packed with zstd", "unpack it, or pack it with gzip"),
        [b'7', b'z', 0xBC, 0xAF, ..] | [b'R', b'a', b'r', b'!', ..] => ("is an archive of another kind", "unpack it"),
        [b'P', b'K', ..] => ("is an archive inside another file", "unpack the outer one"),
        _ => return None,
    })
}

/// Whether the bytes begin a text.
pub fn is_text(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    !head.is_empty() && head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}
