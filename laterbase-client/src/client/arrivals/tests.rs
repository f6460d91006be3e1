#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn read_all(text: &str, piece_bytes: usize) -> Vec<Arrival> {
    let (mut unread, mut event, mut heard) = (BytesMut::new(), Fields::default(), Vec::new());
    for piece in text.as_bytes().chunks(piece_bytes) {
        unread.extend_from_slice(piece);
        while let Some(line) = take_line(&mut unread).unwrap() {
            heard.extend(event.read(&line));
        }
    }
    heard
}

#[test]
fn a_stream_is_read_the_same_in_pieces_of_any_size() {
    let text = ": heartbeat\n\nevent: arrived\nid: AAEC\ndata: {}\n\nevent: other\nid: X\n\n\
                event:end\r\ndata:{\"reason\":\"shutting-down\"}\r\n\r\n";
    let expected = [
        Arrival::Heartbeat,
        Arrival::Arrived { cursor: "AAEC".to_owned() },
        Arrival::End { reason: "shutting-down".to_owned() },
    ];
    for piece_bytes in 1..text.len() {
        assert_eq!(read_all(text, piece_bytes), expected, "{piece_bytes}");
    }
}

#[test]
fn a_line_without_an_end_is_refused() {
    let mut unread = BytesMut::from(vec![b'x'; LINE_BYTES_MAX + 1].as_slice());
    assert!(take_line(&mut unread).is_err());
}

#[test]
fn an_end_without_a_reason_is_an_end() {
    assert_eq!(read_all("event: end\n\n", 1), [Arrival::End { reason: String::new() }]);
}
