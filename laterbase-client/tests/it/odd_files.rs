//! Files that are no plain files, pipes that pause, and names that look like something else.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::process::Stdio;

use serde_json::json;

use crate::command::Workplace;
use crate::sample;

/// A store with five events.
fn stocked() -> Workplace {
    let place = Workplace::new();
    let file = place.write("day.ndjson", &sample::lines(1, 5));
    place.succeed(&["record", &file]);
    place
}

/// A delta file begins like this.
const MAGIC: &[u8] = b"LBDF";

/// An export to a link on another medium once replaced the link, and left the old backup on the
/// medium as it was.
#[test]
fn an_export_to_a_link_replaces_what_the_link_leads_to() {
    let place = stocked();
    fs::create_dir(place.path("usb")).unwrap();
    fs::write(place.path("usb/backup"), "old").unwrap();
    symlink("usb/backup", place.path("backup")).unwrap();
    symlink("backup", place.path("link to the link")).unwrap();
    symlink("usb/new", place.path("dangling")).unwrap();
    for name in ["backup", "link to the link", "dangling"] {
        place.succeed(&["export", name]);
        assert!(fs::symlink_metadata(place.path(name)).unwrap().is_symlink(), "{name}");
    }
    for name in ["usb/backup", "usb/new"] {
        assert!(fs::read(place.path(name)).unwrap().starts_with(MAGIC), "{name}");
    }
    symlink("circle", place.path("circle")).unwrap();
    assert!(place.fail(&["export", "circle"]).contains("cannot write circle"));
}

/// An export to a device once replaced the device's node by a file.
#[test]
fn an_export_to_what_is_no_plain_file_is_written_into_it() {
    let place = stocked();
    assert!(place.fail(&["export", "/dev/full"]).contains("cannot write /dev/full"));
    place.succeed(&["export", "/dev/null"]);
    for device in ["/dev/full", "/dev/null"] {
        assert!(!fs::metadata(device).unwrap().is_file(), "{device}");
    }
    fs::create_dir(place.path("folder")).unwrap();
    assert!(place.fail(&["export", "folder"]).contains("it is a directory"));
}

#[test]
fn an_export_keeps_the_mode_of_the_file_that_it_replaces() {
    let place = stocked();
    for mode in [0o600, 0o640, 0o666] {
        fs::write(place.path("backup"), "").unwrap();
        fs::set_permissions(place.path("backup"), fs::Permissions::from_mode(mode)).unwrap();
        place.succeed(&["export", "backup"]);
        assert_eq!(fs::metadata(place.path("backup")).unwrap().mode() & 0o777, mode);
    }
}

/// A name that stands in for the file while it is written could be a link to something else.
#[test]
fn an_export_does_not_write_through_a_link_at_its_partial_name() {
    let place = stocked();
    fs::write(place.path("precious"), "mine").unwrap();
    symlink("precious", place.path("backup.partial")).unwrap();
    place.succeed(&["export", "backup"]);
    assert_eq!(fs::read(place.path("precious")).unwrap(), b"mine");
    assert!(fs::read(place.path("backup")).unwrap().starts_with(MAGIC));
}

#[test]
fn a_dash_is_standard_output_of_an_export_and_standard_input_of_an_import() {
    let place = stocked();
    let exported = place.command(&["export", "-"]).output().unwrap();
    assert!(exported.status.success() && exported.stdout.starts_with(MAGIC));
    let said = String::from_utf8(exported.stderr).unwrap();
    assert!(said.starts_with("exported 5 events to standard output"), "{said}");
    let told = place.command(&["export", "-", "--json"]).output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&told.stderr).unwrap();
    assert_eq!(told["exported"], json!(5));
    let taken = place.feed(&["--store", "other", "import", "-"], &exported.stdout);
    assert_eq!((taken.code, taken.stdout.contains("imported 5 new events")), (0, true));
    assert!(!place.path("-").exists());
}

/// Lines from a pipe that stayed open once waited for a thousand of them, or its end.
#[test]
fn what_came_is_stored_when_the_input_pauses() {
    let place = Workplace::new();
    let mut command = place.command(&["record", "--root", "pallet", "-"]);
    let mut recording = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = recording.stdin.take().unwrap();
    let line =
        |index| format!("{{\"aggregate_id\":\"P{index}\",\"type\":\"Packed\",\"data\":1}}\n");
    input.write_all(line(1).as_bytes()).unwrap();
    // A line that is cut by the pause is one line all the same.
    let second = line(2);
    let (beginning, rest) = second.split_at(20);
    input.write_all(beginning.as_bytes()).unwrap();
    wait_until(|| log(&place).lines().count() == 1);
    input.write_all(rest.as_bytes()).unwrap();
    wait_until(|| log(&place).lines().count() == 2);
    recording.kill().unwrap();
    recording.wait().unwrap();
    assert_eq!(place.event_count(), 2);
}

#[test]
fn a_pipe_that_pauses_ends_with_one_summary() {
    let place = Workplace::new();
    let mut command = place.command(&["record", "--root", "pallet", "-"]);
    let mut recording = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = recording.stdin.take().unwrap();
    input.write_all(b"{\"aggregate_id\":\"P\",\"type\":\"t\",\"data\":1}\n").unwrap();
    wait_until(|| place.path("laterbase-data").exists());
    input.write_all(b"{\"aggregate_id\":\"P\",\"type\":\"t\",\"data\":2}").unwrap();
    drop(input);
    let mut said = String::new();
    recording.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(recording.wait().unwrap().success());
    assert_eq!((said.as_str(), place.event_count()), ("recorded 2 events\n", 2));
}

#[test]
fn ids_may_begin_with_a_dash() {
    let place = Workplace::new();
    let lines = [r#"{"aggregate_id":"-42","type":"t","data":{"a":1}}"#.to_owned()];
    let file = place.write("dash.ndjson", &lines);
    place.succeed(&["record", "--root", "pallet", &file]);
    assert_eq!(place.succeed(&["show", "--root", "pallet", "-42"]), "{\"a\":1}\n");
    let log = place.succeed(&["log", "--root", "pallet", "--aggregate", "-42"]);
    assert_eq!(log.lines().count(), 1);
    assert!(place.succeed(&["timeline", "--root", "pallet", "-42"]).contains("1 event, "));
    assert_eq!(place.summary(&["show", "--root", "pallet", "-42"])["id"], "-42");
}

/// A refused first batch once left an empty store behind, with an id of its own.
#[test]
fn input_that_is_refused_leaves_no_store_behind() {
    let place = Workplace::new();
    let future = r#"{"aggregate_id":"a","type":"t","data":1,"occurred_at":"2200-01-01T00:00:00Z"}"#;
    let keyed =
        |data| format!(r#"{{"aggregate_id":"a","type":"t","data":{data},"idempotency_key":"k"}}"#);
    let inputs = ["{".to_owned(), future.to_owned(), keyed(1) + "\n" + &keyed(2), String::new()];
    for input in inputs {
        let ended = place.feed(&["record", "--root", "r"], input.as_bytes());
        assert_eq!(ended.code, i32::from(!input.is_empty()), "{input}");
        assert!(!place.path("laterbase-data").exists(), "{input}");
    }
}

/// Text from ids, types and data could clear the screen, or write lines that nobody said.
#[test]
fn nothing_that_is_printed_steers_the_terminal() {
    let place = Workplace::new();
    let line = "{\"aggregate_id\":\"a\u{9b}2J\",\"type\":\"t\\nu\\u001b[2J\u{202e}\",\"data\":{\"k\u{9b}\":\"\u{7f}\"}}";
    let file = place.write("odd.ndjson", &[line.to_owned()]);
    place.succeed(&["record", "--root", "pallet", &file]);
    let id = "a\u{9b}2J";
    for arguments in [
        &["log", "--root", "pallet"][..],
        &["show", "--root", "pallet", id],
        &["show", "--root", "pallet", id, "--json"],
        &["timeline", "--root", "pallet", id],
        &["timeline", "--root", "pallet", id, "--json"],
        &["list"],
        &["list", "--csv"],
        &["list", "--json"],
    ] {
        let shown = without_styles(&on_a_terminal(&place, arguments, ""));
        let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\r') || c == '\u{202e}';
        assert!(!shown.is_empty() && !shown.chars().any(steers), "{arguments:?}: {shown:?}");
    }
    let complaint = place.fail(&["show", "--root", "pallet", "b\u{1b}[2J\nlaterbase: all is well"]);
    assert_eq!(complaint.lines().count(), 1, "{complaint:?}");
    assert!(!complaint.contains('\u{1b}'), "{complaint:?}");
    // A program gets what was written, byte for byte.
    assert!(log(&place).contains("{\"k\u{9b}\":\"\u{7f}\"}"));
}

fn log(place: &Workplace) -> String {
    if !place.path("laterbase-data").exists() {
        return String::new();
    }
    place.run(&["log", "--root", "pallet"]).stdout
}

/// What is printed to a terminal without the styles that are our own.
fn without_styles(shown: &str) -> String {
    ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[33m"]
        .iter()
        .fold(shown.to_owned(), |shown, style| shown.replace(style, ""))
}

#[test]
fn colours_are_for_terminals_whose_reader_wants_them() {
    let place = Workplace::new();
    let line = r#"{"root":"pallet","aggregate_id":"P-1","type":"t","data":{}}"#;
    place.succeed(&["record", &place.write("day.ndjson", &[line.to_owned()])]);
    for arguments in [&["list"][..], &["timeline", "--root", "pallet", "P-1"]] {
        assert!(on_a_terminal(&place, arguments, "").contains("\x1b[1m"), "{arguments:?}");
        assert!(!on_a_terminal(&place, arguments, "1").contains('\x1b'), "{arguments:?}");
        assert!(!place.succeed(arguments).contains('\x1b'), "{arguments:?}");
    }
}

/// Waits for something that another process is about to do, for ten seconds at most.
#[track_caller]
pub(crate) fn wait_until(is_so: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !is_so() {
        assert!(started.elapsed().as_secs() < 10, "it did not happen");
        std::thread::yield_now();
    }
}

/// What a command prints to a terminal.
pub(crate) fn on_a_terminal(place: &Workplace, arguments: &[&str], no_color: &str) -> String {
    let terminal = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).unwrap();
    rustix::pty::grantpt(&terminal).unwrap();
    rustix::pty::unlockpt(&terminal).unwrap();
    let name = rustix::pty::ptsname(&terminal, Vec::new()).unwrap();
    let side = fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut command = place.command(arguments);
    command.env("TERM", "xterm").env("NO_COLOR", no_color);
    command.stderr(side.try_clone().unwrap()).stdout(side);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut shown = Vec::new();
    let mut reader = BufReader::new(fs::File::from(terminal));
    // The system ends the reading with an error once the other side is closed.
    while let Ok(bytes) = reader.fill_buf()
        && !bytes.is_empty()
    {
        shown.extend_from_slice(bytes);
        let count = bytes.len();
        reader.consume(count);
    }
    assert!(child.wait().unwrap().success());
    String::from_utf8(shown).unwrap()
}
