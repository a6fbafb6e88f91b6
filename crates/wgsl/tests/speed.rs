//! scratch
use retrial_check::{Case, Kernel};
use retrial_spec::*;
use retrial_wgsl::Wgsl;
#[test]
fn speed() {
    let gpu = Wgsl::new(Some("llvmpipe")).unwrap();
    let n: usize = std::env::var("N").map_or(4, |v| v.parse().unwrap());
    let case = Case {
        kernel: Kernel::Score,
        shape: Shape::PAPER,
        samples: n,
        trials: 256,
        first: 0,
        temperature: 1.0,
        seed: 1,
        precision: Precision::F32,
    };
    let problem = case.problem().unwrap();
    let mut s = gpu.load(&problem, Precision::F32).unwrap();
    let mut t = Tally::new(n, &[8.0, 9.0]).unwrap();
    s.tally(0..32, &mut t).unwrap();
    let start = std::time::Instant::now();
    s.tally(32..288, &mut t).unwrap();
    let e = start.elapsed().as_secs_f64();
    println!("SPEED {:?} {:.2} s {:.2} GFLOP/s", std::env::var("TILE"), e, n as f64 * 256. * 643200. / e * 1e-9);
}
