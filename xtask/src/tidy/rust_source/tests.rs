use super::check;
use crate::tidy::tree::TextFile;

/// Expects findings at `lines` in a file at `path`.
#[track_caller]
fn check_lines(path: &str, text: &str, lines: &[usize]) {
    let findings = check(&TextFile::sample(path, text));
    let found: Vec<_> = findings.iter().map(|finding| finding.line).collect();
    assert_eq!(found, lines, "{findings:?}");
}

#[test]
fn a_file_may_have_500_lines() {
    check_lines("a/src/lib.rs", &"//\n".repeat(500), &[]);
    check_lines("a/src/lib.rs", &"//\n".repeat(501), &[501]);
}

#[test]
fn a_function_may_have_70_lines() {
    let function = |lines: usize| format!("fn f() {{\n{}}}", "    g();\n".repeat(lines - 2));
    check_lines("a/src/lib.rs", &function(70), &[]);
    check_lines("a/src/lib.rs", &format!("//! Text.\n{}", function(71)), &[2]);
    check_lines("a/src/lib.rs", &format!("impl A {{\n{}\n}}", function(71)), &[2]);
    check_lines("a/src/lib.rs", &format!("trait A {{\n{}\n}}", function(71)), &[2]);
    check_lines("a/src/lib.rs", &format!("mod m {{\n{}\n}}", function(71)), &[2]);
    check_lines("a/src/lib.rs", "trait A { fn f(); }", &[]);
}

#[test]
fn ignored_tests_are_found_also_inside_macros() {
    check_lines("a/tests/it/main.rs", "#[test]\n#[ignore]\nfn f() {}", &[2]);
    check_lines("a/tests/it/main.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}", &[2]);
    let in_macro = "proptest! {\n    #[test]\n    #[ignore]\n    fn f() {}\n}";
    check_lines("a/src/fold/tests.rs", in_macro, &[3]);
    check_lines("a/src/lib.rs", "fn f() { let ignore = [1]; g!([ignored]); }", &[]);
}

#[test]
fn core_reaches_for_no_file_thread_socket_or_clock() {
    let path = "laterbase-core/src/fold.rs";
    check_lines(path, "fn f() {\n    std::fs::read(\"a\");\n}", &[2]);
    check_lines(path, "use std::thread;", &[1]);
    check_lines(path, "use std::{\n    fmt,\n    net::TcpStream,\n};", &[3]);
    check_lines(path, "use std::{fmt, time::{Duration, SystemTime as Clock}};", &[1]);
    check_lines(path, "use std::process::*;", &[1]);
    check_lines(path, "fn f(at: std::time::Instant) {}", &[1]);
    check_lines(
        path,
        "use std::{fmt, time::Duration};\n// std::fs\nconst A: &str = \"std::fs\";",
        &[],
    );
    check_lines(path, "use std::fsx;", &[]);
}

#[test]
fn the_tests_of_core_and_the_other_packages_may() {
    let text = "use std::fs;";
    check_lines("laterbase-core/src/fold/tests.rs", text, &[]);
    check_lines("laterbase-core/tests/it/main.rs", text, &[]);
    check_lines("laterbase-server/src/main.rs", text, &[]);
    check_lines("laterbase-core/src/fold.rs", "#[cfg(test)]\nmod t { use std::fs; }", &[]);
    check_lines("laterbase-core/src/fold.rs", "#[cfg(unix)]\nmod t { use std::fs; }", &[2]);
}

#[test]
fn a_file_that_does_not_parse_is_found() {
    check_lines("a/src/lib.rs", "fn f() {}\nfn {", &[2]);
}
