//! What a client has sent and what has not been run: mostly the beginning of a frame.
//!
//! A pipeline whose answers are not read is run request by request. What has been run is cut off when it is more
//! than half of what is held, so that a byte is moved about once, however many requests there are.

#[derive(Debug, Default)]
pub struct Partial {
    bytes: Vec<u8>,
    /// So many of them have been run.
    done: usize,
}

impl Partial {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.done..]
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.done
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Puts bytes behind those that are held for a frame that is `wanted` bytes long as far as is known. Room is made
    /// for as much again at the most, whatever was declared, and for no more than the frame needs.
    pub fn append(&mut self, fresh: &[u8], wanted: usize) {
        let (needed, wanted) = (self.bytes.len() + fresh.len(), self.done + wanted);
        if needed > self.bytes.capacity() && wanted >= needed {
            let room = needed.max(2 * self.bytes.capacity()).min(wanted);
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(fresh);
    }

    /// So many bytes have been run. No large buffer is kept for a little.
    pub fn pass(&mut self, done: usize) {
        self.done += done;
        if self.is_empty() {
            *self = Partial::default();
        } else if self.done > self.bytes.len() / 2 {
            self.bytes.drain(..self.done);
            self.done = 0;
            if self.bytes.capacity() > 4 * self.bytes.len() + 1024 {
                self.bytes.shrink_to_fit();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_a_queue_of_bytes(steps in prop::collection::vec((0..300usize, 0..=100usize), 1..60)) {
            let (mut partial, mut model, mut next) = (Partial::default(), Vec::new(), 0u8);
            for (length, percent) in steps {
                let fresh: Vec<u8> = (0..length).map(|at| next.wrapping_add(at as u8)).collect();
                next = next.wrapping_add(length as u8);
                partial.append(&fresh, 0);
                model.extend_from_slice(&fresh);
                let done = model.len() * percent / 100;
                partial.pass(done);
                model.drain(..done);
                prop_assert_eq!(partial.bytes(), &model[..]);
                prop_assert!(partial.capacity() <= 16 * model.len() + 2048);
            }
        }
    }

    #[test]
    fn what_is_left_is_not_moved_for_each_request() {
        let (mut partial, mut moved) = (Partial::default(), 0);
        partial.append(&vec![b'.'; 100_000], 0);
        while partial.len() > 10 {
            let before = partial.bytes().as_ptr();
            partial.pass(10);
            let stays = before.wrapping_add(10) == partial.bytes().as_ptr();
            moved += if stays { 0 } else { partial.len() };
        }
        assert!(moved <= 100_000, "{moved} bytes were moved");
    }

    #[test]
    fn a_frame_gets_the_room_that_it_needs_and_no_more() {
        let mut partial = Partial::default();
        partial.append(&[b'.'; 1000], 2500);
        assert_eq!(partial.capacity(), 1000);
        partial.append(&[b'.'; 100], 2500);
        assert_eq!(partial.capacity(), 2000);
        partial.append(&[b'.'; 1000], 2500);
        assert_eq!(partial.capacity(), 2500);
    }
}
