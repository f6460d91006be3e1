//! A sync byte by byte, as `docs/protocol.md` shows it.

use std::fmt::Write as _;

use laterbase_client::client::{Client, Compression};
use laterbase_client::sync::{SyncOptions, sync};
use laterbase_client::transport::HttpTransport;
use laterbase_core::event::Record;

use crate::depot::Listening;
use crate::forged::{first_events, root};
use crate::page_block::check_block;
use crate::proxy::Proxy;
use crate::steady_replica::SteadyReplica;

/// A message as a block of the page: its head, and its body as text or in hex digits.
fn render(out: &mut String, bytes: &[u8]) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (head, body) = (std::str::from_utf8(&bytes[..end]).unwrap(), &bytes[end + 4..]);
    out.push_str("```http\n");
    for line in head.split("\r\n") {
        let told = match line.split_once(": ") {
            Some(("host", _)) => "host: depot.example:4920",
            Some(("date", _)) => "date: Fri, 01 Mar 2024 00:00:00 GMT",
            _ => line,
        };
        writeln!(out, "{told}").unwrap();
    }
    if body.starts_with(b"{") {
        writeln!(out, "\n{}", std::str::from_utf8(body).unwrap()).unwrap();
    } else if !body.is_empty() {
        out.push('\n');
        for (index, row) in body.chunks(24).enumerate() {
            let digits: Vec<String> = row
                .chunks(4)
                .map(|four| four.iter().map(|b| format!("{b:02x}")).collect())
                .collect();
            writeln!(out, "{:04x}  {}", index * 24, digits.join(" ")).unwrap();
        }
    }
    out.push_str("```\n\n");
}

#[tokio::test]
async fn the_samples_on_the_page_are_what_is_said() {
    let (device, server) = (SteadyReplica::new(1), SteadyReplica::new(2));
    server.merge(&first_events("order", 7..8, r#"{"qty":2}"#));
    let (device, listening) = (device.device(), Listening::start(server.server()));
    let mut batch = device.batch(&root("shipment"));
    batch.push(&Record::json("ASN-5", "Departed", r#"{"from":"Lagos"}"#)).unwrap();
    device.record(&batch).unwrap();
    let link = Proxy::start(listening.address).await;
    link.listen_in();
    let client = Client::new(link.url().parse().unwrap(), HttpTransport::new().unwrap());
    let client = client.with_compression(Compression::Never);
    for _ in 0..2 {
        sync(&device, &client, &SyncOptions::default(), &mut |_| {}).await.unwrap();
    }
    let spoken = link.transcript();
    let mut page = String::new();
    let steps = [
        "The device compares: it asks what the server holds.",
        "The server holds one event, of an origin that the device does not know.",
        "The device pushes its event.",
        "The event is durable at the server.",
        "The device asks for the event that it lacks.",
        "Here it is.",
        "The device asks for what arrived after the cursor of the heads.",
        "Nothing but the device's own event, which the push told it to step over.",
        "The next sync: is there anything new?",
        "There is nothing.",
    ];
    assert!(spoken.len() <= steps.len() + 2, "{}", spoken.len());
    for (number, message) in spoken.iter().enumerate() {
        let step = steps.get(number).copied().unwrap_or("And on.");
        writeln!(page, "{step}\n").unwrap();
        render(&mut page, &message.bytes);
    }
    check_block("samples", page.trim_end_matches('\n'));
}
