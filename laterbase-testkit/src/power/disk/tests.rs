use super::*;

const FILE: Node = 1;
const FOLDER: Node = 2;

/// Seeds of disks, enough that each of a few outcomes comes up.
const SEEDS: std::ops::Range<u64> = 0..200;

fn make(name: &str) -> Change {
    Change::Make { directory: TOP, name: name.into(), node: FILE, is_directory: false }
}

fn write(offset: usize, bytes: &[u8]) -> Change {
    Change::Write { node: FILE, offset, bytes: bytes.to_vec(), is_synced: false }
}

fn sync(node: Node) -> Change {
    Change::Sync { node }
}

/// A file whose name and content are safe, and what happens then.
fn safe_file(content: &[u8], then: &[Change]) -> Vec<Change> {
    [&[make("file"), write(0, content), sync(FILE), sync(TOP)], then].concat()
}

/// All that the file may hold after a cut, if it is there.
fn outcomes(changes: &[Change]) -> Vec<Option<Vec<u8>>> {
    let left = |seed| {
        let image = after_cut(changes, Leftover::Some, &mut Dice::new(seed));
        image.listing().values().next().map(|bytes| bytes.to_vec())
    };
    let mut outcomes: Vec<_> = SEEDS.map(left).collect();
    outcomes.sort();
    outcomes.dedup();
    outcomes
}

#[track_caller]
fn check(changes: &[Change], expected: &[&[u8]]) {
    let expected: Vec<_> = expected.iter().map(|bytes| Some(bytes.to_vec())).collect();
    assert_eq!(outcomes(changes), expected);
}

#[test]
fn what_was_synced_is_there() {
    check(&safe_file(b"old", &[]), &[b"old"]);
}

#[test]
fn a_write_that_was_not_synced_is_there_or_not() {
    check(&safe_file(b"old", &[write(0, b"new")]), &[b"new", b"old"]);
}

/// The disk may write the length before the bytes.
#[test]
fn a_file_that_grew_may_have_a_hole_at_its_end() {
    check(&safe_file(b"a", &[write(1, b"b")]), &[b"a", b"a\0", b"ab"]);
}

#[test]
fn two_pages_may_be_written_in_any_order() {
    let mut old = vec![b'.'; PAGE_BYTES + 1];
    let changes = safe_file(
        &old[..PAGE_BYTES],
        &[write(PAGE_BYTES, b"."), sync(FILE), write(0, b"1"), write(PAGE_BYTES, b"2")],
    );
    let mut expected = vec![];
    for (first, second) in [(b'.', b'.'), (b'.', b'2'), (b'1', b'.'), (b'1', b'2')] {
        (old[0], old[PAGE_BYTES]) = (first, second);
        expected.push(old.clone());
    }
    check(&changes, &expected.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

#[test]
fn a_page_has_its_writes_in_their_order() {
    check(&safe_file(b"--", &[write(0, b"1"), write(1, b"2")]), &[b"--", b"1-", b"12"]);
}

#[test]
fn a_write_may_be_torn_between_sectors() {
    let changes = safe_file(&[b'.'; 2 * SECTOR_BYTES], &[write(0, &[b'!'; 2 * SECTOR_BYTES])]);
    let torn = |first: u8, second: u8| [[first; SECTOR_BYTES], [second; SECTOR_BYTES]].concat();
    let expected = [torn(b'!', b'!'), torn(b'!', b'.'), torn(b'.', b'!'), torn(b'.', b'.')];
    check(&changes, &expected.each_ref().map(Vec::as_slice));
}

/// With what was written to the same page before it, and nothing else.
#[test]
fn a_write_that_syncs_itself_is_there() {
    let synced = Change::Write { node: FILE, offset: 2, bytes: b"3".to_vec(), is_synced: true };
    check(&safe_file(b"---", &[write(0, b"1"), synced]), &[b"1-3"]);
}

#[test]
fn what_was_cut_off_does_not_come_back_when_the_file_grows_again() {
    let resize = |bytes| Change::Resize { node: FILE, bytes };
    check(&safe_file(b"abc", &[resize(1), resize(3), sync(FILE)]), &[b"a\0\0"]);
}

#[test]
fn syncing_a_file_does_not_sync_its_name() {
    let expected = [None, Some(b"new".to_vec())];
    assert_eq!(outcomes(&[make("file"), write(0, b"new"), sync(FILE)]), expected);
}

/// The names that the top directory may have.
#[track_caller]
fn check_names(changes: &[Change], expected: &[&[&str]]) {
    let names = |seed| {
        let image = after_cut(changes, Leftover::Some, &mut Dice::new(seed));
        let names = image.directories[&TOP].keys().map(|name| name.to_string_lossy().into_owned());
        names.collect::<Vec<_>>()
    };
    let mut found: Vec<_> = SEEDS.map(names).collect();
    found.sort();
    found.dedup();
    assert_eq!(found, expected);
}

#[test]
fn names_change_in_order_and_each_change_is_whole() {
    let rename = Change::Rename { directory: TOP, from: "new".into(), to: "file".into() };
    check_names(&[make("new"), rename.clone()], &[&[], &["file"], &["new"]]);
    let remove = Change::Remove { directory: TOP, name: "file".into() };
    check_names(&[make("new"), sync(TOP), rename, sync(TOP), remove], &[&[], &["file"]]);
}

#[test]
fn a_directory_that_is_lost_takes_what_is_in_it() {
    let folder =
        Change::Make { directory: TOP, name: "folder".into(), node: FOLDER, is_directory: true };
    let file =
        Change::Make { directory: FOLDER, name: "f".into(), node: FILE, is_directory: false };
    let changes = [folder, file, write(0, b"new"), sync(FILE), sync(FOLDER)];
    assert_eq!(outcomes(&changes), [None, Some(b"new".to_vec())]);
    check_names(&changes, &[&[], &["folder"]]);
}

#[test]
fn the_kinds_of_leftovers_differ() {
    let changes = safe_file(b"old", &[write(0, b"new")]);
    let left = |leftover, seed| {
        let image = after_cut(&changes, leftover, &mut Dice::new(seed));
        image.listing().values().next().map(|bytes| bytes.to_vec())
    };
    for seed in SEEDS {
        assert_eq!(left(Leftover::All, seed), Some(b"new".to_vec()));
        assert_eq!(left(Leftover::Nothing, seed), Some(b"old".to_vec()));
    }
    let some: std::collections::BTreeSet<_> =
        SEEDS.map(|seed| left(Leftover::SomeNodes, seed)).collect();
    assert_eq!(some.len(), 2);
}
