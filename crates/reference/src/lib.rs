//! Slow, obvious f64 twins of every kernel
