//! Files: atomic writes that stay in their directory, bounded reads, fingerprints, and arrays whoever wrote them.
//!
//! | module | does |
//! |---|---|
//! | [`mod@array`] | reads `.npy`, `.npz` and IDX |
//! | [`stream`] | a file as a stream, gzipped or in an archive |
//! | [`foreign`] | what a file is that is none of these |
//!
//! ```
//! # fn main() -> retrial_spec::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("words.txt");
//! retrial_files::write_atomic(&path, b"whole, or not at all")?;
//! assert_eq!(retrial_files::read_up_to(&path, 1 << 20)?.len(), 20);
//! # Ok(())
//! # }
//! ```

mod archive;
pub mod array;
mod file;
pub mod foreign;
pub mod stream;

pub use array::Array;
pub use file::{clear_temporaries, read_up_to, sha256_hex, sha256_of_f32, write_atomic, write_inside, write_to};
pub use stream::Stream;
