//! The hypergeometric law: how many of `marked` things are among `drawn` that are taken from `all`.

/// `(number, probability)`, ascending, from the mode to both sides as far as a float tells from nothing. Needs
/// `marked <= all` and `drawn <= all`.
pub(crate) fn chances(all: u64, marked: u64, drawn: u64) -> Vec<(u64, f64)> {
    /// Beside the probability of the mode, less is nothing.
    const MIN_TERM: f64 = 1e-18;
    let (least, most) = ((marked + drawn).saturating_sub(all), marked.min(drawn));
    let rest = all - marked;
    // The probability of `x + 1` in that of `x`.
    let ratio = |x: u64| (marked - x) as f64 * (drawn - x) as f64 / ((x + 1) as f64 * (rest + x + 1 - drawn) as f64);
    let mode = ((marked as f64 + 1.0) * (drawn as f64 + 1.0) / (all as f64 + 2.0)) as u64;
    let mode = mode.clamp(least, most);
    let mut below = vec![];
    let (mut x, mut weight) = (mode, 1.0);
    while x > least && weight > MIN_TERM {
        x -= 1;
        weight /= ratio(x);
        below.push((x, weight));
    }
    let mut chances: Vec<(u64, f64)> = below.into_iter().rev().chain([(mode, 1.0)]).collect();
    (x, weight) = (mode, 1.0);
    while x < most && weight > MIN_TERM {
        weight *= ratio(x);
        x += 1;
        chances.push((x, weight));
    }
    let sum: f64 = chances.iter().map(|(_, weight)| weight).sum();
    chances.iter_mut().for_each(|(_, weight)| *weight /= sum);
    chances
}

#[cfg(test)]
mod tests {
    use super::chances;

    /// Against products of binomial coefficients, and its mean where these overflow.
    #[test]
    fn chances_are_those_of_counting() {
        let choose = |n: u64, k: u64| (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product::<f64>();
        for (all, marked, drawn) in [(10, 4, 5), (10, 10, 3), (7, 0, 4), (9, 3, 9), (40, 25, 30)] {
            let found = chances(all, marked, drawn);
            for (x, chance) in &found {
                let want = choose(marked, *x) * choose(all - marked, drawn - x) / choose(all, drawn);
                assert!((chance - want).abs() < 1e-12, "{all} {marked} {drawn} {x}: {chance}, {want}");
            }
            assert!((found.iter().map(|(_, chance)| chance).sum::<f64>() - 1.0).abs() < 1e-14);
        }
        let mean: f64 = chances(2_000_000, 300_000, 1_000_000).iter().map(|&(x, chance)| x as f64 * chance).sum();
        assert!((mean - 150_000.0).abs() < 1e-3, "{mean}");
    }
}
