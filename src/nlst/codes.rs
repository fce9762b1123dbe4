//! Values of the trial's tables: numbers, or codes of missing values.

use super::table::{Row, TableError};

/// A number of days since randomisation, or the code of a missing value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    /// The number of days.
    Known(i64),
    /// The cell is empty.
    Blank,
    /// A code of the trial: a dot and a letter, such as `.N`.
    Code(char),
}

impl Days {
    /// The number of days, if it is known.
    pub fn known(self) -> Option<i64> {
        match self {
            Self::Known(days) => Some(days),
            Self::Blank | Self::Code(_) => None,
        }
    }

    /// The value as text: the number, the code, or `nothing`.
    pub fn to_text(self) -> String {
        match self {
            Self::Known(days) => days.to_string(),
            Self::Blank => "nothing".into(),
            Self::Code(letter) => format!(".{letter}"),
        }
    }
}

/// Reads a number or a code; `None` if the text is neither.
fn parse(text: &str) -> Option<Days> {
    let blank = ["", ".", "na", "nan", "null", "none", "<na>"];
    if blank.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Some(Days::Blank);
    }
    if let Some(code) = text.strip_prefix('.') {
        let mut letters = code.chars();
        let letter = letters.next().filter(char::is_ascii_alphabetic)?;
        return letters.next().is_none().then(|| Days::Code(letter.to_ascii_uppercase()));
    }
    // Programs that store columns with gaps as floating point write 12 as 12.0.
    let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
    let number = integer.parse().ok()?;
    fraction.bytes().all(|digit| digit == b'0').then_some(Days::Known(number))
}

impl Row<'_> {
    /// A whole number of days, or the code of a missing value.
    pub(super) fn days(&self, column: usize) -> Result<Days, TableError> {
        parse(self.text(column)).ok_or_else(|| {
            self.wrong(column, "a whole number of days, a code such as .N, or an empty cell")
        })
    }

    /// A whole number, if there is one.
    pub(super) fn number(&self, column: usize) -> Result<Option<i64>, TableError> {
        let value = parse(self.text(column));
        let expected = "a whole number, a code such as .N, or an empty cell";
        Ok(value.ok_or_else(|| self.wrong(column, expected))?.known())
    }

    /// A measurement such as a diameter, if there is one.
    pub(super) fn measurement(&self, column: usize) -> Result<Option<f64>, TableError> {
        if let Some(value) = parse(self.text(column)) {
            return Ok(value.known().map(|number| number as f64));
        }
        let value = self.text(column).parse().ok().filter(|value: &f64| value.is_finite());
        let expected = "a number, a code such as .N, or an empty cell";
        value.map(Some).ok_or_else(|| self.wrong(column, expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_blanks_and_codes_are_parsed() {
        for (text, value) in [
            ("364", Days::Known(364)),
            ("-3", Days::Known(-3)),
            ("0", Days::Known(0)),
            ("12.0", Days::Known(12)),
            ("", Days::Blank),
            (".", Days::Blank),
            ("nan", Days::Blank),
            (".N", Days::Code('N')),
            (".E", Days::Code('E')),
            (".w", Days::Code('W')),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
        }
        for text in ["12.5", "twelve", ".NN", ".5", "1e3", "--"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
