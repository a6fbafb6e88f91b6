use crate::{cpus, validate};
use retrial_check::{Case, Kernel, cases};
use retrial_spec::{Backend, Noise, rng};

#[test]
fn matches_the_reference() {
    validate(Kernel::SampleLatent);
}

/// Not merely close to the twin, which knows nothing of `rng` and of the problem's scale: the contract's own bits, on every instruction set, also where trials cross 2^32.
#[test]
fn keeps_the_contract_bit_for_bit() {
    for case in cases().into_iter().filter(|case| case.kernel == Kernel::SampleLatent) {
        let Case { seed, first, trials, samples, .. } = case;
        let problem = case.problem().unwrap();
        let latent = case.shape.latent;
        let mut want = vec![];
        for sample in 0..samples {
            for trial in first..first + trials as u64 {
                let mut z = vec![0.0; latent];
                rng::trial_normals(seed, sample as u32, trial, &mut z);
                want.extend((0..latent).map(|d| problem.scale(sample)[d].mul_add(z[d], problem.mu(sample)[d])));
            }
        }
        for cpu in cpus() {
            let got = cpu.sample_latent(&problem, Noise::Trials(first..first + trials as u64)).unwrap();
            assert!(
                got.iter().map(|v| v.to_bits()).eq(want.iter().map(|v| v.to_bits())),
                "{} {}",
                case.shape,
                cpu.device()
            );
        }
    }
}

#[test]
fn given_noise_of_a_wrong_size_or_not_finite_is_refused() {
    let case = cases().into_iter().find(|case| case.samples == 2).unwrap();
    let (problem, cpu) = (case.problem().unwrap(), &cpus()[0]);
    for noise in [
        vec![],
        vec![0.0; 2 * case.shape.latent + 1],
        vec![f32::NAN; 2 * case.shape.latent],
        vec![2e6; 2 * case.shape.latent],
    ] {
        assert!(cpu.sample_latent(&problem, Noise::Given(&noise)).unwrap_err().is_input());
    }
}
