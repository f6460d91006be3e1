#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use super::{Link, Push};

/// A server that reads some bytes of each connection and gives them back.
fn echo(bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut read = vec![0; bytes];
            if stream.read_exact(&mut read).is_ok() {
                stream.write_all(&read).ok();
            }
        }
    });
    address
}

/// What comes back of what is sent.
fn send(link: &Link, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(link.address()).unwrap();
    stream.write_all(bytes).ok();
    let mut answer = Vec::new();
    // A reset is as good an end as any.
    stream.read_to_end(&mut answer).ok();
    answer
}

#[test]
fn a_connection_breaks_after_so_many_bytes_of_both_ways_together() {
    let link = Link::open(echo(100)).unwrap();
    link.break_after([130, 60]);
    let sent = [7; 100];
    assert_eq!(send(&link, &sent), [7; 30]);
    assert!(send(&link, &sent).is_empty());
    assert_eq!((link.breaks_left(), link.traffic().cuts), (0, 2));
    assert_eq!(send(&link, &sent), sent, "no break is left");
    let traffic = link.traffic();
    assert_eq!((traffic.up, traffic.down, traffic.connections), (100 + 60 + 100, 130, 3));
}

#[test]
fn pushes_are_kept_as_they_went() {
    let requests = "GET /sync HTTP/1.1\r\nhost: a\r\n\r\n\
                    POST /sync HTTP/1.1\r\nContent-Type: x/y\r\ncontent-length: 3\r\n\r\nabc\
                    POST /sync HTTP/1.1\r\ncontent-length: 4\r\n\r\ncut";
    let link = Link::open(echo(requests.len())).unwrap();
    send(&link, requests.as_bytes());
    let pushes = link.pushes();
    let [Push { headers, body }] = &pushes[..] else { panic!("{pushes:?}") };
    assert_eq!(body, b"abc");
    assert_eq!(headers[0], ("content-type".to_owned(), "x/y".to_owned()));
}
