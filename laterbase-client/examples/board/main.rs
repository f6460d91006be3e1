//! A dispatcher's board, kept in SQLite: how many shipments each depot has under way, and how many
//! of them are late. `cargo run --example board -- http://127.0.0.1:4920 board.sqlite`
//!
//! It follows the roots `shipment` and `shipment@*` of a server, and prints the board when
//! something changed. It may be killed at any time: [`table::Board`] says why it counts right.

#![expect(clippy::print_stdout, reason = "the board is this program's output")]

use laterbase_client::client::{Checkpoint, Client, EventFilter, ReceivedEvent, SubscribeOptions};
use laterbase_client::transport::HttpTransport;
use table::Board;

mod table;

/// The board, printed whenever it has changed.
struct Printed(Board);

impl Checkpoint for Printed {
    type Error = rusqlite::Error;

    async fn load(&mut self) -> Result<Option<String>, Self::Error> {
        self.0.load().await
    }

    async fn apply(&mut self, events: &[ReceivedEvent], cursor: &str) -> Result<(), Self::Error> {
        self.0.apply(events, cursor).await?;
        println!("{:<12} {:>6} {:>6}", "depot", "open", "late");
        for line in self.0.lines()? {
            println!("{:<12} {:>6} {:>6}", line.depot, line.open, line.late);
        }
        Ok(())
    }

    async fn restart(&mut self) -> Result<(), Self::Error> {
        self.0.restart().await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(server), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: board SERVER FILE".into());
    };
    let client = Client::new(server.parse()?, HttpTransport::new()?);
    let mut board = Printed(Board::open(rusqlite::Connection::open(file)?)?);
    let roots = "shipment,shipment@*".parse()?;
    let filter = EventFilter { roots, ..EventFilter::default() };
    Ok(client.keep(&mut board, &filter, SubscribeOptions::default()).await?)
}
