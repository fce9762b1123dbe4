//! Names in messages.

/// A name from a file, escaped and shortened for messages.
pub(super) fn readable(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().take(200).flat_map(char::escape_debug).collect()
}
