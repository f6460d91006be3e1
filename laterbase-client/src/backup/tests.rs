#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use laterbase_core::event::Record;
use laterbase_core::id::RootName;
use laterbase_core::reader::Query;
use laterbase_core::verify::verify;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::device::{Device, DeviceOptions};

fn root() -> RootName {
    RootName::new("pallet").unwrap()
}

fn record(device: &Device, id: &str, data: &str) {
    let mut batch = device.batch(&root());
    batch.push(&Record::json(id, "T", data)).unwrap();
    device.record(&batch).unwrap();
}

fn state(device: &Device, id: &str, known_at: Option<i64>) -> Option<Vec<u8>> {
    let query = Query { known_at, ..Query::default() };
    device.reader().aggregate(&root(), id, &query).unwrap().map(|found| found.state)
}

/// A store with a few events, and its backup.
fn backed_up() -> (TempDir, PathBuf) {
    let directory = tempdir().unwrap();
    let device = Device::open(&directory.path().join("store"), DeviceOptions::default()).unwrap();
    for number in 0..5 {
        record(&device, "p", &format!("{{\"n\":{number}}}"));
    }
    device.close().unwrap();
    let store = engine::open_to_read(&directory.path().join("store")).unwrap();
    let file = directory.path().join("a.lbbk");
    let taken = back_up(&store, &file, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((taken.events, taken.bytes), (5, fs::metadata(&file).unwrap().len()));
    (directory, file)
}

fn names(folder: &Path) -> Vec<String> {
    let entry = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(entry).collect();
    names.sort_unstable();
    names
}

fn at_moment(moment: i64) -> RestoreOptions {
    RestoreOptions { known_at: Some(moment), ..RestoreOptions::default() }
}

#[test]
fn a_restored_store_is_the_one_that_was_backed_up_under_another_id() {
    let (directory, file) = backed_up();
    let copy = directory.path().join("copy");
    assert_eq!(restore(&file, &copy, RestoreOptions::default(), &mut |_| {}).unwrap(), 5);
    let first = Device::open(&directory.path().join("store"), DeviceOptions::default()).unwrap();
    let second = Device::open(&copy, DeviceOptions::default()).unwrap();
    assert_ne!(first.id(), second.id());
    assert_eq!(state(&second, "p", None), Some(b"{\"n\":4}".to_vec()));
    let digest = |device: &Device| device.reader().status().unwrap().roots[0].digest.clone();
    assert_eq!(digest(&first), digest(&second));
    record(&second, "p", "{}");
    second.close().unwrap();
    let store = engine::open(&copy, StoreOptions::default()).unwrap();
    assert!(verify(&*store, &mut |_, _| {}).unwrap().is_sound());
    assert_eq!(names(directory.path()), ["a.lbbk", "copy", "store"]);
}

#[cfg(unix)]
#[test]
fn others_may_not_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_directory, file) = backed_up();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Every event that was acknowledged before the backup began is in it, and it is of one moment:
/// of each commit of two events, it has both or none.
#[test]
fn it_is_the_store_at_one_moment_while_others_write() {
    let directory = tempdir().unwrap();
    let device = Device::open(&directory.path().join("store"), DeviceOptions::default()).unwrap();
    let is_over = AtomicBool::new(false);
    let acknowledged = std::sync::atomic::AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                let mut batch = device.batch(&root());
                for id in ["a", "b"] {
                    batch.push(&Record::json(id, "T", "{}")).unwrap();
                }
                device.record(&batch).unwrap();
                acknowledged.fetch_add(2, Ordering::Release);
            }
        });
        let mut sizes = Vec::new();
        for number in 0..20 {
            let before = acknowledged.load(Ordering::Acquire);
            let file = directory.path().join(format!("{number}.lbbk"));
            let taken =
                back_up(device.reader(), &file, &mut |_| ControlFlow::Continue(())).unwrap();
            assert!(
                taken.events >= before && taken.events.is_multiple_of(2),
                "{taken:?}, {before}"
            );
            let copy = directory.path().join(format!("{number}"));
            assert_eq!(
                restore(&file, &copy, RestoreOptions::default(), &mut |_| {}).unwrap(),
                taken.events
            );
            let store = engine::open(&copy, StoreOptions::default()).unwrap();
            let report = verify(&*store, &mut |_, _| {}).unwrap();
            assert!(report.is_truth_sound() && report.events == taken.events, "{report:?}");
            sizes.push(taken.events);
        }
        is_over.store(true, Ordering::Release);
        assert!(sizes.is_sorted() && sizes[0] < sizes[19], "it was written to: {sizes:?}");
    });
}

#[test]
fn what_was_known_at_a_moment_is_restored() {
    let (directory, _) = backed_up();
    let device = Device::open(&directory.path().join("store"), DeviceOptions::default()).unwrap();
    let moment = device.now_nanos();
    record(&device, "p", r#"{"n":99,"late":true}"#);
    record(&device, "q", "1");
    let file = directory.path().join("b.lbbk");
    back_up(device.reader(), &file, &mut |_| ControlFlow::Continue(())).unwrap();
    let copy = directory.path().join("copy");
    assert_eq!(restore(&file, &copy, at_moment(moment), &mut |_| {}).unwrap(), 5);
    let again = Device::open(&copy, DeviceOptions::default()).unwrap();
    for id in ["p", "q"] {
        assert_eq!(state(&again, id, None), state(&device, id, Some(moment)), "{id}");
    }
}

/// Mutation: the directory is made under its own name.
#[test]
fn of_a_damaged_or_short_file_nothing_is_made() {
    let (directory, file) = backed_up();
    let good = fs::read(&file).unwrap();
    let copy = directory.path().join("copy");
    for end in (0..good.len()).step_by(97).chain([good.len() - 1]) {
        fs::write(&file, &good[..end]).unwrap();
        restore(&file, &copy, RestoreOptions::default(), &mut |_| {}).unwrap_err();
        assert_eq!(names(directory.path()), ["a.lbbk", "store"], "cut at {end}");
    }
    for place in (0..good.len()).step_by(61) {
        let mut bad = good.clone();
        bad[place] ^= 0x20;
        fs::write(&file, &bad).unwrap();
        restore(&file, &copy, RestoreOptions::default(), &mut |_| {}).unwrap_err();
        assert_eq!(names(directory.path()), ["a.lbbk", "store"], "changed at {place}");
    }
    fs::write(&file, [&good[..], b"x"].concat()).unwrap();
    restore(&file, &copy, RestoreOptions::default(), &mut |_| {}).unwrap_err();
}

/// As a shell completes the name of a folder.
#[test]
fn a_slash_behind_the_new_directory_changes_nothing() {
    let (directory, file) = backed_up();
    for name in ["copy/", "other/."] {
        let copy = directory.path().join(name);
        assert_eq!(restore(&file, &copy, RestoreOptions::default(), &mut |_| {}).unwrap(), 5);
    }
    assert_eq!(names(directory.path()), ["a.lbbk", "copy", "other", "store"]);
}

/// What a killed call leaves is removed by the next one; what is somebody else's is not.
#[test]
fn what_is_in_the_way_is_told_from_what_a_restore_left() {
    let (directory, file) = backed_up();
    let (copy, partial) = (directory.path().join("copy"), directory.path().join("copy.restoring"));
    drop(engine::open(&partial, StoreOptions::default()).unwrap());
    fs::write(directory.path().join("a.lbbk.partial"), b"half").unwrap();
    assert_eq!(restore(&file, &copy, RestoreOptions::default(), &mut |_| {}).unwrap(), 5);
    let error = restore(&file, &copy, RestoreOptions::default(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, BackupError::Exists { .. }), "{error}");
    fs::remove_dir_all(&copy).unwrap();
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("letter"), b"dear").unwrap();
    let error = restore(&file, &copy, RestoreOptions::default(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, BackupError::InTheWay { .. }), "{error}");
    assert_eq!(names(&partial), ["letter"]);
    let store = engine::open_to_read(&directory.path().join("store")).unwrap();
    back_up(&store, &file, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(!directory.path().join("a.lbbk.partial").exists());
    let error = back_up(&store, &file, &mut |_| ControlFlow::Break(())).unwrap_err();
    assert!(matches!(error, BackupError::Stopped), "{error}");
    assert_eq!(
        restore(&file, &copy, RestoreOptions::default(), &mut |_| {}).unwrap_err().to_string(),
        { BackupError::InTheWay { path: partial }.to_string() }
    );
}

#[test]
fn another_kind_of_file_is_told_from_a_backup() {
    let (directory, file) = backed_up();
    fs::write(&file, b"LBDF\x01\0\0\0\0").unwrap();
    let error =
        restore(&file, &directory.path().join("copy"), RestoreOptions::default(), &mut |_| {})
            .unwrap_err();
    assert_eq!(error.to_string(), "this is not a Laterbase backup");
}

/// Two that tried the same backup took the directory from each other.
#[test]
fn a_backup_is_tried_out_and_nothing_stays() {
    let (directory, file) = backed_up();
    let mut place = PathBuf::new();
    let events = try_out(&file, |copy| {
        place = copy.to_owned();
        assert!(try_out(&file, |other| assert_ne!(other, copy)).is_ok());
        let store: Arc<dyn Store> = engine::open(copy, StoreOptions::default()).unwrap();
        verify(&*store, &mut |_, _| {}).unwrap().events
    });
    assert_eq!(events.unwrap(), 5);
    assert!(!place.exists() && !with_suffix(&place, "restoring").exists());
    assert_eq!(names(directory.path()), ["a.lbbk", "store"]);
}

/// Mutation: without the zeros at a fraction's end, a later name is before an earlier one.
#[test]
fn names_are_in_the_order_in_which_backups_were_taken() {
    let times =
        [0, 1, 999_999_999, 1_000_000_000, 1_700_000_000_100_000_000, 1_700_000_000_100_000_001];
    let names: Vec<String> = times.map(|time| BackupName::at(time).to_string()).to_vec();
    assert_eq!(names[0], "laterbase-19700101T000000000000000Z.lbbk");
    assert_eq!(names[4], "laterbase-20231114T221320100000000Z.lbbk");
    assert!(names.is_sorted(), "{names:?}");
    assert!(names.iter().all(|name| BackupName::is_one(name)));
    for other in [
        "laterbase-19700101T000000000000000Z.lbbk.partial",
        "laterbase-1970T0Z.lbbk",
        "laterbase-19700101T00000000000000aZ.lbbk",
        "mine.lbbk",
        "laterbase-Z.lbbk",
        "",
    ] {
        assert!(!BackupName::is_one(other), "{other}");
    }
}

/// A backup to /dev/null, taken by root, was a plain file of that name from then on.
#[cfg(unix)]
#[test]
fn only_a_plain_file_is_replaced() {
    let (directory, file) = backed_up();
    let store = engine::open_to_read(&directory.path().join("store")).unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let socket = directory.path().join("socket");
    let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in [&link, &socket, &directory.path().join("store")] {
        let error = back_up(&store, path, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(matches!(error, BackupError::NoFile { .. }), "{error}");
    }
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert!(!socket.symlink_metadata().unwrap().is_file());
    back_up(&store, &file, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(names(directory.path()), ["a.lbbk", "link", "socket", "store"]);
}

/// The second of two that wrote one file took what the first had written for left over, and the
/// first gave the second's unfinished file its name.
#[test]
fn of_two_that_write_one_file_one_goes_without() {
    let (directory, file) = backed_up();
    let store = engine::open_to_read(&directory.path().join("store")).unwrap();
    let mut second = None;
    let first = back_up(&store, &file, &mut |_| {
        second = Some(back_up(&store, &file, &mut |_| ControlFlow::Continue(())));
        ControlFlow::Continue(())
    });
    assert_eq!(first.unwrap().events, 5);
    let error = second.unwrap().unwrap_err();
    assert!(matches!(error, BackupError::UnderWay { .. }), "{error}");
    assert_eq!(
        restore(&file, &directory.path().join("copy"), RestoreOptions::default(), &mut |_| {})
            .unwrap(),
        5
    );
    // And so with a store that is being made.
    let held = engine::open(&directory.path().join("new.restoring"), StoreOptions::default());
    let error =
        restore(&file, &directory.path().join("new"), RestoreOptions::default(), &mut |_| {})
            .unwrap_err();
    assert!(matches!(error, BackupError::UnderWay { .. }), "{error}");
    drop(held);
    assert_eq!(
        restore(&file, &directory.path().join("new"), RestoreOptions::default(), &mut |_| {})
            .unwrap(),
        5
    );
}
