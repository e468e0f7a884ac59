//! Signals that end the process, and the one that asks where it is: their handlers.
//!
//! A handler interrupts its thread anywhere, inside of the allocator too. What it may do is little, and this
//! file holds to it:
//!
//! - It makes system calls (open, write, sigaction, kill, alarm), reads memory, and formats numbers into a
//!   buffer of its own. It allocates nothing, and waits for no lock: what may be locked is only tried.
//! - The unwinder reads tables that the linker made, and the stack. It was run once before, so that nothing of
//!   it is set up in a handler.
//! - `Doing` is read only by the thread that left it and is inside of the command it stands for.
//! - The program's file is mapped, read-only, and stays so; it may be replaced on disk but not written to.
//! - A fault amid all that ends the process with what has been written, and so does an alarm after a while.
#![expect(unsafe_code, reason = "handlers of signals, see above")]

use super::output::Output;
use super::symbols::{Symbols, parts};
use super::{STACK, STACK_DONE, VERSION, begin, end, tell_rest};
use crate::engine::doing::{self, Doing};
use std::cell::Cell;
use std::ffi::CString;
use std::fmt::Write;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What ends the process and is worth a report.
const FATAL: [libc::c_int; 5] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];

/// A handler that has not come to its end by then does not.
const PATIENCE_SECONDS: u32 = 15;
/// Deeper than any way through the server.
const FRAMES_MAX: usize = 128;
/// The handlers' own stack: the unwinder needs some, and the thread's may be used up.
const STACK_BYTES: usize = 128 * 1024;

static LOG: OnceLock<CString> = OnceLock::new();
static PROGRAM: OnceLock<(Symbols<'static>, u64)> = OnceLock::new();
static REPORTING: AtomicBool = AtomicBool::new(false);

thread_local! {
    static REPORTS: Cell<bool> = const { Cell::new(false) };
}

/// Makes ready what handlers use.
pub fn prepare() {
    let _ = LOG.set(CString::new(super::super::log::file()).unwrap_or_default());
    if let Some(file) = map_program()
        && let Some(symbols) = Symbols::of(file)
    {
        // SAFETY: a question to the kernel's list for this process.
        let headers = unsafe { libc::getauxval(libc::AT_PHDR) };
        let _ = PROGRAM.set((symbols, (headers as u64).wrapping_sub(symbols.headers_at)));
    }
    each_frame(|_| ());
    handle(libc::SIGALRM, Some(on_alarm), 0);
}

/// Handles the signals that end the process, or leaves them to the system.
pub fn follow(report: bool) {
    for signal in FATAL {
        // A fault amid a report is to be heard of.
        handle(signal, report.then_some(on_fatal), libc::SA_NODEFER);
    }
}

/// Gives the handlers of this thread a stack of their own, so that an overflow can be told of.
pub fn guard_stack() {
    let stack: &'static mut [u8] = Box::leak(vec![0; STACK_BYTES].into_boxed_slice());
    let stack =
        libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK_BYTES };
    // SAFETY: the memory is nobody else's from here on, for as long as the process lives.
    unsafe { libc::sigaltstack(&stack, null_mut()) };
}

/// Has this process told where it is, unless it is called again within so many milliseconds; 0 ends that.
pub fn wind_watchdog(period_ms: u32) {
    let (seconds, micros) = (period_ms / 1000, period_ms % 1000 * 1000);
    let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let after = libc::timeval { tv_sec: seconds.into(), tv_usec: micros.into() };
    let timer = libc::itimerval { it_interval: never, it_value: after };
    // SAFETY: the struct is only read; null is allowed.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, null_mut()) };
}

/// Touches memory that may not be touched.
pub fn fault() {
    // SAFETY: a new page, which is nobody's; the write ends this process, and that is what it is for.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = libc::mmap(null_mut(), 4096, libc::PROT_READ, flags, -1, 0);
        if page != libc::MAP_FAILED {
            page.cast::<u8>().write_volatile(1);
        }
    }
}

/// The command that this thread is inside of.
pub fn doing<'a>() -> Option<&'a Doing<'a>> {
    // SAFETY: it is there until its command ends, and this thread is interrupted, or panics, before.
    unsafe { doing::place().cast::<Doing>().as_ref() }
}

/// The log, or standard output.
pub fn open_log() -> libc::c_int {
    let Some(path) = LOG.get().filter(|path| !path.is_empty()) else { return libc::STDOUT_FILENO };
    let flags = libc::O_APPEND | libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC;
    // SAFETY: the path ends with a zero.
    match unsafe { libc::open(path.as_ptr(), flags, 0o644) } {
        -1 => libc::STDOUT_FILENO,
        descriptor => descriptor,
    }
}

pub fn write_all(descriptor: libc::c_int, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the bytes are there for the call.
        let written = unsafe { libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => bytes = &bytes[written.min(bytes.len())..],
            _ => return,
        }
    }
}

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

extern "C" fn on_fatal(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    if REPORTING.swap(true, Ordering::SeqCst) {
        match REPORTS.get() {
            // This report itself has faulted, and ends here.
            true => return leave_to_system(signal),
            // Another thread tells, and then the process ends.
            false => loop {
                // SAFETY: waiting has no preconditions.
                unsafe { libc::pause() };
            },
        }
    }
    REPORTS.set(true);
    handle(libc::SIGALRM, None, 0);
    // SAFETY: as above.
    unsafe { libc::alarm(PATIENCE_SECONDS) };
    let mut out = Output::to_log();
    begin(&mut out);
    // SAFETY: the kernel hands a handler what belongs to its signal.
    let (code, address, pid, uid) = unsafe {
        let info = &*info;
        (info.si_code, info.si_addr() as usize, info.si_pid(), info.si_uid())
    };
    let _ = writeln!(out, "{VERSION} crashed by signal: {signal}, si_code: {code}");
    let _ = match code <= 0 {
        true => writeln!(out, "Killed by PID: {pid}, UID: {uid}"),
        false => writeln!(out, "Accessing address: {address:#x}"),
    };
    out.flush();
    tell_stack(&mut out);
    out.flush();
    tell_rest(&mut out, false);
    end(&mut out);
    out.flush();
    leave_to_system(signal);
}

/// Somebody asks where the process is: a person, or the watchdog.
extern "C" fn on_alarm(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: as above. What is interrupted finds the error of its last call as it was.
    let (code, pid, uid, errno) = unsafe {
        let info = &*info;
        (info.si_code, info.si_pid(), info.si_uid(), *libc::__errno_location())
    };
    let mut out = Output::to_log();
    let _ = match code == libc::SI_USER {
        true => writeln!(out, "\nReceived SIGALRM\nSent by PID: {pid}, UID: {uid}"),
        false => writeln!(out, "\n--- WATCHDOG TIMER EXPIRED ---"),
    };
    tell_stack(&mut out);
    let _ = out.write_str("--------\n");
    out.flush();
    close(&out);
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

fn tell_stack(out: &mut Output) {
    let _ = writeln!(out, "\n{STACK}");
    each_frame(|address| {
        // An address is where the call comes back to, which may be behind the function's end.
        let address = address.saturating_sub(1);
        let _ = match PROGRAM.get() {
            None => write!(out, "{address:#x}"),
            Some((symbols, moved)) => {
                let inside = (address as u64).wrapping_sub(*moved);
                let _ = write!(out, "{inside:#x} ");
                match symbols.find(inside) {
                    None => write!(out, "(in memory: {address:#x})"),
                    Some((name, offset)) => {
                        for (number, part) in parts(name).enumerate() {
                            out.write(if number > 0 { b"::" } else { b"" });
                            out.write(part);
                        }
                        write!(out, "+{offset:#x}")
                    }
                }
            }
        };
        let _ = out.write_str("\n");
        // What is written is written, should the next step be one too many.
        out.flush();
    });
    let _ = writeln!(out, "{STACK_DONE}");
}

fn each_frame(mut tell: impl FnMut(usize)) {
    struct Walk<'a> {
        tell: &'a mut dyn FnMut(usize),
        seen: usize,
    }
    extern "C" fn step(frame: *mut Frame, walk: *mut libc::c_void) -> libc::c_int {
        // SAFETY: it is what is handed in below, and the frame is the unwinder's own.
        let (walk, address) = unsafe { (&mut *walk.cast::<Walk>(), _Unwind_GetIP(frame)) };
        (walk.tell)(address);
        walk.seen += 1;
        (address == 0 || walk.seen == FRAMES_MAX) as libc::c_int
    }
    let mut walk = Walk { tell: &mut tell, seen: 0 };
    // SAFETY: the function is of the type that the unwinder calls, with what it is given here.
    unsafe { _Unwind_Backtrace(step, (&raw mut walk).cast()) };
}

fn handle(signal: libc::c_int, handler: Option<Handler>, more: libc::c_int) {
    let address = handler.map_or(libc::SIG_DFL, |handler| handler as libc::sighandler_t);
    // SAFETY: all zeroes is a value of the struct, and the handler is of the type that SA_SIGINFO names.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = address;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART | more;
        libc::sigaction(signal, &action, null_mut());
    }
}

/// The end that the signal would have brought, with its status and a core where there is to be one.
fn leave_to_system(signal: libc::c_int) {
    handle(signal, None, 0);
    // SAFETY: neither has preconditions.
    unsafe { libc::kill(libc::getpid(), signal) };
}

fn close(out: &Output) {
    if out.descriptor() != libc::STDOUT_FILENO {
        // SAFETY: it was opened for this report alone.
        unsafe { libc::close(out.descriptor()) };
    }
}

fn map_program() -> Option<&'static [u8]> {
    let file = std::fs::File::open("/proc/self/exe").ok()?;
    let length = usize::try_from(file.metadata().ok()?.len()).ok()?;
    // SAFETY: a new mapping, read-only and never taken away; see above.
    unsafe {
        let mode = libc::MAP_PRIVATE;
        let start = libc::mmap(null_mut(), length, libc::PROT_READ, mode, file.as_raw_fd(), 0);
        match start == libc::MAP_FAILED || start.is_null() {
            true => None,
            false => Some(std::slice::from_raw_parts(start.cast::<u8>(), length)),
        }
    }
}

/// The unwinder's own, of which nothing is known here.
#[repr(C)]
struct Frame {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    // What std itself finds its frames with, so it is linked wherever std is.
    fn _Unwind_Backtrace(
        step: extern "C" fn(*mut Frame, *mut libc::c_void) -> libc::c_int,
        walk: *mut libc::c_void,
    ) -> libc::c_int;
    fn _Unwind_GetIP(frame: *mut Frame) -> usize;
}
