//! The example of a read model: a board in SQLite, given up and killed at any time.

use std::path::Path;
use std::time::Duration;

use laterbase_client::client::{EventFilter, NewEvent, SubscribeOptions};
use rusqlite::Connection;
use table::{Board, Line};
use tokio::time::timeout;

use crate::depot::{client, server};
use crate::dice::{Dice, seeds};
use crate::forged::root;
use crate::sample;

#[path = "../../examples/board/table.rs"]
mod table;

fn event(id: usize, event_type: &str, occurred_at: &str, data: &str) -> NewEvent {
    NewEvent {
        aggregate_id: format!("S-{id}"),
        event_type: event_type.to_owned(),
        occurred_at: Some(occurred_at.to_owned()),
        data: Some(serde_json::from_str(data).unwrap()),
        ..NewEvent::default()
    }
}

/// Ten shipments of a depot: all were booked, half of them for long ago; one in five was delivered,
/// which is told before the booking. One more was delivered by mistake.
fn shipments() -> Vec<NewEvent> {
    let mut events = vec![event(9, "Delivered", "2024-03-02T08:00:00Z", "{}")];
    for id in 0..10 {
        if id % 5 == 0 {
            events.push(event(id, "Delivered", "2024-03-01T10:00:00.5Z", "{}"));
        }
        let due = if id % 2 == 0 { "2024-03-01T12:00:00Z" } else { "2200-01-01T00:00:00Z" };
        events.push(event(id, "Booked", "2024-03-01T08:00:00Z", &format!(r#"{{"due":"{due}"}}"#)));
        events.push(event(id, "Departed", "2024-03-01T10:00:00Z", "{}"));
    }
    events
}

/// All rows of a board's tables, in the order of their ids.
fn rows(file: &Path) -> Vec<String> {
    let connection = Connection::open(file).unwrap();
    let mut rows = Vec::new();
    for table in [
        "SELECT id || depot || shipment || type || occurred || hlc FROM fact ORDER BY id",
        "SELECT id FROM taken_back ORDER BY id",
    ] {
        let mut statement = connection.prepare(table).unwrap();
        let found = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.extend(found.map(Result::unwrap));
    }
    rows
}

/// Real lateness, and every eightieth event taken back, sometimes long after it was read.
#[tokio::test]
async fn a_board_that_was_given_up_often_equals_one_made_from_scratch_on_real_late_events() {
    let Some(lines) = sample::real_lines("container_logistics.late_sim.jsonl.zst") else { return };
    let (server, directory) = (server(), tempfile::tempdir().unwrap());
    let (kept, fresh) = (directory.path().join("kept"), directory.path().join("fresh"));
    let (client, filter) = (client(&server), EventFilter::default());
    let mut dice = Dice::new(1);
    let mut wrong = Vec::new();
    for chunk in lines.chunks(200) {
        for line in chunk {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let event = NewEvent { aggregate_id: text(&line, "aggregate_id"), ..new_event(&line) };
            let root = root(&text(&line, "root"));
            let ids = client.write(&root, &[event]).await.unwrap().ids;
            if dice.below(80) == 0 {
                wrong.push((root, text(&line, "aggregate_id"), ids[0].clone()));
            }
            if dice.below(90) == 0
                && let Some((root, aggregate_id, id)) = wrong.pop()
            {
                let (event_type, voids) = ("Corrected".to_owned(), vec![id]);
                let data = Some(serde_json::from_str("{}").unwrap());
                let void =
                    NewEvent { aggregate_id, event_type, voids, data, ..NewEvent::default() };
                client.write(&root, &[void]).await.unwrap();
            }
        }
        let mut board = Board::open(Connection::open(&kept).unwrap()).unwrap();
        let pause = Duration::from_millis(dice.below(30) as u64);
        let keeping = client.keep(&mut board, &filter, SubscribeOptions::default());
        let _given_up = timeout(pause, keeping).await;
    }
    let all = server.reader().head();
    for file in [&kept, &fresh] {
        let count = || {
            let connection = Connection::open(file).unwrap();
            connection.query_row("SELECT count(*) FROM fact", [], |row| row.get::<_, u64>(0))
        };
        let mut board = Board::open(Connection::open(file).unwrap()).unwrap();
        for _ in 0..1_000 {
            if count().unwrap() >= all {
                break;
            }
            let keeping = client.keep(&mut board, &filter, SubscribeOptions::default());
            let _given_up = timeout(Duration::from_millis(200), keeping).await;
        }
        assert_eq!(count().unwrap(), all);
    }
    assert!(rows(&kept) == rows(&fresh));
    assert!(rows(&fresh).len() as u64 > all, "nothing was taken back");
}

fn text(line: &serde_json::Value, name: &str) -> String {
    line[name].as_str().unwrap().to_owned()
}

fn new_event(line: &serde_json::Value) -> NewEvent {
    NewEvent {
        event_type: text(line, "type"),
        occurred_at: Some(text(line, "occurred_at")),
        data: Some(serde_json::value::to_raw_value(&line["data"]).unwrap()),
        ..NewEvent::default()
    }
}

#[tokio::test]
async fn the_board_counts_right_wherever_it_was_given_up() {
    for seed in seeds(3) {
        eprintln!("LATERBASE_SEED={seed}");
        let mut dice = Dice::new(seed);
        let (server, directory) = (server(), tempfile::tempdir().unwrap());
        let file = directory.path().join("board.sqlite");
        let client = client(&server);
        let filter = EventFilter { roots: "shipment@*".parse().unwrap(), ..Default::default() };
        let depots = ["depot-1", "depot-2", "depot-3"];
        for depot in depots {
            let depot = root(&format!("shipment@{depot}"));
            for part in shipments().chunks(1 + dice.below(9)) {
                let ids = client.write(&depot, part).await.unwrap().ids;
                if part[0].aggregate_id == "S-9" && part[0].event_type == "Delivered" {
                    let mistake = NewEvent {
                        voids: vec![ids[0].clone()],
                        ..event(9, "Corrected", "2024-03-01T07:00:00Z", "{}")
                    };
                    client.write(&depot, &[mistake]).await.unwrap();
                }
                let mut board = Board::open(Connection::open(&file).unwrap()).unwrap();
                let pause = Duration::from_millis(dice.below(4) as u64);
                let keeping = client.keep(&mut board, &filter, SubscribeOptions::default());
                let _given_up = timeout(pause, keeping).await;
            }
        }
        let expected: Vec<Line> =
            depots.map(|depot| Line { depot: depot.to_owned(), open: 8, late: 4 }).into();
        let mut board = Board::open(Connection::open(&file).unwrap()).unwrap();
        for _ in 0..100 {
            if board.lines().unwrap() == expected {
                break;
            }
            let keeping = client.keep(&mut board, &filter, SubscribeOptions::default());
            let _given_up = timeout(Duration::from_millis(20), keeping).await;
        }
        assert_eq!(board.lines().unwrap(), expected);
    }
}
