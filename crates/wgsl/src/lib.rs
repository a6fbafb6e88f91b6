//! WGSL backend.
