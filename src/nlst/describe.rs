//! The trial's coded SeriesDescription.
//!
//! ```text
//! 0,OPA,GE,LSPLUS,STANDARD,360,2.5,120,80,0.1,1.5
//! │ │   │  │      │        │   │   │   │  │   └── pitch
//! │ │   │  │      │        │   │   │   │  └────── mAs
//! │ │   │  │      │        │   │   │   └───────── tube current, mA
//! │ │   │  │      │        │   │   └───────────── tube voltage, kVp
//! │ │   │  │      │        │   └───────────────── slice thickness, mm
//! │ │   │  │      │        └───────────────────── field of view, mm
//! │ │   │  │      └────────────────────────────── kernel
//! │ │   │  └───────────────────────────────────── model
//! │ │   └──────────────────────────────────────── vendor
//! │ └──────────────────────────────────────────── OPA: axial; OPL: localizer
//! └────────────────────────────────────────────── study year: 0, 1, 2
//! ```
//!
//! A missing field is `na`, `null` or empty. A description that does not begin with a study year and a
//! three-letter code is not coded.

/// The fields of a coded description.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// 0, 1 or 2.
    pub study_year: u8,
    /// Whether these are axial slices (`OPA`).
    pub axial: bool,
    /// `GE`, `SE`, `PH`, `TO`, …; empty if missing.
    pub vendor: String,
    /// Scanner model; empty if missing.
    pub model: String,
    /// Reconstruction kernel; empty if missing.
    pub kernel: String,
    /// Slice thickness.
    pub thickness_mm: Option<f64>,
}

/// Reads a coded description; `None` for any other text.
pub fn parse(text: &str) -> Option<Description> {
    let fields: Vec<&str> = text.split(',').map(str::trim).collect();
    let study_year = match *fields.first()? {
        "0" => 0,
        "1" => 1,
        "2" => 2,
        _ => return None,
    };
    let kind = *fields.get(1)?;
    if kind.len() != 3 || !kind.bytes().all(|letter| letter.is_ascii_alphabetic()) {
        return None;
    }
    let field = |index: usize| {
        let text = fields.get(index).copied().unwrap_or_default();
        let placeholders = ["na", "null", "none", "nan"];
        let is_missing = placeholders.iter().any(|word| text.eq_ignore_ascii_case(word));
        if is_missing { "" } else { text }
    };
    let thickness = field(6).parse().ok();
    Some(Description {
        study_year,
        axial: kind.eq_ignore_ascii_case("OPA"),
        vendor: field(2).to_owned(),
        model: field(3).to_owned(),
        kernel: field(4).to_owned(),
        thickness_mm: thickness.filter(|mm: &f64| mm.is_finite() && *mm > 0.0),
    })
}

/// The manufacturer of a vendor's code, as DICOM files spell it; unknown codes are returned unchanged.
pub fn manufacturer(vendor: &str) -> &str {
    match vendor {
        "GE" => "GE MEDICAL SYSTEMS",
        "SE" => "SIEMENS",
        "PH" => "Philips",
        "TO" => "TOSHIBA",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coded_description_is_split_into_fields() {
        let description = parse("2,OPA,GE,LSULT,STANDARD,280,1.2,120,60,44.4,1.4").unwrap();
        let expected = Description {
            study_year: 2,
            axial: true,
            vendor: "GE".into(),
            model: "LSULT".into(),
            kernel: "STANDARD".into(),
            thickness_mm: Some(1.2),
        };
        assert_eq!(description, expected);
    }

    #[test]
    fn missing_fields_are_not_guessed() {
        let description = parse("0,OPA,SE,VZOOM,null,300,na,120,75,40,na").unwrap();
        assert_eq!((description.kernel.as_str(), description.thickness_mm), ("", None));
        let description = parse("1,OPL,PH").unwrap();
        assert!(!description.axial && description.study_year == 1 && description.model.is_empty());
    }

    #[test]
    fn other_descriptions_are_not_coded() {
        for text in ["", "CHEST", "3,OPA,GE", "0", "0,1,GE", "CT, chest, lung"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
