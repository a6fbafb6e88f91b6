use crate::data;
use retrial_spec::{Silent, rng::Stream};
use retrial_theory::{
    Data,
    budget::{Outlook, allocate, best_model, sequential, trials_to_reach},
    coverage::Counts,
    difficulty::{Class, posterior, spectrum},
    fit::{Kind, Settings, fit},
    laws::{BetaLaw, Cost},
    npmle::{Atom, Npmle, npmle},
};

fn counts(of: &[(u64, u64)]) -> Vec<Counts> {
    of.iter().map(|&(n, c)| Counts::new(n, c).unwrap()).collect()
}

#[test]
fn the_least_number_of_trials_is_the_least() {
    let law = BetaLaw::new(4.65, 0.361).unwrap();
    for target in [0.01, 0.5, 0.9, 0.999] {
        let k = trials_to_reach(|k| law.coverage(k, 1.0), target, 1e15).unwrap();
        assert!(law.coverage(k, 1.0) >= target && law.coverage(k - 1.0, 1.0) < target, "{target}: {k}");
    }
    assert_eq!(trials_to_reach(|k| law.coverage(k, 0.5), 0.6, 1e15), None);
    assert_eq!(trials_to_reach(|k| if k >= 1e15 { 1.0 } else { 0.0 }, 1.0, 1e15), Some(1e15));
}

/// A cheap weak model against a dear strong one: the cheap one wins while a trial of the other is not to be had.
#[test]
fn the_best_model_depends_on_the_budget() {
    let (cheap, dear) = (Cost::new(1.0, 0.0, 1.0).unwrap(), Cost::new(100.0, 0.0, 1.0).unwrap());
    let (weak, strong) = (|k: f64| 1.0 - 0.99f64.powf(k), |k: f64| 1.0 - 0.1f64.powf(k));
    let models: [(Cost, &dyn Fn(f64) -> f64); 2] = [(cheap, &weak), (dear, &strong)];
    assert_eq!(best_model(&models, 50.0).unwrap().0, 0);
    assert_eq!(best_model(&models, 100.0).unwrap(), (1, 0.9));
    let prompt: [(Cost, &dyn Fn(f64) -> f64); 1] = [(Cost::new(1.0, 10.0, 1.0).unwrap(), &weak)];
    assert_eq!(best_model(&prompt, 9.0), None);
}

/// Measured to 10 trials, then the law; and without a law no further.
#[test]
fn an_outlook_goes_on_where_measurements_end() {
    let some = counts(&[(10, 0), (10, 1), (10, 2), (10, 9), (10, 0), (10, 3)]);
    let data = Data::new(&some).unwrap();
    let law = fit(Kind::BETA, &data).unwrap();
    let settings = Settings { replicates: 0, seed: 1 };
    let (with, without) = (Outlook::new(data.clone(), Some(law.clone())), Outlook::new(data, None));
    assert_eq!(with.coverage(1.0), 0.25);
    assert_eq!([with.coverage(10.0), without.coverage(1e6)], [4.0 / 6.0; 2]);
    assert_eq!(with.coverage(1e6), law.coverage(1e6));
    assert_eq!([without.known(10.0), without.known(11.0)], [Some(4.0 / 6.0), None]);

    let measured = with.reach(0.5, &settings, &Silent).unwrap();
    let k = measured.trials.unwrap() as f64;
    assert!(with.coverage(k) >= 0.5 && with.coverage(k - 1.0) < 0.5 && !measured.forecast, "{measured:?}");
    let [low, high] = measured.interval.unwrap();
    assert!(low.unwrap() <= k as u64 && high.is_none_or(|high| high >= k as u64), "{measured:?}");
    let beyond = with.reach(0.9, &settings, &Silent).unwrap();
    assert!(beyond.forecast && law.coverage(beyond.trials.unwrap() as f64) >= 0.9, "{beyond:?}");
    assert_eq!(without.reach(0.9, &settings, &Silent).unwrap().trials, None);
    assert!(with.reach(1.5, &settings, &Silent).is_err() && with.reach(f64::NAN, &settings, &Silent).is_err());

    let price = Cost::new(2.0, 5.0, 1.0).unwrap();
    let bought = with.buy(&price, 16.0, &some).unwrap();
    assert_eq!((bought.trials, bought.coverage, bought.forecast), (3, with.known(3.0), false));
    assert_eq!(bought.allocation.unwrap().trials.iter().sum::<u64>(), 8 * 6, "prompts are paid already");
    assert_eq!(with.buy(&price, 1.0, &some).unwrap().trials, 0);
    assert!(with.buy(&price, 0.0, &some).is_err());
}

/// Against every way of giving out the trials, one at a time to whom it gains most.
#[test]
fn the_allocation_is_the_greedy_one() {
    let some = counts(&[(10, 0), (10, 3), (40, 0), (10, 0), (20, 1), (20, 7), (20, 0), (10, 9), (40, 0), (20, 2)]);
    let npmle = npmle(&Data::new(&some).unwrap());
    // Probability that trial m + 1 of a sample is its first success, by Bayes' rule.
    let marginal = |n: u64, m: u64| {
        let unsolved = |trials: u64| npmle.atoms.iter().map(|a| a.weight * a.failure.powf(trials as f64)).sum::<f64>();
        (unsolved(n + m) - unsolved(n + m + 1)) / unsolved(n)
    };
    let total = |given: &[u64]| -> f64 {
        given.iter().zip(&some).map(|(&m, s)| (0..m).map(|m| marginal(s.trials(), m)).sum::<f64>()).sum()
    };
    for trials in [0, 1, 2, 7, 50, 333] {
        let found = allocate(&npmle, &some, trials).unwrap();
        assert_eq!(found.trials.iter().sum::<u64>(), trials);
        assert!(found.trials.iter().zip(&some).all(|(&m, s)| m == 0 || s.successes() == 0));
        let mut greedy = vec![0; some.len()];
        for _ in 0..trials {
            let unsolved = (0..some.len()).filter(|&i| some[i].successes() == 0);
            let worth = |i: usize| marginal(some[i].trials(), greedy[i]);
            let best = unsolved.max_by(|&a, &b| worth(a).total_cmp(&worth(b))).unwrap();
            greedy[best] += 1;
        }
        assert!((found.gain - total(&greedy)).abs() < 1e-9, "{trials}: {} and {}", found.gain, total(&greedy));
        assert!((found.gain - total(&found.trials)).abs() < 1e-9 && found.gain >= found.even_gain - 1e-12);
    }
    assert!(allocate(&npmle, &some, 1 << 60).is_err());
    let solved = counts(&[(5, 1), (5, 5)]);
    let none = allocate(&npmle, &solved, 100).unwrap();
    assert_eq!((none.trials, none.gain, none.even_gain), (vec![0, 0], 0.0, 0.0));
}

#[test]
fn a_posterior_lies_between_prior_and_data() {
    let some = counts(&[(100, 0), (100, 1), (100, 3), (100, 12), (100, 40), (100, 80), (100, 95), (100, 100)]);
    let npmle = npmle(&Data::new(&some).unwrap());
    let of = |c| posterior(&npmle, Counts::new(100, c).unwrap());
    let mut before = 0.0;
    for c in 0..=100 {
        let p = of(c);
        assert!(p.success >= before - 1e-12 && p.low <= c as f64 / 100.0 && c as f64 / 100.0 <= p.high, "{c}: {p:?}"); // one atom may hold all but a tail
        assert!((0.0..=1.0).contains(&p.next));
        before = p.success;
    }
    assert_eq!([of(0).class, of(50).class, of(51).class], [Class::Unsolved, Class::Hard, Class::Easy]);
    assert!(of(0).next < 0.9 && of(50).next > 0.999);
}

/// The shares of the density's bins and of what is not resolved are all of the samples.
#[test]
fn the_spectrum_of_difficulty_is_a_density() {
    let Some(sets) = data::llm_sets() else { return };
    let (_, some) = sets.into_iter().find(|(name, _)| name == "pythia_math Pythia 160M").unwrap();
    let data = Data::new(&some).unwrap();
    let found = spectrum(&npmle(&data), &data, 3);
    assert_eq!(found.resolution, 1e-4);
    let shares: f64 = found.bins.iter().map(|(from, to, density)| (to - from) * density).sum();
    assert!((shares + found.unresolved - 1.0).abs() < 1e-9);
    assert!(found.bins.windows(2).all(|w| w[0].1 == w[1].0 || (w[0].1 / w[1].0 - 1.0).abs() < 1e-12));
    // 55 of 128 problems were never solved in 10,000 attempts.
    assert!(found.unresolved > 0.2 && found.unresolved < 55.0 / 128.0 + 0.1, "{}", found.unresolved);
}

/// The policy played out: what it solves and spends on average is what was expected, and no less than all trials settled
/// beforehand would solve.
#[test]
fn the_sequential_policy_does_what_it_says() {
    let atom = |success: f64, weight: f64| Atom { failure: 1.0 - success, success, weight };
    let npmle = Npmle { atoms: vec![atom(0.001, 0.3), atom(0.02, 0.4), atom(0.3, 0.3)], nll: 0.0, gap: 0.0 };
    let counts = counts(&[(10, 0), (10, 0), (10, 3), (200, 0), (50, 0), (10, 0)]);
    for budget in [5.0, 40.0, 600.0, 20_000.0] {
        let policy = sequential(&npmle, &counts, budget).unwrap();
        let beforehand = allocate(&npmle, &counts, budget as u64).unwrap();
        assert!(policy.spent <= budget && policy.gain >= beforehand.gain * 0.99 - 0.05, "{policy:?} {beforehand:?}");
        assert!(policy.until[2] == 0 && policy.until[0].abs_diff(policy.until[1]) <= 1, "{policy:?}");
        let mut stream = Stream::new(1, 1);
        let (mut spent, mut solved) = (0.0, 0.0);
        const PLAYS: u32 = 4000;
        for _ in 0..PLAYS {
            for (counts, &until) in counts.iter().zip(&policy.until) {
                if until == 0 {
                    continue;
                }
                // A failure probability as the counts leave it.
                let weights: Vec<f64> =
                    npmle.atoms.iter().map(|a| a.weight * a.failure.powi(counts.trials() as i32)).collect();
                let mut at = stream.uniform() * weights.iter().sum::<f64>();
                let chosen = weights.iter().position(|w| {
                    at -= w;
                    at < 0.0
                });
                let failure = npmle.atoms[chosen.unwrap_or(0)].failure;
                let first = ((1.0 - stream.uniform()).ln() / failure.ln()).floor() + 1.0;
                spent += first.min(until as f64);
                solved += f64::from(u8::from(first <= until as f64));
            }
        }
        let plays = f64::from(PLAYS);
        assert!((solved / plays - policy.gain).abs() < 0.05, "{budget}: {} {policy:?}", solved / plays);
        assert!((spent / plays / policy.spent - 1.0).abs() < 0.1, "{budget}: {} {policy:?}", spent / plays);
    }
    let nothing = sequential(&npmle, &counts, 0.0).unwrap();
    assert_eq!((nothing.gain, nothing.spent), (0.0, 0.0));
    assert!(sequential(&npmle, &counts, f64::NAN).is_err() && sequential(&npmle, &counts, -1.0).is_err());
}
