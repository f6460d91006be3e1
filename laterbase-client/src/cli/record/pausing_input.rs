//! Input that says when nothing comes for a while.

use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

/// For how long nothing may come before the input counts as pausing.
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Chunks that are read ahead.
const CHUNKS_AHEAD: usize = 4;

/// Reads a pipe or a terminal on a thread of its own.
///
/// A read gives [`ErrorKind::WouldBlock`] once each time that the input pauses. The next one waits
/// for as long as it takes.
pub(super) struct PausingInput {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    /// How much of the chunk was given out.
    taken: usize,
    has_paused: bool,
}

impl PausingInput {
    /// # Errors
    /// [`io::Error`] if the system gives no thread.
    pub(super) fn over(input: impl Read + Send + 'static) -> io::Result<io::BufReader<Self>> {
        let (sender, chunks) = mpsc::sync_channel(CHUNKS_AHEAD);
        thread::Builder::new()
            .name("laterbase-input".to_owned())
            .spawn(move || read_all(input, &sender))?;
        let input = Self { chunks, chunk: Vec::new(), taken: 0, has_paused: false };
        Ok(io::BufReader::new(input))
    }

    /// The next chunk; empty at the end.
    fn next_chunk(&mut self) -> io::Result<Vec<u8>> {
        if self.has_paused {
            return self.chunks.recv().unwrap_or_else(|_ended| Ok(Vec::new()));
        }
        match self.chunks.recv_timeout(PAUSE) {
            Ok(chunk) => chunk,
            Err(RecvTimeoutError::Disconnected) => Ok(Vec::new()),
            Err(RecvTimeoutError::Timeout) => {
                self.has_paused = true;
                Err(ErrorKind::WouldBlock.into())
            }
        }
    }
}

impl Read for PausingInput {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.chunk.len() {
            self.chunk = self.next_chunk()?;
            (self.taken, self.has_paused) = (0, false);
        }
        let rest = &self.chunk[self.taken..];
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        self.taken += count;
        Ok(count)
    }
}

/// Ends with the input, at an error, or when nobody listens any more.
fn read_all(mut input: impl Read, chunks: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = match input.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => {
                chunk.truncate(count);
                Ok(chunk)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_over = read.is_err();
        if chunks.send(read).is_err() || is_over {
            return;
        }
    }
}
