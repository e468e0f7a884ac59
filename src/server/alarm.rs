//! An alarm clock on wall time, exact to some ten microseconds.
//!
//! The runtime's own timers count in milliseconds and round up, and so does the wait for sockets that
//! they end; a key would be gone two milliseconds late. A timer of the kernel's is a descriptor like a socket,
//! and fires when it should. It is also right when somebody sets the clock, either way.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub struct Alarm {
    timer: AsyncFd<File>,
}

impl Alarm {
    pub fn new() -> io::Result<Alarm> {
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        #[expect(unsafe_code, reason = "std has no timers of the kernel's")]
        // SAFETY: the call takes no pointer, and nobody else owns a descriptor that is just made. The file
        // keeps it open, and the same, for as long as it is registered.
        let timer = unsafe {
            let descriptor = libc::timerfd_create(libc::CLOCK_REALTIME, flags);
            if descriptor == -1 {
                return Err(io::Error::last_os_error());
            }
            AsyncFd::register_with_interest(File::from_raw_fd(descriptor), Interest::READABLE)?
        };
        Ok(Alarm { timer })
    }

    /// Waits until the wall clock says so many milliseconds since 1970, or more.
    pub async fn wait_until(&self, at_ms: i64) -> io::Result<()> {
        self.set(at_ms)?;
        loop {
            let mut ready = self.timer.readable().await?;
            // Eight bytes say how often it rang. None are there if it was set anew before they were read.
            if let Ok(rang) = ready.try_io(|timer| timer.get_ref().read(&mut [0; 8])) {
                return rang.map(drop);
            }
        }
    }

    fn set(&self, at_ms: i64) -> io::Result<()> {
        // Zero would stop the timer; any time in the past rings at once.
        let at_ms = at_ms.max(1);
        let nanos = at_ms % 1000 * 1_000_000;
        let once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let at = libc::timespec { tv_sec: at_ms / 1000, tv_nsec: nanos };
        let time = libc::itimerspec { it_interval: once, it_value: at };
        let descriptor = self.timer.as_raw_fd();
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: the descriptor is open while we have it; the struct is only read; null is allowed.
        let result = unsafe {
            let absolute = libc::TFD_TIMER_ABSTIME;
            libc::timerfd_settime(descriptor, absolute, &time, std::ptr::null_mut())
        };
        if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    #[expect(clippy::disallowed_methods, reason = "what the alarm is compared with")]
    fn now_ms() -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
    }

    #[tokio::test]
    async fn rings_not_before_its_time_and_can_be_set_anew() {
        let alarm = Alarm::new().unwrap();
        let at = now_ms() + 20;
        alarm.wait_until(at).await.unwrap();
        assert!(now_ms() >= at);
        // Given up for a while, as when an earlier deadline comes up, and then rung without being heard.
        let far = alarm.wait_until(now_ms() + 60_000);
        assert!(tokio::time::timeout(Duration::from_millis(5), far).await.is_err());
        tokio::select! {
            biased;
            _ = alarm.wait_until(now_ms() + 10) => panic!("too early"),
            () = std::future::ready(()) => (),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        let at = now_ms() + 20;
        alarm.wait_until(at).await.unwrap();
        assert!(now_ms() >= at);
        alarm.wait_until(-5).await.unwrap();
    }
}
