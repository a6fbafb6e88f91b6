//! The driver's handles, each of which gives back what it holds. All but [`Context`] must be dropped while their context
//! is current on the thread, and before it.

use cudarc::driver::{
    DriverError,
    result::{ctx, event, module, primary_ctx, stream},
    sys::{self, CUevent_flags},
};
use std::ffi::c_void;

/// A device's primary context, retained.
pub(crate) struct Context {
    device: sys::CUdevice,
    context: sys::CUcontext,
}

impl Context {
    pub(crate) fn retain(device: sys::CUdevice) -> Result<Self, DriverError> {
        // SAFETY: released once, when `self` is dropped.
        Ok(Self { device, context: unsafe { primary_ctx::retain(device)? } })
    }

    /// Makes it current on this thread; the driver's calls need it.
    pub(crate) fn enter(&self) -> Result<(), DriverError> {
        // SAFETY: it is retained as long as `self` lives.
        unsafe { ctx::set_current(self.context) }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: `retain` retained it.
        unsafe { primary_ctx::release(self.device) }.ok();
    }
}

/// A stream of the current context. Dropped, it waits for its work.
pub(crate) struct Stream(pub sys::CUstream);

impl Stream {
    pub(crate) fn new() -> Result<Self, DriverError> {
        stream::create(stream::StreamKind::NonBlocking).map(Self)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: `new` created it, and nobody else holds it.
        unsafe {
            stream::synchronize(self.0).ok();
            stream::destroy(self.0).ok();
        }
    }
}

/// An event of the current context, for which a thread can sleep.
pub(crate) struct Event(pub sys::CUevent);

impl Event {
    pub(crate) fn new() -> Result<Self, DriverError> {
        event::create(CUevent_flags::CU_EVENT_BLOCKING_SYNC).map(Self)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: `new` created it; what was recorded is given up.
        unsafe { event::destroy(self.0) }.ok();
    }
}

/// Machine code in the current context.
pub(crate) struct Module(pub sys::CUmodule);

impl Module {
    /// # Safety
    /// `image` is a whole image: machine code, or PTX that ends with a zero byte.
    pub(crate) unsafe fn new(image: &[u8]) -> Result<Self, DriverError> {
        // SAFETY: the caller's promise.
        unsafe { module::load_data(image.as_ptr().cast::<c_void>()) }.map(Self)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: `new` loaded it, and its functions are not launched any more.
        unsafe { module::unload(self.0) }.ok();
    }
}
