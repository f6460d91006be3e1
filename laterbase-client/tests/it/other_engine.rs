//! The command on stores of another engine than LMDB.

use std::fs;

use crate::command::Workplace;

/// The command refused the stores of a server on RocksDB: nothing could be verified, repaired or
/// taken out of them but by a sync.
#[cfg(feature = "rocks")]
#[test]
fn every_command_works_on_a_store_of_rocksdb() {
    use laterbase_store_rocks::{RocksOptions, RocksStore};

    let place = Workplace::new();
    drop(RocksStore::open(&place.path("laterbase-data"), RocksOptions::default()).unwrap());
    let file = place.write("lines", &crate::sample::lines(6, 40));
    assert_eq!(place.summary(&["record", &file])["recorded"], 40);
    let status = place.summary(&["status"]);
    assert_eq!(status["engine"], "rocks");
    assert!(status["storage"]["left_bytes"].as_u64().unwrap() > 0);
    assert_eq!(place.summary(&["verify"])["events"], 40);
    for arguments in [&["export", "whole"][..], &["export", "--salvage", "salvaged"]] {
        assert_eq!(place.summary(arguments)["exported"], 40, "{arguments:?}");
    }
    let root = status["roots"].as_object().unwrap().keys().next().unwrap().clone();
    let logged = place.succeed(&["log", "--root", &root]);
    for name in ["whole", "salvaged"] {
        let imported = place.summary(&["--store", &format!("of-{name}"), "import", name]);
        assert_eq!(imported["imported"], 40, "{name}");
        let copied = place.succeed(&["--store", &format!("of-{name}"), "log", "--root", &root]);
        assert_eq!(copied.lines().count(), logged.lines().count(), "{name}");
    }
    fs::write(place.path("laterbase-data/derived/CURRENT"), "junk").unwrap();
    let ended = place.run(&["verify"]);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert!(ended.stdout.contains("derived tables:"), "{}", ended.stdout);
    place.succeed(&["verify", "--repair"]);
    assert_eq!(place.succeed(&["log", "--root", &root]), logged);
}

/// Beside a server on RocksDB nothing could be read, and no backup be taken.
#[cfg(feature = "rocks")]
#[test]
fn a_store_of_rocksdb_is_read_while_another_process_has_it_open() {
    use laterbase_client::device::{Device, DeviceOptions};
    use laterbase_core::event::Record;
    use laterbase_store_rocks::{RocksOptions, RocksStore};

    let place = Workplace::new();
    let data = place.path("laterbase-data");
    drop(RocksStore::open(&data, RocksOptions::default()).unwrap());
    let file = place.write("lines", &crate::sample::lines(6, 40));
    place.succeed(&["record", &file]);
    let root = place.summary(&["status"])["roots"].as_object().unwrap().keys().next().cloned();
    let root = root.unwrap();
    let asked = [&["log", "--root", &root][..], &["list", "--json"], &["verify"]];
    let alone = asked.map(|arguments| place.succeed(arguments));
    let device = Device::open(&data, DeviceOptions::default()).unwrap();
    assert_eq!(asked.map(|arguments| place.succeed(arguments)), alone);
    // What it records is seen, and in a backup.
    let mut batch = device.batch(&"late".parse().unwrap());
    batch.push(&Record::json("P1", "t", "{}")).unwrap();
    device.record(&batch).unwrap();
    assert_eq!(place.event_count(), 41);
    assert_eq!(place.summary(&["backup", "beside.lbbk"])["events"], 41);
    assert_eq!(place.summary(&["verify", "beside.lbbk"])["fault_count"], 0);
    device.close().unwrap();
    assert_eq!(place.event_count(), 41);
    // Backups go from any engine to any.
    for engine in ["lmdb", "rocks"] {
        let restored = ["restore", "beside.lbbk", "--store", engine, "--engine", engine];
        assert_eq!(place.summary(&restored)["events"], 41);
        let renewed = place.run(&["status", "--store", engine]);
        assert!(renewed.stderr.contains("copied or restored"), "{}", renewed.stderr);
        assert_eq!(place.summary(&["status", "--store", engine])["engine"], engine);
        assert_eq!(place.summary(&["verify", "--store", engine])["fault_count"], 0);
    }
}

#[test]
fn a_store_of_an_engine_that_was_left_out_says_which_one_and_how_to_get_it() {
    let place = Workplace::new();
    let folder = place.path("laterbase-data");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("laterbase.stamp"), "engine = stones\nformat = 1\n").unwrap();
    for arguments in
        [&["status"][..], &["verify"], &["export", "out"], &["export", "--salvage", "out"]]
    {
        let ended = place.run(arguments);
        assert_eq!(ended.code, 1);
        let told = ended.stderr;
        assert!(told.contains("the engine `stones`"), "{arguments:?}: {told}");
        assert!(told.contains("--features stones"), "{arguments:?}: {told}");
    }
}

#[test]
fn nothing_is_recorded_beyond_the_stores_bound() {
    let place = Workplace::new();
    let file = place.write("lines", &crate::sample::lines(6, 40));
    place.succeed(&["record", &file]);
    let refused = place.run(&["--max-store-size", "10K", "record", &file]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("its bound is 10240 bytes"), "{}", refused.stderr);
    let status = place.run(&["--max-store-size", "10K", "status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["storage"]["left_bytes"], 0);
    place.succeed(&["--max-store-size", "1G", "record", &file]);
    let zero = place.run(&["--max-store-size", "0", "status"]);
    assert_eq!(zero.code, 2, "{}", zero.stderr);
}
