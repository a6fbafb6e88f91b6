//! How trials are cut into launches. Pure arithmetic, tested without a device.

/// Trials of one launch, of all samples together: about 50 ms of a large device.
const LAUNCH: usize = 1 << 22;

/// Most trials per sample of one launch, in whole tiles: of `free` bytes of memory half, for two windows in flight.
/// Whether it fits in the end the allocations say.
pub(crate) fn window(tile: usize, samples: usize, free: u64) -> usize {
    let room = (free / 2) as usize / (2 * 4 * samples);
    (LAUNCH / samples).min(room).max(1).next_multiple_of(tile)
}

/// Half a window, or `None` where it is one tile already.
pub(crate) fn halved(window: usize, tile: usize) -> Option<usize> {
    (window > tile).then(|| (window / 2).next_multiple_of(tile))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_memory_makes_a_small_window_and_halving_ends() {
        assert_eq!(window(128, 60_000, 1 << 29), 1152);
        assert_eq!(window(128, 60_000, 1 << 20), 128);
        let mut size = window(128, 400, 1 << 34);
        assert_eq!(size, (LAUNCH / 400).next_multiple_of(128));
        let mut halvings = 0;
        while let Some(half) = halved(size, 128) {
            assert!(half < size && half.is_multiple_of(128));
            (size, halvings) = (half, halvings + 1);
        }
        assert_eq!((size, halvings), (128, 7));
    }
}
