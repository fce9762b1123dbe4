//! The codes of all tables: why something is excluded, and what is peculiar about a used series, each with its
//! words for pages.
//!
//! A table of another version can have codes that this version does not know; they are read and written
//! unchanged as `Unknown`.

mod exclusions;
mod flags;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

pub use exclusions::ExclusionCode;
pub use flags::Flag;

/// Whether a flag or reason needs inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// For information only.
    Note,
    /// Inspect the picture before using the series, or the files before accepting its exclusion.
    Look,
}

/// Name and explanation of a flag or reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Short name: "lungs cut at the top".
    pub name: Cow<'static, str>,
    /// Explanation: "the scan ends inside the lungs"; empty for an unknown code.
    pub meaning: &'static str,
    /// Whether it needs inspection.
    pub weight: Weight,
}

impl Words {
    /// Name and explanation: "lungs cut at the top: the scan ends inside the lungs".
    pub fn sentence(&self) -> String {
        match self.meaning {
            "" => self.name.to_string(),
            meaning => format!("{}: {meaning}", self.name),
        }
    }

    /// The words of an unknown code: the code without hyphens; it needs inspection.
    fn of_unknown(code: &str) -> Self {
        Self { name: Cow::Owned(code.replace('-', " ")), meaning: "", weight: Weight::Look }
    }
}

/// Defines an enum of codes with their spelling in tables, weight, name and meaning. The codes of `numbered` variants
/// have a number between a prefix and a suffix; with them, the type of the spelling is `Cow<'_, str>` instead of `&str`.
macro_rules! codes {
    (
        $(#[$attribute:meta])*
        $type:ident: $text:ty {
            $($variant:ident: $code:literal, $weight:ident, $name:literal, $meaning:literal;)*
        }
        numbered {
            $($numbered:ident: $prefix:literal, $suffix:literal, $numbered_weight:ident,
              $numbered_name:literal, $numbered_meaning:literal;)*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $type {
            $(#[doc = concat!("`", $code, "`: ", $meaning)] $variant,)*
            $(#[doc = concat!("`", $prefix, "2", $suffix, "`: ", $numbered_meaning)]
              $numbered(usize),)*
            /// A code of another version.
            Unknown(String),
        }

        impl $type {
            /// All codes without a number.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The spelling in tables.
            pub fn code(&self) -> $text {
                match self {
                    $(Self::$variant => $code.into(),)*
                    $(Self::$numbered(number) => {
                        format!(concat!($prefix, "{}", $suffix), number).into()
                    })*
                    Self::Unknown(code) => code.as_str().into(),
                }
            }

            /// Name and explanation.
            pub fn words(&self) -> super::Words {
                use super::{Weight, Words};
                let words = |name, meaning, weight| {
                    Words { name: ::std::borrow::Cow::Borrowed(name), meaning, weight }
                };
                match self {
                    $(Self::$variant => words($name, $meaning, Weight::$weight),)*
                    $(Self::$numbered(_) => {
                        words($numbered_name, $numbered_meaning, Weight::$numbered_weight)
                    })*
                    Self::Unknown(code) => Words::of_unknown(code),
                }
            }
        }

        impl From<&str> for $type {
            fn from(code: &str) -> Self {
                $(
                    let number = code.strip_prefix($prefix).and_then(|rest| rest.strip_suffix($suffix));
                    if let Some(number) = number.and_then(|digits| digits.parse().ok()) {
                        return Self::$numbered(number);
                    }
                )*
                match code {
                    $($code => Self::$variant,)*
                    _ => Self::Unknown(code.to_owned()),
                }
            }
        }

        super::text_traits!($type);
    };
}

/// Text, order and serialisation of an enum of codes: all by the spelling in tables.
macro_rules! text_traits {
    ($type:ident) => {
        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.code())
            }
        }

        impl PartialEq<&str> for $type {
            fn eq(&self, code: &&str) -> bool {
                self.code() == *code
            }
        }

        impl Ord for $type {
            fn cmp(&self, other: &Self) -> ::std::cmp::Ordering {
                self.code().cmp(&other.code())
            }
        }

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<::std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.code())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let code =
                    <::std::borrow::Cow<'de, str> as ::serde::Deserialize>::deserialize(from)?;
                Ok(Self::from(&*code))
            }
        }
    };
}

use {codes, text_traits};

/// Why something is excluded: the code and the reason as a sentence with the values found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exclusion {
    /// The code.
    pub code: ExclusionCode,
    /// The sentence.
    pub reason: String,
}

impl Exclusion {
    /// An exclusion with the text of an error or a sentence.
    pub fn new(code: ExclusionCode, reason: impl fmt::Display) -> Self {
        Self { code, reason: reason.to_string() }
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.reason)
    }
}

/// An optional code in a column: empty without a code.
pub mod optional_code {
    use super::ExclusionCode;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the code, or an empty text.
    pub fn serialize<S: Serializer>(
        code: &Option<ExclusionCode>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(code.as_ref().map(ExclusionCode::code).unwrap_or_default())
    }

    /// Reads a code, or `None` from an empty text.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<ExclusionCode>, D::Error> {
        let code = String::deserialize(from)?;
        Ok((!code.is_empty()).then(|| ExclusionCode::from(&*code)))
    }
}

/// Flags in a column, joined by `;`.
pub mod joined_flags {
    use super::Flag;
    use serde::{Deserialize, Deserializer, Serializer};

    /// The flags as the text of the column.
    pub fn join(flags: &[Flag]) -> String {
        flags.iter().map(Flag::code).collect::<Vec<_>>().join(";")
    }

    /// Writes the flags.
    pub fn serialize<S: Serializer>(flags: &[Flag], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&join(flags))
    }

    /// Reads the flags; empty ones are skipped.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Flag>, D::Error> {
        let text = String::deserialize(from)?;
        let codes = text.split(';').map(str::trim).filter(|code| !code.is_empty());
        Ok(codes.map(Flag::from).collect())
    }
}
