//! The calls by which a program changes files, each made and noted.
//!
//! [`power_cuts!`](crate::power_cuts) gives them the names of the C library's functions, so that
//! whatever is linked into a test binary comes by here: the standard library, and engines in C and
//! C++. They go to the system itself, as the C library does, and leave its error number behind.
//!
//! # Safety
//! Each asks of its arguments what the function of that name does.
#![expect(unsafe_code, reason = "they take the place of functions of the C library")]
#![allow(clippy::missing_safety_doc, reason = "said above, for all of them")]

use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::slice;

use libc::{
    AT_FDCWD, AT_REMOVEDIR, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, O_TRUNC, SYS_fallocate,
    SYS_fdatasync, SYS_fsync, SYS_ftruncate, SYS_linkat, SYS_mkdirat, SYS_openat, SYS_pwrite64,
    SYS_renameat2, SYS_unlinkat, SYS_write, SYS_writev, iovec, syscall,
};

use super::tape::{Notes, around};

/// The path that a caller gave, if it names a file by itself.
///
/// # Safety
/// `path` is a string of C's.
unsafe fn named<'p>(directory: c_int, path: *const c_char) -> Option<&'p Path> {
    // SAFETY: As the caller says.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
    (directory == AT_FDCWD || path.is_absolute()).then_some(path)
}

/// A handle that its owner keeps open over a call.
///
/// # Safety
/// `file` is open for as long as the value is in use, or the calls with it fail.
const unsafe fn handle<'f>(file: c_int) -> Option<BorrowedFd<'f>> {
    // SAFETY: As the caller says; -1 is left out.
    if file < 0 { None } else { Some(unsafe { BorrowedFd::borrow_raw(file) }) }
}

fn narrow(answer: i64) -> c_int {
    c_int::try_from(answer).expect("an answer of this call is small")
}

/// Opens a file.
pub unsafe fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: As the caller says.
    unsafe { openat(AT_FDCWD, path, flags, mode) }
}

/// Opens a file.
pub unsafe fn openat(directory: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: As the caller of `openat` says.
    let name = unsafe { named(directory, path) };
    let find = |notes: &Notes| notes.spot(name?);
    // SAFETY: The same.
    let call = || unsafe { syscall(SYS_openat, directory, path, flags, mode) };
    let opened = around(find, call, |notes, spot, file| {
        let file = c_int::try_from(file).expect("a handle");
        // SAFETY: The file was just opened, and its caller does not have it yet.
        let file = unsafe { BorrowedFd::borrow_raw(file) };
        notes.opened(spot, file, flags & O_TRUNC != 0);
    });
    narrow(opened)
}

/// Writes where the handle stands.
pub unsafe fn write(file: c_int, bytes: *const c_void, count: usize) -> isize {
    // SAFETY: As the caller says.
    let find = |notes: &Notes| notes.target(unsafe { handle(file) }?, None);
    // SAFETY: The same.
    let call = || unsafe { syscall(SYS_write, file, bytes, count) };
    let written = around(find, call, |notes, target, count| {
        // SAFETY: The same, and no more than `count` bytes were written.
        notes.wrote(&target, unsafe { slice::from_raw_parts(bytes.cast(), count) });
    });
    written.try_into().expect("a length")
}

/// Writes several pieces where the handle stands.
pub unsafe fn writev(file: c_int, pieces: *const c_void, count: c_int) -> isize {
    // SAFETY: As the caller says.
    let find = |notes: &Notes| notes.target(unsafe { handle(file) }?, None);
    // SAFETY: The same.
    let call = || unsafe { syscall(SYS_writev, file, pieces, count) };
    let written = around(find, call, |notes, target, written| {
        let count = usize::try_from(count).expect("the call was good");
        // SAFETY: The same.
        let pieces = unsafe { slice::from_raw_parts(pieces.cast::<iovec>(), count) };
        let bytes = pieces.iter().flat_map(|piece| {
            // SAFETY: The same.
            unsafe { slice::from_raw_parts(piece.iov_base.cast::<u8>(), piece.iov_len) }
        });
        notes.wrote(&target, &bytes.copied().take(written).collect::<Vec<u8>>());
    });
    written.try_into().expect("a length")
}

/// Writes at an offset.
pub unsafe fn pwrite(file: c_int, bytes: *const c_void, count: usize, offset: i64) -> isize {
    // SAFETY: As the caller says.
    let find = |notes: &Notes| notes.target(unsafe { handle(file) }?, offset.try_into().ok());
    // SAFETY: The same.
    let call = || unsafe { syscall(SYS_pwrite64, file, bytes, count, offset) };
    let written = around(find, call, |notes, target, count| {
        // SAFETY: The same, and no more than `count` bytes were written.
        notes.wrote(&target, unsafe { slice::from_raw_parts(bytes.cast(), count) });
    });
    written.try_into().expect("a length")
}

/// Makes a file longer or shorter.
pub unsafe fn ftruncate(file: c_int, bytes: i64) -> c_int {
    // SAFETY: As the caller says.
    let find = |notes: &Notes| notes.node(unsafe { handle(file) }?);
    // SAFETY: The same.
    let call = || unsafe { syscall(SYS_ftruncate, file, bytes) };
    narrow(around(find, call, |notes, node, _| {
        notes.resized(node, bytes.try_into().expect("the call was good"));
    }))
}

/// Reserves room on disk. Only ways that leave a file's length and content alone are known.
pub unsafe fn fallocate(file: c_int, mode: c_int, offset: i64, bytes: i64) -> c_int {
    // SAFETY: As the caller says.
    let find = |notes: &Notes| notes.node(unsafe { handle(file) }?);
    // SAFETY: The same.
    let call = || unsafe { syscall(SYS_fallocate, file, mode, offset, bytes) };
    narrow(around(find, call, |_, _, _| {
        assert_ne!(mode & FALLOC_FL_KEEP_SIZE, 0, "fallocate makes a file longer");
        // RocksDB frees what it reserved behind the end of a file.
        assert!(mode == FALLOC_FL_KEEP_SIZE || mode & FALLOC_FL_PUNCH_HOLE != 0, "{mode}");
    }))
}

/// Syncs a file or a directory.
pub unsafe fn fsync(file: c_int) -> c_int {
    // SAFETY: As the caller says.
    let find = |notes: &Notes| notes.node(unsafe { handle(file) }?);
    // SAFETY: The same.
    let call = || unsafe { syscall(SYS_fsync, file) };
    narrow(around(find, call, |notes, node, _| notes.synced(node)))
}

/// Syncs a file's content and length.
pub unsafe fn fdatasync(file: c_int) -> c_int {
    // SAFETY: As the caller says.
    let find = |notes: &Notes| notes.node(unsafe { handle(file) }?);
    // SAFETY: The same.
    let call = || unsafe { syscall(SYS_fdatasync, file) };
    narrow(around(find, call, |notes, node, _| notes.synced(node)))
}

/// Renames a file.
pub unsafe fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: As the caller says.
    let names = unsafe { (named(AT_FDCWD, from), named(AT_FDCWD, to)) };
    let find = |notes: &Notes| {
        let (from, to) = (names.0?, names.1?);
        notes.known(from)?;
        Some((notes.spots(from, to)?, notes.known(to)))
    };
    // SAFETY: The same.
    let call = || unsafe { syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0) };
    narrow(around(find, call, |notes, ((from, to), replaced), _| notes.renamed(from, to, replaced)))
}

/// Removes a name.
pub unsafe fn unlinkat(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: As the caller says.
    let name = unsafe { named(directory, path) };
    let find = |notes: &Notes| Some((notes.spot(name?)?, notes.known(name?)?));
    // SAFETY: The same.
    let call = || unsafe { syscall(SYS_unlinkat, directory, path, flags) };
    narrow(around(find, call, |notes, (spot, inode), _| notes.removed(spot, inode)))
}

/// Removes a file's name.
pub unsafe fn unlink(path: *const c_char) -> c_int {
    // SAFETY: As the caller says.
    unsafe { unlinkat(AT_FDCWD, path, 0) }
}

/// Removes an empty directory.
pub unsafe fn rmdir(path: *const c_char) -> c_int {
    // SAFETY: As the caller says.
    unsafe { unlinkat(AT_FDCWD, path, AT_REMOVEDIR) }
}

/// Makes a directory.
pub unsafe fn mkdir(path: *const c_char, mode: c_uint) -> c_int {
    // SAFETY: As the caller says.
    let name = unsafe { named(AT_FDCWD, path) };
    let find = |notes: &Notes| notes.spot(name?);
    // SAFETY: The same.
    let call = || unsafe { syscall(SYS_mkdirat, AT_FDCWD, path, mode) };
    narrow(around(find, call, |notes, spot, _| notes.made_directory(spot)))
}

/// Gives a file a second name, which nothing does that is known here.
pub unsafe fn link(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: As the caller says.
    let name = unsafe { named(AT_FDCWD, to) };
    let find = |notes: &Notes| notes.spot(name?);
    // SAFETY: The same.
    let call = || unsafe { syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0) };
    narrow(around(find, call, |_, _, _| unreachable!("a file gets a second name")))
}
