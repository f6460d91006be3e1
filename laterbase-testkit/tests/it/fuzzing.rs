//! The bodies of the fuzz targets, on their seeds and on mutations that are the same each time.
//!
//! Mutations of the core that turn them red, each tried: no check of the bounds in
//! `Record::decode` (`record`); a run behind a hole that is passed over (`replica`).

use std::fs;
use std::path::Path;

use laterbase_testkit::fuzzing::{TARGETS, target};

/// Mutations of each seed.
const ROUNDS: u64 = 300;

#[track_caller]
fn check(name: &str) {
    let target = target(name);
    assert!(target.check(ROUNDS) > 0);
}

macro_rules! targets {
    ($($test:ident: $name:literal;)+) => {
        $(
            #[test]
            fn $test() {
                check($name);
            }
        )+

        #[test]
        fn every_target_is_tried_here_and_has_a_cargo_fuzz_target_and_seeds() {
            let names = TARGETS.map(|target| target.name);
            assert_eq!(names.as_slice(), [$($name),+]);
            let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
            for target in TARGETS {
                let source = fuzz.join("fuzz_targets").join(target.name).with_extension("rs");
                assert!(source.is_file(), "{} is missing", source.display());
                for (index, seed) in (target.seeds)().into_iter().enumerate() {
                    let path = fuzz.join("seeds").join(target.name).join(index.to_string());
                    let kept = fs::read(&path).unwrap_or_default();
                    let help = "cargo run -p laterbase-testkit --example seeds writes it";
                    assert!(kept == seed, "{} is of another time: {help}", path.display());
                }
            }
        }
    };
}

targets! {
    any_bytes_are_a_record_or_refused: "record";
    any_bytes_are_a_delta_page_or_refused: "delta";
    any_page_is_merged_as_a_whole_or_refused: "pages";
    any_bytes_are_a_version_vector_or_refused: "version_vector";
    any_text_is_a_cursor_or_refused: "cursor";
    any_bytes_are_heads_or_refused: "heads";
    any_bytes_are_wants_or_refused: "wants";
    any_bytes_are_events_in_json_or_refused: "json";
    any_text_is_a_time_or_refused: "time";
    any_text_is_a_name_or_refused: "name";
    any_bytes_are_operations_that_a_model_follows: "replica";
}
