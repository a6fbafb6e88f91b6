//! Data sets, the variational autoencoder, its training and its weight files
