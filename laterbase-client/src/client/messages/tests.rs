#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const BYTES_MAX: usize = 100;

fn read_all(text: &str, piece_bytes: usize) -> Vec<Word> {
    let (mut unread, mut message, mut heard) = (BytesMut::new(), Message::default(), Vec::new());
    for piece in text.as_bytes().chunks(piece_bytes) {
        unread.extend_from_slice(piece);
        while let Some(line) = take_line(&mut unread, BYTES_MAX).unwrap() {
            heard.extend(message.read(&line, BYTES_MAX));
        }
    }
    heard
}

fn message(name: &str, id: Option<&str>, data: &str) -> Message {
    Message { name: name.to_owned(), id: id.map(str::to_owned), data: data.to_owned() }
}

#[test]
fn a_stream_is_read_the_same_in_pieces_of_any_size() {
    let text = ": heartbeat\n\nevent: arrived\nid: AAEC\ndata: {}\n\nid: X\n\n\n\n\
                data: a\ndata:b\n\nevent:end\r\ndata:{\"reason\":\"shutting-down\"}\r\n\r\n";
    let end = message("end", None, r#"{"reason":"shutting-down"}"#);
    assert_eq!(end.end_reason().as_deref(), Some("shutting-down"));
    let expected = [
        Word::Comment,
        Word::Message(message("arrived", Some("AAEC"), "{}")),
        Word::Message(message("", Some("X"), "")),
        Word::Message(message("", None, "a\nb")),
        Word::Message(end),
    ];
    for piece_bytes in 1..text.len() {
        assert_eq!(read_all(text, piece_bytes), expected, "{piece_bytes}");
    }
}

#[test]
fn a_line_without_an_end_is_refused() {
    let mut unread = BytesMut::from(vec![b'x'; BYTES_MAX + 1].as_slice());
    assert!(take_line(&mut unread, BYTES_MAX).is_err());
}

#[test]
fn an_end_without_a_reason_is_an_end() {
    assert_eq!(message("end", None, "").end_reason(), Some(String::new()));
    assert_eq!(message("", None, "{}").end_reason(), None);
}
