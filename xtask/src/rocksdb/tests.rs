#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::PathBuf, process::Command};

use super::{ARCHIVE, Build, Library, is_package, keep, output_folder, version_and_features};

const ID: &str =
    "registry+https://github.com/rust-lang/crates.io-index#librocksdb-sys@0.19.0+11.8.1";

fn build() -> Build {
    Build {
        version: "0.19.0+11.8.1".to_owned(),
        target: "x86_64-unknown-linux-gnu".to_owned(),
        features: vec!["lz4".to_owned()],
        compiler: "c++ 12.2.0".to_owned(),
        flags: vec![("CXXFLAGS".to_owned(), String::new())],
    }
}

#[test]
fn the_folder_name_changes_with_everything_the_archive_depends_on() {
    let mut builds = vec![build(); 6];
    builds[1].version = "0.20.0+12.0.0".to_owned();
    builds[2].target = "aarch64-apple-darwin".to_owned();
    builds[3].features.push("zstd".to_owned());
    builds[4].compiler = "c++ 13.1.0".to_owned();
    builds[5].flags[0].1 = "-march=native".to_owned();
    let mut names: Vec<_> = builds.iter().map(Build::folder_name).collect();
    assert_eq!(names[0], build().folder_name());
    assert!(names[0].starts_with("rocksdb-0.19.0+11.8.1-x86_64-unknown-linux-gnu-"));
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 6);
}

#[test]
fn the_version_and_the_sorted_features_come_from_the_metadata() {
    let metadata = format!(
        r#"{{"resolve": {{"nodes": [{{"id": "path+file:///x#core@0.1.0", "features": []}},
            {{"id": "{ID}", "features": ["static", "lz4"]}}]}}}}"#
    );
    let (version, features) = version_and_features(&metadata).unwrap();
    assert_eq!(version, "0.19.0+11.8.1");
    assert_eq!(features, ["lz4", "static"]);
    assert!(version_and_features(r#"{"resolve": {"nodes": []}}"#).is_err());
}

#[test]
fn a_package_is_known_by_its_whole_name() {
    assert!(is_package(ID));
    assert!(!is_package("registry+https://example.org#librocksdb-sys-extra@1.0.0"));
    assert!(!is_package("path+file:///librocksdb-sys#core@0.1.0"));
}

#[test]
fn the_output_folder_is_found_among_the_messages() {
    let messages = format!(
        "{}\n{}\n{}\n",
        r#"{"reason":"build-script-executed","package_id":"registry+x#libc@0.2.0","out_dir":"/no"}"#,
        format_args!(r#"{{"reason":"compiler-artifact","package_id":"{ID}","out_dir":"/no"}}"#),
        format_args!(
            r#"{{"reason":"build-script-executed","package_id":"{ID}","out_dir":"/yes"}}"#
        ),
    );
    assert_eq!(output_folder(&messages).unwrap(), Some(PathBuf::from("/yes")));
    let nothing = r#"{"reason":"build-finished","success":true}"#;
    assert_eq!(output_folder(nothing).unwrap(), None);
}

#[test]
fn an_archive_is_kept_whole_and_leaves_no_partial_copy() {
    let room = tempfile::tempdir().unwrap();
    let (archive, folder) = (room.path().join("built.a"), room.path().join("cache/rocksdb-1"));
    fs::write(&archive, "the archive").unwrap();
    keep(&archive, &folder).unwrap();
    keep(&archive, &folder).unwrap();
    assert_eq!(fs::read(folder.join(ARCHIVE)).unwrap(), b"the archive");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn an_archive_that_is_missing_or_empty_leaves_nothing_in_the_cache() {
    let room = tempfile::tempdir().unwrap();
    let (archive, folder) = (room.path().join("built.a"), room.path().join("rocksdb-1"));
    assert!(keep(&archive, &folder).is_err());
    fs::write(&archive, "").unwrap();
    assert!(keep(&archive, &folder).is_err());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_library_points_commands_at_its_folder() {
    let mut command = Command::new("cargo");
    Library { folder: None }.apply(&mut command);
    assert_eq!(command.get_envs().count(), 0);
    Library { folder: Some(PathBuf::from("/cache/rocksdb-1")) }.apply(&mut command);
    let set: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(set, ["ROCKSDB_LIB_DIR", "ROCKSDB_STATIC"]);
}
