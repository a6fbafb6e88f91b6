/// What happened to one sample at one threshold, read off its errors one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Trials with an error below the threshold.
    pub successes: u64,
    /// The first of them, trials from 0.
    pub first_success: Option<u64>,
}

/// Outcomes `[N, thresholds]` of errors `[N, W]`, trials `first..first + W`.
pub fn pass_at_k(errors: &[f32], samples: usize, first: u64, thresholds: &[f32]) -> Vec<Outcome> {
    let window = errors.len() / samples;
    let mut outcomes = vec![];
    for i in 0..samples {
        for &threshold in thresholds {
            let mut outcome = Outcome { successes: 0, first_success: None };
            for j in 0..window {
                if errors[i * window + j] < threshold {
                    outcome.successes += 1;
                    if outcome.first_success.is_none() {
                        outcome.first_success = Some(first + j as u64);
                    }
                }
            }
            outcomes.push(outcome);
        }
    }
    outcomes
}
