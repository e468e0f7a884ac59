//! A collection that is lent to be read, wherever it lies.

use std::mem::ManuallyDrop;
use std::ops::Deref;

/// Reads like a reference to the collection. A small one lies in its record as bare bytes, and what
/// reads them is made on the spot: a handful of words that own nothing.
pub struct Lent<'a, T>(Loan<'a, T>);

enum Loan<'a, T> {
    There(&'a T),
    /// It reads bytes that are lent for `'a`, though its type does not say so. It is never handed out
    /// by value; and a copy of it has bytes of its own.
    Made(ManuallyDrop<T>),
}

impl<'a, T> Lent<'a, T> {
    pub fn of(value: &'a T) -> Lent<'a, T> {
        Lent(Loan::There(value))
    }

    /// What owns nothing, and reads bytes that live for `'a`.
    pub(super) fn made(value: T) -> Lent<'a, T> {
        Lent(Loan::Made(ManuallyDrop::new(value)))
    }
}

impl<T> Deref for Lent<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        match &self.0 {
            Loan::There(value) => value,
            Loan::Made(value) => value,
        }
    }
}
