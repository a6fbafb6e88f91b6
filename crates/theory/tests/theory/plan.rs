//! What a plan says will be seen, against exact sums and against measurements that were made.

use crate::close;
use retrial_theory::{
    Data,
    compare::Pairs,
    coverage::{Counts, Scope, unbiased},
    fit::{Kind, Law},
    npmle::{Atom, Npmle, npmle},
    plan::{Design, Paired, Population},
    simulate,
};

fn point(failure: f64) -> Npmle {
    Npmle { atoms: vec![Atom { failure, success: 1.0 - failure, weight: 1.0 }], nll: 0.0, gap: 0.0 }
}

fn law() -> Law {
    Law::new(Kind::BETA, &[("alpha", 2.0), ("beta", 0.7)]).unwrap()
}

fn drawn(law: Law, samples: u64, trials: u64, seed: u64) -> Vec<Counts> {
    simulate::simulate(&simulate::Design { law, samples, trials, batch: None }, seed).unwrap()
}

/// The variance of the estimate over every number of successes.
#[test]
fn noise_is_that_of_the_estimate() {
    for (n, k, p) in
        [(1, 1, 0.3), (5, 1, 0.9), (5, 2, 0.4), (12, 12, 0.99), (30, 11, 0.2), (200, 3, 0.999), (7, 3, 0.0)]
    {
        let p: f64 = p;
        let mut weight = p.powi(n as i32);
        let (mut mean, mut square) = (0.0, 0.0);
        for c in 0..=n {
            let value = unbiased(n, c, k).unwrap();
            mean += weight * value;
            square += weight * value * value;
            weight *= (n - c) as f64 / (c + 1) as f64 * (1.0 - p) / p;
        }
        let found = Population::of_pilot(&point(p)).variance(k, n).unwrap();
        let want = if p == 0.0 { 0.0 } else { square - mean * mean };
        assert!((found.attempts - want).abs() < 1e-13, "{n} {k} {p}: {found:?}, {want}");
        assert_eq!(found.problems, 0.0);
    }
    let population = Population::of_pilot(&point(0.5));
    assert!(population.variance(0, 5).is_err() && population.variance(6, 5).is_err());
    // Many attempts, many of them in a choice.
    assert!(population.variance(100_000, 1_000_000).unwrap().attempts < 1e-12);
}

/// The fewest are enough, one fewer is not, and what was planned is what a measurement shows.
#[test]
fn planned_widths_are_seen() {
    let population = Population::of_law(&law()).unwrap();
    close(population.coverage(1), 0.7 / 2.7, 0.02);
    for (k, attempts, width) in [(1, 4, 0.06), (5, 20, 0.08), (10, 10, 0.1)] {
        let problems = population.problems(k, attempts, width).unwrap().unwrap();
        let wide = |problems: u64| {
            let [_, [low, high]] = population.intervals(k, Design { problems: problems as f64, attempts }).unwrap();
            high - low
        };
        assert!(wide(problems) <= width && wide(problems - 1) > width);
        let mut widths: Vec<f64> = (0..41)
            .map(|seed| {
                let data = Data::new(&drawn(law(), problems, attempts, seed)).unwrap();
                let point = data.curve(&[k], Scope::Population)[0];
                point.high - point.low
            })
            .collect();
        widths.sort_by(f64::total_cmp);
        close(widths[20], width, 0.05);
    }
    let few = population.attempts(2, 100.0, 0.03).unwrap();
    let mut widths: Vec<f64> = (0..41)
        .map(|seed| {
            let data = Data::new(&drawn(law(), 100, few, seed)).unwrap();
            let point = data.curve(&[2], Scope::Benchmark)[0];
            point.high - point.low
        })
        .collect();
    widths.sort_by(f64::total_cmp);
    close(widths[20], 0.03, 0.1);
    assert_eq!(population.problems(1, 1, 1e-9).unwrap(), None);
}

/// A difference is found in four cases of five on as many problems as were planned.
#[test]
fn planned_differences_are_found() {
    let harder = Law::new(Kind::BETA, &[("alpha", 2.6), ("beta", 0.7)]).unwrap();
    let (k, attempts) = (2, 6);
    let pilot = [drawn(law(), 20_000, 8, 100), drawn(harder, 20_000, 8, 101)];
    let pairs = Pairs::new(&pilot[0], &pilot[1]).unwrap();
    let [a, b] = pilot.each_ref().map(|counts| npmle(&Data::new(counts).unwrap()));
    let contest = Paired::of_pilot(&pairs, [&a, &b], &[k]);
    let difference = law().coverage(2.0) - harder.coverage(2.0);
    let problems = contest.problems(k, attempts, difference).unwrap().unwrap();
    let alone = Paired::of_one(&Population::of_pilot(&a), 0.0, &[k]).unwrap();
    // Drawn apart, so that the two are not correlated.
    close(alone.problems(k, attempts, difference).unwrap().unwrap() as f64, problems as f64, 0.1);
    let found = (0..200).filter(|seed| {
        let [a, b] = [(law(), 0), (harder, 1)].map(|(law, half)| drawn(law, problems, attempts, 2 * seed + half));
        Pairs::new(&a, &b).unwrap().differences(&[k])[0].others.unwrap()[0] > 0.0
    });
    let share = found.count() as f64 / 200.0;
    assert!((share - 0.8).abs() < 0.1, "{share}");
    assert!(contest.attempts(k, 1000.0, 0.05).unwrap() < contest.attempts(k, 1000.0, 0.02).unwrap());
    assert!(contest.variance(9, 10).is_err() && Paired::of_one(&Population::of_pilot(&a), 1.5, &[1]).is_err());
}
