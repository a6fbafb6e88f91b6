//! How a problem is cut to fit a device: tiles, pieces, submissions. Pure arithmetic, tested without a device.

use retrial_spec::{Error, Result, Shape};
use std::time::Duration;

/// What of a device bounds a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Largest buffer, bytes.
    pub buffer: u64,
    /// Largest part of a buffer that a shader sees, bytes.
    pub binding: u64,
    /// Workgroup memory, bytes.
    pub workgroup_memory: u64,
    /// Invocations of one workgroup.
    pub invocations: u64,
    /// Workgroups along one dimension of a grid.
    pub groups: u64,
    /// Whether the device computes on the CPU.
    pub software: bool,
}

impl Limits {
    /// Values of four bytes that one buffer may hold.
    pub(crate) fn values(&self) -> u64 {
        self.buffer.min(self.binding) / 4
    }

    /// A grid of at least `count` workgroups, folded in two dimensions with little excess.
    pub(crate) fn grid(&self, count: u64) -> [u32; 2] {
        let rows = count.div_ceil(self.groups).max(1);
        [count.div_ceil(rows) as u32, rows as u32]
    }
}

/// Tile constants of `score`: a workgroup of `tx` by `ty` threads makes `8 tx` trials by `8 ty` pixels, `depth` hidden
/// units at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    /// Threads across trials.
    pub tx: u64,
    /// Threads across pixels.
    pub ty: u64,
    /// Hidden units in workgroup memory.
    pub depth: u64,
}

impl Tile {
    /// Every tile that is in use anywhere.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (8..=16).flat_map(|ty| [16, 8].map(|depth| Self { tx: 16, ty, depth }))
    }

    /// Trials of a tile.
    pub(crate) fn trials(self) -> u64 {
        8 * self.tx
    }

    /// Pixels of a tile.
    pub(crate) fn pixels(self) -> u64 {
        8 * self.ty
    }

    /// Bytes of workgroup memory, for values of `bytes` in so many stages.
    pub(crate) fn memory(self, bytes: u64, stages: u64) -> u64 {
        4 * bytes * self.depth * 2 * (self.tx + self.ty) * stages + 32 * self.tx
    }

    /// The tile with room for two stages of values of `bytes` in some workgroup memory, with fewer units at a time if need
    /// be; sums are the same.
    pub(crate) fn doubled(self, bytes: u64, memory: u64) -> Option<Self> {
        let depths = [self.depth, 8].map(|depth| Self { depth, ..self });
        depths.into_iter().find(|tile| tile.memory(bytes, 2) <= memory)
    }

    /// Most iterations of all loops of one thread.
    fn iterations(self, hidden: u64, pixels: u64) -> u64 {
        let loads = (2 * self.depth).div_ceil(self.ty) + (2 * self.depth).div_ceil(self.tx);
        pixels.div_ceil(self.pixels()) * hidden.div_ceil(self.depth) * (self.depth + loads + 1)
    }

    /// The tile for a model: the least padding of pixels, and among those the most threads.
    fn choose(limits: &Limits, hidden: u64, pixels: u64) -> Option<Self> {
        let fitting =
            Self::all().filter(|t| t.tx * t.ty <= limits.invocations && t.memory(4, 1) <= limits.workgroup_memory);
        let finished = fitting.filter(|t| !limits.software || t.iterations(hidden, pixels) <= SOFTWARE_ITERATIONS);
        finished.min_by_key(|t| (pixels.next_multiple_of(t.pixels()), u64::MAX - t.ty, u64::MAX - t.depth))
    }
}

/// How `score` runs a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Tile constants.
    pub tile: Tile,
    /// Hidden units, padded to whole steps.
    pub hidden: u64,
    /// Pixels, padded to whole tiles.
    pub pixels: u64,
    /// Samples whose images share a buffer.
    pub group: u64,
    /// Most tiles of one submission.
    pub tiles: u64,
}

/// Largest buffer of hidden units, bytes: enough tiles to fill any GPU several times over. On a CPU a cache's worth does.
const HIDDEN_BYTES: u64 = 256 << 20;
const SOFTWARE_HIDDEN_BYTES: u64 = 16 << 20;

/// Mesa's software drivers end a shader's loops, silently, after 65,535 iterations in all.
const SOFTWARE_ITERATIONS: u64 = 60_000;

/// Cuts a problem to fit.
pub(crate) fn plan(shape: Shape, samples: u64, limits: &Limits) -> Result<Plan> {
    let [pixels, hidden, latent] = [shape.pixels, shape.hidden, shape.latent].map(|n| n as u64);
    let too_small = |what: &str, got: u64, needed: u64| Error::Device {
        device: "wgsl".into(),
        fault: format!("{what} of {got}, but a {shape} model needs {needed}"),
        fix: "choose another adapter, or --device cpu".into(),
    };
    if limits.invocations < 256 {
        return Err(too_small("workgroups", limits.invocations, 256));
    }
    // `hidden` keeps the latents of 32 trials in workgroup memory, `score` at least the smallest tile.
    let memory = (4 * 32 * latent).max(Tile { tx: 16, ty: 8, depth: 8 }.memory(4, 1));
    let tile = Tile::choose(limits, hidden, pixels).filter(|_| memory <= limits.workgroup_memory);
    let tile = tile.ok_or_else(|| too_small("workgroup memory", limits.workgroup_memory, memory))?;
    let (hidden, pixels) = (hidden.next_multiple_of(16), pixels.next_multiple_of(tile.pixels()));
    let per_tile = tile.trials() * hidden.max(latent);
    let largest = (hidden * pixels).max(per_tile).max(pixels);
    if largest > limits.values() {
        return Err(too_small("buffers", 4 * limits.values(), 4 * largest));
    }
    let bytes = if limits.software { SOFTWARE_HIDDEN_BYTES } else { HIDDEN_BYTES };
    Ok(Plan {
        tile,
        hidden,
        pixels,
        group: samples.min(limits.values() / pixels.max(latent)),
        tiles: limits.values().min(bytes / 4) / per_tile,
    })
}

/// Sizes of submissions, so that each takes about as long as it may. Starts small and follows the measured times: an
/// operating system kills a submission that holds a display's GPU for seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throughput {
    target: Duration,
    next: u64,
}

impl Throughput {
    /// Starts with `first` pieces. The target is 50 ms.
    pub(crate) fn new(first: u64) -> Self {
        Self { target: Duration::from_millis(50), next: first }
    }

    /// Pieces of the next submission, at most `max`.
    pub(crate) fn next(&self, max: u64) -> u64 {
        self.next.min(max)
    }

    /// Learns that `pieces` took `time`. At most doubles, for the first time includes the driver's compilation and a
    /// small one says little; aims at 80 % of the target, to stay below it.
    pub(crate) fn took(&mut self, pieces: u64, time: Duration) {
        let fit = 0.8 * pieces as f64 * self.target.as_secs_f64() / time.as_secs_f64().max(1e-9);
        self.next = (fit as u64).clamp(1, pieces.saturating_mul(2).max(self.next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WebGPU's defaults, the least any adapter grants.
    const DEFAULT: Limits = Limits {
        buffer: 256 << 20,
        binding: 128 << 20,
        workgroup_memory: 16384,
        invocations: 256,
        groups: 65535,
        software: false,
    };

    #[test]
    fn the_paper_has_no_padding() {
        let plan = plan(Shape::PAPER, 400, &DEFAULT).unwrap();
        assert_eq!(plan.tile, Tile { tx: 16, ty: 14, depth: 16 });
        assert_eq!((plan.hidden, plan.pixels, plan.group), (400, 784, 400));
    }

    #[test]
    fn two_stages_take_the_room_of_one() {
        let paper = Tile { tx: 16, ty: 14, depth: 16 };
        assert_eq!(paper.doubled(4, 32 << 10), Some(paper));
        assert_eq!(paper.doubled(2, 16 << 10), Some(paper));
        assert_eq!(paper.doubled(4, 16 << 10), Some(Tile { depth: 8, ..paper }));
        assert_eq!(Tile { ty: 16, depth: 8, ..paper }.doubled(4, 16 << 10), None);
    }

    /// Every allowed shape and any number of samples fit the least device, and nothing exceeds its limits.
    #[test]
    fn everything_fits_the_default_limits() {
        for software in [false, true] {
            let limits = Limits { software, ..DEFAULT };
            for pixels in [1, 7, 97, 784, 1025, 3072, 4096] {
                for hidden in [1, 5, 400, 401, 1024] {
                    for latent in [1, 20, 128] {
                        for samples in [1, 400, 60_000, u64::from(u32::MAX)] {
                            let shape = Shape { pixels, hidden, latent };
                            let p = plan(shape, samples, &limits).unwrap();
                            assert!(p.tile.memory(4, 1) <= limits.workgroup_memory);
                            assert!(p.tile.tx * p.tile.ty <= limits.invocations && p.tile.trials().is_multiple_of(32));
                            assert!(!software || p.tile.iterations(p.hidden, p.pixels) < 65_535);
                            assert!(p.tiles >= 1 && 4 * p.tiles * p.tile.trials() * p.hidden <= limits.binding);
                            assert!(p.group >= 1 && 4 * p.group * p.pixels <= limits.binding);
                            assert!(p.hidden.is_multiple_of(p.tile.depth) && p.pixels.is_multiple_of(p.tile.pixels()));
                            let [x, y] = limits.grid(p.tiles * p.tile.trials() / 32);
                            assert!(u64::from(x.max(y)) <= limits.groups);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_too_small_device_is_refused_with_the_numbers() {
        let refused = |limits: Limits| plan(Shape::MAX, 1, &limits).unwrap_err().to_string();
        assert!(refused(Limits { invocations: 128, ..DEFAULT }).contains("workgroups of 128"));
        assert!(refused(Limits { workgroup_memory: 4096, ..DEFAULT }).contains("workgroup memory of 4096"));
        assert!(refused(Limits { binding: 1 << 20, ..DEFAULT }).contains("needs 16777216"));
    }

    #[test]
    fn grids_fold() {
        assert_eq!(DEFAULT.grid(1), [1, 1]);
        assert_eq!(DEFAULT.grid(65535), [65535, 1]);
        assert_eq!(DEFAULT.grid(65536), [32768, 2]);
        let [x, y] = DEFAULT.grid(1_000_000_000);
        assert!(u64::from(x) * u64::from(y) >= 1_000_000_000 && x <= 65535 && y <= 65535);
    }

    #[test]
    fn the_pace_settles_below_the_target() {
        let mut throughput = Throughput::new(1);
        let time = |n: u64| Duration::from_micros(30 + 700 * n);
        for _ in 0..20 {
            let n = throughput.next(1 << 20);
            assert!(time(n) <= Duration::from_millis(50), "{n} pieces");
            throughput.took(n, time(n));
        }
        assert!(time(throughput.next(1 << 20)) > Duration::from_millis(30));
        throughput.took(50, Duration::from_secs(3));
        assert_eq!(throughput.next(1 << 20), 1, "one piece is the least");
        assert_eq!(Throughput::new(64).next(10), 10);
    }
}
