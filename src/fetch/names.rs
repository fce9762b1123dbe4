//! Names of files and folders from what archives and tables say, which may be anything.

/// Longest name made, in bytes; file systems take 255, and `.partial-` names need room too.
const LONGEST: usize = 128;

/// The name of a file or folder for an identifier: itself where it is plain, else a plain name that
/// keeps what can be kept and ends in a hash of the whole, so that different identifiers have
/// different names. `None` when there is no identifier.
///
/// A plain name is of letters, digits, `.`, `-` and `_`, and begins with none of `.` and `-`: it is
/// one component, never `..`, never absolute, never hidden, and never taken for an option.
pub fn safe_name(said: &str) -> Option<String> {
    if said.trim().is_empty() {
        return None;
    }
    if is_plain(said) {
        return Some(said.to_owned());
    }
    let (stem, extension) = match said.strip_suffix(".dcm") {
        Some(stem) if !stem.is_empty() => (stem, ".dcm"),
        _ => (said, ""),
    };
    let kept: String = stem
        .chars()
        .take(LONGEST / 2)
        .map(|letter| if is_plain_letter(letter) { letter } else { '_' })
        .collect();
    let kept = kept.trim_start_matches(['.', '-', '_']);
    let hash = &blake3::hash(said.as_bytes()).to_hex()[..12];
    let join = if kept.is_empty() { "" } else { "-" };
    Some(format!("{kept}{join}{hash}{extension}"))
}

fn is_plain(name: &str) -> bool {
    name.len() <= LONGEST && !name.starts_with(['.', '-']) && name.chars().all(is_plain_letter)
}

fn is_plain_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    #[test]
    fn identifiers_stay_what_they_are() {
        for plain in ["100012", "1.2.840.113654.2.55.1", "0a1b-2c.dcm", "a_b"] {
            assert_eq!(safe_name(plain).as_deref(), Some(plain));
        }
        assert_eq!(safe_name("  "), None);
        assert_ne!(safe_name(" 100012"), safe_name("100012"));
    }

    #[test]
    fn traps_become_plain_names() {
        let name = safe_name("../../etc/passwd").unwrap();
        assert!(name.starts_with("etc_passwd-") && is_plain(&name), "{name}");
        for trap in ["..", ".", "/", "/etc", "-rf", ".partial-x", "a/b.dcm", "C:\\x", "a\0b", "é"]
        {
            let name = safe_name(trap).unwrap();
            assert!(is_plain(&name), "{trap:?} gives {name:?}");
        }
        assert!(safe_name("a/b.dcm").unwrap().ends_with(".dcm"));
        assert_ne!(safe_name("a/b"), safe_name("a_b"));
        assert_ne!(safe_name("a/b"), safe_name("a\\b"));
    }

    proptest! {
        #[test]
        fn any_text_gives_one_plain_component(said in any::<String>()) {
            if let Some(name) = safe_name(&said) {
                prop_assert!(is_plain(&name), "{:?}", name);
                let parts: Vec<_> = Path::new(&name).components().collect();
                prop_assert_eq!(parts, vec![Component::Normal(name.as_ref())]);
                // A name is its own name.
                prop_assert_eq!(safe_name(&name), Some(name));
            }
        }

        #[test]
        fn different_texts_give_different_names(a in "[./\\\\a-c_-]{1,6}", b in "[./\\\\a-c_-]{1,6}") {
            prop_assume!(a != b);
            prop_assert_ne!(safe_name(&a), safe_name(&b));
        }
    }
}
