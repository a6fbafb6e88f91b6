//! From CUDA source to a shared library, by way of the system's C++ compiler.

use crate::Error;
use sha2::{Digest, Sha256};
use std::{
    env,
    fmt::Write,
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

const HOST: [(&str, &str); 22] = [
    ("host.h", include_str!("host/host.h")),
    ("types.h", include_str!("host/types.h")),
    ("context.h", include_str!("host/context.h")),
    ("fibers.h", include_str!("host/fibers.h")),
    ("waits.h", include_str!("host/waits.h")),
    ("deadlock.h", include_str!("host/deadlock.h")),
    ("sanitizer.h", include_str!("host/sanitizer.h")),
    ("warp.h", include_str!("host/warp.h")),
    ("atomics.h", include_str!("host/atomics.h")),
    ("intrinsics.h", include_str!("host/intrinsics.h")),
    ("narrow.h", include_str!("host/narrow.h")),
    ("async.h", include_str!("host/async.h")),
    ("ldmatrix.h", include_str!("host/ldmatrix.h")),
    ("mma.h", include_str!("host/mma.h")),
    ("mbarrier.h", include_str!("host/mbarrier.h")),
    ("cluster.h", include_str!("host/cluster.h")),
    ("barriers.h", include_str!("host/barriers.h")),
    ("bulk.h", include_str!("host/bulk.h")),
    ("descriptor.h", include_str!("host/descriptor.h")),
    ("products.h", include_str!("host/products.h")),
    ("wgmma.h", include_str!("host/wgmma.h")),
    ("run.h", include_str!("host/run.h")),
];

/// Headers of CUDA that a kernel may include, whose content `host.h` has.
const EMPTY: [&str; 4] = ["cuda_fp16.h", "cuda_bf16.h", "cuda_runtime.h", "cuda_pipeline.h"];

/// Sums are not contracted: a kernel says `fmaf` where it means it. Aliasing follows nvcc, which is lenient.
const FLAGS: [&str; 13] = [
    "-std=c++17",
    "-O3",
    "-march=native",
    "-ffp-contract=off",
    "-fno-strict-aliasing",
    "-fno-math-errno",
    "-fPIC",
    "-fvisibility=hidden",
    "-fsanitize=bounds,alignment,shift-exponent,integer-divide-by-zero",
    "-fno-sanitize-recover=all",
    "-U_FORTIFY_SOURCE",
    "-Werror=return-type",
    "-Werror=frame-larger-than=32768",
];

/// A C++ compiler of this machine.
#[derive(Debug)]
pub struct Compiler {
    command: String,
    version: String,
}

/// `$CXX`, else `c++`, `g++` or `clang++`: the first that runs. `None` where there is none.
pub fn compiler() -> Option<&'static Compiler> {
    static COMPILER: OnceLock<Option<Compiler>> = OnceLock::new();
    let find = || {
        let names = env::var("CXX").into_iter().chain(["c++", "g++", "clang++"].map(String::from));
        names.into_iter().find_map(|command| {
            let output = Command::new(&command).arg("--version").output().ok().filter(|o| o.status.success())?;
            Some(Compiler { command, version: String::from_utf8_lossy(&output.stdout).into_owned() })
        })
    };
    COMPILER.get_or_init(find).as_ref()
}

/// What a library is made from.
pub(crate) struct Source<'a> {
    pub name: &'a str,
    /// File names and texts; the first includes the others.
    pub files: &'a [(&'a str, &'a str)],
    pub defines: &'a [String],
    pub entries: &'a [&'a str],
}

impl Source<'_> {
    /// A name for the library that says all that it depends on.
    pub(crate) fn key(&self, compiler: &Compiler) -> String {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu =
            cpu.lines().find(|line| line.starts_with("flags") || line.starts_with("Features")).unwrap_or_default();
        let mut hash = Sha256::new();
        let texts = HOST.iter().chain(self.files).flat_map(|(name, text)| [*name, text]);
        let defines = self.defines.iter().map(String::as_str);
        let words = [self.name, &compiler.command, &compiler.version, cpu, include_str!("compile.rs")];
        for part in words.into_iter().chain(FLAGS).chain(texts).chain(defines).chain(self.entries.iter().copied()) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().iter().take(16).fold(String::new(), |mut key, byte| {
            let _ = write!(key, "{byte:02x}");
            key
        })
    }

    /// Builds the library at `target`, unless it is there.
    pub(crate) fn build(&self, compiler: &Compiler, target: &Path) -> Result<(), Error> {
        if target.exists() {
            return Ok(());
        }
        let folder = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let work = tempfile::tempdir_in(folder).map_err(Error::io("create a folder in", folder))?;
        let write = |name: &str, text: &str| {
            let path = work.path().join(name);
            fs::write(&path, text).map_err(Error::io("write", &path))
        };
        for (name, text) in HOST {
            write(name, text)?;
        }
        for name in EMPTY {
            write(name, "")?;
        }
        for (name, text) in self.files {
            write(name, &dynamic_shared(text)?)?;
        }
        write("main.cpp", &self.main())?;
        let run = |arguments: &[&str]| {
            let mut command = Command::new(&compiler.command);
            let output = command.env("LC_ALL", "C").current_dir(work.path()).args(arguments).output();
            let output = output.map_err(Error::io("run", &compiler.command))?;
            let messages = || String::from_utf8_lossy(&output.stderr).into_owned();
            let refused = || Error::Compile { program: self.name.to_owned(), messages: messages() };
            if output.status.success() { Ok(()) } else { Err(refused()) }
        };
        let defines = self.defines.iter().map(String::as_str);
        run(&FLAGS.into_iter().chain(defines).chain(["-I.", "-c", "main.cpp", "-o", "main.o"]).collect::<Vec<_>>())?;
        run(&["-shared", "main.o", "-o", "main.so"])?;
        // Another process may have been faster; its library is the same.
        fs::rename(work.path().join("main.so"), target).map_err(Error::io("write", target))
    }

    /// The translation unit. In an unnamed namespace, the `__shared__` variables of templates are not merged by the
    /// linker, which a section of its own would not bear.
    fn main(&self) -> String {
        let file = self.files.first().map_or("", |(name, _)| name);
        let entry = |kernel: &&str| format!("{{retrial::enter<{kernel}>, retrial::parameter_bytes({kernel})}},\n");
        let entries: String = self.entries.iter().map(entry).collect();
        format!(
            "#include \"host.h\"\nnamespace {{\n#include \"{file}\"\n\
             const retrial::Entry retrial_list[] = {{\n{entries}}};\n}}\n\
             RETRIAL_EXPORT const retrial::Entry* const retrial_entries = retrial_list;\n"
        )
    }
}

/// Declares each `extern __shared__ type name[];` as a pointer to the launch's dynamic shared memory, which has no
/// fixed address here: its end lies at a guard.
fn dynamic_shared(text: &str) -> Result<String, Error> {
    const MARK: &str = "extern __shared__";
    let mut parts = text.split(MARK);
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let wrong = || Error::Shared { line: format!("{MARK}{}", part.lines().next().unwrap_or_default()) };
        let (declaration, rest) = part.split_once(';').ok_or_else(wrong)?;
        let (declaration, _) = declaration.split_once('[').ok_or_else(wrong)?;
        let declaration = match declaration.trim().strip_prefix("__align__(") {
            Some(aligned) => aligned.split_once(')').ok_or_else(wrong)?.1,
            None => declaration,
        };
        let (kind, name) = declaration.trim().rsplit_once(char::is_whitespace).ok_or_else(wrong)?;
        let _ = write!(result, "static {kind}* const& {name} = ({kind}* const&)retrial::dynamic_shared;{rest}");
    }
    Ok(result)
}

/// The folder of compiled programs of this user, who alone may write there: what it holds is executed.
pub(crate) fn cache() -> Result<PathBuf, Error> {
    // SAFETY: asks for a number.
    let user = unsafe { libc::getuid() };
    let folder = env::temp_dir().join(format!("retrial-emulator-{user}"));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(Error::io("create", &folder))?;
    let owner = fs::symlink_metadata(&folder).map_err(Error::io("read", &folder))?;
    if !owner.is_dir() || owner.uid() != user || owner.mode() & 0o022 != 0 {
        return Err(Error::Open { path: folder });
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::dynamic_shared;

    #[test]
    fn dynamic_shared_memory_becomes_a_pointer_on_the_same_line() {
        let text =
            "a;\n  extern __shared__ __align__(16) unsigned char bytes[];\nb; extern __shared__ float4 tile[]; c";
        let expected = "a;\n  static unsigned char* const& bytes = (unsigned char* const&)retrial::dynamic_shared;\nb; \
                        static float4* const& tile = (float4* const&)retrial::dynamic_shared; c";
        assert_eq!(dynamic_shared(text).unwrap(), expected);
        assert!(dynamic_shared("extern __shared__ float x;").unwrap_err().to_string().contains("type name[]"));
    }
}
