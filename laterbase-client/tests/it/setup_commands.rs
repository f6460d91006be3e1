//! `laterbase init`, what `sync` remembers, and what `status` says of it.

use std::sync::Arc;

use axum::response::Response;
use laterbase_core::fold::MergePatch;
use laterbase_core::time::parse_time;
use laterbase_server::Server;
use serde_json::{Value, json};

use crate::command::Workplace;
use crate::depot::{Listening, server};
use crate::odd_files::on_a_terminal;

fn line(root: &str, id: &str) -> String {
    format!(r#"{{"root":"{root}","aggregate_id":"{id}","type":"Packed","data":{{}}}}"#)
}

fn record(place: &Workplace, roots: &[&str]) {
    let lines: Vec<String> = roots.iter().map(|root| line(root, "A-1")).collect();
    place.succeed(&["record", &place.write("day.ndjson", &lines)]);
}

fn roots(place: &Workplace) -> Vec<String> {
    let status = place.summary(&["status"]);
    status["roots"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn a_store_is_set_up_a_piece_at_a_time() {
    let place = Workplace::new();
    let first = place.summary(&["init", "--name", "truck-7", "--root", "shipment"]);
    assert_eq!((&first["name"], &first["roots"]), (&json!("truck-7"), &json!(["shipment"])));
    assert_eq!(first["replica"], place.summary(&["status"])["replica"]);
    let url = "http://127.0.0.1:1";
    let second = place.summary(&["init", "--server", url, "--actor", "Ama \"A\" Ünlü"]);
    let expected = json!({
        "replica": first["replica"],
        "server": "http://127.0.0.1:1",
        "roots": ["shipment"],
        "name": "truck-7",
        "actor": "Ama \"A\" Ünlü",
    });
    assert_eq!(second, expected);
    assert_eq!(place.summary(&["init"]), expected);
    assert_eq!(place.summary(&["status"])["settings"]["name"], "truck-7");
    let all = place.summary(&["init", "--all-roots"]);
    assert_eq!((&all["roots"], &all["name"]), (&Value::Null, &json!("truck-7")));
    for odd in [&["--root", "a b"][..], &["--name", " "], &["--name", "a\nb"], &["--server", "x"]] {
        assert_eq!(place.run(&[&["init"], odd].concat()).code, 2, "{odd:?}");
    }
    place.succeed(&["verify"]);
}

const SCHEMA: &str = r#"{
    "events": {"Departed": {"type": "object", "required": ["from"]}},
    "additionalEvents": false
}"#;

#[test]
fn schemas_are_kept_with_the_store_and_heard_by_every_command_that_records() {
    let place = Workplace::new();
    let file = place.write("shipment.json", &[SCHEMA.to_owned()]);
    let entry = format!("shipment={file}");
    let set = place.summary(&["init", "--schema", &entry]);
    assert_eq!(set["schemas"], json!(["shipment"]));
    std::fs::remove_file(&file).unwrap();
    let add = ["add", "--root", "shipment@depot-7", "S1"];
    let refused = place.fail(&[&add[..], &["Departed", "to=Lagos"]].concat());
    assert!(refused.contains("data: \"from\" is a required property"), "{refused}");
    let refused = place.fail(&[&add[..], &["Depatred", "from=Lagos"]].concat());
    assert!(refused.contains("no events of this type, but Departed"), "{refused}");
    let id = place.succeed(&[&add[..], &["Departed", "from=Lagos"]].concat());
    let lines =
        [r#"{"root":"shipment","aggregate_id":"S2","type":"Departed","data":{}}"#.to_owned()];
    let day = place.write("day.ndjson", &lines);
    let checked = place.run(&["record", "--check", &day]);
    assert!(checked.code == 3 && checked.stderr.contains("\"from\""), "{}", checked.stderr);
    assert!(place.fail(&["record", &day]).contains("day.ndjson"));
    place.succeed(&["add", "--root", "order", "O1", "Anything", "a=1"]);
    place.succeed(&["void", id.trim()]);
    // For one call, another file.
    let open = place.write("open.json", &[r#"{"events":{}}"#.to_owned()]);
    let entry = format!("shipment={open}");
    place.succeed(&["record", "--schema", &entry, &day]);
    // What came in all the same is left out of states, and said.
    let shown = place.run(&["show", "--root", "shipment", "S2"]);
    assert!(shown.stderr.contains("1 of its events are left out"), "{}", shown.stderr);
    let ended = place.run(&["status", "--schema", "shipment=nowhere.json"]);
    assert!(ended.code == 1 && ended.stderr.contains("nowhere.json"), "{}", ended.stderr);
}

/// The file was read twice, and what the second read gave was kept: of a pipe, nothing.
#[test]
fn schemas_may_come_by_a_pipe() {
    let place = Workplace::new();
    let set = place.feed(&["init", "--schema", "shipment=/dev/stdin"], SCHEMA.as_bytes());
    assert_eq!(set.code, 0, "{}", set.stderr);
    let refused = place.fail(&["add", "--root", "shipment", "S1", "Departed", "to=Lagos"]);
    assert!(refused.contains("\"from\" is a required property"), "{refused}");
}

/// What is left where files are damaged did not run where this one was.
#[test]
fn schemas_that_cannot_be_read_keep_no_repair_from_being_done() {
    let place = Workplace::new();
    let file = place.write("shipment.json", &[SCHEMA.to_owned()]);
    place.succeed(&["init", "--schema", &format!("shipment={file}")]);
    place.succeed(&["add", "--root", "shipment", "S1", "Departed", "from=Lagos"]);
    for damaged in ["laterbase-data/schema-shipment.json", "laterbase-data/laterbase.toml"] {
        std::fs::write(place.path(damaged), "{").unwrap();
        assert_eq!(place.run(&["show", "--root", "shipment", "S1"]).code, 1);
        for command in
            [&["verify"][..], &["export", "--salvage", "s.lbd"], &["export", "e.lbd"], &["forks"]]
        {
            let ended = place.run(command);
            assert_eq!(ended.code, 0, "{command:?}: {}", ended.stderr);
            assert!(ended.stderr.contains("goes on without schemas"), "{}", ended.stderr);
        }
    }
    let other = Workplace::new();
    let file = place.path("e.lbd");
    assert_eq!(other.summary(&["import", file.to_str().unwrap()])["imported"], 1);
}

#[test]
fn settings_that_make_no_sense_are_named_and_not_overwritten() {
    let place = Workplace::new();
    place.succeed(&["init", "--name", "truck-7"]);
    let file = place.path("laterbase-data/laterbase.toml");
    for text in ["server = ", "roots = [\"a b\"]", "sever = \"http://h:1\"", "name = \"\""] {
        std::fs::write(&file, text).unwrap();
        for command in [&["status"][..], &["init", "--name", "b"], &["sync"]] {
            let complaint = place.fail(command);
            assert!(complaint.contains("laterbase.toml is not as it should be"), "{complaint}");
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
}

#[test]
fn the_first_server_is_remembered_so_that_sync_alone_is_enough() {
    let listening = Listening::start(server());
    let url = listening.url();
    let place = Workplace::new();
    let ended = place.run(&["sync"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("no server is known"), "{}", ended.stderr);
    record(&place, &["shipment"]);
    assert_eq!(place.summary(&["sync", "--server", &url])["pushed"], 1);
    record(&place, &["shipment"]);
    assert_eq!(place.summary(&["sync"])["pushed"], 1);
    assert_eq!(place.summary(&["init"])["server"], json!(url));
    // Another one is for this time only; so is what could not be reached.
    let other = Listening::start(server());
    assert_eq!(place.summary(&["sync", "--server", &other.url()])["pushed"], 2);
    assert_eq!(place.summary(&["init"])["server"], json!(url));
    place.fail(&["--store", "gone", "sync", "--server", "http://127.0.0.1:1"]);
    assert_eq!(place.run(&["--store", "gone", "sync"]).code, 2);
}

#[test]
fn a_store_that_has_named_roots_takes_those_and_says_which_others_there_are() {
    // Of `berth`, which the server was given, it has no events: there is nothing to take.
    let folds =
        Server::builder().fallback(Arc::new(MergePatch)).fold("berth", Arc::new(MergePatch));
    let listening = Listening::start(folds.build().unwrap());
    let url = listening.url();
    let (depot, truck, office) = (Workplace::new(), Workplace::new(), Workplace::new());
    record(&depot, &["shipment", "pallet", "order"]);
    depot.succeed(&["sync", "--server", &url]);
    truck.succeed(&["init", "--server", &url, "--root", "shipment"]);
    let synced = truck.summary(&["sync"]);
    assert_eq!((&synced["pulled"], &synced["not_taken"]), (&json!(1), &json!(["order", "pallet"])));
    assert_eq!(roots(&truck), ["shipment"]);
    let said = truck.succeed(&["sync"]);
    assert!(
        said.ends_with("\nthe server also has order, pallet, which this store does not take\n")
    );
    // What is named with the first server is remembered with it.
    office.succeed(&["sync", "--server", &url, "--root", "pallet"]);
    office.succeed(&["sync"]);
    assert_eq!(roots(&office), ["pallet"]);
    office.succeed(&["init", "--all-roots"]);
    let synced = office.summary(&["sync"]);
    assert_eq!((&synced["pulled"], synced.get("not_taken")), (&json!(2), None));
}

/// The first `sync --server` put its roots in the place of those that were set, and what was set while
/// it ran was set back.
#[test]
fn the_first_server_changes_nothing_else_that_is_set() {
    let listening = Listening::start(server());
    let url = listening.url();
    let place = Workplace::new();
    place.succeed(&["init", "--root", "shipment", "--root", "shipment", "--name", "truck-7"]);
    assert_eq!(place.summary(&["init"])["roots"], json!(["shipment"]), "each root once");
    place.succeed(&["sync", "--server", &url, "--root", "order"]);
    let set = place.summary(&["init"]);
    assert_eq!((&set["server"], &set["roots"]), (&json!(url), &json!(["shipment"])));
    assert_eq!(set["name"], "truck-7");
}

#[test]
fn status_says_when_and_with_whom_it_was_synced_and_what_came_of_it() {
    let place = Workplace::new();
    record(&place, &["shipment", "shipment"]);
    assert_eq!(place.summary(&["status"])["syncs"], json!([]));
    let listening = Listening::start(server());
    let url = listening.url();
    place.succeed(&["sync", "--server", &url]);
    let syncs = place.summary(&["status"])["syncs"].clone();
    let last = &syncs[0]["last"];
    assert_eq!((&syncs[0]["server"], &last["pushed"]), (&json!(url), &json!(2)));
    let text = place.succeed(&["status"]);
    let minute = last["at"].as_str().unwrap()[..16].replace('T', " ");
    let expected = format!("last synced {minute} with {url}: pushed 2, pulled 0");
    assert!(text.contains(&expected), "{text}");
    drop(listening);
    place.fail(&["sync"]);
    let failed = place.summary(&["status"])["syncs"][0].clone();
    assert_eq!(failed["last"], *last);
    assert!(failed["failed"]["error"].as_str().unwrap().contains("could not connect"), "{failed}");
    place.fail(&["sync"]);
    // Since when is what counts, however often it was tried.
    assert_eq!(place.summary(&["status"])["syncs"][0], failed);
    assert!(place.succeed(&["status"]).contains(&format!("no sync with {url} since ")));
}

/// Whoever named no root takes all of them, which may be more than was meant.
#[test]
fn a_first_sync_tells_a_terminal_what_it_is_about_to_take() {
    let listening = Listening::start(server());
    let url = listening.url();
    let (depot, office) = (Workplace::new(), Workplace::new());
    record(&depot, &["shipment", "order", "shipment"]);
    depot.succeed(&["sync", "--server", &url]);
    record(&office, &["pallet"]);
    let shown = on_a_terminal(&office, &["sync", "--server", &url], "1");
    let said = "takes 3 events of the server's: order 1, shipment 2; `laterbase init --root R`";
    assert!(shown.contains(said), "{shown}");
    record(&depot, &["order"]);
    depot.succeed(&["sync"]);
    let shown = on_a_terminal(&office, &["sync"], "1");
    assert!(shown.contains("pulled 1 events") && !shown.contains("takes"), "{shown}");
    let truck = Workplace::new();
    let shown = on_a_terminal(&truck, &["sync", "--server", &url, "--root", "order"], "1");
    assert!(shown.contains("pulled 2 events") && !shown.contains("takes"), "{shown}");
}

/// A server whose clock is at another time, for as long as the runtime is there.
fn at_another_time(runtime: &tokio::runtime::Runtime, date: &'static str) -> String {
    let told = move |mut answer: Response| async move {
        answer.headers_mut().insert("date", date.parse().unwrap());
        answer
    };
    let router = server().router().layer(axum::middleware::map_response(told));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move { axum::serve(listener, router).await });
    url
}

/// A device whose clock was wrong heard of it from nobody until its events were refused.
#[test]
fn status_says_by_how_much_this_clock_differs_from_the_server_s() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (date, differs, said) in [
        ("Fri, 01 Mar 2024 08:00:00 GMT", 1_i64, "s ahead of the server's then"),
        ("Wed, 01 Mar 2124 08:00:00 GMT", -1, "s behind the server's then"),
    ] {
        let place = Workplace::new();
        place.succeed(&["sync", "--server", &at_another_time(&runtime, date)]);
        let clock = place.summary(&["status"])["syncs"][0]["last"]["clock_ahead"].as_i64().unwrap();
        assert!(clock.signum() == differs && clock.abs() > 86_400, "{clock}");
        let text = place.succeed(&["status"]);
        let line = format!("\nthis clock was {} {said}", clock.abs());
        assert!(text.contains(&line), "{text}");
    }
    let (place, listening) = (Workplace::new(), Listening::start(server()));
    place.succeed(&["sync", "--server", &listening.url()]);
    assert_eq!(place.summary(&["status"])["syncs"][0]["last"]["clock_ahead"], 0);
    assert!(!place.succeed(&["status"]).contains("this clock"));
}

#[test]
fn status_says_since_when_events_are_pending() {
    let listening = Listening::start(server());
    let place = Workplace::new();
    record(&place, &["shipment", "pallet"]);
    place.succeed(&["sync", "--server", &listening.url()]);
    let status = place.summary(&["status"]);
    assert_eq!(status["roots"]["shipment"].get("pending_since"), None);
    record(&place, &["shipment"]);
    record(&place, &["shipment"]);
    let log = place.succeed(&["log", "--root", "shipment"]);
    let second: Value = serde_json::from_str(log.lines().nth(1).unwrap()).unwrap();
    let status = place.summary(&["status"]);
    let shipment = &status["roots"]["shipment"];
    assert_eq!(shipment["pending"], 2);
    let time = |value: &Value| parse_time(value.as_str().unwrap()).unwrap();
    assert_eq!(time(&shipment["pending_since"]), time(&second["recorded_at"]));
    assert_eq!(status["roots"]["pallet"].get("pending_since"), None);
    let minute = second["recorded_at"].as_str().unwrap()[..16].replace('T', " ");
    assert!(place.succeed(&["status"]).contains(&format!("pending since {minute}")));
}

#[test]
fn the_store_and_the_server_can_be_said_by_the_environment() {
    let listening = Listening::start(server());
    let place = Workplace::new();
    record(&place, &["shipment"]);
    std::fs::rename(place.path("laterbase-data"), place.path("yard")).unwrap();
    let mut command = place.command(&["sync", "--json"]);
    command.env("LATERBASE_STORE", "yard").env("LATERBASE_SERVER", listening.url());
    // What is empty is not set.
    command.env("LATERBASE_MAX_FUTURE", "").env("LATERBASE_MAX_STORE_SIZE", " ");
    let output = command.output().unwrap();
    let synced: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(synced["pushed"], 1);
    assert_eq!(place.summary(&["--store", "yard", "status"])["roots"]["shipment"]["pending"], 0);
    let mut command = place.command(&["record"]);
    let output = command.env("LATERBASE_STORE", "").env("LATERBASE_SERVER", "").output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_names_no_root_is_of_the_one_that_the_store_is_set_up_for() {
    let place = Workplace::new();
    let bare = r#"{"aggregate_id":"A-1","type":"Packed","data":{}}"#;
    assert_eq!(place.run(&["add", "A-2", "Packed"]).code, 2);
    place.succeed(&["init", "--root", "shipment", "--actor", "Ama"]);
    let lines = [bare.to_owned(), line("pallet", "P-1")];
    place.succeed(&["record", &place.write("day.ndjson", &lines)]);
    place.succeed(&["add", "A-2", "Packed"]);
    assert_eq!(roots(&place), ["pallet", "shipment"]);
    let log = place.succeed(&["log", "--root", "shipment", "--since", "1h ago", "--until", "now"]);
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((&last["aggregate_id"], &last["metadata"]["actor"]), (&json!("A-2"), &json!("Ama")));
    let list = place.succeed(&["list", "--root", "shipment", "--since", "yesterday"]);
    assert!(list.ends_with("2 aggregates\n"), "{list}");
    // Which of two is nobody's guess.
    place.succeed(&["init", "--root", "shipment", "--root", "pallet"]);
    let refused = place.feed(&["record"], bare.as_bytes());
    assert!(refused.stderr.contains("there is no --root"), "{}", refused.stderr);
}

#[test]
fn a_server_says_who_is_behind() {
    let listening = Listening::start(server());
    let url = listening.url();
    let (yard, truck) = (Workplace::new(), Workplace::new());
    let asked = ["status", "--server", &url];
    assert!(yard.succeed(&asked).contains("nobody has asked it to sync"));
    record(&yard, &["shipment"]);
    yard.succeed(&["sync", "--server", &url]);
    record(&truck, &["shipment", "pallet"]);
    truck.succeed(&["sync", "--server", &url]);
    let told = truck.summary(&asked);
    assert_eq!(told["roots"]["shipment"]["events"], 2);
    let id = |place: &Workplace| place.summary(&["status"])["replica"].clone();
    let peers = told["peers"].as_array().unwrap();
    let lags: Vec<_> = peers.iter().map(|peer| (&peer["replica"], &peer["lacks"])).collect();
    assert_eq!(lags, [(&id(&truck), &json!(0)), (&id(&yard), &json!(2))]);
    let text = truck.succeed(&asked);
    assert!(text.contains(id(&yard).as_str().unwrap()), "{text}");
    // What the store itself says is another question.
    assert_eq!(truck.summary(&["status"])["roots"]["pallet"]["pending"], 0);
    assert_eq!(yard.run(&["status", "--server", "http://127.0.0.1:1"]).code, 1);
}

#[test]
fn status_says_how_far_behind_each_side_is() {
    let listening = Listening::start(server());
    let url = listening.url();
    let (yard, truck) = (Workplace::new(), Workplace::new());
    record(&yard, &["shipment"]);
    record(&truck, &["shipment", "pallet"]);
    yard.succeed(&["sync", "--server", &url]);
    truck.succeed(&["sync", "--server", &url]);
    let behind = |place: &Workplace| {
        let sync = place.summary(&["status"])["syncs"][0].clone();
        (sync["server_lacks"].as_u64().unwrap(), sync["compared"].as_bool().unwrap())
    };
    assert_eq!((behind(&yard), behind(&truck)), ((0, true), (0, true)));
    record(&yard, &["shipment", "yard"]);
    assert_eq!((behind(&yard), behind(&truck)), ((2, true), (0, true)));
    let text = yard.succeed(&["status"]);
    assert!(text.contains("it has not acknowledged 2 events of this store"), "{text}");
    // Asked, the server says what it has more, too: the truck's two events.
    let asked = yard.summary(&["status", "--server", &url]);
    let row = |root: &str| {
        let row = &asked["roots"][root];
        let number = |name: &str| row[name].as_u64().unwrap();
        (number("events"), number("here_lacks"), number("server_lacks"))
    };
    assert_eq!((row("shipment"), row("pallet"), row("yard")), ((2, 1, 1), (1, 1, 0), (0, 0, 1)));
    assert!(asked["storage"]["size_bytes"].as_u64() > Some(0), "{asked}");
    // Without a store there is nothing to compare with.
    let nobody = Workplace::new().summary(&["status", "--server", &url]);
    assert_eq!(nobody["roots"]["pallet"].get("here_lacks"), None);
}

#[test]
fn status_says_that_a_first_sync_is_not_through() {
    let listening = Listening::start(server());
    let url = listening.url();
    let (full, empty) = (Workplace::new(), Workplace::new());
    record(&full, &["shipment"]);
    full.succeed(&["sync", "--server", &url]);
    record(&empty, &["shipment"]);
    empty.succeed(&["sync", "--server", &url, "--root", "pallet"]);
    // Other roots than those of the last sync are not counted: they were never meant for it.
    assert_eq!(empty.summary(&["status"])["syncs"][0]["server_lacks"], 0);
}
