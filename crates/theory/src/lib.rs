//! Scaling laws of repeated attempts: closed forms, estimators, fits and the correlation spectrum
