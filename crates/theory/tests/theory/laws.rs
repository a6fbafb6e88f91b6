//! Closed forms against mpmath and against identities.

use crate::close;
use retrial_theory::laws::{BetaLaw, HutterLaw, coverage, effective_trials};
use std::f64::consts::PI;

/// `(alpha, beta, <p^k> for k = 1, 10, 1e3, 1e6, 1e9, 1e12, 1e15)`.
#[rustfmt::skip]
const LOSSES: [(f64, f64, [f64; 7]); 10] = [
    (4.65, 0.36, [0.9281437125748503, 0.6503681330413915, 0.14085100484142826, 0.011733694996699358, 0.0009759677597550612, 8.117746255926243e-5, 6.752047238694315e-6]),
    (100.0, 0.065, [0.9993504222255534, 0.9937964588323664, 0.8554395236375387, 0.5493701115555115, 0.35064514875979974, 0.22380399650971045, 0.14284591903658841]),
    (0.35, 12.0, [0.028340080971659916, 1.984776461153822e-7, 3.455293414076229e-29, 3.705291633713563e-65, 3.705551493160833e-101, 3.705551753030426e-137, 3.7055517532902955e-173]),
    (16.7, 0.0168, [0.9989950229709035, 0.9919608855756278, 0.9328406857404298, 0.8308539181939811, 0.7398178241891745, 0.6587563135505242, 0.5865766764951309]),
    (1.42, 0.1365, [0.9123032444587215, 0.7233739540487633, 0.39076090006445235, 0.15221925806912504, 0.05928839031131188, 0.023092431253890128, 0.008994347431998126]),
    (0.001, 0.001, [0.5, 0.49858866492777987, 0.49627295639091007, 0.49285639190512925, 0.4894635921240674, 0.48609414845592747, 0.48274789987508915]),
    (1000000.0, 2.5, [0.99999750000625, 0.9999750004562428, 0.9975043703149614, 0.17677686102470067, 3.154391688825136e-8, 9.999993749983203e-16, 3.1622835815348833e-23]),
    (0.3539, 0.0384, [0.9021157277593679, 0.8233363901421085, 0.689562360617339, 0.5288974024755679, 0.40566863617376053, 0.3111511654342192, 0.23865549149842277]),
    (3.0, 20.0, [0.13043478260869565, 1.023061670157477e-6, 4.385072948753361e-40, 5.618598824235921e-100, 5.620002233887315e-160, 5.6200036374830376e-220, 5.620003638886633e-280]),
    (1e-9, 5.0, [1.9999999996e-10, 9.990010006600792e-14, 2.3761551690022997e-23, 2.399976005155937e-38, 2.399999981e-53, 2.400000004976e-68, 2.4000000049999763e-83]),
];

/// `(a, H_k^(a) for k = 1, 1.3098, 7, 31, 32, 1000, 1e6, 1e10, 1e15)`.
#[rustfmt::skip]
const HARMONIC: [(f64, [f64; 9]); 10] = [
    (0.1, [1.0, 1.2941602404750896, 6.21001199326546, 24.184799396269185, 24.89190617745573, 556.5222559506998, 279098.0149467529, 1111111110.5580735, 35136418446314.73]),
    (0.348, [1.0, 1.2584208731292346, 4.700490304042623, 13.537084942600723, 13.836454618755454, 137.635775732288, 12523.26763310629, 5078697.176464727, 9241711441.852308]),
    (0.5, [1.0, 1.2385218438100383, 4.0178834093492215, 9.764735478581997, 9.941512173878634, 61.80100876524323, 1998.5401454911487, 199998.53965049118, 63245551.74301309]),
    (0.999, [1.0, 1.1826573148334254, 2.594816354675136, 4.033130534522893, 4.064489026663816, 7.509315078022753, 14.488529087846231, 23.870135125016507, 35.719309523555026]),
    (1.0, [1.0, 1.1825586232694258, 2.592857142857143, 4.02724519543652, 4.05849519543652, 7.485470860550345, 14.392726722865724, 23.603066594891988, 35.11599205981222]),
    (1.0000001, [1.0, 1.182558613402733, 2.5928569470718963, 4.027244607587183, 4.05849459675676, 7.4854684816329895, 14.392717186734409, 23.603040092703353, 35.1159324208087]),
    (1.5, [1.0, 1.13894939984702, 1.8824825058827217, 2.2560382461132082, 2.261562517841228, 2.549145602917575, 2.6103753491854884, 2.612355348685489, 2.6123752854399354]),
    (2.0, [1.0, 1.1052059382493573, 1.511797052154195, 1.6131907003279244, 1.6141672628279244, 1.64393456668156, 1.6449330668487265, 1.6449340667482264, 1.6449340668482255]),
    (3.7, [1.0, 1.0394616354702615, 1.1046931374014561, 1.1062548976211968, 1.1062575950195015, 1.1062882385266921, 1.1062882414646793, 1.1062882414646793, 1.1062882414646793]),
    (20.0, [1.0, 1.0000009004020993, 1.0000009539620338, 1.0000009539620338, 1.0000009539620338, 1.0000009539620338, 1.0000009539620338, 1.0000009539620338, 1.0000009539620338]),
];

fn law(alpha: f64, beta: f64) -> BetaLaw {
    BetaLaw::new(alpha, beta).unwrap()
}

/// The integral of `f` over `(0, 1)` by the tanh-sinh rule; `f` gets `x` and `1 - x`.
fn integral(f: impl Fn(f64, f64) -> f64) -> f64 {
    let h = 1.0 / 64.0;
    let term = |i: i32| {
        let t = f64::from(i) * h;
        let u = PI * t.sinh();
        let (x, y) = (1.0 / (1.0 + (-u).exp()), 1.0 / (1.0 + u.exp()));
        f(x, y) * PI * t.cosh() * x * y * h
    };
    (-300..=300).map(term).filter(|v| v.is_finite()).sum()
}

#[test]
fn loss_to_1e15_trials() {
    for (alpha, beta, losses) in LOSSES {
        for (k, want) in [1.0, 10.0, 1e3, 1e6, 1e9, 1e12, 1e15].into_iter().zip(losses) {
            close(law(alpha, beta).loss(k), want, 1e-13);
        }
    }
}

#[test]
fn loss_closed_forms() {
    let mut central_binomial = 1.0; // C(2k, k) / 4^k
    for k in 1..2000u32 {
        let k = f64::from(k);
        central_binomial *= (2.0 * k - 1.0) / (2.0 * k);
        close(law(1.0, 1.0).loss(k), 1.0 / (k + 1.0), 1e-14);
        close(law(0.5, 0.5).loss(k), central_binomial, 1e-13);
    }
    for k in [0.0, 0.5, 1e7, 1e15] {
        close(law(1.0, 1.0).loss(k), 1.0 / (k + 1.0), 1e-14);
    }
    close(law(0.5, 0.5).loss(1e15), 1.0 / (PI * 1e15f64).sqrt(), 1e-14);
    close(law(2.0, 3.0).loss(1.0), law(2.0, 3.0).mean(), 1e-15);
}

/// Where hardly any sample is solved the digits must not drown in `1 - <p^k>`.
#[test]
fn coverage_keeps_its_relative_accuracy() {
    for (alpha, beta, k, want) in [
        (1e9, 1.0, 1.0, 9.99999999e-10),
        (1e9, 1e-3, 100.0, 9.999999504495033e-11),
        (1e12, 0.5, 1e3, 4.99999999625125e-10),
        (0.7, 1e-6, 1e15, 3.575815919336958e-5),
        (0.2, 1e-6, 1.0, 1e-6 / 0.200001),
    ] {
        close(law(alpha, beta).coverage(k, 1.0), want, 1e-12);
    }
    let nothing = law(3.0, 4.0).coverage(0.0, 1.0);
    assert!(nothing == 0.0 && nothing.is_sign_positive());
    close(law(4.65, 0.36).coverage(1e3, 0.5), 0.5 * (1.0 - 0.14085100484142826), 1e-14);
}

#[test]
fn loss_tends_to_its_asymptote() {
    for (alpha, beta) in [(4.65, 0.36), (0.5, 2.0), (20.0, 0.1)] {
        let law = law(alpha, beta);
        // The next term is of relative size beta (2 alpha + beta - 1) / 2k.
        let next = |k: f64| beta * (2.0 * alpha + beta - 1.0) / (2.0 * k);
        close(law.loss_asymptote(1e4) * (1.0 - next(1e4)), law.loss(1e4), 1e-5);
        close(law.loss_asymptote(1e15), law.loss(1e15), 1e-13);
    }
}

/// Eq 10: the Laplace transform of the difficulty density is the loss; Eq 7: with `p = e^-s` it is the density of `p`.
#[test]
fn densities_integrate_to_the_loss() {
    for (alpha, beta) in [(4.65, 0.36), (0.35, 12.0), (1.0, 1.0)] {
        let law = law(alpha, beta);
        for k in [0.0, 1.0, 7.0] {
            let transform = integral(|p, q| {
                let s = if p < 0.5 { -p.ln() } else { -(-q).ln_1p() };
                p.powf(k) * law.difficulty_density(s) / p
            });
            close(transform, law.loss(k), 1e-10);
        }
        for p in [1e-3f64, 0.2, 0.9, 0.999] {
            close(law.density(p), law.difficulty_density(-p.ln()) / p, 1e-11);
        }
        assert_eq!((law.density(0.0), law.density(1.0), law.difficulty_density(0.0)), (0.0, 0.0, 0.0));
    }
}

#[test]
fn laws_reject_what_is_no_parameter() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(BetaLaw::new(bad, 1.0).unwrap_err().is_input());
        assert!(BetaLaw::new(1.0, bad).unwrap_err().is_input());
        assert!(HutterLaw::new(bad).unwrap_err().is_input());
    }
}

#[test]
fn effective_trials_to_1e15() {
    for (a, values) in HARMONIC {
        for (k, want) in [1.0, 1.3098, 7.0, 31.0, 32.0, 1e3, 1e6, 1e10, 1e15].into_iter().zip(values) {
            close(effective_trials(k, a), want, 1e-13);
        }
        assert!(effective_trials(0.0, a).abs() < 1e-14);
    }
}

#[test]
fn effective_trials_limits() {
    assert_eq!(effective_trials(12345.0, 0.0), 12345.0);
    close(effective_trials(1e15, 1.0), 1e15f64.ln() + 0.577_215_664_901_532_9, 1e-15);
    close(effective_trials(f64::INFINITY, 2.0), PI * PI / 6.0, 1e-15);
    close(effective_trials(f64::INFINITY, 4.0), PI.powi(4) / 90.0, 1e-15);
    assert_eq!(effective_trials(f64::INFINITY, 1.0), f64::INFINITY);
    assert_eq!(effective_trials(f64::INFINITY, 0.5), f64::INFINITY);
    assert_eq!(effective_trials(1e6, 1e300), 1.0);
    // One more trial adds k^-a, on either side of where the summation formula takes over.
    for k in 2..100 {
        let k = f64::from(k);
        assert!((effective_trials(k, 0.348) - effective_trials(k - 1.0, 0.348) - k.powf(-0.348)).abs() < 1e-13);
    }
}

#[test]
fn coverage_of_given_failure_probabilities() {
    close(coverage(&[0.5, 0.9], 2.0), (0.75 + 0.19) / 2.0, 1e-15);
    assert_eq!(coverage(&[0.0, 1.0], 3.0), 0.5);
    assert_eq!(coverage(&[0.0, 1.0], 0.0), 0.0);
    close(coverage(&[1.0 - 1e-9], 1e6), 1e-3, 1e-3);
    // Eq 12 at a = 0 is Eq 6.
    assert_eq!(coverage(&[0.3, 0.8], effective_trials(9.0, 0.0)), coverage(&[0.3, 0.8], 9.0));
}

/// Direct sums in mpmath with the integral of the remaining features.
#[test]
fn hutter_loss() {
    for (alpha, n, want) in [
        (0.3, 0.0, 1.0),
        (0.3, 10.0, 0.614385880308405),
        (0.3, 1e3, 0.214998919932532),
        (0.3, 1e6, 0.0436707031019081),
        (0.3, 1e9, 0.00886916130296237),
        (1.0, 0.0, 1.0),
        (1.0, 10.0, 0.210968911503987),
        (1.0, 1e3, 0.0218427787640633),
        (1.0, 1e6, 0.000690988039822194),
        (1.0, 1e9, 2.18509686036475e-5),
        (2.5, 0.0, 1.0),
        (2.5, 10.0, 0.0647693032998513),
        (2.5, 1e3, 0.00253427066034417),
        (2.5, 1e6, 1.82498578441025e-5),
        (2.5, 1e9, 1.31341692579894e-7),
    ] {
        close(HutterLaw::new(alpha).unwrap().loss(n), want, 1e-10);
    }
    for alpha in [0.1, 0.3, 1.0, 2.5] {
        let law = HutterLaw::new(alpha).unwrap();
        close(law.loss(1e15), law.asymptote(1e15), 1e-3);
        let slope = (law.loss(1e13) / law.loss(1e15)).ln() / 100f64.ln();
        close(slope, law.exponent(), 1e-3);
    }
}
