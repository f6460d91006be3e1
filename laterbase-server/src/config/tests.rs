#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;

use clap::{CommandFactory as _, FromArgMatches as _};
use laterbase_core::fold::BUILT_IN_NAMES;
use laterbase_server::{Bounds, Server};

use super::*;
use crate::command_line::CommandLine;

mod option_table;

fn parse(arguments: &[&str]) -> Result<Config, Faults> {
    let program = ["laterbase-server"].iter().chain(arguments);
    let matches = CommandLine::command().try_get_matches_from(program).unwrap();
    Config::of(&CommandLine::from_arg_matches(&matches).unwrap().flags, &matches)
}

fn with_file(arguments: &[&str], text: &str) -> Result<Config, Faults> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let shorter =
        |faults: Faults| Faults(faults.0.iter().map(|fault| fault.replace(path, "FILE")).collect());
    parse(&[arguments, &["--config", path]].concat()).map_err(shorter)
}

/// What is wrong with a file, a line each.
#[track_caller]
fn check_faults(text: &str, expected: &[&str]) {
    let faults = with_file(&[], text).err().unwrap_or_default();
    let is_told = |(fault, expected): (&String, &&str)| fault.starts_with(*expected);
    assert!(
        faults.0.len() == expected.len() && faults.0.iter().zip(expected).all(is_told),
        "{faults}"
    );
}

#[test]
fn nothing_said_means_the_defaults() {
    let config = parse(&[]).unwrap();
    assert_eq!(config.address().unwrap().to_string(), "127.0.0.1:4920");
    assert_eq!(config.settings.bounds(), Bounds::default());
    assert_eq!(config.settings.future_nanos_max().unwrap(), Some(60_000_000_000));
    assert!(config.server().is_ok());
}

#[test]
fn flags_win_over_the_file() {
    let file = "listen = '127.0.0.1:7'\nroot = ['order']\nqueue-length = 5\nstore = 'memory'\n";
    // What a flag says instead is not looked at.
    let told = with_file(&["--log", "warn"], "log = 'inof'\nlog-format = 'json'").unwrap();
    assert!(told.log().is_ok_and(|(_, format)| format == Format::Json));
    let config = with_file(&["--listen", "127.0.0.1:8"], file).unwrap();
    assert_eq!(config.address().unwrap().port(), 8);
    assert_eq!(config.settings.root, ["order"]);
    assert_eq!(config.settings.queue_length.unwrap().get(), 5);
    let config = with_file(&["--root", "a,b=latest", "--root", "c"], file).unwrap();
    assert_eq!(config.settings.root, ["a", "b=latest", "c"]);
    assert!(with_file(&["--console", "false"], "console = true").is_ok());
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    check_faults(
        "queue-lenght = 5",
        &["FILE:1: there is no queue-lenght; the nearest is queue-length"],
    );
    check_faults("\n\nlisten = ", &["FILE:3: this is no TOML: "]);
    check_faults("[listen]\nport = 5", &["FILE:1: listen: invalid type: "]);
    check_faults(
        "store = 'postgres'\nlisten = 5\nmax-futur = '5s'\n\ndurability = 'maybe'\nroot = ['a/b', 'c=newest']\nhead-seconds = 0\nhost = ['a b']",
        &[
            "FILE:2: listen: invalid type: integer `5`",
            "FILE:3: there is no max-futur; the nearest is max-future",
            "FILE:7: head-seconds: invalid value: integer `0`",
            "FILE:6: root: ",
            "FILE:6: root: there is no fold \"newest\" for the root c: ",
            "FILE:1: store: there is no store \"postgres\": ",
            "FILE:5: durability: a durability is durable or relaxed, not \"maybe\"",
            "FILE:8: host: \"a b\" is no name or address of a host",
        ],
    );
    let missing = parse(&["--config", "/nonexistent/laterbase.toml"]).unwrap_err().to_string();
    assert!(
        missing.starts_with("the configuration file /nonexistent/laterbase.toml cannot be read")
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    for arguments in [
        ["--listen", "nowhere"],
        ["--root", "shipment=newest"],
        ["--root", " , "],
        ["--store", "postgres"],
        ["--durability", "maybe"],
        ["--sync-roots", "some"],
        ["--max-future", "soon"],
        ["--max-future", "-5s"],
        ["--peer", "depot"],
        ["--allow-origin", "app.example"],
        ["--log", "inof"],
        ["--log-format", "xml"],
        ["--max-store-size", "much"],
        ["--backup-every", "1h"],
        ["--backup-keep", "3"],
    ] {
        let faults = parse(&arguments).map(drop).unwrap_err();
        assert!(faults.0[0].starts_with(arguments[0]), "{arguments:?}: {faults}");
    }
    for period in ["none", "0s", "soon"] {
        assert!(parse(&["--backup-dir", "d", "--backup-every", period]).is_err(), "{period}");
    }
    assert!(parse(&["--backup-dir", "d", "--backup-every", "1h", "--backup-keep", "3"]).is_ok());
}

#[test]
fn what_is_printed_is_a_file_that_says_the_same() {
    let file = "root = ['order=latest', 'a\"b']\nidle-seconds = 7\n";
    assert!(with_file(&[], file).is_err(), "such a root cannot be");
    let file = "# mine\nhost = ['depot-7', 'b']\nidle-seconds = 7\nlog = 'info,x=\"y\"'\n";
    let config = with_file(&["--root", "order", "--log", "info,access=off"], file).unwrap();
    let printed = config.print();
    let has = |line: &str| printed.lines().any(|printed| printed == line);
    assert!(has("root = [\"order\"]  # --root"), "{printed}");
    assert!(has("listen = \"127.0.0.1:4920\"  # default"), "{printed}");
    assert!(has("log = \"info,access=off\"  # --log"), "{printed}");
    assert!(has("# backup-keep is not set: all"), "{printed}");
    let of_file = printed.lines().find(|line| line.starts_with("idle-seconds = 7  # ")).unwrap();
    assert!(of_file.ends_with(":3"), "{of_file}");
    let again = with_file(&[], &printed).unwrap();
    assert_eq!(again.values, config.values);
    // Every option is in it, whether it is set or not.
    for option in Settings::options() {
        let key = settings::key(&option);
        let starts = [format!("{key} = "), format!("# {key} is not set")];
        let count = printed.lines().filter(|line| starts.iter().any(|it| line.starts_with(it)));
        assert_eq!(count.count(), 1, "{key}");
    }
}

#[test]
fn every_option_has_a_variable_and_a_meaning() {
    CommandLine::command().debug_assert();
    for option in Settings::options() {
        let key = settings::key(&option);
        assert!(option.get_env().is_some(), "{key}");
        assert!(settings::meaning_and_default(&option).0.len() > 10, "{key}");
    }
}

#[test]
fn a_root_s_schemas_stand_before_its_folds() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(br#"{"events":{"T":{"type":"object"}}}"#).unwrap();
    let entry = |root: &str| format!("{root}={}", file.path().display());
    let build = |arguments: &[&str]| {
        let arguments = [&["--store", "memory"][..], arguments].concat();
        parse(&arguments)?.server()?.build().map_err(anyhow::Error::new)
    };
    let takes = |server: &Server, root: &str, fold: &str| {
        let root = root.parse().unwrap();
        let record = laterbase_core::event::Record::json("a", "T", "1");
        server.reader().folds().named(&root, fold).map(|fold| fold.validate(&record).is_ok())
    };
    let (order, truck) = (entry("order"), entry("truck"));
    let named = build(&["--root", "order=latest", "--root", "truck", "--schema", &order]).unwrap();
    for fold in BUILT_IN_NAMES {
        assert_eq!(takes(&named, "order@depot-7", fold), Some(false), "{fold}");
        assert_eq!(takes(&named, "truck", fold), Some(true), "{fold}");
    }
    // Without a root that is named, all are taken, those with schemas as well.
    let any = build(&["--schema", &order]).unwrap();
    assert_eq!(takes(&any, "order", "merge-patch"), Some(false));
    assert_eq!(takes(&any, "shipment", "merge-patch"), Some(true));
    for bad in [&["--root", "order", "--schema", &truck][..], &["--schema", "order"]] {
        assert!(build(bad).is_err(), "{bad:?}");
    }
    assert!(with_file(&[], &format!("schema = ['{order}']")).unwrap().server().is_ok());
}

#[test]
fn the_root_s_fold_comes_first_and_the_others_are_there_too() {
    use laterbase_core::id::RootName;
    let server = parse(&["--store", "memory", "--root", "order=latest", "--root", "shipment"])
        .unwrap()
        .server()
        .unwrap()
        .build()
        .unwrap();
    let folds = server.reader().folds();
    let names = |root| -> Vec<String> {
        folds.of(&RootName::new(root).unwrap()).iter().map(|fold| fold.name().to_owned()).collect()
    };
    assert_eq!(names("order"), ["latest", "by-type", "merge-patch"]);
    assert_eq!(names("shipment@depot-7"), ["merge-patch", "latest", "by-type"]);
    assert_eq!(names("truck"), Vec::<String>::new());
}
