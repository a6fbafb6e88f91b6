//! Sampling runs: windows, tallies, checkpoints and run directories
