//! `laterbase-server config` and `man`, as a process.

use std::path::Path;
use std::process::{Command, Output};

use crate::process::PROGRAM;

/// Runs the program in a folder, without what the tests' own environment may say.
fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(folder).env_remove("LATERBASE_LOG");
    command.envs(variables.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn what_a_server_goes_by_is_printed_with_where_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lb.toml"), "\nidle-seconds = 7\nhost = ['depot-7']\n")
        .unwrap();
    let arguments = ["config", "--print", "--config", "lb.toml", "--root", "order"];
    let variables = [("LATERBASE_LOG", "warn"), ("LATERBASE_HOST", ""), ("LATERBASE_PEER", " ")];
    let ended = run(folder.path(), &arguments, &variables);
    let printed = text(&ended.stdout);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    for line in [
        "idle-seconds = 7  # lb.toml:2",
        "host = [\"depot-7\"]  # lb.toml:3",
        "root = [\"order\"]  # --root",
        "log = \"warn\"  # LATERBASE_LOG",
        "listen = \"127.0.0.1:4920\"  # default",
        "# peer is not set",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}\n{printed}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing was opened: {left:?}");
}

#[test]
fn a_check_tells_everything_and_neither_opens_nor_binds() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("listen = '{}'\n", listener.local_addr().unwrap());
    let write =
        |rest: &str| std::fs::write(folder.path().join("lb.toml"), format!("{listen}{rest}"));
    let arguments = ["config", "--check", "--config", "lb.toml"];

    write("backup-dir = 'backups'\n").unwrap();
    let ended = run(folder.path(), &arguments, &[]);
    assert_eq!((ended.status.code(), text(&ended.stdout), text(&ended.stderr)), (Some(0), "", ""));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    write("idle-secs = 5\ndurability = 'maybe'\nhead-seconds = 'long'\n").unwrap();
    let ended = run(folder.path(), &arguments, &[("LATERBASE_MAX_FUTURE", "soon")]);
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    for fault in [
        "laterbase-server: lb.toml:2: there is no idle-secs; the nearest is idle-seconds",
        "laterbase-server: lb.toml:3: durability: a durability is durable or relaxed, not \"maybe\"",
        "laterbase-server: lb.toml:4: head-seconds: invalid type: string \"long\"",
        "laterbase-server: LATERBASE_MAX_FUTURE: max-future: ",
    ] {
        assert!(said.lines().any(|line| line.starts_with(fault)), "{fault}\n{said}");
    }
    assert_eq!(said.lines().count(), 4, "{said}");

    // A server that is started with it says the same, and does not start.
    let ended = run(folder.path(), &["--config", "lb.toml"], &[("LATERBASE_MAX_FUTURE", "soon")]);
    assert_eq!((ended.status.code(), text(&ended.stderr)), (Some(2), said));
}

#[test]
fn one_says_whether_to_print_or_to_check() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in
        [&["config"][..], &["config", "--print", "--check"], &["--root", "a", "config", "--check"]]
    {
        let ended = run(folder.path(), arguments, &[]);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn the_manual_has_every_option() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), &["man", "pages"], &[("LATERBASE_ROOT", "order")]);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let page =
        |name: &str| std::fs::read_to_string(folder.path().join("pages").join(name)).unwrap();
    let manual = page("laterbase-server.1");
    for word in
        ["\\-\\-max\\-future", "LATERBASE_MAX_FUTURE", "60s", "laterbase\\-server\\-config(1)"]
    {
        assert!(manual.contains(word), "{word}\n{manual}");
    }
    assert!(page("laterbase-server-config.1").contains("\\-\\-check"));
    std::fs::write(folder.path().join("file"), "").unwrap();
    let ended = run(folder.path(), &["man", "file"], &[]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(text(&ended.stderr).contains("cannot write into file"));
}
