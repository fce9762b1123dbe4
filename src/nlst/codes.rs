//! Values of the trial's tables: numbers, or codes for why there is none.

use super::table::{Row, TableError};

/// A number of days since randomisation, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    /// So many days.
    Known(i64),
    /// Nothing in the cell.
    Blank,
    /// A code of the trial's: a dot and a letter, as `.N`.
    Code(char),
}

impl Days {
    /// The number, where there is one.
    pub fn known(self) -> Option<i64> {
        match self {
            Self::Known(days) => Some(days),
            Self::Blank | Self::Code(_) => None,
        }
    }

    /// What the cell says.
    pub fn in_words(self) -> String {
        match self {
            Self::Known(days) => days.to_string(),
            Self::Blank => "nothing".into(),
            Self::Code(letter) => format!(".{letter}"),
        }
    }
}

/// Reads a number or a code; `None` where the text is neither.
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
    // Programs that know only floating point for columns with gaps write 12 as 12.0.
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let number = whole.parse().ok()?;
    fraction.bytes().all(|digit| digit == b'0').then_some(Days::Known(number))
}

impl Row<'_> {
    /// A whole number of days, or why there is none.
    pub fn days(&self, place: usize) -> Result<Days, TableError> {
        parse(self.text(place)).ok_or_else(|| {
            self.wrong(place, "a whole number of days, a code such as .N, or nothing")
        })
    }

    /// A whole number, where there is one.
    pub fn number(&self, place: usize) -> Result<Option<i64>, TableError> {
        let value = parse(self.text(place));
        let value = value
            .ok_or_else(|| self.wrong(place, "a whole number, a code such as .N, or nothing"))?;
        Ok(value.known())
    }

    /// A measure such as a diameter, where there is one.
    pub fn measure(&self, place: usize) -> Result<Option<f64>, TableError> {
        if let Some(value) = parse(self.text(place)) {
            return Ok(value.known().map(|whole| whole as f64));
        }
        let value = self.text(place).parse().ok().filter(|value: &f64| value.is_finite());
        value.map(Some).ok_or_else(|| self.wrong(place, "a number, a code such as .N, or nothing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_blanks_and_codes_are_told_apart() {
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
