#![allow(clippy::unwrap_used, reason = "tests")]

use std::thread;

use super::*;

const SOON: Duration = Duration::from_millis(20);
const LATE: Duration = Duration::from_secs(20);

#[test]
fn messages_follow_each_other() {
    let (here, there) = UnixStream::pair().unwrap();
    let large = vec![7; 300_000];
    let sent = large.clone();
    let sending = thread::spawn(move || {
        send(&there, b"", LATE).unwrap();
        send(&there, &sent, LATE).unwrap();
    });
    assert_eq!(receive(&here, LATE).unwrap().unwrap(), b"");
    assert_eq!(receive(&here, LATE).unwrap().unwrap(), large);
    sending.join().unwrap();
    assert_eq!(receive(&here, LATE).unwrap(), None);
}

#[test]
fn a_side_that_ends_within_a_message_is_told_from_one_that_ends_behind_it() {
    for part in [&b"\0\0"[..], b"\0\0\0\x05abc"] {
        let (here, there) = UnixStream::pair().unwrap();
        (&there).write_all(part).unwrap();
        drop(there);
        assert_eq!(receive(&here, LATE).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}

#[test]
fn a_length_beyond_the_bound_is_refused_before_anything_is_allocated() {
    let (here, there) = UnixStream::pair().unwrap();
    (&there).write_all(&u32::MAX.to_be_bytes()).unwrap();
    assert_eq!(receive(&here, LATE).unwrap_err().kind(), ErrorKind::InvalidData);
    let long = vec![0; FRAME_BYTES_MAX + 1];
    assert_eq!(send(&here, &long, LATE).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// Each byte for itself came in time, so a bound on each read was none on the message.
#[test]
fn a_side_that_trickles_is_given_up_in_time() {
    let (here, there) = UnixStream::pair().unwrap();
    (&there).write_all(b"\0\0\0\x05a").unwrap();
    assert_eq!(receive(&here, SOON).unwrap_err().kind(), ErrorKind::TimedOut);
}
