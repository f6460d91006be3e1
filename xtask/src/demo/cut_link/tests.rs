#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use super::CutLink;

/// A server that reads one connection to its end and counts the bytes.
fn counting_server() -> (SocketAddr, JoinHandle<usize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let counting = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        // A reset is as good an end as any: the link was cut.
        stream.read_to_end(&mut bytes).ok();
        bytes.len()
    });
    (address, counting)
}

#[test]
fn the_server_gets_the_first_bytes_and_no_more() {
    let (server, counting) = counting_server();
    let link = CutLink::open(server, 1_000).unwrap();
    let mut client = TcpStream::connect(link.address).unwrap();
    client.write_all(&[7; 5_000]).ok();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).ok();
    assert!(answer.is_empty());
    assert_eq!(counting.join().unwrap(), 1_000);
    assert!(link.is_cut());
}

#[test]
fn a_cut_link_carries_nothing_more() {
    let (server, counting) = counting_server();
    let link = CutLink::open(server, 10).unwrap();
    let mut client = TcpStream::connect(link.address).unwrap();
    client.write_all(&[7; 10]).unwrap();
    counting.join().unwrap();
    client.read_to_end(&mut Vec::new()).ok();
    // A process that another test starts holds the listener until it is executed, so a connection
    // may still be made, and ends then.
    if let Ok(mut late) = TcpStream::connect(link.address) {
        late.write_all(&[7; 10]).ok();
        let mut answer = Vec::new();
        late.read_to_end(&mut answer).ok();
        assert!(answer.is_empty());
    }
}
