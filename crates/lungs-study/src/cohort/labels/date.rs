//! Dates of labels and DICOM headers.

/// A date as `YYYYMMDD`, the format of DICOM.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Date(String);

impl Date {
    /// Parses `2001-12-31`, `2001/12/31`, `2001.12.31` or `20011231`, with or without a time of day.
    /// `None` for other formats: `1/2/2001` is ambiguous.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let day = text.trim().split(['T', ' ']).next()?;
        let digits = match day.split_once(['-', '/', '.']) {
            None => day.to_owned(),
            Some((year, rest)) => {
                let (month, day) = rest.split_once(['-', '/', '.'])?;
                format!("{year:0>4}{month:0>2}{day:0>2}")
            }
        };
        if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let [year, month, day] = [&digits[..4], &digits[4..6], &digits[6..]];
        let (month, day) = (month.parse().ok()?, day.parse().ok()?);
        jiff::civil::Date::new(year.parse().ok()?, month, day).ok()?;
        Some(Self(digits))
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}", &self.0[..4], &self.0[4..6], &self.0[6..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dates_that_start_with_the_year_are_read() {
        for text in ["2001-02-03", "20010203", "2001/2/3", " 2001.02.03 ", "2001-02-03T00:00:00"] {
            assert_eq!(Date::parse(text).unwrap().to_string(), "2001-02-03", "{text}");
        }
        for text in
            ["", "3/2/2001", "2001", "2001-13-01", "2001-02-32", "20010230", "200102031", "today"]
        {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }
}
