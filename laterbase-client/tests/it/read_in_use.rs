//! Reading a store that another process has open, or whose medium is read-only.
//!
//! Beside a sync that waited for the network, `show`, `status` and `log` waited ten seconds and
//! failed. Of a disk that the kernel had turned read-only, or a mounted backup, nothing could be
//! got out at all: every command failed at the lock file.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use laterbase_core::fold::MergePatch;
use laterbase_server::Server;
use laterbase_store_lmdb::{LmdbOptions, LmdbStore};

use crate::command::Workplace;
use crate::sample;

/// What the reading commands say of a store, for each that must say the same whoever has it open.
#[track_caller]
fn said(place: &Workplace, file: &str) -> Vec<String> {
    let mut said = vec![
        place.succeed(&["show", "--root", "r", "P1", "--json"]),
        place.succeed(&["log", "--root", "r"]),
        place.succeed(&["log", "--root", "r", "--aggregate", "P1"]),
        place.succeed(&["timeline", "--root", "r", "P1", "--json"]),
        without_room(&place.succeed(&["status", "--json"])),
        place.succeed(&["verify"]),
    ];
    for arguments in [&["export", file][..], &["export", "--salvage", file]] {
        let summary = place.summary(arguments);
        said.push(format!("{} {}", summary["exported"], summary["bytes"]));
    }
    said
}

/// What a command printed, but for how much room is left: others use the disk too, and a store that
/// is opened to be read takes none.
fn without_room(printed: &str) -> String {
    if let Ok(mut status) = serde_json::from_str::<serde_json::Value>(printed)
        && status.as_object_mut().is_some_and(|fields| fields.remove("storage").is_some())
    {
        return status.to_string();
    }
    let is_room = |line: &str| line.ends_with(" left") || line.ends_with("is not known here");
    let is_kept = |line: &&str| !is_room(line);
    printed.lines().filter(is_kept).map(|line| format!("{line}\n")).collect()
}

fn filled() -> Workplace {
    let place = Workplace::new();
    let line = |n| format!(r#"{{"aggregate_id":"P{}","type":"t","data":{{"n":{n}}}}}"#, n % 3);
    let lines: Vec<String> = (0..50).map(line).collect();
    place.succeed(&["record", "--root", "r", &place.write("day.ndjson", &lines)]);
    place.succeed(&["record", &place.write("more.ndjson", &sample::lines(9, 300))]);
    place
}

fn file(place: &Workplace) -> String {
    place.path("out.lbd").to_str().unwrap().to_owned()
}

#[test]
fn a_store_that_another_process_has_open_is_read_as_it_is() {
    let place = filled();
    let expected = said(&place, &file(&place));
    let store = LmdbStore::open(&place.path("laterbase-data"), LmdbOptions::default()).unwrap();
    // Nobody takes events here, so what is exported cannot be remembered as such.
    let beside: Vec<String> = [
        &["show", "--root", "r", "P1", "--json"][..],
        &["log", "--root", "r"],
        &["log", "--root", "r", "--aggregate", "P1"],
        &["timeline", "--root", "r", "P1", "--json"],
        &["status", "--json"],
        &["verify"],
    ]
    .map(|arguments| without_room(&place.succeed(arguments)))
    .to_vec();
    assert_eq!(beside, expected[..beside.len()]);
    drop(store);
}

#[test]
fn readers_beside_a_running_server_see_what_it_has_acknowledged() {
    let place = filled();
    let data = place.path("laterbase-data");
    let server = Server::builder().fallback(Arc::new(MergePatch)).data(&data).build().unwrap();
    let reader = server.reader().clone();
    let said = said(&place, &file(&place));
    assert!(said[5].starts_with("350 events, 0 faults"), "{said:?}");
    let line = br#"{"aggregate_id":"P1","type":"t","data":{"late":true}}"#;
    let ended = place.feed(&["record", "--root", "r"], line);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(reader.head(), 351);
    let state = place.succeed(&["show", "--root", "r", "P1"]);
    assert!(state.contains("\"late\":true"), "{state}");
    drop(server);
    assert_eq!(place.event_count(), 351);
}

#[test]
fn lines_of_several_roots_are_handed_to_a_server_together_or_not_at_all() {
    let place = filled();
    let data = place.path("laterbase-data");
    let server = Server::builder().fallback(Arc::new(MergePatch)).data(&data).build().unwrap();
    let line = |root: &str, rest: &str| {
        format!(r#"{{"root":"{root}","aggregate_id":"P1","type":"t","data":1{rest}}}"#)
    };
    let future = r#","occurred_at":"2200-01-01T00:00:00Z""#;
    let refused = [line("r", ""), line("s", future)].join("\n");
    let ended = place.feed(&["record"], refused.as_bytes());
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("line 2, field occurred_at"), "{}", ended.stderr);
    assert_eq!(server.reader().head(), 350);
    let ended = place.feed(&["record"], [line("r", ""), line("s", "")].join("\n").as_bytes());
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "recorded 2 events\n"));
    assert_eq!(server.reader().head(), 352);
}

/// A command that reads from a pipe outlives the server that took its first lines.
#[test]
fn a_command_goes_on_by_itself_when_the_server_ends() {
    let place = filled();
    let data = place.path("laterbase-data");
    let server = Server::builder().fallback(Arc::new(MergePatch)).data(&data).build().unwrap();
    let lines: Vec<String> = (0..1_500)
        .map(|n| format!(r#"{{"root":"r","aggregate_id":"P{n}","type":"t","data":{n}}}"#))
        .collect();
    let mut child = place.command(&["record"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let (first, rest) = lines.split_at(1_200);
    input.write_all((first.join("\n") + "\n").as_bytes()).unwrap();
    while server.reader().head() < 1_350 {
        std::thread::yield_now();
    }
    drop(server);
    input.write_all(rest.join("\n").as_bytes()).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
    assert_eq!(place.event_count(), 1_850);
}

/// A tmpfs that is mounted anew as read-only, which takes root.
#[test]
#[cfg(target_os = "linux")]
fn everything_can_be_got_out_of_a_read_only_medium() {
    let place = Workplace::new();
    let medium = place.path("medium");
    std::fs::create_dir(&medium).unwrap();
    let Some(mount) = Mount::new(&medium) else {
        eprintln!("left out: a file system cannot be mounted here, which takes root");
        return;
    };
    let store = medium.join("store");
    let store = store.to_str().unwrap();
    let line = |n| format!(r#"{{"aggregate_id":"P{}","type":"t","data":{{"n":{n}}}}}"#, n % 3);
    let lines: Vec<String> = (0..50).map(line).collect();
    let input = place.write("day.ndjson", &lines);
    place.succeed(&["--store", store, "record", "--root", "r", &input]);
    let file = file(&place);
    let commands: [&[&str]; 7] = [
        &["--store", store, "show", "--root", "r", "P1"],
        &["--store", store, "status"],
        &["--store", store, "log", "--root", "r"],
        &["--store", store, "timeline", "--root", "r", "P1"],
        &["--store", store, "verify"],
        &["--store", store, "export", &file],
        &["--store", store, "export", "--salvage", &file],
    ];
    let say = |arguments: &[&str]| without_room(&place.succeed(arguments));
    let before = commands.map(say);
    mount.turn_read_only();
    assert_eq!(commands.map(say), before);
    let ended = place.feed(&["--store", store, "record", "--root", "r"], lines[0].as_bytes());
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("Read-only file system"), "{}", ended.stderr);
}

struct Mount(String);

impl Mount {
    fn new(path: &Path) -> Option<Self> {
        let path = path.to_str().unwrap().to_owned();
        let options = ["-t", "tmpfs", "-o", "size=20m", "tmpfs", &path];
        run("mount", &options).then_some(Self(path))
    }

    fn turn_read_only(&self) {
        assert!(run("mount", &["-o", "remount,ro", &self.0]));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["-l", &self.0]);
    }
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
