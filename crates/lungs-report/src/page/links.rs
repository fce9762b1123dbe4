//! Relative links from a page to other files.

use std::fs;
use std::path::{Component, Path};

/// The relative link from a page in folder `from` to folder `to`: ends in `/`, or is empty when both are the
/// same. `None` when a folder does not exist.
pub(crate) fn folder_link(from: &Path, to: &Path) -> Option<String> {
    let (from, to) = (fs::canonicalize(from).ok()?, fs::canonicalize(to).ok()?);
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| "../".to_owned());
    let down = to.components().skip(shared).map(|part| match part {
        Component::Normal(name) => format!("{}/", encode(name.as_encoded_bytes())),
        _ => "/".to_owned(),
    });
    Some(up.chain(down).collect())
}

/// The link to `file` in a folder that [`folder_link`] returned.
pub fn link(folder: &str, file: &str) -> String {
    // Encoding keeps a colon in the first component from being read as a URL scheme.
    format!("{folder}{}", encode(file.as_bytes()))
}

/// Percent-encodes all bytes but unreserved characters.
fn encode(name: &[u8]) -> String {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = name.iter().map(|&byte| {
        if is_unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_relative_and_encoded() {
        let folder = tempfile::tempdir().unwrap();
        let create = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        let (run, cache) = (create("results/demo/run"), create("data/ct: ü.prepared"));
        let to_cache = folder_link(&run, &cache).unwrap();
        assert_eq!(to_cache, "../../../data/ct%3A%20%C3%BC.prepared/");
        assert_eq!(link(&to_cache, "a\"b.png"), "../../../data/ct%3A%20%C3%BC.prepared/a%22b.png");
        assert_eq!(folder_link(&run, &run).unwrap(), "");
        assert_eq!(link("", "javascript:alert(1)"), "javascript%3Aalert%281%29");
        assert_eq!(folder_link(&run, &folder.path().join("gone")), None);
    }
}
