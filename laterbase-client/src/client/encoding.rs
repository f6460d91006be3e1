//! Compressing what goes over a link, where that is worth it.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use zstd::stream::read::Decoder;

use super::error::ClientError;

/// What stands in `Content-Encoding` and `Accept-Encoding`.
pub(super) const ZSTD: &str = "zstd";

/// The fastest of the levels that are meant for general use.
const LEVEL: i32 = 1;

/// Bodies below this gain nothing.
const BODY_BYTES_MIN: usize = 1024;

/// The largest window that a decoder sets memory aside for, as a power of two: 8 MiB.
const WINDOW_LOG_MAX: u32 = 23;

/// A link that carries more bytes a second than this has no need of compression.
const FAST_LINK_BYTES: f64 = 8e6;

/// What a body takes at least for its time to say something about the link.
const MEASURED_BYTES_MIN: usize = 64 * 1024;

/// Whether bodies are compressed, with zstd, on their way to a server and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Until the link has carried a page at more than 8 MB a second.
    #[default]
    Auto,
    /// On any link.
    Always,
    /// On no link.
    Never,
}

/// How bodies travel over one link, from what has been seen of it.
#[derive(Debug)]
pub(super) struct LinkEncoding {
    compression: Compression,
    /// The link needs no compression.
    is_fast: AtomicBool,
    /// The server does not read compressed bodies.
    is_refused: AtomicBool,
}

impl LinkEncoding {
    pub(super) const fn new(compression: Compression) -> Self {
        Self { compression, is_fast: AtomicBool::new(false), is_refused: AtomicBool::new(false) }
    }

    /// Whether answers may come compressed.
    pub(super) fn accepts(&self) -> bool {
        match self.compression {
            Compression::Auto => !self.is_fast.load(Ordering::Relaxed),
            Compression::Always => true,
            Compression::Never => false,
        }
    }

    /// A body compressed; `None` if it is to be sent as it is.
    pub(super) fn compress(&self, body: &[u8]) -> Option<Bytes> {
        let is_worth_it = body.len() >= BODY_BYTES_MIN && self.accepts();
        if !is_worth_it || self.is_refused.load(Ordering::Relaxed) {
            return None;
        }
        let packed = zstd::bulk::compress(body, LEVEL).ok()?;
        (packed.len() < body.len()).then(|| packed.into())
    }

    /// Sends no compressed bodies from now on.
    pub(super) fn refused(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    /// Learns how long a request and its answer took, whose bodies had so many bytes on the wire.
    pub(super) fn measured(&self, body_bytes: usize, elapsed: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no precision")]
        let is_fast = body_bytes as f64 > FAST_LINK_BYTES * elapsed.as_secs_f64();
        if body_bytes >= MEASURED_BYTES_MIN && is_fast {
            self.is_fast.store(true, Ordering::Relaxed);
        }
    }
}

/// Reads a compressed body of at most `bytes_max` bytes once it is unpacked.
pub(super) fn decompress(body: &[u8], bytes_max: usize) -> Result<Bytes, ClientError> {
    let broken = |error: std::io::Error| {
        ClientError::protocol(format!("its compressed body makes no sense: {error}"))
    };
    let mut decoder = Decoder::with_buffer(body).map_err(broken)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(broken)?;
    let mut unpacked = Vec::new();
    decoder.take(bytes_max as u64 + 1).read_to_end(&mut unpacked).map_err(broken)?;
    if unpacked.len() > bytes_max {
        return Err(ClientError::protocol("it is longer than any page"));
    }
    Ok(unpacked.into())
}

#[cfg(test)]
mod tests;
