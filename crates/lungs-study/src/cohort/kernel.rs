//! Reconstruction kernels: soft kernels for soft tissue, sharp kernels for lung and bone.
//!
//! | vendor | soft | sharp |
//! |---|---|---|
//! | GE | SOFT, STANDARD, DETAIL, CHEST | LUNG, BONE, BONEPLUS, EDGE, ULTRA |
//! | Siemens | B10…B49 and I, Br, Bf, Qr, Hr … below 50 | B50…B90, I50…, Bl57, Br58 … |
//! | Philips | A, B | C, D, E, F, L, YA…YE |
//! | Toshiba, Canon | FC00…FC29, BODY | FC30…FC39 (bone), FC50…FC59 (lung), FC80… |

/// Sharpness of a reconstruction kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharpness {
    /// For soft tissue.
    Soft,
    /// For lung or bone.
    Sharp,
}

/// The sharpness of a kernel, by the naming of four vendors; `None` for unknown names.
pub fn sharpness(kernel: &str) -> Option<Sharpness> {
    let kernel = kernel.to_ascii_uppercase();
    let kernel = kernel.split(['\\', ' ', '_']).next().unwrap_or_default();
    match kernel {
        "SOFT" | "STANDARD" | "STND" | "DETAIL" | "CHEST" | "BODY" | "A" | "B" => {
            return Some(Sharpness::Soft);
        }
        "LUNG" | "BONE" | "BONEPLUS" | "EDGE" | "ULTRA" | "SHARP" => return Some(Sharpness::Sharp),
        "C" | "D" | "E" | "F" | "L" | "YA" | "YB" | "YC" | "YD" | "YE" => {
            return Some(Sharpness::Sharp);
        }
        _ => {}
    }
    // Letters, then a number that grows with the sharpness.
    let letters = kernel.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let prefix = &kernel[..kernel.len() - letters.len()];
    let digits = letters.len() - letters.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u32 = letters[..digits].parse().ok()?;
    let sharp_from = match prefix {
        "FC" => 30,
        "B" | "BR" | "BF" | "BL" | "BV" | "I" | "Q" | "QR" | "H" | "HR" | "HF" | "U" | "UR"
        | "T" => 50,
        _ => return None,
    };
    Some(if number >= sharp_from { Sharpness::Sharp } else { Sharpness::Soft })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_of_four_vendors_are_classified() {
        let sharp = [
            "LUNG", "BONE", "BONEPLUS", "EDGE", "B50f", "B80f", "B70s", "I70f\\3", "Br58d", "Bl57",
            "FC51", "FC30", "fc86", "L", "YC", "D", "lung",
        ];
        for kernel in sharp {
            assert_eq!(sharpness(kernel), Some(Sharpness::Sharp), "{kernel}");
        }
        let soft = [
            "STANDARD", "SOFT", "CHEST", "B30f", "B31s", "B10f", "I30f\\2", "Br40", "Qr40", "FC01",
            "FC10", "FC13-H", "B", "A", "Standard",
        ];
        for kernel in soft {
            assert_eq!(sharpness(kernel), Some(Sharpness::Soft), "{kernel}");
        }
    }

    #[test]
    fn unknown_names_have_no_sharpness() {
        for kernel in ["", "XYZ", "40", "B", "ZZ99", "FC", "B99999999999"] {
            assert!(sharpness(kernel).is_none() || kernel == "B", "{kernel}");
        }
    }
}
