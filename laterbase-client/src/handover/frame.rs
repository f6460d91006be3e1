//! Frames: how messages follow each other on a socket. Four bytes of length, and the message.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use laterbase_core::limits::BATCH_BYTES_MAX;

/// Longest message: a batch of the largest size, with what stands around its events.
pub(super) const FRAME_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX;

/// Sends a message, within a time.
pub(super) fn send(mut stream: &UnixStream, message: &[u8], within: Duration) -> io::Result<()> {
    if message.len() > FRAME_BYTES_MAX {
        return Err(io::Error::new(ErrorKind::InvalidInput, "more than one message may hold"));
    }
    let length = u32::try_from(message.len()).expect("the bound is below 4 GiB");
    let deadline = Instant::now() + within;
    for mut part in [length.to_be_bytes().as_slice(), message] {
        while !part.is_empty() {
            stream.set_write_timeout(Some(left(deadline)?))?;
            match stream.write(part) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => part = &part[count..],
                Err(error) => pass_on(error)?,
            }
        }
    }
    Ok(())
}

/// Receives a message, within a time. `None` if the other side has ended in order before it.
pub(super) fn receive(stream: &UnixStream, within: Duration) -> io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + within;
    let mut length = [0; 4];
    if !fill(stream, &mut length, deadline)? {
        return Ok(None);
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, "a message is too long"));
    }
    // Room is made as bytes come, not by what the length says.
    let mut message = Vec::new();
    while message.len() < length {
        let start = message.len();
        message.resize(length.min(start + 64 * 1024), 0);
        if !fill(stream, &mut message[start..], deadline)? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(message))
}

/// Reads until the buffer is full. False if the other side ended before its first byte.
fn fill(mut stream: &UnixStream, buffer: &mut [u8], deadline: Instant) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut buffer[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) => pass_on(error)?,
        }
    }
    Ok(true)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A signal is no reason to give up; a time-out says so when the deadline is looked at.
fn pass_on(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => Ok(()),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests;
