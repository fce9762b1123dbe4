//! Safe names of files and folders from arbitrary identifiers of archives and tables.

/// Maximum length of a name, in bytes. File systems allow 255; `.partial-` names need some of it.
const MAX_BYTES: usize = 128;

/// The name of a file or folder for an identifier. A plain identifier is returned unchanged. Any other becomes a
/// plain name with a hash of the identifier, so that different identifiers have different names. `None` for a
/// blank identifier.
///
/// A plain name consists of letters, digits, `.`, `-` and `_`, and does not begin with `.` or `-`. So it is one
/// path component, never `..`, never absolute, never hidden, and never mistaken for an option.
pub fn safe_name(identifier: &str) -> Option<String> {
    if identifier.trim().is_empty() {
        return None;
    }
    if is_plain(identifier) {
        return Some(identifier.to_owned());
    }
    let (stem, extension) = match identifier.strip_suffix(".dcm") {
        Some(stem) if !stem.is_empty() => (stem, ".dcm"),
        _ => (identifier, ""),
    };
    let start: String = stem
        .chars()
        .take(MAX_BYTES / 2)
        .map(|letter| if is_plain_letter(letter) { letter } else { '_' })
        .collect();
    let start = start.trim_start_matches(['.', '-', '_']);
    let hash = &blake3::hash(identifier.as_bytes()).to_hex()[..12];
    let separator = if start.is_empty() { "" } else { "-" };
    Some(format!("{start}{separator}{hash}{extension}"))
}

fn is_plain(name: &str) -> bool {
    name.len() <= MAX_BYTES && !name.starts_with(['.', '-']) && name.chars().all(is_plain_letter)
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
    fn plain_identifiers_are_unchanged() {
        for plain in ["100012", "1.2.840.113654.2.55.1", "0a1b-2c.dcm", "a_b"] {
            assert_eq!(safe_name(plain).as_deref(), Some(plain));
        }
        assert_eq!(safe_name("  "), None);
        assert_ne!(safe_name(" 100012"), safe_name("100012"));
    }

    #[test]
    fn dangerous_identifiers_become_plain_names() {
        let name = safe_name("../../etc/passwd").unwrap();
        assert!(name.starts_with("etc_passwd-") && is_plain(&name), "{name}");
        for identifier in
            ["..", ".", "/", "/etc", "-rf", ".partial-x", "a/b.dcm", "C:\\x", "a\0b", "é"]
        {
            let name = safe_name(identifier).unwrap();
            assert!(is_plain(&name), "{identifier:?} gives {name:?}");
        }
        assert!(safe_name("a/b.dcm").unwrap().ends_with(".dcm"));
        assert_ne!(safe_name("a/b"), safe_name("a_b"));
        assert_ne!(safe_name("a/b"), safe_name("a\\b"));
    }

    proptest! {
        #[test]
        fn any_text_gives_one_plain_component(identifier in any::<String>()) {
            if let Some(name) = safe_name(&identifier) {
                prop_assert!(is_plain(&name), "{:?}", name);
                let parts: Vec<_> = Path::new(&name).components().collect();
                prop_assert_eq!(parts, vec![Component::Normal(name.as_ref())]);
                // The function is idempotent.
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
