//! The CPU backend: SIMD and threads
