//! `choices!`: an enum whose variants are the words of a directive, so that the list of words in an
//! error message, the table and the type cannot disagree.

macro_rules! choices {
    ($(#[$doc:meta])* pub enum $name:ident { $first:ident = $word:literal $(, $variant:ident = $other:literal)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name { #[default] $first $(, $variant)* }

        impl $name {
            pub const NAMES: &'static [&'static str] = &[$word $(, $other)*];
            const ALL: &'static [$name] = &[$name::$first $(, $name::$variant)*];

            /// The choice at a place of the list; the first one behind its end.
            pub fn at(place: u8) -> $name {
                Self::ALL.get(usize::from(place)).copied().unwrap_or_default()
            }

            /// By its word, in any case.
            pub fn named(word: &[u8]) -> Option<$name> {
                Self::ALL.get($crate::config::kind::place(word, Self::NAMES)?).copied()
            }

            /// The word the file uses.
            pub fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }
        }

        impl $crate::config::value::Typed for $name {
            fn value(&self) -> $crate::config::value::Value {
                $crate::config::value::Value::Choice(*self as usize)
            }
            fn take(&mut self, value: $crate::config::value::Value) -> Option<()> {
                let $crate::config::value::Value::Choice(place) = value else { return None };
                *self = *Self::ALL.get(place)?;
                Some(())
            }
        }
    };
}
pub(super) use choices;
