//! Where a report goes: straight to the log's descriptor, by way of a small buffer that needs no memory.

use super::signals;
use std::fmt;

pub struct Output {
    descriptor: libc::c_int,
    held: [u8; 1024],
    length: usize,
}

impl Output {
    pub fn to_log() -> Output {
        Output { descriptor: signals::open_log(), held: [0; 1024], length: 0 }
    }

    pub fn descriptor(&self) -> libc::c_int {
        self.descriptor
    }

    pub fn flush(&mut self) {
        signals::write_all(self.descriptor, &self.held[..self.length]);
        self.length = 0;
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

impl Output {
    pub fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = bytes.len().min(self.held.len() - self.length);
            self.held[self.length..self.length + taken].copy_from_slice(&bytes[..taken]);
            self.length += taken;
            bytes = &bytes[taken..];
            if self.length == self.held.len() {
                self.flush();
            }
        }
    }
}
