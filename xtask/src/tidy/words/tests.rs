use super::{FORBIDDEN, check};
use crate::tidy::tree::TextFile;

#[test]
fn each_forbidden_word_is_found_with_its_line() {
    for (word, _) in FORBIDDEN {
        let file = TextFile::sample("a.rs", &format!("fine\n// {word} x\n"));
        let findings = check(&file);
        assert_eq!(findings.len(), 1, "{word}");
        assert_eq!(findings[0].line, 2);
    }
}

#[test]
fn longer_words_that_contain_one_are_fine() {
    let word = FORBIDDEN[0].0;
    let file = TextFile::sample("a.md", &format!("MAS{word} and {word}R and {word}_LIST\n"));
    assert_eq!(check(&file), []);
}
