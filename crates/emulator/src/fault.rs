//! Signals that a kernel causes become its error.

use std::{
    cell::Cell,
    ptr,
    sync::{Once, OnceLock},
};

/// Jumps out of the kernel that raised a signal, at an address.
pub(crate) type Escape = unsafe extern "C-unwind" fn(signal: i32, address: usize);

const SIGNALS: [i32; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGTRAP, libc::SIGFPE];

thread_local! {
    /// Set while this OS thread runs a kernel.
    static ESCAPE: Cell<Option<Escape>> = const { Cell::new(None) };
}

/// What handled each of [`SIGNALS`] before.
static PREVIOUS: [OnceLock<libc::sigaction>; SIGNALS.len()] = [const { OnceLock::new() }; SIGNALS.len()];

/// Runs `kernel` on this OS thread with faults sent to `escape`, which must jump to a point inside of `kernel`.
pub(crate) fn catching<T>(escape: Escape, kernel: impl FnOnce() -> T) -> T {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(install);
    // A kernel's own stack may be what it overran.
    let mut stack = Vec::<u8>::with_capacity(64 << 10);
    let ours = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.capacity() };
    let mut theirs = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: `stack` lives until `theirs` is back in place.
    unsafe { libc::sigaltstack(&ours, &mut theirs) };
    ESCAPE.set(Some(escape));
    let result = kernel();
    ESCAPE.set(None);
    // SAFETY: what the system reported above.
    unsafe { libc::sigaltstack(&theirs, ptr::null_mut()) };
    result
}

fn install() {
    for (signal, previous) in SIGNALS.into_iter().zip(&PREVIOUS) {
        // SAFETY: all-zero is a valid `sigaction`; the handler has the signature that SA_SIGINFO asks for.
        unsafe {
            let mut theirs: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, ptr::null(), &mut theirs);
            previous.get_or_init(|| theirs);
            let mut ours: libc::sigaction = std::mem::zeroed();
            ours.sa_sigaction = handle as *const () as usize;
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigaction(signal, &ours, ptr::null_mut());
        }
    }
}

/// The handler. A fault that no kernel caused goes to whoever handled it before.
unsafe extern "C-unwind" fn handle(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    if let Some(escape) = ESCAPE.get() {
        // SAFETY: the system passes a valid `info`; no frame between here and the kernel has anything to drop.
        return unsafe { escape(signal, (*info).si_addr() as usize) };
    }
    let Some(previous) = SIGNALS.iter().position(|&s| s == signal).and_then(|at| PREVIOUS[at].get()) else { return };
    // SAFETY: calls or restores what the system said was there.
    unsafe {
        match previous.sa_sigaction {
            // The instruction runs again, and then the default ends the process.
            libc::SIG_DFL | libc::SIG_IGN => _ = libc::sigaction(signal, previous, ptr::null_mut()),
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                    std::mem::transmute(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: unsafe extern "C" fn(i32) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
}
