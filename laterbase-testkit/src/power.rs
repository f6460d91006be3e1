//! Power cuts on real files, without a disk that is really cut off.
//!
//! A replica works on a real store in a real directory, while everything that the store asks of
//! the system is put on a tape: [`power_cuts!`](crate::power_cuts) gives the test binary functions
//! that take the place of the C library's. From the tape follows what a disk may hold if the
//! power went at any moment: what was synced, and of the rest some. Such disks are made as
//! directories and opened, and whatever the replica had acknowledged by that moment must be there,
//! as for a killed process ([`mod@crate::crashes`]).
//!
//! So a sync that is missing is found: of a file, of the directory that holds its name, or of one
//! before another. This is how Pillai et al. look for such faults ("All File Systems Are Not
//! Created Equal", OSDI 2014); what the file system is taken to promise is POSIX and nothing more.
//! A store that maps its files to memory and writes there is beyond it, and is noticed: played
//! back in full, the tape must give the files that are there.
//!
//! `LATERBASE_ROUNDS` says how many disks are made of each tape.

#[doc(hidden)]
pub mod calls;
mod disk;
mod tape;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

pub use laterbase_core::store::Durability;

use crate::crashes::{CrashHarness, Ledger, in_peace};
use crate::rounds;
use crate::simulator::dice::Dice;
use disk::{Change, Leftover, after_cut};
use tape::Tape;

/// Makes the tests of power cuts for a backend's harness, and gives the test binary the functions
/// by which a tape hears of what is written. Once in a binary.
///
/// For Linux: others have other names for the calls, and other calls.
#[macro_export]
macro_rules! power_cuts {
    ($harness:ty) => {
        #[test]
        fn what_was_acknowledged_is_there_after_a_power_cut() {
            let durability = $crate::power::Durability::Durable;
            $crate::power::check::<$harness>(module_path!(), durability);
        }

        #[test]
        fn a_relaxed_store_is_what_it_was_at_some_time_after_a_power_cut() {
            let durability = $crate::power::Durability::Relaxed;
            $crate::power::check::<$harness>(module_path!(), durability);
        }

        mod taped_calls {
            #![allow(unsafe_code, reason = "they take the place of functions of the C library")]
            use std::ffi::{c_char, c_int, c_uint, c_void};

            $crate::taped_calls! {
                open => open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int;
                open64 => open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int;
                openat => openat(at: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int;
                openat64 => openat(at: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int;
                write => write(file: c_int, bytes: *const c_void, count: usize) -> isize;
                writev => writev(file: c_int, pieces: *const c_void, count: c_int) -> isize;
                pwrite => pwrite(file: c_int, bytes: *const c_void, count: usize, at: i64) -> isize;
                pwrite64 => pwrite(file: c_int, bytes: *const c_void, count: usize, at: i64) -> isize;
                ftruncate => ftruncate(file: c_int, bytes: i64) -> c_int;
                ftruncate64 => ftruncate(file: c_int, bytes: i64) -> c_int;
                fallocate => fallocate(file: c_int, mode: c_int, at: i64, bytes: i64) -> c_int;
                fallocate64 => fallocate(file: c_int, mode: c_int, at: i64, bytes: i64) -> c_int;
                fsync => fsync(file: c_int) -> c_int;
                fdatasync => fdatasync(file: c_int) -> c_int;
                rename => rename(from: *const c_char, to: *const c_char) -> c_int;
                unlink => unlink(path: *const c_char) -> c_int;
                unlinkat => unlinkat(at: c_int, path: *const c_char, flags: c_int) -> c_int;
                rmdir => rmdir(path: *const c_char) -> c_int;
                mkdir => mkdir(path: *const c_char, mode: c_uint) -> c_int;
                link => link(from: *const c_char, to: *const c_char) -> c_int;
            }
        }
    };
}

/// Gives calls the names of the C library's functions.
#[doc(hidden)]
#[macro_export]
macro_rules! taped_calls {
    ($($name:ident => $call:ident($($argument:ident: $type:ty),+) -> $answer:ty;)+) => {
        $(
            // SAFETY: It does what the function of that name does, and has its arguments. Those of
            // `open` that are not always given are passed in registers, where there is no harm in
            // looking at one that nobody set.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $type),+) -> $answer {
                // SAFETY: As the caller says.
                unsafe { $crate::power::calls::$call($($argument),+) }
            }
        )+
    };
}

/// Work that is put on a tape of its own.
const TAPES: u64 = 2;

/// Names of files whose content is nobody's loss: locks, and RocksDB's diary, which the C library
/// writes by itself.
const UNTAPED: [&str; 4] = ["lock.mdb", "laterbase.lock", "LOG", "LOG.old"];

/// What came of all disks.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    disks: u64,
    /// Changes on the tapes.
    changes: usize,
    /// Events that were acknowledged by the time of the cut, and are there.
    acknowledged: u64,
}

/// Cuts the power of a backend's disk, and looks what is left.
///
/// # Panics
/// If anything is missing that was promised, or is there in part.
pub fn check<H: CrashHarness>(test: &str, durability: Durability) {
    let mut tally = Tally::default();
    for seed in 0..TAPES {
        let mut dice = Dice::new(seed);
        let top = H::fresh();
        let store = top.directory().expect("the backend has directories");
        let changes = record::<H>(store, durability, seed, &mut dice);
        tally.changes += changes.len();
        for round in 0..rounds(24) {
            let mut dice = Dice::new(seed << 32 | round);
            let cut = dice.count(0, changes.len());
            let leftover = *dice.pick(&Leftover::KINDS);
            say(&format!("tape {seed}, cut {cut}, {leftover:?}"));
            tally.acknowledged +=
                examine::<H>(&changes[..cut], leftover, durability, store, &mut dice);
            tally.disks += 1;
        }
    }
    assert!(tally.acknowledged > 0, "nothing was at stake: {tally:?}");
    say(&format!("{test}: {tally:?}"));
}

#[expect(clippy::print_stderr, reason = "figures, and what failed")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// Has a replica work on a store, and gives what the store asked of the system. On every other
/// tape, whoever made the store's directory was killed before it could sync its name.
fn record<H: CrashHarness>(
    store: &Path,
    durability: Durability,
    seed: u64,
    dice: &mut Dice,
) -> Vec<Change> {
    let top = store.parent().expect("the store is within a directory");
    let tape = Tape::start(top);
    if seed % 2 == 1 {
        fs::create_dir(store).expect("the disk has room");
    }
    let harness = H::at(store).expect("the backend has directories");
    in_peace(&harness, durability, dice, &tape.speaker());
    let changes = tape.stop();
    check_tape(&changes, top);
    changes
}

/// The tape has everything that was written: it leads to the files that are there.
fn check_tape(changes: &[Change], top: &Path) {
    let image = after_cut(changes, Leftover::All, &mut Dice::new(0));
    let mut found = BTreeMap::new();
    list(top, top, &mut found);
    let is_taped = |name: &OsString| {
        let name = Path::new(name).file_name().expect("a file has a name").to_string_lossy();
        !UNTAPED.contains(&&*name)
    };
    found.retain(|name, _| is_taped(name));
    let mut told = image.listing();
    told.retain(|name, _| is_taped(name));
    assert!(told.keys().eq(found.keys()), "{:?}, {:?}", told.keys(), found.keys());
    for (name, bytes) in found {
        assert!(told[&name] == bytes, "{} was written to in another way", name.display());
    }
}

/// The paths of all files below a directory, from the top, and what is in them.
fn list(top: &Path, directory: &Path, found: &mut BTreeMap<OsString, Vec<u8>>) {
    for entry in fs::read_dir(directory).expect("the directory can be read") {
        let path = entry.expect("the directory can be read").path();
        if path.is_dir() {
            list(top, &path, found);
        } else {
            let name = path.strip_prefix(top).expect("it is below the top").as_os_str().to_owned();
            found.insert(name, fs::read(&path).expect("the file can be read"));
        }
    }
}

/// Opens what is left of a disk, and checks it. Gives the events that had to be there.
fn examine<H: CrashHarness>(
    changes: &[Change],
    leftover: Leftover,
    durability: Durability,
    store: &Path,
    dice: &mut Dice,
) -> u64 {
    let top = H::fresh();
    let path = top.directory().expect("the backend has directories");
    let name = path.file_name();
    assert_eq!(name, store.file_name(), "all stores of a backend's have one name");
    let top = path.parent().expect("the store is within a directory");
    after_cut(changes, leftover, dice).write_to(top).expect("the disk has room");
    let mut ledger = Ledger::of(durability);
    for change in changes {
        if let Change::Say { word, number } = change {
            ledger.hear(0, word, *number);
        }
    }
    let harness = H::at(path).expect("the backend has directories");
    ledger.examine(&harness);
    // What is left can be worked on, and found again.
    ledger.examine(&harness);
    ledger.acknowledged()
}
