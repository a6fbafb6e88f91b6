//! The device: buffers, pipelines, submissions and their readback, and every failure as a typed error.

use crate::{adapter::Adapter, choice::Wanted, plan::Limits};
use retrial_spec::{Error, Result};
use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, mpsc},
    time::{Duration, Instant},
};
use wgpu::{BufferUsages, ErrorFilter, Features, PollError, PollType};

/// An open device.
pub(crate) struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    name: String,
    pub limits: Limits,
    pub wanted: Wanted,
    /// No submission takes this long; one that seems to is a hung driver.
    timeout: Duration,
    pipelines: Mutex<HashMap<(usize, String), wgpu::ComputePipeline>>,
    lost: Arc<Mutex<Option<String>>>,
    busy: Mutex<Duration>,
    /// What of shaders is replaced by what, to see that a fault is noticed.
    #[cfg(test)]
    mutant: Option<[&'static str; 2]>,
}

/// One kernel over one grid.
pub(crate) struct Dispatch<'a> {
    pub pipeline: wgpu::ComputePipeline,
    /// Buffers by binding number.
    pub buffers: Vec<(u32, &'a wgpu::Buffer)>,
    /// The uniform buffer at binding 0.
    pub params: wgpu::Buffer,
    /// Workgroups, before folding.
    pub groups: u64,
}

/// What a submission does, in this order.
#[derive(Default)]
pub(crate) struct Work<'a> {
    /// Buffers whose first bytes are made 0, a multiple of 4.
    pub clears: Vec<(&'a wgpu::Buffer, u64)>,
    pub dispatches: Vec<Dispatch<'a>>,
    /// Buffers of which the first numbers are read back, one after the other.
    pub reads: Vec<(&'a wgpu::Buffer, u64)>,
}

/// A staging buffer and the submission that fills it.
pub(crate) struct Slot {
    staging: wgpu::Buffer,
    timer: Option<(wgpu::QuerySet, wgpu::Buffer)>,
    pending: Option<Pending>,
}

struct Pending {
    index: wgpu::SubmissionIndex,
    mapped: mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
    bytes: u64,
    submitted: Instant,
}

/// Bytes of a pair of timestamps.
const STAMPS: u64 = 16;

impl Gpu {
    /// Opens an adapter with the limits it has, or with `limits` to simulate a smaller one.
    pub(crate) fn open(
        adapter: &wgpu::Adapter,
        info: &Adapter,
        limits: Option<wgpu::Limits>,
        wanted: Wanted,
    ) -> Result<Self> {
        let variants = if wanted.plain { Features::empty() } else { Features::SHADER_F16 | Features::SUBGROUP };
        let features = Features::TIMESTAMP_QUERY | variants;
        let granted = limits.unwrap_or_else(|| adapter.limits());
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("retrial"),
            required_features: adapter.features() & features,
            required_limits: granted.clone(),
            ..Default::default()
        };
        let (device, queue) =
            pollster::block_on(adapter.request_device(&descriptor)).map_err(|error| Error::Device {
                device: info.name.clone(),
                fault: format!("cannot be opened: {error}"),
                fix: "close other programs on it, update its driver, or choose another adapter".into(),
            })?;
        let lost = Arc::new(Mutex::new(None));
        let report = lost.clone();
        device.set_device_lost_callback(move |reason, message| {
            *lock(&report) = Some(format!("{reason:?}: {message}"));
        });
        // Errors outside the scopes below would panic. They can only repeat what the scopes and the lost flag say.
        device.on_uncaptured_error(Arc::new(|_| ()));
        let limits = Limits {
            buffer: granted.max_buffer_size,
            binding: granted.max_storage_buffer_binding_size,
            workgroup_memory: granted.max_compute_workgroup_storage_size.into(),
            invocations: granted.max_compute_invocations_per_workgroup.into(),
            groups: granted.max_compute_workgroups_per_dimension.into(),
            software: info.software,
        };
        Ok(Self {
            device,
            queue,
            name: info.name.clone(),
            limits,
            wanted,
            timeout: Duration::from_secs(120),
            pipelines: Mutex::default(),
            lost,
            busy: Mutex::default(),
            #[cfg(test)]
            mutant: None,
        })
    }

    /// Whether shaders may use subgroup operations.
    pub(crate) fn subgroups(&self) -> bool {
        self.device.features().contains(Features::SUBGROUP)
    }

    /// Whether shaders may use half precision.
    pub(crate) fn f16(&self) -> bool {
        self.device.features().contains(Features::SHADER_F16)
    }

    /// Runs calls to the device and turns what went wrong, out of memory or validation, into an error.
    fn guarded<T>(&self, what: &str, calls: impl FnOnce() -> T) -> Result<T> {
        let filters = [ErrorFilter::OutOfMemory, ErrorFilter::Validation, ErrorFilter::Internal];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let value = calls();
        let caught: Vec<_> = scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop())).collect();
        match caught.into_iter().next() {
            None => self.alive().map(|()| value),
            Some(error) => {
                // Calls to a lost device fail with whatever comes first; the reason is only told while polling.
                let _ = self.device.poll(PollType::Poll);
                self.alive()?;
                Err(self.typed(what, &error))
            }
        }
    }

    fn typed(&self, what: &str, error: &wgpu::Error) -> Error {
        match error {
            wgpu::Error::OutOfMemory { .. } => {
                self.fault(format!("out of memory: {what}"), "close other programs on it, or take fewer samples")
            }
            other => self.fault(format!("{what}: {other}"), "this is a bug or a driver's, please report it"),
        }
    }

    /// An error of this device.
    pub(crate) fn fault(&self, fault: impl Into<String>, fix: &str) -> Error {
        Error::Device { device: self.name.clone(), fault: fault.into(), fix: fix.into() }
    }

    /// An error of a device that makes something else of its own errors than the host.
    pub(crate) fn untrusted(&self, fault: String) -> Error {
        self.fault(fault, "results of this device cannot be trusted; update its driver, or try RETRIAL_WGSL=host,full")
    }

    fn alive(&self) -> Result<()> {
        match &*lock(&self.lost) {
            None => Ok(()),
            Some(reason) => Err(self.fault(
                format!("lost ({reason})"),
                "the driver reset or removed it; run again, resuming from the last checkpoint",
            )),
        }
    }

    /// A storage buffer of `values` numbers of four bytes, zero.
    pub(crate) fn buffer(&self, values: u64) -> Result<wgpu::Buffer> {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        self.allocate(4 * values.max(4), usage)
    }

    /// A storage buffer with contents.
    pub(crate) fn upload<T: bytemuck::NoUninit>(&self, values: &[T]) -> Result<wgpu::Buffer> {
        let buffer = self.buffer(size_of_val(values) as u64 / 4)?;
        self.write(&buffer, values)?;
        Ok(buffer)
    }

    /// Replaces the beginning of a buffer.
    pub(crate) fn write<T: bytemuck::NoUninit>(&self, buffer: &wgpu::Buffer, values: &[T]) -> Result<()> {
        self.guarded("upload", || self.queue.write_buffer(buffer, 0, bytemuck::cast_slice(values)))
    }

    /// A uniform buffer with a kernel's parameters.
    pub(crate) fn params<T: bytemuck::NoUninit>(&self, params: T) -> Result<wgpu::Buffer> {
        let size = (size_of::<T>() as u64).next_multiple_of(16);
        let buffer = self.allocate(size, BufferUsages::UNIFORM | BufferUsages::COPY_DST)?;
        self.write(&buffer, &[params])?;
        Ok(buffer)
    }

    fn allocate(&self, size: u64, usage: BufferUsages) -> Result<wgpu::Buffer> {
        if size > self.limits.buffer {
            let fault = format!("a buffer of {size} bytes exceeds its limit of {}", self.limits.buffer);
            return Err(self.fault(fault, "take fewer samples, or choose another adapter"));
        }
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        self.guarded(&format!("a buffer of {size} bytes"), || self.device.create_buffer(&descriptor))
    }

    /// An entry point of a shader with values for its constants, compiled once.
    pub(crate) fn pipeline(
        &self,
        text: &'static str,
        entry: &str,
        constants: &[(&str, f64)],
    ) -> Result<wgpu::ComputePipeline> {
        let key = (text.as_ptr() as usize, format!("{entry} {constants:?}"));
        if let Some(pipeline) = lock(&self.pipelines).get(&key) {
            return Ok(pipeline.clone());
        }
        let source = Cow::Borrowed(text);
        #[cfg(test)]
        let source = self.mutant.map_or(source, |[from, to]| text.replace(from, to).into());
        let pipeline = self.guarded(&format!("shader {entry}"), || {
            let descriptor =
                wgpu::ShaderModuleDescriptor { label: Some(entry), source: wgpu::ShaderSource::Wgsl(source) };
            let module = self.device.create_shader_module(descriptor);
            self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(entry),
                layout: None,
                module: &module,
                entry_point: Some(entry),
                // Every kernel writes its workgroup memory before it reads it.
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants,
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            })
        })?;
        lock(&self.pipelines).insert(key, pipeline.clone());
        Ok(pipeline)
    }

    /// Replaces a part of all shaders that have it by another, from now on.
    #[cfg(test)]
    pub(crate) fn break_by(&mut self, mutant: [&'static str; 2]) {
        self.mutant = Some(mutant);
        lock(&self.pipelines).clear();
    }

    /// A staging buffer for up to `values` numbers.
    pub(crate) fn slot(&self, values: u64) -> Result<Slot> {
        let staging = self.allocate(4 * values + STAMPS, BufferUsages::MAP_READ | BufferUsages::COPY_DST)?;
        let timer = if self.device.features().contains(Features::TIMESTAMP_QUERY) {
            let resolved = self.allocate(STAMPS, BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC)?;
            let descriptor = wgpu::QuerySetDescriptor { label: None, ty: wgpu::QueryType::Timestamp, count: 2 };
            Some((self.guarded("timestamps", || self.device.create_query_set(&descriptor))?, resolved))
        } else {
            None
        };
        Ok(Slot { staging, timer, pending: None })
    }

    /// Submits work, whose reads go to a slot with room for them.
    pub(crate) fn submit(&self, work: &Work<'_>, slot: &mut Slot) -> Result<()> {
        if slot.pending.take().is_some() {
            slot.staging.unmap(); // left by a run that failed
        }
        let bytes = work.reads.iter().map(|(_, values)| 4 * values).sum();
        slot.pending = Some(self.guarded("submission", || {
            let mut encoder = self.device.create_command_encoder(&Default::default());
            work.clears.iter().for_each(|(buffer, bytes)| encoder.clear_buffer(buffer, 0, Some(*bytes)));
            {
                let timestamp_writes = slot.timer.as_ref().map(|(query_set, _)| wgpu::ComputePassTimestampWrites {
                    query_set,
                    beginning_of_pass_write_index: Some(0),
                    end_of_pass_write_index: Some(1),
                });
                let mut pass =
                    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
                for dispatch in &work.dispatches {
                    let buffers = [(0, &dispatch.params)].into_iter().chain(dispatch.buffers.iter().copied());
                    let entries: Vec<_> = buffers
                        .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
                        .collect();
                    let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                        label: None,
                        layout: &dispatch.pipeline.get_bind_group_layout(0),
                        entries: &entries,
                    });
                    pass.set_pipeline(&dispatch.pipeline);
                    pass.set_bind_group(0, &group, &[]);
                    let [x, y] = self.limits.grid(dispatch.groups);
                    pass.dispatch_workgroups(x, y, 1);
                }
            }
            let mut at = 0;
            for (from, values) in &work.reads {
                encoder.copy_buffer_to_buffer(from, 0, &slot.staging, at, 4 * values);
                at += 4 * values;
            }
            if let Some((queries, resolved)) = &slot.timer {
                encoder.resolve_query_set(queries, 0..2, resolved, 0);
                encoder.copy_buffer_to_buffer(resolved, 0, &slot.staging, bytes, STAMPS);
            }
            let (report, mapped) = mpsc::channel();
            let index = self.queue.submit([encoder.finish()]);
            slot.staging.slice(..bytes + STAMPS).map_async(wgpu::MapMode::Read, move |result| {
                let _ = report.send(result); // the receiver is gone when the run failed
            });
            Pending { index, mapped, bytes, submitted: Instant::now() }
        })?);
        Ok(())
    }

    /// Waits for a slot's submission. Gives the numbers read and the time taken: the device's own where it has
    /// timestamps that make sense, else wall time since the submission.
    pub(crate) fn finish<T: bytemuck::Pod>(&self, slot: &mut Slot) -> Result<(Vec<T>, Duration)> {
        let stopped = || self.fault("nothing was submitted", "this is a bug, please report it");
        let Pending { index, mapped, bytes, submitted } = slot.pending.take().ok_or_else(stopped)?;
        let wait = PollType::Wait { submission_index: Some(index), timeout: Some(self.timeout) };
        match self.device.poll(wait) {
            Err(PollError::Timeout) => {
                let fault = format!("no answer within {} s", self.timeout.as_secs());
                return Err(self.fault(fault, "the driver hangs; restart the program, update the driver"));
            }
            Err(error) => return Err(self.fault(error.to_string(), "this is a bug, please report it")),
            Ok(_) => self.alive()?,
        }
        let wall = submitted.elapsed();
        let unread =
            |error: String| self.fault(format!("cannot read results: {error}"), "run again; update the driver");
        mapped.recv_timeout(self.timeout).map_err(|e| unread(e.to_string()))?.map_err(|e| unread(e.to_string()))?;
        let view = slot.staging.slice(..bytes + STAMPS).get_mapped_range().map_err(|e| unread(e.to_string()))?;
        let (values, stamps) = view.split_at(bytes as usize);
        let values = bytemuck::pod_collect_to_vec(values);
        let stamps: Vec<u64> = bytemuck::pod_collect_to_vec(stamps);
        drop(view);
        slot.staging.unmap();
        let ticks = stamps[1].saturating_sub(stamps[0]);
        let time = match &slot.timer {
            Some(_) if ticks > 0 => {
                let time = ticks as f64 * f64::from(self.queue.get_timestamp_period()) * 1e-9;
                let time = Duration::try_from_secs_f64(time).unwrap_or_default();
                *lock(&self.busy) += time;
                time
            }
            _ => wall,
        };
        Ok((values, time))
    }

    /// Sum of the times that the device itself measured.
    pub(crate) fn busy(&self) -> Duration {
        *lock(&self.busy)
    }

    /// Submits dispatches, waits, and reads the first numbers of a buffer.
    pub(crate) fn run<T: bytemuck::Pod>(
        &self,
        dispatches: Vec<Dispatch<'_>>,
        from: &wgpu::Buffer,
        values: u64,
    ) -> Result<(Vec<T>, Duration)> {
        let mut slot = self.slot(values)?;
        self.submit(&Work { dispatches, reads: vec![(from, values)], ..Work::default() }, &mut slot)?;
        self.finish(&mut slot)
    }
}

/// No code panics while it holds one of these locks, and what they guard stays whole if one did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Wgsl;
    use retrial_check::{images, weights};
    use retrial_spec::{Backend, Precision, Shape};

    const SHAPE: Shape = Shape { pixels: 7, hidden: 5, latent: 3 };

    /// The message of the typed error that a fault must become.
    fn message<T>(result: Result<T>) -> String {
        match result {
            Err(error @ Error::Device { .. }) => error.to_string(),
            Err(other) => panic!("not a device's error: {other}"),
            Ok(_) => panic!("a fault went unnoticed"),
        }
    }

    #[test]
    fn a_lost_device_is_an_error_everywhere() {
        let Some(wgsl) = crate::tests::software(None) else { return };
        let problem = crate::tests::problem(SHAPE, 2);
        let mut scorer = wgsl.load(&problem, Precision::F32).unwrap();
        wgsl.gpu.device.destroy();
        let faults = [
            message(scorer.errors(retrial_spec::Noise::Trials(0..9))),
            message(wgsl.encode(&weights(SHAPE, 1), &images(SHAPE, 2, 1))),
            message(wgsl.correlation(&[1.0, 2.0], 2)),
            message(wgsl.load(&problem, Precision::F32)),
        ];
        for fault in faults {
            assert!(fault.contains("lost (Destroyed") && fault.contains("checkpoint"), "{fault}");
        }
    }

    #[test]
    fn refused_allocations_are_errors() {
        let Some(Wgsl { gpu, .. }) = crate::tests::software(None) else { return };
        assert!(message(gpu.buffer(1 << 40)).contains("exceeds its limit"));
        let refused = wgpu::Error::OutOfMemory { source: "no more".into() };
        let fault = gpu.typed("a buffer of 64 bytes", &refused).to_string();
        assert!(fault.contains("out of memory: a buffer of 64 bytes") && fault.contains("fewer samples"), "{fault}");
        let missing = message(gpu.pipeline("fn none() {}", "main", &[]));
        assert!(missing.contains("shader main"), "{missing}");
    }

    #[test]
    fn a_driver_that_hangs_is_an_error() {
        let Some(mut wgsl) = crate::tests::software(None) else { return };
        wgsl.gpu.timeout = Duration::ZERO;
        let shape = Shape { pixels: 784, hidden: 400, latent: 20 };
        let fault = message(wgsl.decode(&weights(shape, 1), &vec![0.5; 64 * 20]));
        assert!(fault.contains("no answer within 0 s"), "{fault}");
    }
}
