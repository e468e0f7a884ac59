//! Something that is owned, or shared with a frozen twin.
//!
//! Large collections lie in chunks. A snapshot freezes one by sharing its chunks, which moves none of them
//! and takes some tens of nanoseconds for each; then its thread reads the twin, and whoever changes a chunk
//! of the original takes it back first: without a copy if the twin is gone, and else as a copy of that
//! chunk. So a twin costs what is changed while it lives, and nothing is ever locked.
//!
//! Reading looks once whether the thing is shared. What can never be shared, because it cannot be copied, is
//! held by `Never`: then there is nothing to look for, and `Held<T, Never>` is just `T`.

use super::memory_size::size_class;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

pub enum Held<T, S: Sharing = Shares> {
    Own(T),
    Shared(S::Pointer<T>),
}

/// How something is shared. A value of this is the proof that it can be, and be copied therefore.
pub trait Sharing: Copy {
    type Pointer<T>: Clone + Deref<Target = T>;

    fn point_to<T>(self, own: T) -> Self::Pointer<T>;

    /// Takes back what nobody else holds.
    fn take<T>(pointer: Self::Pointer<T>) -> Result<T, (Self::Pointer<T>, Self)>;
}

/// By a count of those who hold it.
#[derive(Clone, Copy)]
pub struct Shares;

/// Not at all.
#[derive(Clone, Copy)]
pub enum Never {}

impl Sharing for Shares {
    type Pointer<T> = Arc<T>;

    fn point_to<T>(self, own: T) -> Arc<T> {
        Arc::new(own)
    }

    fn take<T>(pointer: Arc<T>) -> Result<T, (Arc<T>, Shares)> {
        Arc::try_unwrap(pointer).map_err(|pointer| (pointer, Shares))
    }
}

impl Sharing for Never {
    type Pointer<T> = Nowhere<T>;

    fn point_to<T>(self, _: T) -> Nowhere<T> {
        match self {}
    }

    fn take<T>(pointer: Nowhere<T>) -> Result<T, (Nowhere<T>, Never)> {
        match pointer.0 {}
    }
}

/// A pointer that there never is.
pub struct Nowhere<T>(Infallible, PhantomData<T>);

impl<T> Clone for Nowhere<T> {
    fn clone(&self) -> Nowhere<T> {
        match self.0 {}
    }
}

impl<T> Deref for Nowhere<T> {
    type Target = T;
    fn deref(&self) -> &T {
        match self.0 {}
    }
}

impl<T, S: Sharing> Held<T, S> {
    pub fn is_shared(&self) -> bool {
        matches!(self, Held::Shared(_))
    }

    /// Bytes of heap that sharing takes, besides those of the thing.
    pub fn overhead(&self) -> usize {
        match self {
            Held::Own(_) => 0,
            // The pointer leads to two counts and the thing.
            Held::Shared(_) => size_class(2 * size_of::<usize>() + size_of::<T>()),
        }
    }

    /// The thing itself, which is copied if others hold it too.
    pub fn into_own_with(self, copy: impl FnOnce(&T, S) -> T) -> T {
        match self {
            Held::Own(own) => own,
            Held::Shared(pointer) => {
                S::take(pointer).unwrap_or_else(|(pointer, proof)| copy(&pointer, proof))
            }
        }
    }
}

/// A default is what stands for the thing while it moves; it should take no memory.
impl<T: Default, S: Sharing> Held<T, S> {
    /// A twin of this.
    pub fn share(&mut self, how: S) -> Held<T, S> {
        let pointer = match std::mem::take(self) {
            Held::Own(own) => how.point_to(own),
            Held::Shared(pointer) => pointer,
        };
        *self = Held::Shared(pointer.clone());
        Held::Shared(pointer)
    }

    /// The thing to be changed, which twins do not see: it is copied if there are any.
    #[inline(always)]
    pub fn own_with(&mut self, copy: impl FnOnce(&T, S) -> T) -> &mut T {
        if self.is_shared() {
            self.take_back(copy);
        }
        match self {
            Held::Own(own) => own,
            Held::Shared(_) => unreachable!("it was just taken back"),
        }
    }

    #[cold]
    #[inline(never)]
    fn take_back(&mut self, copy: impl FnOnce(&T, S) -> T) {
        *self = Held::Own(std::mem::take(self).into_own_with(copy));
    }
}

impl<T: Default + Clone, S: Sharing> Held<T, S> {
    #[inline(always)]
    pub fn own(&mut self) -> &mut T {
        self.own_with(|shared, _| shared.clone())
    }

    pub fn into_own(self) -> T {
        self.into_own_with(|shared, _| shared.clone())
    }
}

impl<T, S: Sharing> Deref for Held<T, S> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        match self {
            Held::Own(own) => own,
            Held::Shared(pointer) => pointer,
        }
    }
}

impl<T: Default, S: Sharing> Default for Held<T, S> {
    fn default() -> Held<T, S> {
        Held::Own(T::default())
    }
}

/// What is shared already is shared once more.
impl<T: Clone, S: Sharing> Clone for Held<T, S> {
    fn clone(&self) -> Held<T, S> {
        match self {
            Held::Own(own) => Held::Own(own.clone()),
            Held::Shared(pointer) => Held::Shared(pointer.clone()),
        }
    }
}

impl<T: std::fmt::Debug, S: Sharing> std::fmt::Debug for Held<T, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn a_twin_does_not_see_changes() {
        let mut held: Held<Vec<u8>> = Held::Own(vec![1]);
        let place = held.as_ptr();
        let (first, second) = (held.share(Shares), held.share(Shares));
        assert_eq!((held.as_ptr(), first.as_ptr()), (place, place));
        held.own()[0] = 2;
        assert_eq!((&**held, &**first, &**second), (&[2][..], &[1][..], &[1][..]));
        assert!(!held.is_shared() && second.is_shared());
        drop(first);
        let mut second = second;
        second.own()[0] = 3;
        assert_eq!((&**second, second.as_ptr()), (&[3][..], place));
    }

    #[test]
    fn what_nobody_else_holds_is_taken_back_without_a_copy() {
        let mut held: Held<Vec<u8>> = Held::Own(vec![1]);
        let place = held.as_ptr();
        std::thread::spawn({
            let twin = held.share(Shares);
            move || assert_eq!(**twin, [1])
        })
        .join()
        .expect("it reads");
        assert!(held.overhead() > 0);
        held.own_with(|_, _| unreachable!("the twin is gone"))[0] = 2;
        assert_eq!((held.as_ptr(), held.overhead()), (place, 0));
    }

    #[test]
    fn holding_takes_no_room() {
        assert_eq!(size_of::<Held<Vec<u8>>>(), size_of::<Vec<u8>>());
        assert_eq!(size_of::<Held<VecDeque<u8>>>(), size_of::<VecDeque<u8>>());
        assert_eq!(size_of::<Held<Box<[u8]>>>(), size_of::<Box<[u8]>>());
        assert_eq!(size_of::<Held<u64, Never>>(), size_of::<u64>());
    }
}
