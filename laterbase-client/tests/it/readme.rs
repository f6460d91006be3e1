//! The commands of the README's first page, run as they stand there.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::depot::{Listening, server};

const README: &str = include_str!("../../../README.md");
const SECTION: &str = "## Record offline, sync later";
const SERVER: &str = "http://127.0.0.1:4920";

/// The blocks of one kind in the section, one behind the other.
fn blocks(kind: &str) -> String {
    let section = README.split_once(SECTION).unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    let fence = format!("```{kind}\n");
    let blocks = section.split(fence.as_str()).skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

/// A line with everything that is another one each time as `#`: ids, digests, bytes, today.
fn shape(line: &str) -> String {
    let varies = |word: &str| {
        word.contains(':') || word.len() > 16 || matches!(word, "KiB," | "MiB," | "GiB" | "TiB")
    };
    let is_table = line.starts_with("shipment  ASN-");
    let words = line.split_whitespace().map(|word| {
        let is_number = word.chars().any(|c| c.is_ascii_digit()) && !word.starts_with('{');
        if !is_table && (is_number || varies(word)) { "#" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_first_page_says_what_its_commands_print() {
    let listening = Listening::start(server());
    let place = TempDir::new().unwrap();
    let lines = blocks("sh");
    let script: Vec<&str> = lines.lines().filter(|line| !line.starts_with("cargo ")).collect();
    let script = script.join("\n").replace(SERVER, &listening.url());
    let programs = Path::new(env!("CARGO_BIN_EXE_laterbase")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-eu", "-c", &script]).current_dir(place.path());
    shell.env("PATH", path).env("TZ", "Africa/Accra").env_remove("LATERBASE_STORE");
    let ended = shell.output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{told}");
    let printed = String::from_utf8(ended.stdout).unwrap();
    let printed: Vec<String> = printed.lines().map(shape).collect();
    let expected = blocks("text");
    let expected: Vec<String> = expected.lines().map(shape).collect();
    assert_eq!(printed, expected, "{told}");
}
