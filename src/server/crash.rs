//! When the server is wrong about itself: say what happened, then end. Half-changed memory must
//! not be served, so no task survives a panic.

/// From now on a panic is written to the log, with where it was, and ends the process.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |at| format!("{at}"));
        let text = panic.payload_as_str().unwrap_or("a value that is no text");
        let trace = std::backtrace::Backtrace::force_capture();
        super::log::raw(&format!(
            "\n\n=== RUSSET BUG REPORT START: Cut & paste starting from here ===\n\
             Russet {} crashed by a panic at {place}: {text}\n\n\
             ------ STACK TRACE ------\n{trace}\n\
             === RUSSET BUG REPORT END. Make sure to include from START to END. ===\n\n",
            env!("CARGO_PKG_VERSION"),
        ));
        std::process::abort();
    }));
}
