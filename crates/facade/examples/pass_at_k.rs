//! pass@k of anyone's success counts, with intervals: `cargo run --release --example pass_at_k counts.csv`

use retrial::{
    Result, counts,
    coverage::{Scope, log_grid, unbiased_curve},
};
use std::path::PathBuf;

fn main() -> Result<()> {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    for group in counts::read(&files, &counts::Options::default())? {
        let attempts = group.counts.iter().map(|counts| counts.trials()).min().unwrap_or(1);
        println!("{} {}: {} problems", group.model, group.benchmark, group.counts.len());
        for point in unbiased_curve(&group.counts, &log_grid(attempts, 1), Scope::Population)? {
            println!("  pass@{:<8} {:.4}  95 % [{:.4}, {:.4}]", point.k, point.value, point.low, point.high);
        }
    }
    Ok(())
}
