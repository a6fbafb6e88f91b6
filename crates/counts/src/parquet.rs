//! Tables as Parquet.

use crate::{Group, Options};
use retrial_spec::{Error, Result};
use std::path::Path;

pub fn read(path: &Path, _: &Options) -> Result<Vec<Group>> {
    Err(Error::file(path, "is Parquet", "write it as CSV or JSON lines"))
}
