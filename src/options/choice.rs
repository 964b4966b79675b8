//! An option that is one of a few words.

/// Declares an option's words once: an enum for Rust, and what scripts write for it. Tables name
/// the words, and a wrong one is found before a script runs.
///
/// ```
/// use jemscript::options::OptionValue;
/// jemscript::choice! {
///     /// Which way to go.
///     pub enum Way {
///         /// Against the sun.
///         Left = "left",
///         /// With it.
///         Right = "right",
///     }
/// }
/// assert_eq!(Way::TYPE, "\"left\" or \"right\"");
/// assert_eq!((Way::of("left"), Way::of("up")), (Some(Way::Left), None));
/// assert_eq!(Way::Right.to_string(), "right");
/// ```
#[macro_export]
macro_rules! choice {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[doc = $doc:literal])+ $variant:ident = $word:literal ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $( $(#[doc = $doc])+ $variant ),+ }

        impl $name {
            /// The one that scripts write so.
            pub fn of(word: &str) -> Option<$name> {
                match word { $( $word => Some($name::$variant), )+ _ => None }
            }

            /// As scripts write it.
            pub fn word(self) -> &'static str {
                match self { $( $name::$variant => $word ),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl $crate::options::OptionValue for $name {
            const TYPE: &'static str = $crate::choice!(@first $($word),+);
            const LISTED: &'static str = concat!("an array of ", $crate::choice!(@first $($word),+));
            const WORDS: &'static [&'static str] = &[$($word),+];
            fn from_value(value: &$crate::options::Value) -> Option<$name> {
                if let $crate::options::Value::Str(word) = value { $name::of(word) } else { None }
            }
            fn show(&self) -> String {
                format!("{:?}", self.word())
            }
        }
    };
    (@first $word:literal, $($more:literal),+) => { concat!("\"", $word, "\"", $crate::choice!(@rest $($more),+)) };
    (@rest $last:literal) => { concat!(" or \"", $last, "\"") };
    (@rest $word:literal, $($more:literal),+) => { concat!(", \"", $word, "\"", $crate::choice!(@rest $($more),+)) };
}
