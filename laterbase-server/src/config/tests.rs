#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;

use super::*;

fn parse(arguments: &[&str]) -> Config {
    let program = ["laterbase-server"].iter().chain(arguments);
    Config::try_parse_from(program).unwrap()
}

fn with_file(arguments: &[&str], text: &str) -> anyhow::Result<Config> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    parse(&[arguments, &["--config", path]].concat()).complete()
}

#[test]
fn nothing_said_means_the_defaults() {
    let config = parse(&[]).complete().unwrap();
    assert_eq!(config.address().unwrap().to_string(), LISTEN_DEFAULT);
    assert!(config.server().is_ok());
}

#[test]
fn flags_win_over_the_file() {
    let file = "listen = '127.0.0.1:7'\nroot = ['order']\nqueue-length = 5\nstore = 'memory'\n";
    let config = with_file(&["--listen", "127.0.0.1:8"], file).unwrap();
    assert_eq!(config.address().unwrap().port(), 8);
    assert_eq!(config.settings.root, ["order"]);
    assert_eq!(config.settings.queue_length.unwrap().get(), 5);
    let config = with_file(&["--root", "a,b=latest", "--root", "c"], file).unwrap();
    assert_eq!(config.settings.root, ["a", "b=latest", "c"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(with_file(&[], "colour = 'red'").is_err());
    assert!(with_file(&[], "listen = 5").is_err());
    assert!(parse(&["--config", "/nonexistent/laterbase.toml"]).complete().is_err());
    assert!(parse(&["--listen", "nowhere"]).address().is_err());
    for arguments in [
        ["--root", "shipment=newest"],
        ["--store", "postgres"],
        ["--durability", "maybe"],
        ["--sync-roots", "some"],
        ["--max-future", "soon"],
        ["--max-future", "-5s"],
    ] {
        assert!(parse(&arguments).server().is_err(), "{arguments:?}");
    }
    let bad_root = parse(&["--root", "a/b", "--store", "memory"]).server().unwrap();
    assert!(bad_root.build().is_err());
}

#[test]
fn the_root_s_fold_comes_first_and_the_others_are_there_too() {
    use laterbase_core::id::RootName;
    let server = parse(&["--store", "memory", "--root", "order=latest", "--root", "shipment"])
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
