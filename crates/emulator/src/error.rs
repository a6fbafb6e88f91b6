//! What goes wrong between a CUDA source and the end of its kernel.

use std::{io, path::PathBuf, sync::Arc};

/// Why a program was not compiled, a buffer not granted or a launch not finished. Each message is whole, and one line
/// but for what a compiler says.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This machine has none.
    #[error("no C++ compiler; install g++ or clang++, or set CXX")]
    NoCompiler,
    /// A text that cannot be made C++.
    #[error("`{line}` is not followed by `type name[];`")]
    Shared {
        /// The declaration of dynamic shared memory.
        line: String,
    },
    /// The compiler refuses the program.
    #[error("{program}: {messages}")]
    Compile {
        /// Its name.
        program: String,
        /// The compiler's messages.
        messages: String,
    },
    /// The system refuses a file or a process.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// The file, folder or command.
        path: PathBuf,
        /// The system's own word.
        cause: Arc<io::Error>,
    },
    /// A compiled program that does not load.
    #[error("cannot load {}: {cause}", path.display())]
    Load {
        /// The library.
        path: PathBuf,
        /// The loader's own word.
        cause: Arc<libloading::Error>,
    },
    /// A folder of programs that others could have put there.
    #[error("{} can be written by others; remove it", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
    },
    /// More memory than there is.
    #[error("a buffer of {bytes} bytes does not fit in memory; free others")]
    Memory {
        /// What was asked for.
        bytes: usize,
    },
    /// A write just outside a buffer.
    #[error("{0}")]
    Overrun(Overrun),
    /// A launch that fails or cannot be.
    #[error("kernel {entry} of {program}: {fault}")]
    Kernel {
        /// The kernel.
        entry: String,
        /// Its program.
        program: String,
        /// What is wrong.
        fault: Fault,
    },
}

/// What is wrong with a launch.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// There is no such kernel.
    #[error("no such entry")]
    Entry,
    /// The grid is out of range.
    #[error("a grid of {0:?}; each at least 1, at most [2147483647, 65535, 65535]")]
    Grid([u32; 3]),
    /// The block is out of range.
    #[error("a block of {0:?}; each at least 1, at most [1024, 1024, 64] and 1024 threads in all")]
    Block([u32; 3]),
    /// The cluster is out of range.
    #[error("clusters of {got} blocks; 1 to 8, and a divisor of the grid's {blocks} along x")]
    Cluster {
        /// Asked for.
        got: u32,
        /// Of the grid, along x.
        blocks: u32,
    },
    /// Too much dynamic shared memory.
    #[error("{got} bytes of dynamic shared memory; at most {most}")]
    SharedBytes {
        /// Asked for.
        got: usize,
        /// Granted.
        most: usize,
    },
    /// A parameter of another size than the kernel's.
    #[error("a parameter of {got} bytes, where it takes one of {want}")]
    Parameter {
        /// Its bytes.
        got: usize,
        /// What the kernel takes.
        want: usize,
    },
    /// What a thread did that a GPU leaves undefined.
    #[error("block {block:?}, thread {thread:?}: {what}")]
    Thread {
        /// Its block.
        block: [u32; 3],
        /// The thread within the block.
        thread: [u32; 3],
        /// What it did, and where.
        what: String,
    },
    /// A write just outside a buffer, by whichever thread.
    #[error("{0}")]
    Overrun(Overrun),
}

/// A write just outside a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("something wrote to byte {at} of a buffer of {bytes}")]
pub struct Overrun {
    /// The byte, below 0 or from `bytes` on.
    pub at: i64,
    /// The size of the buffer.
    pub bytes: usize,
}

impl Error {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Io { action, path, cause: Arc::new(cause) }
    }
}
