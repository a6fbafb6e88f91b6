//! Cases, tolerances and the comparator that hold a backend against the reference
