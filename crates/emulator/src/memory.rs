//! Global memory: buffers that end at a page nothing may touch.

use crate::{Error, Overrun};
use std::{collections::BTreeMap, ptr, slice, sync::Mutex};

/// A buffer for kernels, all bytes 255 at first. Its end is followed by inaccessible memory, or by fewer than 16
/// bytes before that, which are checked.
#[derive(Debug)]
pub struct Memory {
    mapping: *mut u8,
    layout: Layout,
}

// SAFETY: the mapping belongs to this value alone.
unsafe impl Send for Memory {}
// SAFETY: as above; a shared reference only reads.
unsafe impl Sync for Memory {}

#[derive(Clone, Copy, Debug)]
struct Layout {
    /// Bytes in front of the data, and of the data.
    front: usize,
    bytes: usize,
    /// Accessible bytes, and those with the guard.
    open: usize,
    mapped: usize,
}

const POISON: u8 = 0xff;

/// The live buffers, by address of their mapping.
static BUFFERS: Mutex<BTreeMap<usize, Layout>> = Mutex::new(BTreeMap::new());

fn buffers() -> std::sync::MutexGuard<'static, BTreeMap<usize, Layout>> {
    BUFFERS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Memory {
    /// A buffer of so many bytes, its address a multiple of 16. An error where the system has no more.
    pub fn allocate(bytes: usize) -> Result<Self, Error> {
        // SAFETY: asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let full = || Error::Memory { bytes };
        let aligned = bytes.max(1).checked_next_multiple_of(16).ok_or_else(full)?;
        let open = aligned.checked_next_multiple_of(page).ok_or_else(full)?;
        let layout = Layout { front: open - aligned, bytes, open, mapped: open.checked_add(page).ok_or_else(full)? };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, of which the first `open` bytes become accessible.
        let mapping = unsafe {
            let mapping = libc::mmap(ptr::null_mut(), layout.mapped, libc::PROT_NONE, flags, -1, 0);
            if mapping == libc::MAP_FAILED || libc::mprotect(mapping, open, libc::PROT_READ | libc::PROT_WRITE) != 0 {
                return Err(full());
            }
            ptr::write_bytes(mapping.cast::<u8>(), POISON, open);
            mapping.cast::<u8>()
        };
        buffers().insert(mapping as usize, layout);
        Ok(Self { mapping, layout })
    }

    /// Where it starts, as a kernel sees it.
    pub fn address(&self) -> u64 {
        (self.mapping as usize + self.layout.front) as u64
    }

    /// The bytes. No kernel may write to them meanwhile.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: accessible, initialised, and owned by `self`.
        unsafe { slice::from_raw_parts(self.mapping.add(self.layout.front), self.layout.bytes) }
    }

    /// The bytes. No kernel may use them meanwhile.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { slice::from_raw_parts_mut(self.mapping.add(self.layout.front), self.layout.bytes) }
    }

    /// Gives the buffer back. An error if something wrote just before or after it.
    pub fn free(self) -> Result<(), Error> {
        check(self.mapping as usize, self.layout).map_err(Error::Overrun)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        buffers().remove(&(self.mapping as usize));
        // SAFETY: the mapping of `allocate`, which nothing refers to any more.
        unsafe { libc::munmap(self.mapping.cast(), self.layout.mapped) };
    }
}

/// Whether the bytes around a live buffer are as they were.
fn check(mapping: usize, Layout { front, bytes, open, .. }: Layout) -> Result<(), Overrun> {
    // SAFETY: the accessible part of a live mapping, whose data are not looked at.
    let byte = |at: usize| unsafe { ptr::read((mapping + at) as *const u8) };
    match (0..front).chain(front + bytes..open).find(|&at| byte(at) != POISON) {
        Some(at) => Err(Overrun { at: at as i64 - front as i64, bytes }),
        None => Ok(()),
    }
}

/// [`check`]s the buffers that the words of a parameter point into.
pub(crate) fn check_named(params: &[u8]) -> Result<(), Overrun> {
    let buffers = buffers();
    for word in params.chunks_exact(8) {
        let address = usize::from_ne_bytes(word.try_into().unwrap_or_default());
        if let Some((&mapping, &layout)) = buffers.range(..=address).next_back()
            && address < mapping + layout.mapped
        {
            check(mapping, layout)?;
        }
    }
    Ok(())
}

/// What lies at an address, for messages: a byte of the nearest buffer within a megabyte.
pub(crate) fn describe(address: usize) -> String {
    let buffers = buffers();
    let distance = |(mapping, layout): &(&usize, &Layout)| {
        let data = **mapping + layout.front;
        data.saturating_sub(address).max(address.saturating_sub(data + layout.bytes))
    };
    match buffers.iter().min_by_key(distance).filter(|buffer| distance(buffer) <= 1 << 20) {
        Some((&mapping, layout)) => {
            format!("byte {} of a buffer of {}", address as i64 - (mapping + layout.front) as i64, layout.bytes)
        }
        None => "no buffer".to_owned(),
    }
}
