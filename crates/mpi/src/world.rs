//! MPI as the chief and its workers need it: messages of bytes, sent and fetched by one thread.

use crate::message::{Order, Report, decode, encode};
use mpi::{
    Threading,
    environment::{self, Universe},
    point_to_point::MatchedReceiveVec,
    topology::SimpleCommunicator,
    traits::{Communicator, Destination, Source},
};
use retrial_spec::{Error, Result};
use std::{thread, time::Duration};

/// What launchers of Open MPI, of MPICH and its kin, and of Slurm tell their processes.
const LAUNCHED: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"];

/// This process among those of its job. Dropping it leaves the job, which waits for all ranks.
pub struct World {
    world: SimpleCommunicator,
    /// Number on its host, and the ranks there.
    local: (usize, usize),
    host: String,
    // Last, so that it is dropped last.
    _universe: Universe,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl World {
    /// Joins the job that a launcher started, if one did. Only the thread that joined may use it.
    ///
    /// # Errors
    /// [`Error::Device`] where MPI does not start.
    pub fn join() -> Result<Option<Self>> {
        if !LAUNCHED.iter().any(|name| std::env::var_os(name).is_some()) {
            return Ok(None);
        }
        let fault = |fault: &str| Error::Device {
            device: "mpi".into(),
            fault: fault.into(),
            fix: "start it with the mpirun of the MPI it was built with".into(),
        };
        let (universe, threading) = environment::initialize_with_threading(Threading::Funneled)
            .ok_or_else(|| fault("is already initialised"))?;
        if threading < Threading::Funneled {
            return Err(fault("allows a process no threads"));
        }
        let world = universe.world();
        let local = world.split_shared(world.rank());
        let local = (local.rank() as usize, local.size() as usize);
        let host = environment::processor_name().unwrap_or_else(|_| "unnamed".into());
        Ok(Some(Self { world, local, host, _universe: universe }))
    }

    /// This process's number, from 0.
    pub fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    /// The number of processes.
    pub fn size(&self) -> usize {
        self.world.size() as usize
    }

    /// This process's number on its host, and the number of those there.
    pub fn local(&self) -> (usize, usize) {
        self.local
    }

    /// The name of the host.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn order(&self, rank: usize, order: &Order) -> Result<()> {
        self.world.process_at_rank(rank as i32).send(&encode(order)?[..]);
        Ok(())
    }

    pub(crate) fn report(&self, report: &Report) -> Result<()> {
        self.world.process_at_rank(0).send(&encode(report)?[..]);
        Ok(())
    }

    /// The next order of rank 0 that has come.
    pub(crate) fn next_order(&self) -> Result<Option<Order>> {
        let Some(message) = self.world.process_at_rank(0).immediate_matched_probe() else { return Ok(None) };
        Ok(Some(decode(&message.matched_receive_vec::<u8>().0)?))
    }

    /// Sleeps until rank 0 orders something.
    pub(crate) fn await_order(&self) -> Result<Order> {
        loop {
            if let Some(order) = self.next_order()? {
                return Ok(order);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// The next report of any rank that has come.
    pub(crate) fn next_report(&self) -> Result<Option<(usize, Report)>> {
        let Some(message) = self.world.any_process().immediate_matched_probe() else { return Ok(None) };
        let (bytes, status) = message.matched_receive_vec::<u8>();
        Ok(Some((status.source_rank() as usize, decode(&bytes)?)))
    }

    /// Ends all ranks at once.
    pub fn abort(&self, code: i32) -> ! {
        self.world.abort(code)
    }
}
