//! The ranks of an MPI job as the workers of one sampling run.
//!
//! Rank 0 is the chief: it keeps the ledger, samples too, and alone reads and writes files. The others receive a
//! setup, serve windows of trials, and deliver what they found of them, half a checkpoint at the latest after
//! they found it. What a run ends with is a function of its trials, so any number of ranks ends with the same bytes, and a
//! run that lost its ranks goes on with others, or without MPI.
//!
//! Messages go from one rank to another alone, and nobody waits in one: a rank that has nothing to do sleeps, where a
//! collective call would spin. The chief's part grows with the number of ranks: a request of some bytes each half second, and
//! a state each half checkpoint, which it merges in some milliseconds.
//!
//! Without feature `mpi`, which needs an MPI library, the crate is empty.

#[cfg(feature = "mpi")]
mod chief;
#[cfg(feature = "mpi")]
mod message;
#[cfg(feature = "mpi")]
mod worker;
#[cfg(feature = "mpi")]
mod world;

#[cfg(feature = "mpi")]
pub use {
    chief::{Chief, farewell},
    message::Setup,
    worker::{Schedule, Service, serve},
    world::World,
};
