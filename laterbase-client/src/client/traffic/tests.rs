#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::TcpListener;

use bytes::Bytes;

use crate::client::Client;
use crate::transport::HttpTransport;
use laterbase_core::id::RootName;

const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{\"vv\":\"\"}";

/// Answers one request with [`RESPONSE`] and gives the bytes that came in.
fn answer_once(listener: &TcpListener) -> Vec<u8> {
    let (mut stream, _address) = listener.accept().unwrap();
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    while !received.ends_with(b"body") {
        let count = stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "the request ended early");
        received.extend_from_slice(&buffer[..count]);
    }
    stream.write_all(RESPONSE).unwrap();
    received
}

#[tokio::test]
async fn what_is_counted_is_what_passes_the_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mounted", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || answer_once(&listener));
    let client = Client::new(url.parse().unwrap(), HttpTransport::new().unwrap());
    let root = RootName::new("shipment@depot-7").unwrap();
    client.push_delta(&root, Bytes::from_static(b"body")).await.unwrap();
    let received = server.join().unwrap();
    let traffic = client.traffic();
    assert_eq!(traffic.requests, 1);
    assert_eq!(traffic.bytes_sent, received.len() as u64, "{}", String::from_utf8_lossy(&received));
    assert_eq!(traffic.bytes_received, RESPONSE.len() as u64);
}
