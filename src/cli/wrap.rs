//! Line breaks in errors. Paths and commands stay whole, so that they can be copied.

use rustix::termios::tcgetwinsize;
use textwrap::core::Word;

/// Columns of errors that are not written to a terminal, and the most on a wide one.
const MAX_COLUMNS: usize = 100;
/// The least columns; a narrower terminal breaks the lines itself.
const MIN_COLUMNS: usize = 40;

/// Columns of standard error: those of the terminal, else those of the variable `COLUMNS` as in the help, else 100.
pub(super) fn columns() -> usize {
    let terminal = tcgetwinsize(std::io::stderr()).ok().map(|size| usize::from(size.ws_col));
    let variable = || -> Option<usize> { std::env::var("COLUMNS").ok()?.parse().ok() };
    let columns = terminal.filter(|columns| *columns > 0).or_else(variable);
    columns.unwrap_or(MAX_COLUMNS).clamp(MIN_COLUMNS, MAX_COLUMNS)
}

/// The parts of a line between which it may be broken: its words, but code in backticks and a line that is a command
/// are one word each.
pub(super) fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    if line.trim_start().starts_with("lungs ") {
        return Box::new(std::iter::once(Word::from(line)));
    }
    let mut words = Vec::new();
    let (mut start, mut is_code, mut after_space) = (0, false, false);
    for (index, character) in line.char_indices() {
        if after_space && character != ' ' {
            words.push(Word::from(&line[start..index]));
            start = index;
        }
        if character == '`' {
            // A single backtick is an ordinary character.
            is_code = !is_code && line[index + 1..].contains('`');
        }
        after_space = character == ' ' && !is_code;
    }
    if start < line.len() {
        words.push(Word::from(&line[start..]));
    }
    Box::new(words.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<String> {
        words(line).map(|word| word.word.to_owned()).collect()
    }

    #[test]
    fn lines_break_at_spaces_but_not_within_paths_and_commands() {
        assert_eq!(split("a results/x-1/y  does"), ["a", "results/x-1/y", "does"]);
        assert_eq!(
            split("train it with `lungs train results/a b`, then `x`"),
            ["train", "it", "with", "`lungs train results/a b`,", "then", "`x`"]
        );
        assert_eq!(split("  lungs weights import a -o b"), ["  lungs weights import a -o b"]);
        assert_eq!(split("one ` of two"), ["one", "`", "of", "two"]);
        assert_eq!(split("`a b` c ` d e"), ["`a b`", "c", "`", "d", "e"]);
        assert_eq!(split(""), Vec::<String>::new());
    }

    #[test]
    fn no_character_is_lost() {
        for line in ["a  b ", " `x y`  z", "é ü `ß ` ", "lungs run a b "] {
            let text: String =
                words(line).map(|word| format!("{}{}", word.word, word.whitespace)).collect();
            assert_eq!(text, line);
        }
    }
}
