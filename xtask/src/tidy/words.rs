//! Words that no file may hold.

use super::{Finding, tree::TextFile};

#[cfg(test)]
mod tests;

/// Each with the reason; written in two pieces so that this file does not hold them.
const FORBIDDEN: [(&str, &str); 4] = [
    (concat!("TO", "DO"), "what is left to do belongs into an issue"),
    (concat!("FIX", "ME"), "what is broken belongs into an issue"),
    (concat!("dbg", "!"), "left over from debugging"),
    (concat!("/wo", "rk/"), "a path of one machine"),
];

pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for (word, reason) in FORBIDDEN {
            if holds(line, word) {
                findings.push(Finding::new(&file.path, number, format!("`{word}`: {reason}")));
            }
        }
    }
    findings
}

/// True if `word` is in `line` and is not the end or the beginning of a longer one.
fn holds(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let whole_word = !word.ends_with(char::is_alphabetic) || !goes_on(after);
        !goes_on(before) && whole_word
    })
}
