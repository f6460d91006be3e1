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
    let told = with_file(&["--log", "warn"], "log = 'inof'\nlog-format = 'json'").unwrap();
    assert!(told.log().is_ok_and(|(_, format)| format == Format::Json));
    let config = with_file(&["--listen", "127.0.0.1:8"], file).unwrap();
    assert_eq!(config.address().unwrap().port(), 8);
    assert_eq!(config.settings.root, ["order"]);
    assert_eq!(config.settings.queue_length.unwrap().get(), 5);
    let config = with_file(&["--root", "a,b=latest", "--root", "c"], file).unwrap();
    assert_eq!(config.settings.root, ["a", "b=latest", "c"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let unknown = format!("{:#}", with_file(&[], "queue-lenght = 5").unwrap_err());
    assert!(
        unknown.ends_with("there is no queue-lenght; the nearest is queue-length"),
        "{unknown}"
    );
    assert!(with_file(&[], "log = 'inof'").unwrap().log().is_err());
    assert!(parse(&["--log-format", "xml"]).log().is_err());
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
fn a_root_s_schemas_stand_before_its_folds() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(br#"{"events":{"T":{"type":"object"}}}"#).unwrap();
    let entry = |root: &str| format!("{root}={}", file.path().display());
    let build = |arguments: &[&str]| {
        let arguments = [&["--store", "memory"][..], arguments].concat();
        parse(&arguments).server()?.build().map_err(anyhow::Error::new)
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
