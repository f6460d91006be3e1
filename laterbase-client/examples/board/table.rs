//! The board's tables.

use laterbase_client::client::{Checkpoint, ReceivedEvent};
use rusqlite::{Connection, OptionalExtension, Result, params};
use serde_json::Value;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS fact (
        id TEXT PRIMARY KEY, depot TEXT NOT NULL, shipment TEXT NOT NULL, type TEXT NOT NULL,
        occurred TEXT NOT NULL, hlc TEXT NOT NULL, due TEXT
    );
    CREATE INDEX IF NOT EXISTS fact_of ON fact (depot, shipment);
    CREATE TABLE IF NOT EXISTS taken_back (id TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), cursor TEXT NOT NULL);
";

/// A shipment is open until the event of it that happened last says that it was delivered, and
/// late if it was due before now. What was taken back does not count.
const LINES: &str = "
    WITH counted AS (
        SELECT *, row_number() OVER (
            PARTITION BY depot, shipment ORDER BY occurred DESC, hlc DESC, id DESC
        ) AS age
        FROM fact WHERE id NOT IN (SELECT id FROM taken_back)
    ), shipments AS (
        SELECT depot, max(CASE WHEN age = 1 THEN type END) AS type, max(due) AS due
        FROM counted GROUP BY depot, shipment
    )
    SELECT depot, count(*), count(CASE WHEN due < strftime('%Y-%m-%dT%H:%M:%SZ', 'now') THEN 1 END)
    FROM shipments WHERE type <> 'Delivered' GROUP BY depot ORDER BY depot
";

/// One depot's line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) depot: String,
    pub(super) open: u64,
    pub(super) late: u64,
}

/// The board.
///
/// It counts right whatever is cut off and whoever is killed:
///
/// - Facts and the cursor behind them are kept in one transaction. So no event is left out, and
///   none comes a second time: its id is a primary key, and a second time would be an error.
/// - Events arrive in any order: late, backdated, or taken back before they are known. So it keeps
///   them as facts, and asks for what they come to.
pub(super) struct Board(Connection);

impl Board {
    pub(super) fn open(connection: Connection) -> Result<Self> {
        connection.execute_batch(TABLES)?;
        Ok(Self(connection))
    }

    /// The depots that have something open.
    pub(super) fn lines(&self) -> Result<Vec<Line>> {
        let mut lines = self.0.prepare_cached(LINES)?;
        let line = |row: &rusqlite::Row<'_>| {
            let (open, late): (i64, i64) = (row.get(1)?, row.get(2)?);
            let depot = row.get(0)?;
            Ok(Line { depot, open: open.unsigned_abs(), late: late.unsigned_abs() })
        };
        lines.query_map([], line)?.collect()
    }
}

impl Checkpoint for Board {
    type Error = rusqlite::Error;

    async fn load(&mut self) -> Result<Option<String>> {
        self.0.query_row("SELECT cursor FROM progress", [], |row| row.get(0)).optional()
    }

    async fn apply(&mut self, events: &[ReceivedEvent], cursor: &str) -> Result<()> {
        let transaction = self.0.transaction()?;
        for event in events {
            // A partition of the root is a depot.
            let root = event.id.root.as_str();
            let depot = root.split_once('@').map_or("", |(_, depot)| depot);
            let data = event.data.as_ref().map(|data| serde_json::from_str::<Value>(data.get()));
            let due =
                data.and_then(Result::ok).and_then(|data| Some(data["due"].as_str()?.to_owned()));
            // Without the Z, the order of the texts is that of the times.
            let occurred = event.occurred_at.trim_end_matches('Z');
            transaction.prepare_cached("INSERT INTO fact VALUES (?, ?, ?, ?, ?, ?, ?)")?.execute(
                params![
                    event.id.to_string(),
                    depot,
                    event.aggregate_id,
                    event.event_type,
                    occurred,
                    event.hlc,
                    due
                ],
            )?;
            for id in &event.voids {
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO taken_back VALUES (?)")?
                    .execute([id.to_string()])?;
            }
        }
        transaction.execute("INSERT OR REPLACE INTO progress VALUES (1, ?)", [cursor])?;
        transaction.commit()
    }

    async fn restart(&mut self) -> Result<()> {
        self.0.execute_batch(
            "BEGIN; DELETE FROM fact; DELETE FROM taken_back; DELETE FROM progress; COMMIT",
        )
    }
}
