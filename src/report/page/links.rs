//! Links from a page to files beside it.

use std::fs;
use std::path::{Component, Path};

/// The link from a page in one folder to another folder: relative, ending in `/`, or empty when
/// they are the same. `None` when one of them is not there.
pub fn folder_link(from: &Path, to: &Path) -> Option<String> {
    let (from, to) = (fs::canonicalize(from).ok()?, fs::canonicalize(to).ok()?);
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| "../".to_owned());
    let down = to.components().skip(shared).map(|part| match part {
        Component::Normal(name) => format!("{}/", encode(name.as_encoded_bytes())),
        _ => "/".to_owned(),
    });
    Some(up.chain(down).collect())
}

/// The link to a file in a folder of [`folder_link`].
pub fn link(folder: &str, file: &str) -> String {
    // A first part with a colon would read as a scheme; encoded it does not.
    format!("{folder}{}", encode(file.as_bytes()))
}

/// Percent-encodes what is not plain in a URL.
fn encode(name: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = name.iter().map(|&byte| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_relative_and_encoded() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        let (run, cache) = (at("results/demo/run"), at("data/ct: ü.prepared"));
        let found = folder_link(&run, &cache).unwrap();
        assert_eq!(found, "../../../data/ct%3A%20%C3%BC.prepared/");
        assert_eq!(link(&found, "a\"b.png"), "../../../data/ct%3A%20%C3%BC.prepared/a%22b.png");
        assert_eq!(folder_link(&run, &run).unwrap(), "");
        assert_eq!(link("", "javascript:alert(1)"), "javascript%3Aalert%281%29");
        assert_eq!(folder_link(&run, &folder.path().join("gone")), None);
    }
}
