//! What the list of processes shows of us: address and mode instead of the command line.
//!
//! On Linux the command line of a process lies in its own memory, followed by its environment; what
//! is written there is what `ps` shows. The environment is moved elsewhere first, so that its room
//! can be used too.
#![expect(unsafe_code, reason = "the only way to be seen under another name")]

use crate::config::Config;
use std::ffi::{CStr, c_char};
use std::sync::OnceLock;

/// First byte, and how many there are; found once, while there is one thread.
static ROOM: OnceLock<(usize, usize)> = OnceLock::new();
/// The name under which the program was called.
static PROGRAM: OnceLock<String> = OnceLock::new();

unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

/// Makes room for titles. Must be called once, after the arguments have been read and before any
/// thread is started.
pub fn prepare() {
    if let Some(name) = std::env::args_os().next() {
        let _ = PROGRAM.set(name.to_string_lossy().into_owned());
    }
    let Some((arguments, environment, end)) = regions() else { return };
    // SAFETY: there is one thread, so nobody reads the environment meanwhile. `environ` is a list
    // of C strings that ends with null; those that lie in the room are replaced by copies that are
    // never freed.
    unsafe {
        let mut place = environ;
        while !place.is_null() && !(*place).is_null() {
            if (environment..end).contains(&(*place as usize)) {
                let copy = CStr::from_ptr(*place).to_owned();
                *place = copy.into_raw();
            }
            place = place.add(1);
        }
    }
    let _ = ROOM.set((arguments, end - arguments));
}

/// Shows the title that the configuration asks for, as much of it as there is room for.
pub fn show(config: &Config, config_file: &str) {
    let Some(&(start, room)) = ROOM.get() else { return };
    if !config.set_proc_title || room == 0 {
        return;
    }
    let title = expand(config, config_file);
    let shown = &title.as_bytes()[..title.len().min(room - 1)];
    // SAFETY: the room is memory of this process that the kernel laid out for arguments and
    // environment and that nobody uses any more: std copied the arguments when it was asked for
    // them, and `prepare` moved the environment away.
    unsafe {
        let start = start as *mut u8;
        start.copy_from_nonoverlapping(shown.as_ptr(), shown.len());
        start.add(shown.len()).write_bytes(0, room - shown.len());
    }
}

/// Replaces the variables of `proc-title-template`.
fn expand(config: &Config, config_file: &str) -> String {
    let name = PROGRAM.get().map_or("russet-server", String::as_str);
    let addr = match (config.port, config.bind.first()) {
        (0, addr) if config.tls_port > 0 => {
            format!("{}:{}", addr.map_or("*", String::as_str), config.tls_port)
        }
        (0, _) => config.unixsocket.clone(),
        (port, Some(addr)) => format!("{addr}:{port}"),
        (port, None) => format!("*:{port}"),
    };
    let title = config
        .proc_title_template
        .replace("{title}", name)
        .replace("{listen-addr}", &addr)
        .replace("{server-mode}", "")
        .replace("{port}", &config.port.to_string())
        .replace("{tls-port}", &config.tls_port.to_string())
        .replace("{unixsocket}", &config.unixsocket)
        .replace("{config-file}", config_file);
    title.trim_end().to_string()
}

/// Where the arguments begin, where the environment begins, and where it ends.
fn regions() -> Option<(usize, usize, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold blanks; fields are counted behind it, from the third on.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<usize>().ok();
    let (arguments, arguments_end) = (field(48)?, field(49)?);
    let (environment, end) = (field(50)?, field(51)?);
    let sane = arguments != 0
        && arguments < arguments_end
        && arguments_end <= environment
        && environment <= end;
    sane.then_some((arguments, environment, end))
}
