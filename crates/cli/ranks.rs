//! Processes that an MPI launcher started together, which share one run.

/// Whether this process speaks for its job: by what launchers tell, before MPI starts, and without it.
pub fn speaks() -> bool {
    let ranks = ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"].map(|name| std::env::var(name).ok());
    ranks.iter().flatten().all(|rank| rank == "0")
}

#[cfg(feature = "mpi")]
pub use with_mpi::{Job, crew, device, join};
#[cfg(not(feature = "mpi"))]
pub use without_mpi::{Job, crew, device, join};

#[cfg(feature = "mpi")]
mod with_mpi {
    use crate::{args::DeviceArgs, sampling::SampleArgs, ui};
    use retrial_devices::{KernelRequest, cuda_devices};
    use retrial_engine::{
        Manifest,
        sample::{Alone, Crew},
    };
    use retrial_mpi::{Chief, Schedule, Setup, World, farewell, serve};
    use retrial_spec::{Error, Problem, Result};
    use std::{num::NonZero, thread, time::Duration};

    /// This process among those of its job.
    pub struct Job {
        world: World,
    }

    /// The job that a launcher started this process for, if one did.
    pub fn join() -> Result<Option<Job>> {
        Ok(World::join()?.map(|world| Job { world }))
    }

    impl Job {
        /// Whether this is a rank other than 0, which does what that one orders.
        pub fn is_other(&self) -> bool {
            self.world.rank() > 0
        }

        /// Does it until the job ends.
        pub fn serve(&self) -> Result<()> {
            serve(&self.world, |setup, service| {
                let manifest: Manifest = serde_json::from_str(&setup.manifest)
                    .map_err(|e| Error::input("settings", e, "every rank must be of the same version"))?;
                let asked =
                    DeviceArgs { device: setup.device.clone(), adapter: setup.adapter.clone(), threads: setup.threads };
                let chosen = self.own(&asked).open()?;
                let problem = setup.problem(manifest.temperature, manifest.seed)?;
                let kernel = KernelRequest {
                    precision: Some(manifest.variant.precision),
                    kernel: Some(manifest.variant.kernel.clone()),
                };
                let (mut scorer, _) = kernel.load(&chosen, &problem, &mut |text| ui::note(text))?;
                let schedule =
                    Schedule { window: setup.window, delivery: Duration::from_secs_f64(0.5 * setup.checkpoint) };
                service.run(&mut scorer, &manifest.state()?, schedule, &ui::interrupted)
            })
        }

        /// What this rank computes with: of the GPUs and cores of its host, its own.
        fn own(&self, asked: &DeviceArgs) -> DeviceArgs {
            let (local, ranks) = self.world.local();
            let cores = thread::available_parallelism().map_or(1, NonZero::get);
            let threads = asked.threads.or(Some((cores / ranks).max(1)));
            let device = match &*asked.device {
                "cuda" => format!("cuda:{}", local % cuda_devices().max(1)),
                other => other.into(),
            };
            DeviceArgs { device, threads, ..asked.clone() }
        }

        /// Lets the other ranks go.
        pub fn end(self) -> Result<()> {
            farewell(&self.world, say)
        }

        /// Ends without a farewell, so that the launcher ends the others at once.
        pub fn abandon(self) {
            std::mem::forget(self);
        }
    }

    fn say(text: String) {
        ui::note(text);
    }

    /// The device that was asked for, or a rank's own of those.
    pub fn device(job: Option<&Job>, asked: &DeviceArgs) -> DeviceArgs {
        job.map_or_else(|| asked.clone(), |job| job.own(asked))
    }

    /// The other ranks, as workers of a run.
    pub fn crew<'a>(
        job: Option<&'a Job>,
        args: &SampleArgs,
        manifest: &Manifest,
        problem: &Problem,
    ) -> Result<Box<dyn Crew + 'a>> {
        let Some(job) = job else { return Ok(Box::new(Alone)) };
        let checkpoint = args.checkpoint.as_secs_f64().max(0.1);
        let setup = Setup {
            manifest: serde_json::to_string(manifest).map_err(|e| Error::input("settings", e, "please report this"))?,
            weights: problem.weights().clone(),
            images: problem.images().to_vec(),
            posterior: problem.posterior().clone(),
            // What auto came to, and every GPU of a host where that was asked for.
            device: if args.device.device == "auto" { &manifest.device.backend } else { &args.device.device }.clone(),
            adapter: args.device.adapter.clone(),
            threads: args.device.threads,
            window: args.window,
            checkpoint,
        };
        let size = job.world.size();
        ui::note(format_args!("{size} ranks share this run; rank 0 is on {}", job.world.host()));
        let patience = Duration::from_secs_f64(3.0 * checkpoint);
        Ok(Box::new(Chief::new(&job.world, setup, patience, say)?))
    }
}

#[cfg(not(feature = "mpi"))]
mod without_mpi {
    use crate::{args::DeviceArgs, sampling::SampleArgs};
    use retrial_engine::{
        Manifest,
        sample::{Alone, Crew},
    };
    use retrial_spec::{Error, Problem, Result};
    use std::env;

    /// No job: this program was built without MPI.
    pub enum Job {}

    /// Refuses to be one of several processes, all of which would do the same.
    pub fn join() -> Result<Option<Job>> {
        for name in ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"] {
            let size = env::var(name).ok().and_then(|size| size.parse().ok()).unwrap_or(1);
            if size > 1 {
                return Err(Error::input(
                    "MPI job",
                    format!("{size} processes"),
                    "this retrial was built without MPI, and each would do the same: build it with --features mpi, or \
                     give each a --shard",
                ));
            }
        }
        Ok(None)
    }

    impl Job {
        pub fn is_other(&self) -> bool {
            match *self {}
        }

        pub fn serve(&self) -> Result<()> {
            match *self {}
        }

        pub fn end(self) -> Result<()> {
            match self {}
        }

        pub fn abandon(self) {
            match self {}
        }
    }

    pub fn device(_: Option<&Job>, asked: &DeviceArgs) -> DeviceArgs {
        asked.clone()
    }

    pub fn crew<'a>(_: Option<&'a Job>, _: &SampleArgs, _: &Manifest, _: &Problem) -> Result<Box<dyn Crew + 'a>> {
        Ok(Box::new(Alone))
    }
}
