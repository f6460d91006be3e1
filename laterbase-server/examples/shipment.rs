//! A user's own `Shipment`, served over HTTP: `cargo run --example shipment`.

#![expect(clippy::print_stdout, reason = "the address is this program's output")]

use laterbase_core::event::Event;
use laterbase_core::fold::{Aggregate, FoldError, Refusal};
use laterbase_server::Server;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Shipment {
    location: String,
    hops: u32,
    damage: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
enum ShipmentEvent {
    Departed { from: String },
    Arrived { at: String },
    Damaged { what: String },
}

impl Aggregate for Shipment {
    type Event = ShipmentEvent;
    const NAME: &'static str = "shipment";

    fn validate(event: &ShipmentEvent) -> Result<(), Refusal> {
        match event {
            ShipmentEvent::Arrived { at } if at.is_empty() => Err("where did it arrive?".into()),
            _ => Ok(()),
        }
    }

    fn apply(&mut self, event: ShipmentEvent, _: &Event<'_>) -> Result<(), FoldError> {
        match event {
            ShipmentEvent::Departed { from } => self.location = format!("on the way from {from}"),
            ShipmentEvent::Arrived { at } => (self.location, self.hops) = (at, self.hops + 1),
            ShipmentEvent::Damaged { what } => self.damage.push(what),
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let builder = Server::builder().aggregate::<Shipment>("shipment").data("shipment-data");
    let announce = |address| println!("listening on http://{address}");
    Ok(builder.build()?.run("127.0.0.1:4920".parse()?, announce).await?)
}
