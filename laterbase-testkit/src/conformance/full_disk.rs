//! Clauses about a disk that runs full, and about who may read what a store leaves there.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use laterbase_core::store::{Area, Batch, Refusal, Store, StoreError, Table};

use super::contents::get;
use super::{Harness, Verdict};

/// Bytes of the small disk, and of the same when it is enlarged.
const DISK_BYTES: u64 = 48 * 1024 * 1024;
const LARGER_BYTES: u64 = 256 * 1024 * 1024;

/// What takes the rest of the disk. The name is one that a store's directory may hold.
const FILLER_NAME: &str = "laterbase.filler";

/// Bytes of each value that fills it.
const VALUE_BYTES: usize = 128 * 1024;

/// On a full disk a store refuses writes as full and goes on being read; so does one that is opened
/// there. Once there is room, it takes writes again, by itself.
///
/// Catches: a store that must be opened anew to notice the room, that cannot be opened without any,
/// or that loses what it acknowledged before.
pub fn a_full_disk_stops_writes_only_and_for_as_long_as_it_is_full<H: Harness>() -> Verdict {
    let harness = H::fresh();
    let Some(path) = harness.directory() else {
        return Verdict::Skipped("the backend has no directory");
    };
    let Some(disk) = SmallDisk::mount(path) else {
        return Verdict::Skipped("no small disk can be mounted here");
    };
    let store = harness.open().expect("a store opens on a small disk");
    let mut taken = 0;
    let refused = loop {
        match store.commit(&batch(taken)) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    check_full(&store, &refused, taken);
    disk.resize(LARGER_BYTES);
    store.commit(&batch(taken)).expect("there is room, and the store notices");
    assert_eq!(store.refusal(Area::Truth), None);
    drop(store);

    disk.fill();
    let store = harness.open().expect("a store opens on a full disk");
    let refused = store.commit(&batch(taken + 1)).expect_err("there is no room");
    check_full(&store, &refused, taken + 1);
    disk.empty();
    assert_eq!(store.refusal(Area::Truth), None);
    store.commit(&batch(taken + 1)).expect("there is room, and the store notices");
    check_held(&store, taken + 2);
    drop(store);
    check_held(&harness.open().expect("the store opens"), taken + 2);
    Verdict::Held
}

fn batch(number: u64) -> Batch {
    let mut batch = Batch::new(Area::Truth);
    // What does not shrink when it is compressed.
    let mut dice = super::Dice::new(number);
    let value: Vec<u8> =
        (0..VALUE_BYTES).map(|_| u8::try_from(dice.below(256)).expect("a byte")).collect();
    batch.put(Table::Log, &number.to_be_bytes(), &value);
    batch
}

#[track_caller]
fn check_full(store: &impl Store, refused: &StoreError, taken: u64) {
    assert!(matches!(refused, StoreError::Full { .. }), "{refused:?}");
    let told = store.refusal(Area::Truth);
    assert!(matches!(told, Some(Refusal::Full { .. })), "{told:?}");
    check_held(store, taken);
}

#[track_caller]
fn check_held(store: &impl Store, taken: u64) {
    assert!(taken > 0);
    for number in 0..taken {
        let held = get(store, Table::Log, &number.to_be_bytes());
        assert_eq!(held.map(|value| value.len()), Some(VALUE_BYTES), "{number} of {taken}");
    }
}

/// A file system of a few bytes, unmounted when it is dropped.
struct SmallDisk<'d> {
    path: &'d Path,
}

impl<'d> SmallDisk<'d> {
    /// Nothing if this process may not mount.
    fn mount(path: &'d Path) -> Option<Self> {
        fs::create_dir_all(path).ok()?;
        let size = format!("size={DISK_BYTES},mode=0700");
        let mut mount = Command::new("mount");
        let status = quiet(mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path)).ok()?;
        status.success().then_some(Self { path })
    }

    fn resize(&self, bytes: u64) {
        let options = format!("remount,size={bytes}");
        let status = quiet(Command::new("mount").args(["-o", &options]).arg(self.path));
        assert!(status.expect("mount runs").success());
    }

    fn fill(&self) {
        let mut file = File::create(self.path.join(FILLER_NAME)).expect("a file can be made");
        while file.write(&[7; 4096]).is_ok_and(|written| written > 0) {}
    }

    fn empty(&self) {
        fs::remove_file(self.path.join(FILLER_NAME)).expect("the file can be removed");
    }
}

fn quiet(command: &mut Command) -> std::io::Result<std::process::ExitStatus> {
    command.output().map(|output| output.status)
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let unmounted = quiet(Command::new("umount").arg("-l").arg(self.path));
        assert!(unmounted.is_ok(), "the small disk stays mounted: {}", self.path.display());
    }
}

/// Nobody but its owner may read what a store makes, whatever the process's umask.
///
/// Catches: files and folders of the mode that the umask leaves.
pub fn what_a_store_makes_is_for_its_owner_only<H: Harness>() -> Verdict {
    let harness = H::fresh();
    let Some(path) = harness.directory().map(Path::to_owned) else {
        return Verdict::Skipped("the backend has no directory");
    };
    let store = harness.open().expect("a fresh store opens");
    for number in 0..3 {
        store.commit(&batch(number)).expect("the commit succeeds");
    }
    drop(store);
    let mut folders = vec![path];
    while let Some(folder) = folders.pop() {
        check_mode(&folder);
        for entry in fs::read_dir(&folder).expect("the folder can be listed") {
            let entry = entry.expect("the folder can be listed").path();
            if entry.is_dir() {
                folders.push(entry);
            } else {
                check_mode(&entry);
            }
        }
    }
    Verdict::Held
}

#[track_caller]
fn check_mode(path: &Path) {
    let mode = fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode & 0o077, 0, "{} has the mode {mode:o}", path.display());
}
