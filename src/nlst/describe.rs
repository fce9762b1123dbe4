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
//! A field that the scanner did not say is `na`, `null` or empty. What does not begin with a study
//! year and a three-letter code is some other description, and says nothing.

/// What a coded description says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// 0, 1 or 2.
    pub study_year: u8,
    /// Whether these are axial slices (`OPA`).
    pub axial: bool,
    /// `GE`, `SE`, `PH`, `TO`, …; empty when not said.
    pub vendor: String,
    /// Scanner model; empty when not said.
    pub model: String,
    /// Reconstruction kernel; empty when not said.
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
    let said = |place: usize| {
        let field = fields.get(place).copied().unwrap_or_default();
        let unsaid = ["na", "null", "none", "nan"];
        let unsaid = unsaid.iter().any(|word| field.eq_ignore_ascii_case(word));
        if unsaid { "" } else { field }
    };
    let thickness = said(6).parse().ok();
    Some(Description {
        study_year,
        axial: kind.eq_ignore_ascii_case("OPA"),
        vendor: said(2).to_owned(),
        model: said(3).to_owned(),
        kernel: said(4).to_owned(),
        thickness_mm: thickness.filter(|mm: &f64| mm.is_finite() && *mm > 0.0),
    })
}

/// The manufacturer that a vendor's code stands for, as DICOM files spell it; other codes as they
/// are.
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
    fn the_fields_of_a_coded_description_are_told_apart() {
        let said = parse("2,OPA,GE,LSULT,STANDARD,280,1.2,120,60,44.4,1.4").unwrap();
        let expected = Description {
            study_year: 2,
            axial: true,
            vendor: "GE".into(),
            model: "LSULT".into(),
            kernel: "STANDARD".into(),
            thickness_mm: Some(1.2),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn what_is_not_said_is_not_guessed() {
        let said = parse("0,OPA,SE,VZOOM,null,300,na,120,75,40,na").unwrap();
        assert_eq!((said.kernel.as_str(), said.thickness_mm), ("", None));
        let said = parse("1,OPL,PH").unwrap();
        assert!(!said.axial && said.study_year == 1 && said.model.is_empty());
    }

    #[test]
    fn other_descriptions_say_nothing() {
        for text in ["", "CHEST", "3,OPA,GE", "0", "0,1,GE", "CT, chest, lung"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
