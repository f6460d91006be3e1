#![allow(clippy::unwrap_used, reason = "tests")]

use super::{Tally, is_worth_showing};

const GREEN: &str = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.52s";
const RED: &str = "test result: FAILED. 7 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.00s";

fn tally(lines: &[&str]) -> Tally {
    let mut tally = Tally::default();
    for line in lines {
        tally.count(line);
    }
    tally
}

#[test]
fn results_of_all_binaries_are_summed() {
    let sum = tally(&[GREEN, "running 12 tests", RED]);
    assert_eq!(sum, Tally { passed: 19, failed: 2, ignored: 1 });
}

#[test]
fn a_result_glued_to_other_output_still_counts() {
    assert_eq!(tally(&[&format!("half a line{GREEN}")]).passed, 12);
}

#[test]
fn lines_that_only_look_like_counts_do_not_count() {
    assert_eq!(tally(&["5 passed; 5 failed", "test a_test ... ok"]), Tally::default());
}

#[test]
fn a_run_is_good_only_if_tests_ran_and_all_of_them_passed() {
    assert!(tally(&[GREEN]).verdict().is_ok());
    assert!(tally(&[]).verdict().is_err());
    assert!(tally(&[GREEN, RED]).verdict().is_err());
    let ignored = Tally { passed: 1, failed: 0, ignored: 1 };
    assert!(ignored.verdict().is_err());
}

#[test]
fn only_the_lines_of_passing_tests_are_hidden() {
    for hidden in ["test fold::tests::a ... ok", "running 12 tests", "running 1 test", "", "  "] {
        assert!(!is_worth_showing(hidden), "{hidden:?}");
    }
    for shown in [GREEN, RED, "test b ... FAILED", "running late", "thread 'b' panicked at x.rs:1"]
    {
        assert!(is_worth_showing(shown), "{shown:?}");
    }
}
