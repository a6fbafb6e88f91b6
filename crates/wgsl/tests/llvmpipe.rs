//! scratch
use retrial_check::cases;
use retrial_wgsl::Wgsl;
#[test]
fn all() {
    let gpu = Wgsl::new(Some("llvmpipe")).unwrap();
    let only = std::env::var("ONLY").unwrap_or_default();
    for case in cases() {
        if !case.kernel.name().contains(&only) {
            continue;
        }
        let t = std::time::Instant::now();
        let r = case.run(&gpu);
        println!("{} {} N={} W={}: {:?} {:?}", case.kernel, case.shape, case.samples, case.trials, r, t.elapsed());
    }
}
