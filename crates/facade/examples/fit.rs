//! The law of success counts, with intervals, and what it says of more attempts:
//! `cargo run --release --example fit counts.csv`

use retrial::{
    Result, counts,
    fit::{Kind, Settings, study},
    spec::Silent,
    theory::{Data, npmle::npmle},
};
use std::path::PathBuf;

fn main() -> Result<()> {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    for group in counts::read(&files, &counts::Options::default())? {
        let data = Data::new(&group.counts)?;
        let (npmle, settings) = (npmle(&data), Settings { replicates: 0, seed: 1 });
        println!("{} {}", group.model, group.benchmark);
        for kind in [Kind::BETA, Kind::ZERO_INFLATED] {
            let fitted = match study(kind, &data, &npmle, &settings, &Silent)? {
                Ok(fitted) => fitted,
                Err(why) => {
                    println!("  {}: {why}", kind.name());
                    continue;
                }
            };
            println!("  {}: {}", kind.name(), fitted.verdict());
            for interval in &fitted.intervals {
                println!("    {} in [{:.4}, {:.4}]", interval.parameter, interval.low, interval.high);
            }
            println!("    coverage of a million attempts: {:.4}", fitted.coverage(1e6));
        }
    }
    Ok(())
}
