//! Opens a device by name, and chooses the implementation of `score` that computes on it.
//!
//! A [`DeviceRequest`] says which device is wanted and opens it; a [`KernelRequest`] says in which precision and by which
//! implementation, and loads the first one that proves right on the model and data at hand. [`list`] names what can be opened.
//!
//! Features `cuda` and `wgsl` add the two GPU backends; without them the CPU is all there is, and a request for the others
//! says so.
//!
//! ```
//! use retrial_devices::{DeviceRequest, KernelRequest};
//!
//! # fn main() -> retrial_spec::Result<()> {
//! let opened = DeviceRequest { device: "cpu".into(), ..DeviceRequest::default() }.open()?;
//! assert_eq!(opened.backend.device().backend, "cpu");
//! # Ok(())
//! # }
//! ```

mod device;
mod kernel;

pub use device::{DeviceRequest, Listed, Opened, cuda_devices, list};
pub use kernel::KernelRequest;
