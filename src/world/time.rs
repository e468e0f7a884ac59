//! Time as a value. The core is handed the instant; it cannot ask for it twice.

/// Milliseconds since 1970, by the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

/// The instant of one batch, on both clocks. Deadlines of keys are wall time, time-outs of
/// clients are monotonic, so that a clock set by hand ends no connection.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Microseconds since 1970.
    pub wall_us: i64,
    /// Microseconds since the server started; never steps back.
    pub mono_us: u64,
}

impl Now {
    pub fn wall(self) -> Millis {
        Millis(self.wall_us.div_euclid(1000))
    }
}
