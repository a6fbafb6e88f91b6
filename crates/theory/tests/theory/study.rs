//! Every law on every data set: point estimates, intervals and goodness of fit.

use crate::{
    close,
    data::{llm_sets, shared_csv, vae_counts},
    on,
};
use retrial_spec::{Error, Observer, Silent};
use retrial_theory::{
    Data,
    coverage::Counts,
    fit::{Fitted, Kind, Method, NoFit, Settings, across, fit, study, study_all},
    forecast::by_law,
    laws::BetaLaw,
    npmle::npmle,
    simulate::{Design, simulate},
};
use std::time::Instant;

fn drawn(law: BetaLaw, samples: u64, trials: u64, batch: Option<u64>, seed: u64) -> Vec<Counts> {
    simulate(&Design { law: law.into(), samples, trials, batch }, seed).unwrap()
}

fn value(fitted: &Fitted, name: &str) -> f64 {
    fitted.law.parameter(name).unwrap()
}

/// Laws that hold another are at least as likely, and none is likelier than the free law.
#[test]
fn nested_laws_are_ordered() {
    let Some(sets) = llm_sets() else { return };
    let reference = shared_csv("data/reference_fits.csv").unwrap();
    for ((name, counts), row) in sets.iter().zip(reference) {
        let data = Data::new(counts).unwrap();
        let free = npmle(&data).nll;
        let nll = |kind| fit(kind, &data).unwrap().nll.unwrap();
        let beta = nll(Kind::BETA);
        assert!(beta <= row[14].parse::<f64>().unwrap() + 1e-3, "{name}");
        for kind in [Kind::ZERO_INFLATED, Kind::SCALED_BETA, Kind::TWO_BETAS] {
            assert!(nll(kind) <= beta + 1e-2, "{name} {kind:?}: {} above {beta}", nll(kind));
        }
        for kind in Kind::fitted().filter(|kind| kind.by_likelihood()) {
            assert!(nll(kind) >= free - 1e-3, "{name} {kind:?}");
        }
        for kind in Kind::fitted() {
            let fitted = fit(kind, &data).unwrap();
            assert_eq!(fitted.nll.is_some(), kind.by_likelihood());
            let curve: Vec<f64> = [1.0, 10.0, 1e3, 1e4, 1e6].map(|k| fitted.coverage(k)).to_vec();
            assert!(curve.windows(2).all(|w| w[0] <= w[1]) && curve[4] <= 1.0, "{name} {kind:?} {curve:?}");
            // The largest coverage of this set's curve is the smallest scale that a misfit can be measured by.
            assert!(fitted.misfit.rmse < 0.06, "{name} {kind:?} {:?}", fitted.misfit);
        }
    }
}

#[test]
fn laws_recover_what_was_drawn() {
    let law = BetaLaw::new(3.0, 0.5).unwrap();
    let data = Data::new(&drawn(law, 20_000, 100, None, 1)).unwrap();
    for kind in [Kind::BETA, Kind::ZERO_INFLATED, Kind::SCALED_BETA, Kind::EQ8] {
        let fitted = fit(kind, &data).unwrap();
        close(value(&fitted, "alpha"), 3.0, 0.15);
        close(value(&fitted, "beta"), 0.5, 0.1);
        close(fitted.coverage(1e4), law.coverage(1e4, 1.0), 0.01);
    }
    // Kumaraswamy(beta, 1) is Beta(beta, 1) of the success probability.
    let law = BetaLaw::new(1.0, 0.4).unwrap();
    let fitted = fit(Kind::KUMARASWAMY, &Data::new(&drawn(law, 20_000, 100, None, 2)).unwrap()).unwrap();
    close(value(&fitted, "alpha"), 1.0, 0.05);
    close(value(&fitted, "beta"), 0.4, 0.05);
    // Two laws far apart.
    let mut counts = drawn(BetaLaw::new(40.0, 2.0).unwrap(), 6000, 200, None, 3);
    counts.extend(drawn(BetaLaw::new(5.0, 15.0).unwrap(), 4000, 200, None, 4));
    let fitted = fit(Kind::TWO_BETAS, &Data::new(&counts).unwrap()).unwrap();
    for (name, want) in [("share", 0.6), ("alpha", 40.0), ("beta", 2.0), ("alpha2", 5.0), ("beta2", 15.0)] {
        close(value(&fitted, name), want, 0.12);
    }
}

/// Negative log likelihoods that exist: by searches from hundreds of places.
#[test]
fn two_laws_are_found_where_they_are() {
    let Some(sets) = llm_sets() else { return };
    for (set, want) in [("pythia_math Pythia 410M", 508.980), ("pythia_math Pythia 6.9B", 697.876)] {
        let (_, counts) = sets.iter().find(|(name, _)| name == set).unwrap();
        let nll = fit(Kind::TWO_BETAS, &Data::new(counts).unwrap()).unwrap().nll.unwrap();
        assert!(nll < want + 2e-3, "{set}: {nll}");
    }
}

/// The rule does not matter for the likelihood: the same law from stopped samples, while their shares are biased.
#[test]
fn stopped_samples_yield_the_same_law() {
    let law = BetaLaw::new(3.0, 0.5).unwrap();
    let counts = drawn(law, 20_000, 400, Some(1), 5);
    let data = Data::stopped(&counts).unwrap();
    let fitted = fit(Kind::BETA, &data).unwrap();
    close(value(&fitted, "alpha"), 3.0, 0.12);
    close(value(&fitted, "beta"), 0.5, 0.06);
    close(data.failure(), law.mean(), 0.01);
    let biased = counts.iter().map(|s| s.successes() as f64 / s.trials() as f64).sum::<f64>() / 20_000.0;
    assert!(biased > 1.3 * (1.0 - law.mean()), "{biased}");
    for (k, value) in data.values(&[1, 20, 400]) {
        close(value, law.coverage(k, 1.0), 0.03);
    }
    // Beta-geometric by hand: 1/2 B(a, b+1)/B(a, b), and so on.
    let two = Data::stopped(&[Counts::new(3, 1).unwrap(), Counts::new(4, 0).unwrap()]).unwrap();
    assert!(npmle(&two).nll >= 0.0 && npmle(&two).gap < 1e-6);
    assert!(Data::stopped(&[Counts::new(3, 2).unwrap()]).unwrap_err().is_input());
}

/// Batches of 60, of which the last holds one success or more and 1000 trials cut short: the same law, its likelihood by
/// hand, and no batch that contradicts the rule.
#[test]
fn batched_samples_yield_the_same_law() {
    let law = BetaLaw::new(3.0, 0.5).unwrap();
    let counts = drawn(law, 20_000, 1000, Some(60), 5);
    let data = Data::batched(&counts, 60).unwrap();
    let fitted = fit(Kind::BETA, &data).unwrap();
    close(value(&fitted, "alpha"), 3.0, 0.12);
    close(value(&fitted, "beta"), 0.5, 0.06);
    close(data.failure(), law.mean(), 0.01);
    for (k, value) in data.values(&[1, 20, 59, 60, 61, 400, 1000]) {
        close(value, law.coverage(k, 1.0), 0.03);
    }
    let [three, one] = [(3, 2), (4, 1)].map(|(n, c)| Counts::new(n, c).unwrap());
    // By 2, four trials with one success are two failures and one of two orders: 2 q p^3 at its maximum, q = 1/4.
    close(npmle(&Data::batched(&[one], 2).unwrap()).nll, -(2.0 * 0.25 * 0.75f64.powi(3)).ln(), 1e-9);
    // By 3, they are 3 failures and a last batch cut short: one order.
    close(npmle(&Data::batched(&[one], 3).unwrap()).nll, -(0.25 * 0.75f64.powi(3)).ln(), 1e-9);
    for (counts, batch) in [(&[three, one][..], 2), (&[one], 0), (&[three], 1), (&[], 2)] {
        assert!(Data::batched(counts, batch).unwrap_err().is_input(), "{counts:?} {batch}");
    }
}

/// Numbers of trials that tell of a rule which was not named.
#[test]
fn stopped_samples_are_noticed() {
    let law = BetaLaw::new(3.0, 0.5).unwrap();
    for (samples, batch) in [(60, 1), (300, 60)] {
        let data = Data::new(&drawn(law, samples, 600, Some(batch), 6)).unwrap();
        let [solved, unsolved] = data.seems_stopped().unwrap();
        assert!(solved < unsolved && unsolved == 600.0, "{solved} {unsolved}");
    }
    // Trials that differ for no reason, or not at all.
    for seed in 0..200 {
        let mut counts = drawn(law, 60, 40, None, seed);
        assert_eq!(Data::new(&counts).unwrap().seems_stopped(), None, "{seed}");
        counts.extend(drawn(law, 60, 90, None, seed + 200));
        counts.extend(drawn(law, 60, 70, None, seed + 400));
        assert_eq!(Data::new(&counts).unwrap().seems_stopped(), None, "{seed}");
    }
}

#[test]
fn counts_without_a_law_say_why() {
    let data = |pairs: &[(u64, u64)]| {
        Data::new(&pairs.iter().map(|&(n, c)| Counts::new(n, c).unwrap()).collect::<Vec<_>>()).unwrap()
    };
    for kind in Kind::fitted() {
        assert_eq!(fit(kind, &data(&[(10, 0), (20, 0)])).unwrap_err(), NoFit::NoSuccess, "{kind:?}");
        assert_eq!(fit(kind, &data(&[(10, 10), (20, 20)])).unwrap_err(), NoFit::NoFailure, "{kind:?}");
        // One trial each: nothing to fit a curve or a spread to.
        let why = fit(kind, &data(&[(1, 0), (1, 1), (1, 1)])).map(|fitted| fitted.law);
        assert!(why.is_err(), "{kind:?}: {why:?}");
        assert!(!NoFit::FewPoints.to_string().is_empty());
    }
}

/// Intervals surround the estimate, refuted laws say so, and nothing depends on threads.
#[test]
fn studies_are_complete_and_repeatable() {
    let law = BetaLaw::new(8.0, 0.4).unwrap();
    let data = Data::new(&drawn(law, 150, 300, None, 4)).unwrap();
    let free = npmle(&data);
    let settings = Settings { replicates: 60, seed: 9 };
    for kind in Kind::fitted() {
        let fitted = on(1, || study(kind, &data, &free, &settings, &Silent)).unwrap().unwrap();
        assert_eq!(fitted, on(3, || study(kind, &data, &free, &settings, &Silent)).unwrap().unwrap(), "{kind:?}");
        assert_eq!(fitted.intervals.len(), fitted.law.parameters().len());
        assert_eq!(fitted.goodness.is_some(), kind.by_likelihood());
        for i in &fitted.intervals {
            assert_eq!(i.method, Method::of(kind));
            let at = value(&fitted, i.parameter);
            assert!(kind == Kind::TWO_BETAS || i.low <= at && at <= i.high, "{kind:?} {i:?} {at}");
        }
        if kind == Kind::BETA {
            assert!(fitted.goodness.unwrap().p_value > 0.05 && fitted.verdict().starts_with("is not refuted"));
        }
    }
    // Half of the samples easy and half hard: no Beta law.
    let mut split = drawn(BetaLaw::new(300.0, 300.0).unwrap(), 100, 300, None, 7);
    split.extend(drawn(BetaLaw::new(3000.0, 30.0).unwrap(), 100, 300, None, 8));
    let split = Data::new(&split).unwrap();
    let refuted = study(Kind::BETA, &split, &npmle(&split), &settings, &Silent).unwrap().unwrap();
    assert!(refuted.verdict().starts_with("does not fit"), "{}", refuted.verdict());

    struct Stop;
    impl Observer for Stop {
        fn cancelled(&self) -> bool {
            true
        }
    }
    assert!(matches!(study(Kind::BETA, &data, &free, &settings, &Stop), Err(Error::Cancelled)));
}

/// A million samples compress to their distinct counts.
#[test]
fn a_million_samples_take_seconds() {
    let start = Instant::now();
    let law = BetaLaw::new(4.65, 0.36).unwrap();
    let data = Data::new(&drawn(law, 1_000_000, 1000, None, 10)).unwrap();
    let fitted = fit(Kind::BETA, &data).unwrap();
    close(value(&fitted, "beta"), 0.36, 0.01);
    let free = npmle(&data);
    eprintln!("{:?} gap {:e}", start.elapsed(), free.gap);
    assert!(free.nll < fitted.nll.unwrap() && free.gap < 1e-5, "{:e}", free.gap);
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

/// All laws on all data sets with 200 replicates, on two threads.
#[test]
#[ignore = "a benchmark: about a minute"]
fn all_sets_are_studied_in_a_minute() {
    let Some(sets) = llm_sets() else { return };
    let start = Instant::now();
    for (_, counts) in &sets {
        let data = Data::new(counts).unwrap();
        Kind::fitted().for_each(|kind| drop(fit(kind, &data).unwrap()));
    }
    let plain = start.elapsed();
    for (name, counts) in &sets {
        let data = Data::new(counts).unwrap();
        let free = npmle(&data);
        for kind in Kind::fitted() {
            let settings = Settings { replicates: 200, seed: 1 };
            let fitted = study(kind, &data, &free, &settings, &Silent).unwrap().unwrap();
            eprintln!("{name} {} {:.1?} {}", kind.name(), start.elapsed(), fitted.verdict());
        }
    }
    eprintln!("plain fits {plain:?}, all {:?}", start.elapsed());
    assert!(plain.as_secs_f64() < 2.0 && (start.elapsed() - plain).as_secs_f64() < 60.0);
}

/// Laws side by side on several threads are the laws one after the other.
#[test]
fn all_laws_together_are_each_alone() {
    let (_, counts) = vae_counts().into_iter().nth(2).unwrap();
    let data = Data::new(&counts).unwrap();
    let npmle = npmle(&data);
    let settings = Settings { replicates: 0, seed: 1 };
    let kinds: Vec<_> = Kind::fitted().collect();
    let together = on(3, || study_all(&kinds, &data, &npmle, &settings, &Silent)).unwrap();
    assert_eq!(together.len(), Kind::fitted().count());
    for (kind, found) in Kind::fitted().zip(together) {
        assert_eq!(found, on(1, || study(kind, &data, &npmle, &settings, &Silent)).unwrap(), "{kind:?}");
    }
}

/// Counts at the edge of what laws can describe: nothing hangs, and what was found lies in its interval.
#[test]
fn intervals_hold_what_was_found_at_the_edges() {
    let some = |of: &[(u64, u64)]| of.iter().map(|&(n, c)| Counts::new(n, c).unwrap()).collect::<Vec<_>>();
    let edges = [
        some(&[(20, 1), (27, 3), (34, 1), (41, 20)]),
        some(&[(10, 3)]),
        some(&[(10, 0), (10, 10)]),
        some(&[(10, 10), (10, 9), (10, 10)]),
        some(&[(1000, 0), (1000, 1), (1000, 0)]),
        [some(&[(100, 0); 60]), some(&[(100, 1)])].concat(),
        [some(&[(100, 0); 30]), some(&[(100, 60); 30])].concat(),
        [some(&[(100, 100); 40]), some(&[(100, 3), (100, 0)])].concat(),
    ];
    for counts in edges {
        let data = Data::new(&counts).unwrap();
        let settings = Settings { replicates: 40, seed: 1 };
        for fitted in study_all(&Kind::fitted().collect::<Vec<_>>(), &data, &npmle(&data), &settings, &Silent)
            .unwrap()
            .into_iter()
            .flatten()
        {
            for interval in &fitted.intervals {
                let found = value(&fitted, interval.parameter);
                assert!(interval.low <= found && found <= interval.high, "{counts:?} {fitted:?}");
            }
            for forecast in by_law(&fitted, &data, &[100.0, 1e3, 1e9], &settings, &Silent).unwrap() {
                assert!((0.0..=1.0).contains(&forecast.value), "{counts:?} {forecast:?}");
                let [low, high] = [forecast.low, forecast.high].map(|end| end.unwrap_or(forecast.value));
                assert!(low <= forecast.value && forecast.value <= high, "{counts:?} {forecast:?}");
            }
        }
    }
}

/// Groups of one exponent and different heads refute it in one of twenty cases, of two exponents always; one common
/// exponent is known better than that of a group.
#[test]
fn an_exponent_is_compared_across_groups() {
    let group = |alpha: f64, beta: f64, seed: u64| {
        let data = Data::new(&drawn(BetaLaw::new(alpha, beta).unwrap(), 300, 200, None, seed)).unwrap();
        (fit(Kind::BETA, &data).unwrap(), data)
    };
    let test = |betas: [f64; 3], seed: u64| {
        let groups: Vec<_> =
            (0..).zip(betas).map(|(i, beta)| group(2.0 + i as f64, beta, 3 * seed + i)).collect::<Vec<_>>();
        across(&groups.iter().map(|(fitted, data)| (fitted, data)).collect::<Vec<_>>(), "beta").unwrap()
    };
    const REPEATS: u64 = 100;
    let (mut refuted, mut held) = (0.0, 0.0);
    for seed in 0..REPEATS {
        let same = test([0.4; 3], seed);
        assert_eq!(same.freedom, 2);
        refuted += f64::from(u8::from(same.p_value < 0.05));
        held += f64::from(u8::from(same.interval[0] <= 0.4 && 0.4 <= same.interval[1]));
        assert!(same.interval[0] < same.common && same.common < same.interval[1], "{same:?}");
    }
    assert!(refuted <= 14.0 && held >= 86.0, "{refuted} refuted, {held} held");
    assert!(test([0.3, 0.6, 0.3], 7).p_value < 1e-4);
    let (fitted, data) = group(2.0, 0.4, 1);
    assert_eq!(across(&[(&fitted, &data)], "beta"), None);
    assert_eq!(across(&[(&fitted, &data), (&fitted, &data)], "gamma"), None);
    let twice = across(&[(&fitted, &data), (&fitted, &data)], "beta").unwrap();
    assert!(twice.statistic < 1e-3 && twice.p_value > 0.97, "{twice:?}");
    close(twice.common, value(&fitted, "beta"), 1e-3);
}
