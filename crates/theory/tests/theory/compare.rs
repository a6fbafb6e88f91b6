//! Two models on the same problems, by hand, by enumeration and by simulation.

use crate::close;
use retrial_spec::Silent;
use retrial_theory::{
    compare::{Bayes, Pairs, ranks},
    coverage::{Counts, Scope, unbiased},
    fit::{Kind, Law, Settings},
    simulate::{Design, simulate},
};

fn counts(of: &[(u64, u64)]) -> Vec<Counts> {
    of.iter().map(|&(n, c)| Counts::new(n, c).unwrap()).collect()
}

fn deals_of(replicates: u32, seed: u64) -> Settings {
    Settings { replicates, seed }
}

fn drawn(alpha: f64, problems: u64, attempts: u64, seed: u64) -> Vec<Counts> {
    let law = Law::new(Kind::BETA, &[("alpha", alpha), ("beta", 0.6)]).unwrap();
    simulate(&Design { law, samples: problems, trials: attempts, batch: None }, seed).unwrap()
}

#[test]
fn differences_are_those_of_the_estimates_and_turn_round() {
    let (a, b) = (counts(&[(10, 3), (8, 0), (12, 12)]), counts(&[(9, 1), (10, 0), (7, 3)]));
    let (ab, ba) = (Pairs::new(&a, &b).unwrap(), Pairs::new(&b, &a).unwrap());
    assert_eq!((ab.reach(), ab.wins(), ba.wins()), (7, [2.0, 0.0, 1.0], [0.0, 2.0, 1.0]));
    let ks = [1, 3, 7, 8];
    let (ab, ba) = (ab.differences(&ks), ba.differences(&ks));
    assert_eq!(ab.len(), 3);
    for (one, other) in ab.iter().zip(&ba) {
        let mean =
            |of: &[Counts]| of.iter().map(|s| unbiased(s.trials(), s.successes(), one.k).unwrap()).sum::<f64>() / 3.0;
        close(one.of[0], mean(&a), 1e-14);
        close(one.of[1], mean(&b), 1e-14);
        close(one.difference, mean(&a) - mean(&b), 1e-13);
        assert_eq!(one.difference, -other.difference);
        let turned = |[low, high]: [f64; 2]| [-high, -low];
        for (x, y) in turned(other.these).into_iter().zip(one.these) {
            close(x, y, 1e-12);
        }
        let within = |ends: [f64; 2]| -1.0 <= ends[0] && ends[0] <= one.difference && one.difference <= ends[1];
        assert!(within(one.these) && within(one.others.unwrap()) && one.attempts >= Some(one.k as f64), "{one:?}");
    }
    // Of one problem nothing is said of others; of the same counts nothing is enough.
    let same = Pairs::new(&a[..1], &a[..1]).unwrap().differences(&[1])[0];
    assert_eq!((same.difference, same.others, same.attempts, same.problems), (0.0, None, None, None));
    assert!(Pairs::new(&a, &b[..2]).is_err() && Pairs::new(&[], &[]).is_err());
}

/// All ways in which the successes of a problem can fall to the attempts of two models.
fn deals(a: Counts, b: Counts, k: u64) -> Vec<f64> {
    let (na, n, c) = (a.trials(), a.trials() + b.trials(), a.successes() + b.successes());
    let choices = (0..1u32 << n).filter(|mask| u64::from(mask.count_ones()) == c);
    let of = |mask: u32| {
        let x = u64::from((mask & ((1 << na) - 1)).count_ones());
        unbiased(na, x, k).unwrap() - unbiased(n - na, c - x, k).unwrap()
    };
    choices.map(of).collect()
}

#[test]
fn permutation_tests_are_those_of_all_deals() {
    // McNemar: 7 against 1 of 8 discordant problems, 2 P(Bin(8, 1/2) <= 1) = 18 / 256.
    let a = counts(&[(1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (1, 0), (1, 0), (1, 1)]);
    let b = counts(&[(1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 1), (1, 0), (1, 1)]);
    let pairs = Pairs::new(&a, &b).unwrap();
    let p = pairs.permutation(&[1, 2], &deals_of(99_999, 3), &Silent).unwrap();
    assert_eq!(p.len(), 1);
    let exact = 18.0 / 256.0;
    let chance = 4.0 * (exact * (1.0 - exact) / 1e5f64).sqrt();
    assert!((p[0].these - exact).abs() < chance && (p[0].others.unwrap() - exact).abs() < chance, "{p:?}");
    assert_eq!(p, crate::on(1, || pairs.permutation(&[1, 2], &deals_of(99_999, 3), &Silent)).unwrap());
    // Unequal numbers of attempts.
    let (a, b) = (counts(&[(4, 3), (3, 2), (5, 5)]), counts(&[(3, 1), (4, 1), (4, 2)]));
    let pairs = Pairs::new(&a, &b).unwrap();
    for (k, p) in [1, 2, 3].into_iter().zip(pairs.permutation(&[1, 2, 3], &deals_of(99_999, 5), &Silent).unwrap()) {
        let all: Vec<Vec<f64>> = a.iter().zip(&b).map(|(&a, &b)| deals(a, b, k)).collect();
        let found = 3.0 * pairs.differences(&[k])[0].difference;
        let (mut as_far, mut count) = (0.0, 0.0);
        for x in &all[0] {
            for y in &all[1] {
                for z in &all[2] {
                    count += 1.0;
                    as_far += f64::from(u8::from((x + y + z).abs() >= found.abs() - 1e-9));
                }
            }
        }
        let exact: f64 = as_far / count;
        assert!((p.these - exact).abs() < 4.0 * (exact * (1.0 - exact) / 1e5).sqrt(), "{k}: {p:?}, {exact}");
    }
}

/// Beyond the number of problems that are dealt, the normal law says the same.
#[test]
fn many_problems_are_tested_by_the_normal_law() {
    let (mut a, mut b) = (drawn(2.0, 5000, 6, 1), drawn(2.1, 5000, 4, 2));
    let dealt = Pairs::new(&a, &b).unwrap().permutation(&[1, 3], &deals_of(9999, 1), &Silent).unwrap();
    a.push(Counts::new(4, 0).unwrap());
    b.push(Counts::new(4, 0).unwrap());
    let normal = Pairs::new(&a, &b).unwrap().permutation(&[1, 3], &deals_of(9999, 1), &Silent).unwrap();
    for (dealt, normal) in dealt.iter().zip(normal) {
        assert!((0.001..0.9).contains(&dealt.these), "{dealt:?}");
        assert!((dealt.these - normal.these).abs() < 0.02 && dealt.these != normal.these, "{dealt:?} {normal:?}");
        assert!((dealt.others.unwrap() - normal.others.unwrap()).abs() < 0.02, "{dealt:?} {normal:?}");
    }
}

#[test]
fn places_are_as_sure_as_differences() {
    // Far apart, and two alike.
    let models = [9, 1, 5, 5].map(|c| counts(&(0..40).map(|i| (10, c + i % 2)).collect::<Vec<_>>()));
    for scope in [Scope::Benchmark, Scope::Population] {
        let ranks = ranks(&models, 1, scope).unwrap();
        assert_eq!(ranks.iter().map(|r| r.model).collect::<Vec<_>>(), [0, 2, 3, 1]);
        assert_eq!(ranks.iter().map(|r| r.places).collect::<Vec<_>>(), [[1, 1], [2, 3], [2, 3], [4, 4]]);
    }
    assert_eq!(ranks(&models[..1], 1, Scope::Benchmark).unwrap()[0].places, [1, 1]);
    assert!(ranks(&models, 11, Scope::Benchmark).unwrap().is_empty());
}

/// Beta(c + 1, n - c + 1): means 2/3 and 3/4, variances 1/18 and 3/80.
#[test]
fn bayes_is_the_posterior_of_uniform_priors() {
    let of = counts(&[(1, 1), (2, 2)]);
    let bayes = Bayes::new(of.iter().map(|s| (s, 1.0)));
    close(bayes.mean, 0.5 * (2.0 / 3.0 + 0.75), 1e-15);
    close(bayes.deviation, 0.5 * (1.0f64 / 18.0 + 3.0 / 80.0).sqrt(), 1e-14);
    let (a, b) = (drawn(2.0, 100, 50, 1), drawn(4.0, 100, 50, 2));
    let better = Pairs::new(&a, &b).unwrap().bayes();
    assert!(better.probability > 0.999, "{better:?}");
    assert!((Pairs::new(&b, &a).unwrap().bayes().probability + better.probability - 1.0).abs() < 1e-12);
}
