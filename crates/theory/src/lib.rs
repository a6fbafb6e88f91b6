//! Scaling laws of repeated attempts: closed forms, estimators, fits and the correlation spectrum.
//!
//! | module | answers |
//! |---|---|
//! | [`laws`] | what the laws of Levi's "A Simple Model of Inference Scaling Laws" (arXiv 2410.16377) predict |
//! | [`coverage`] | what pass@k is, from counts or first successes, and how sure one can be |
//! | [`fit`] | which law describes the counts or the curve best, by how much it misses, and whether it fits at all |
//! | [`npmle`] | the likeliest law of all, with a certificate |
//! | [`forecast`] | coverage beyond the measured trials: by law, by worst-case bounds, by frequencies of frequencies |
//! | [`backtest`] | which of these would have foretold what was measured |
//! | [`difficulty`] | how hard samples are |
//! | [`budget`] | what more trials would buy, and where to spend them |
//! | [`compare`] | which of two models is better, and by how much; the order of many |
//! | [`plan`] | how many problems and attempts a measurement needs |
//! | [`simulate`] | counts from known laws |
//! | [`spectrum`] | how trials correlate across samples, beside what mere noise would show |
//! | [`tail`] | success probabilities far below one in all trials, by two methods, and the coverage that follows |
//!
//! Everything works on counts, curves and errors from any source and knows nothing of kernels. `p` is always the
//! *failure* probability of one trial; a Beta(alpha, beta) law is a law of `p`. (Schaeffer et al. and Kazdan et al. put
//! it on success: their alpha is this beta.) Equation numbers are those of the paper.

pub mod backtest;
pub mod budget;
pub mod compare;
pub mod coverage;
mod data;
pub mod difficulty;
pub mod fit;
pub mod forecast;
mod hypergeometric;
pub mod laws;
mod normal;
pub mod npmle;
mod parallel;
mod peak;
pub mod plan;
mod sampling;
pub mod simulate;
mod special;
pub mod spectrum;
pub mod tail;

pub use data::Data;
