//! Proof before trust: what is wrong is set aside, and the next computes; what is right is never refused.

#[cfg(target_os = "linux")]
use crate::emulated::{Emulated, available};
use crate::{
    each_backend,
    faults::{Broken, FAULTS, Fault},
};
use retrial_check::{
    Case, Kernel, cases,
    prove::{self, Truth},
};
use retrial_cpu::{Cpu, Isa};
use retrial_spec::{
    Backend, Device, Error, Fused, Kernels, Noise, Posterior, Precision, Problem, Result, Shape, Tally, Variant,
    Weights,
};
#[cfg(target_os = "linux")]
use {retrial_cuda::Cuda, retrial_emulator::Order, std::sync::Arc};

fn cpu() -> Cpu {
    let fast = Isa::ALL.into_iter().find(|isa| isa.available()).unwrap();
    Cpu::with_isa(Some(2), fast).unwrap()
}

fn problem(shape: Shape, samples: usize) -> Problem {
    Case { kernel: Kernel::Score, shape, samples, temperature: 1.0, ..cases().remove(0) }.problem().unwrap()
}

/// A device with three implementations, of which some are faulty.
struct Menu<'b> {
    device: Device,
    parts: [Broken<'b>; 3],
}

impl<'b> Menu<'b> {
    fn new(inner: &'b dyn Backend, faults: [Fault; 3]) -> Self {
        let variants = ["new", "old", "plain"].map(|name| Variant::new(name, Precision::F32)).into();
        let device = Device { backend: "menu".into(), variants, ..inner.device().clone() };
        Self { device, parts: faults.map(|fault| Broken { inner, fault }) }
    }

    fn take(&self, problem: &Problem) -> (Result<String>, Vec<String>) {
        let (truth, mut said) = (cpu(), vec![]);
        let mut set_aside = |variant: &Variant, fault: &Error| {
            said.push(format!("{variant}: {fault}"));
            Ok(())
        };
        let loaded = prove::load(self, problem, &self.device.variants, Truth::Backend(&truth), &mut set_aside);
        (loaded.map(|proven| proven.scorer.variant().kernel.clone()), said)
    }
}

impl Kernels for Menu<'_> {
    fn device(&self) -> &Device {
        &self.device
    }
    fn encode(&self, weights: &Weights, images: &[f32]) -> Result<Posterior> {
        self.parts[0].inner.encode(weights, images)
    }
    fn sample_latent(&self, problem: &Problem, noise: Noise<'_>) -> Result<Vec<f32>> {
        self.parts[0].inner.sample_latent(problem, noise)
    }
    fn decode(&self, weights: &Weights, latents: &[f32]) -> Result<Vec<f32>> {
        self.parts[0].inner.decode(weights, latents)
    }
    fn l2_error(&self, images: &[f32], outputs: &[f32], pixels: usize) -> Result<Vec<f32>> {
        self.parts[0].inner.l2_error(images, outputs, pixels)
    }
    fn pass_at_k(&self, errors: &[f32], first: u64, tally: &mut Tally) -> Result<()> {
        self.parts[0].inner.pass_at_k(errors, first, tally)
    }
    fn correlation(&self, errors: &[f32], samples: usize) -> Result<Vec<f64>> {
        self.parts[0].inner.correlation(errors, samples)
    }
    fn load<'a>(&'a self, problem: &'a Problem, variant: &Variant) -> Result<Box<dyn Fused + 'a>> {
        let at = self.device.variants.iter().position(|v| v == variant).unwrap();
        let inner = &self.parts[at];
        Kernels::load(inner, problem, &inner.inner.device().variants[0])
    }
}

/// Whatever is wrong with a kernel, it is set aside with its name, its device and the difference.
#[test]
fn every_fault_is_set_aside_and_the_next_kernel_computes() {
    let (inner, problem) = (cpu(), problem(Shape { pixels: 97, hidden: 61, latent: 7 }, 5));
    let (kernel, said) = Menu::new(&inner, [Fault::None; 3]).take(&problem);
    assert!(kernel.unwrap() == "new" && said.is_empty());
    for fault in FAULTS {
        let (kernel, said) = Menu::new(&inner, [fault, Fault::None, Fault::None]).take(&problem);
        assert_eq!(kernel.unwrap(), "old", "{fault:?}");
        assert!(said.len() == 1 && said[0].starts_with("new in f32: device menu"), "{said:?}");
        let (kernel, said) = Menu::new(&inner, [fault, fault, Fault::None]).take(&problem);
        assert!(kernel.unwrap() == "plain" && said.len() == 2, "{fault:?}");
        let (kernel, said) = Menu::new(&inner, [fault; 3]).take(&problem);
        let error = kernel.unwrap_err();
        assert!(said.len() == 3 && !error.is_input() && error.to_string().contains("plain in f32"), "{error}");
    }
}

/// On a device of the Hopper kind, in the order in which the program asks: wgmma, mma, simt.
#[test]
#[cfg(target_os = "linux")]
fn what_is_wrong_on_a_gpu_gives_way_to_the_next_kernel() {
    if !available() {
        return;
    }
    let (truth, problem) = (cpu(), problem(Shape { pixels: 97, hidden: 61, latent: 7 }, 5));
    let wrong = ("__fadd_rn(squares[r], __shfl", "__fsub_rn(squares[r], __shfl");
    let no_wgmma = |device: Emulated| device.edited("score_wgmma.cu", wrong.0, wrong.1);
    let no_mma = |device: Emulated| device.edited("score_mma.cuh", "sums[M + threadIdx.x]", "sums[threadIdx.x]");
    let take = |device: Emulated| {
        let cuda = Cuda::with_drivers(vec![Arc::new(device)]);
        let of =
            |precision| Backend::device(&cuda).variants.iter().filter(move |variant| variant.precision == precision);
        let order: Vec<Variant> =
            [Precision::F16, Precision::Bf16, Precision::F32].into_iter().flat_map(of).cloned().collect();
        let mut said = vec![];
        let mut set_aside = |variant: &Variant, fault: &Error| {
            said.push((variant.to_string(), fault.to_string()));
            Ok(())
        };
        let proven = prove::load(&cuda, &problem, &order, Truth::Backend(&truth), &mut set_aside).unwrap();
        (proven.scorer.variant().to_string(), said)
    };
    let whole = || Emulated::hopper(Order::Forward);
    assert_eq!(take(whole()), ("wgmma in f16".into(), vec![]));
    let (kernel, said) = take(no_wgmma(whole()));
    assert_eq!(kernel, "mma in f16");
    assert_eq!(
        said.iter().map(|said| &*said.0).collect::<Vec<_>>(),
        ["wgmma in f16", "wgmma-b1 in f16", "wgmma-b0 in f16"]
    );
    assert!(said.iter().all(|(kernel, fault)| fault.contains(kernel) && fault.contains("emulator")), "{said:?}");
    let (kernel, said) = take(no_mma(whole()));
    assert!(kernel == "wgmma in f16" && said.is_empty(), "{said:?}");
    let (kernel, said) = take(no_mma(no_wgmma(whole())));
    assert!(kernel == "simt in f32" && said.len() == 8, "{said:?}");
}

/// Whoever is asked may stop at the first.
#[test]
fn a_required_kernel_is_not_replaced() {
    let (inner, problem) = (cpu(), problem(Shape { pixels: 97, hidden: 61, latent: 7 }, 5));
    let menu = Menu::new(&inner, [Fault::OffByOneTile, Fault::None, Fault::None]);
    let mut stop = |_: &Variant, _: &Error| Err(Error::Cancelled);
    let loaded = prove::load(&menu, &problem, &menu.device.variants, Truth::Reference, &mut stop);
    assert!(matches!(loaded.err(), Some(Error::Cancelled)));
}

/// Models that no one would train, at the ends of what is allowed: each is computed rightly, so none may be refused.
#[test]
fn no_kernel_that_is_right_is_refused() {
    let (truth, small) = (cpu(), Shape { pixels: 61, hidden: 70, latent: 5 });
    let plain = problem(small, 3);
    let with = |change: &dyn Fn(&mut Weights, &mut Vec<f32>, &mut Posterior)| {
        let mut weights = plain.weights().clone();
        let (mut images, mut posterior) = (plain.images().to_vec(), plain.posterior().clone());
        change(&mut weights, &mut images, &mut posterior);
        Problem::new(weights, images, &posterior, 1.0, 3).unwrap()
    };
    let scaled = |first: f32, second: f32| {
        with(&|weights, _, _| {
            weights.decoder_fc1.weight.iter_mut().for_each(|w| *w *= first);
            weights.decoder_fc2.weight.iter_mut().for_each(|w| *w *= second);
        })
    };
    let problems = [
        ("plain", problem(small, 1)),
        ("paper", problem(Shape::PAPER, 7)),
        ("large weights", scaled(1e3, 1e2)),
        ("huge weights", scaled(1e5, 1e4)),
        ("tiny weights", scaled(1e-6, 1e-6)),
        ("a tiny layer before a huge one", scaled(1e-6, 1e5)),
        ("a huge layer before a tiny one", scaled(1e5, 1e-6)),
        ("far means", with(&|_, _, posterior| posterior.mu.iter_mut().for_each(|mu| *mu *= 1e6))),
        ("no spread", with(&|_, _, posterior| posterior.logvar.fill(-90.0))),
        ("wide spread", with(&|_, _, posterior| posterior.logvar.fill(20.0))),
        ("dead units", with(&|weights, _, _| weights.decoder_fc1.bias.fill(-1e6))),
        ("bright images", with(&|_, images, _| images.iter_mut().for_each(|x| *x *= 1e6))),
        (
            "cancelling units",
            with(&|weights, _, _| {
                let inputs = weights.decoder_fc2.inputs;
                for row in weights.decoder_fc2.weight.chunks_mut(inputs) {
                    row.iter_mut().enumerate().for_each(|(k, w)| *w = if k % 2 == 0 { 100.0 } else { -100.0 });
                }
            }),
        ),
    ];
    each_backend(|backend| {
        let device = backend.device();
        if device.detail == "portable" {
            return; // without fused multiply-adds in hardware it takes minutes
        }
        for (name, problem) in &problems {
            for variant in &device.variants {
                let mut scorer = match backend.load_variant(problem, variant) {
                    Err(refused) if refused.is_input() => continue,
                    loaded => loaded.unwrap(),
                };
                let truths = [Truth::Backend(&truth), Truth::Reference];
                for truth in if device.backend == "cpu" { &truths[..] } else { &truths[..1] } {
                    let found = prove::proof(backend, &mut scorer, *truth).unwrap();
                    assert!(found.is_ok(), "{name} by {variant} of {device}: {}", found.unwrap_err());
                }
            }
        }
    });
}
