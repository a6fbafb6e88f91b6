//! What the engine costs beside the device: a run whose scorer invents a billion errors a second, of 400 samples, in windows
//! of 50 ms. Without an engine the rate would be 1 Gelem/s.

use criterion::{Criterion, Throughput};
use retrial_engine::{
    Ledger, State,
    sample::{self, Alone, Schedule},
};
use retrial_spec::{
    Fused, Linear, Noise, Posterior, Precision, Problem, Result, Scorer, Silent, Tally, Variant, Weights,
};
use std::{
    ops::Range,
    thread,
    time::{Duration, Instant},
};

const SAMPLES: usize = 400;
const WINDOW: u64 = 125_000;
const WINDOWS: u64 = 40;

/// Fills every sample's histogram over a thousand bins and its records, then waits for the device that it plays.
struct Inventor(Tally);

impl Fused for Inventor {
    fn errors(&mut self, _: Noise<'_>) -> Result<Vec<f32>> {
        Ok(vec![])
    }

    fn tally(&mut self, trials: Range<u64>, tally: &mut Tally) -> Result<()> {
        let begin = Instant::now();
        let (_, rows) = tally.rows_mut();
        rows.clone_from_slice(self.0.rows());
        tally.add_trials(trials)?;
        thread::sleep(Duration::from_millis(50).saturating_sub(begin.elapsed()));
        Ok(())
    }

    fn window(&self) -> u64 {
        WINDOW
    }
}

pub fn bench(c: &mut Criterion) {
    let one = |outputs| Linear { outputs, inputs: 1, weight: vec![1.0; outputs], bias: vec![0.0; outputs] };
    let weights = Weights {
        encoder_fc1: one(1),
        encoder_fc_mu: one(1),
        encoder_fc_logvar: one(1),
        decoder_fc1: one(1),
        decoder_fc2: one(1),
    };
    let posterior = Posterior { mu: vec![0.0; SAMPLES], logvar: vec![0.0; SAMPLES] };
    let problem = Problem::new(weights, vec![0.5; SAMPLES], &posterior, 1.0, 1).expect("it is one");
    let thresholds = [1.2, 1.37, 2.2];
    let empty = Tally::new(SAMPLES, &thresholds).expect("they increase");
    let mut full = empty.clone();
    let (thresholds, rows) = full.rows_mut();
    let errors: Vec<f32> =
        (0..WINDOW).map(|trial| 1.0 + (trial * 7919 % WINDOW) as f32 / WINDOW as f32 * 4.0).collect();
    rows.iter_mut().for_each(|row| row.add(thresholds, 0, &errors));
    full.add_trials(0..WINDOW).expect("it has none");
    let mut group = c.benchmark_group("engine");
    group.throughput(Throughput::Elements(WINDOWS * WINDOW * SAMPLES as u64));
    group.sample_size(10);
    group.bench_function("a billion invented errors a second", |b| {
        b.iter(|| {
            let mut scorer =
                Scorer::new(&problem, Variant::new("none", Precision::F32), Box::new(Inventor(full.clone())));
            let state = State { tally: empty.clone(), gram: None };
            let mut ledger = Ledger::new((0..WINDOWS * WINDOW).into(), state);
            sample::run(&mut scorer, &mut ledger, &mut Alone, Schedule::default(), &Silent, &mut |_, _| Ok(()))
        });
    });
    group.throughput(Throughput::Elements(1));
    let state = State { tally: full, gram: None };
    group.bench_function("a state of 400 samples, sent and merged", |b| {
        b.iter(|| {
            let mut sum = state.empty();
            sum.merge(&State::from_bytes(&state.to_bytes().expect("it can be sent")).expect("it is one"))
        });
    });
    group.finish();
}
