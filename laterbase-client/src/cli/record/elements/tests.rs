#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{self, BufReader};

use super::*;

fn read(text: &str) -> (Vec<String>, Option<String>) {
    let mut elements = Elements::new(BufReader::with_capacity(3, text.as_bytes()));
    let mut read = Vec::new();
    loop {
        match elements.next() {
            Ok(Some(line)) => read.push(str::from_utf8(line.text).unwrap().to_owned()),
            Ok(None) => return (read, None),
            Err(error) => return (read, Some(error.to_string())),
        }
    }
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let (read, error) = read(text);
    assert_eq!((read.as_slice(), error), (expected.map_owned().as_slice(), None), "{text}");
}

trait MapOwned {
    fn map_owned(&self) -> Vec<String>;
}

impl MapOwned for [&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn an_array_gives_its_elements() {
    check("[]", &[]);
    check(" [ ] \n", &[]);
    check(r#"[{"a":1},{"b":[1,{"c":2}]}]"#, &[r#"{"a":1}"#, r#"{"b":[1,{"c":2}]}"#]);
    check("[\n {\"a\" : \"x]},[{\"}\n , \n{}\n]\n", &["{\"a\" : \"x]},[{\"}", "{}"]);
    check(r#"["\"]", "\\", 1, null,[ ]]"#, &[r#""\"]""#, r#""\\""#, "1", "null", "[ ]"]);
}

#[test]
fn documents_may_follow_each_other() {
    check("", &[]);
    check("{\"a\":1}\n{\"b\":2}{}\n", &["{\"a\":1}", "{\"b\":2}", "{}"]);
    check("{\"a\":", &["{\"a\":"]);
}

#[test]
fn what_is_no_array_is_refused_where_it_ends_to_be_one() {
    for (text, remark) in [
        ("[", "does not end"),
        ("[{}", "does not end"),
        ("[{},", "does not end"),
        ("[{", "does not end"),
        ("[{} {}]", "a comma"),
        ("[{}] {}", "follows"),
    ] {
        let (_, error) = read(text);
        assert!(error.as_ref().is_some_and(|error| error.contains(remark)), "{text}: {error:?}");
    }
}

/// It was the number of the element behind it.
#[test]
fn an_array_that_breaks_off_is_named_by_its_last_element() {
    for (text, number) in [("[", 1), ("[{}, {", 2), ("[{},{} {}]", 2)] {
        let mut elements = Elements::new(text.as_bytes());
        let fault = loop {
            match elements.next() {
                Ok(read) => assert!(read.is_some(), "{text}"),
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault.number, number, "{text}");
    }
}

#[test]
fn an_endless_element_is_refused_before_it_fills_the_memory() {
    let mut elements = Elements::new(BufReader::new(io::repeat(b'[')));
    assert!(matches!(elements.next(), Err(LineFault { error: LineError::TooLong, .. })));
    assert!(elements.text.capacity() <= 2 * LINE_BYTES_MAX);
}
