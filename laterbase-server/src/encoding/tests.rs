#![allow(clippy::unwrap_used, reason = "tests")]

use axum::http::StatusCode;
use axum::response::IntoResponse;
use proptest::prelude::*;

use super::*;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BLOCK_BYTES: u32 = 128 * 1024;

/// A frame of zeros that says how large a window it needs, in blocks of 4 bytes for 128 KiB.
fn zeros(window_log: u8, blocks: usize) -> Vec<u8> {
    let mut frame = [&MAGIC[..], &[0, (window_log - 10) << 3]].concat();
    for block in 1..=blocks {
        let header = BLOCK_BYTES << 3 | 1 << 1 | u32::from(block == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

#[track_caller]
fn check_refused(compressed: &[u8], status: StatusCode) {
    let refused = decompress(compressed, 16 * 1024 * 1024).unwrap_err();
    assert_eq!(refused.into_response().status(), status);
}

#[test]
fn what_was_compressed_comes_back() {
    let plain: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let compressed = zstd::bulk::compress(&plain, LEVEL).unwrap();
    assert_eq!(decompress(&compressed, plain.len()).unwrap(), plain);
    let two_blocks = vec![0; 2 * BLOCK_BYTES as usize];
    assert_eq!(decompress(&zeros(23, 2), two_blocks.len()).unwrap(), two_blocks);
}

#[test]
fn one_byte_over_the_bound_is_refused() {
    let compressed = zstd::bulk::compress(&[7; 1_001], LEVEL).unwrap();
    assert!(decompress(&compressed, 1_001).is_ok());
    let refused = decompress(&compressed, 1_000).unwrap_err();
    assert_eq!(refused.into_response().status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn a_bomb_is_refused() {
    let bomb = zeros(17, 8_192);
    assert!(bomb.len() < 33_000, "a gigabyte in {} bytes", bomb.len());
    check_refused(&bomb, StatusCode::PAYLOAD_TOO_LARGE);
}

/// Mutation: without the bound, the window is the library's own, 128 MiB.
#[test]
fn a_window_beyond_its_bound_is_refused() {
    for window_log in [24, 27, 31, 41] {
        check_refused(&zeros(window_log, 1), StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[test]
fn what_is_cut_short_or_no_frame_is_refused() {
    let compressed = zstd::bulk::compress(b"some bytes of a body", LEVEL).unwrap();
    for cut in 1..compressed.len() {
        check_refused(&compressed[..cut], StatusCode::BAD_REQUEST);
    }
    check_refused(b"no frame", StatusCode::BAD_REQUEST);
    check_refused(&[&compressed[..], b"more"].concat(), StatusCode::BAD_REQUEST);
}

#[test]
fn callers_say_what_they_take() {
    let offer = |text: &'static str| {
        HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(text))])
    };
    for taken in ["zstd", "gzip, ZSTD", "br;q=1, zstd;q=0.5"] {
        assert!(is_accepted(&offer(taken)), "{taken}");
    }
    for refused in ["", "gzip", "*", "zstd;q=0", "zstandard"] {
        assert!(!is_accepted(&offer(refused)), "{refused}");
    }
    assert!(!is_accepted(&HeaderMap::new()));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(noise: Vec<u8>) {
        let _ = decompress(&noise, 10_000);
        let _ = decompress(&[&MAGIC[..], &noise].concat(), 10_000);
    }
}
