//! The system's log: each event is also a datagram to a socket that whoever collects them listens on.
//!
//! It is spoken to directly and not by way of libc, which waits for a collector that has stopped: then
//! the events are not sent, and nobody waits.

use super::line::{Moment, unbroken};
use crate::config::SyslogFacility;
use std::os::unix::net::UnixDatagram;
use std::sync::Mutex;

pub struct Syslog {
    ident: String,
    facility: u8,
    path: String,
    /// None while nobody listens; it is tried again with the next event.
    socket: Mutex<Option<UnixDatagram>>,
}

/// Where collectors listen.
const SOCKET: &str = "/dev/log";

impl Syslog {
    pub fn new(ident: String, facility: SyslogFacility) -> Syslog {
        Syslog::at(SOCKET, ident, facility)
    }

    fn at(path: &str, ident: String, facility: SyslogFacility) -> Syslog {
        // `user` is 1, and the local ones are the last eight.
        let facility = match facility as u8 {
            0 => 1,
            local => 15 + local,
        };
        Syslog { ident, facility, path: path.into(), socket: Mutex::new(None) }
    }

    pub fn send(&self, pid: u32, rank: u8, moment: &Moment, message: &str) {
        // Debug is 7, and a warning 4.
        let severity = 7 - rank.min(3);
        let Moment { day, hour, minute, second, .. } = *moment;
        let mut datagram = format!(
            "<{}>{} {day:>2} {hour:02}:{minute:02}:{second:02} {}[{pid}]: ",
            self.facility * 8 + severity,
            moment.month_name(),
            self.ident,
        );
        // A collector may take each line for an event of its own.
        datagram.extend(unbroken(message));
        let Ok(mut socket) = self.socket.lock() else { return };
        // A collector that was started anew has another socket.
        for _ in 0..2 {
            if socket.is_none() {
                *socket = self.connect().ok();
            }
            let Some(open) = &*socket else { return };
            match open.send(datagram.as_bytes()) {
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => *socket = None,
                _ => return,
            }
        }
    }

    fn connect(&self) -> std::io::Result<UnixDatagram> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(&self.path)?;
        Ok(socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_reach_a_collector_and_one_that_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let moment =
            Moment { month: 2, day: 3, hour: 4, minute: 5, second: 6, ..Moment::default() };
        let syslog = Syslog::at(path.to_str().unwrap(), "cache".into(), SyslogFacility::Local7);
        syslog.send(9, 3, &moment, "nobody listens");
        for message in ["first", "second\n<0>Feb  3 04:05:06 sshd[1]: forged"] {
            let collector = UnixDatagram::bind(&path).unwrap();
            syslog.send(9, 3, &moment, message);
            let mut datagram = [0; 128];
            let length = collector.recv(&mut datagram).unwrap();
            let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
            let said = message.replace('\n', " ");
            assert_eq!(text, format!("<188>Feb  3 04:05:06 cache[9]: {said}"));
            drop(collector);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
