#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const MEBIBYTE: usize = 1024 * 1024;

fn compressible() -> Vec<u8> {
    b"urn:epc:id:sgtin:0614141.107346.".repeat(200)
}

#[test]
fn what_was_compressed_comes_out_as_it_was() {
    let packed = LinkEncoding::new(Compression::Always).compress(&compressible()).unwrap();
    assert!(packed.len() < compressible().len() / 10);
    assert_eq!(decompress(&packed, compressible().len()).unwrap(), compressible());
}

#[test]
fn a_bomb_is_refused_at_the_bound() {
    let bomb = zstd::bulk::compress(&vec![0; 64 * MEBIBYTE], 19).unwrap();
    assert!(bomb.len() < 64 * 1024);
    assert!(decompress(&bomb, MEBIBYTE).is_err());
    let fits = zstd::bulk::compress(&vec![0; MEBIBYTE], 1).unwrap();
    assert_eq!(decompress(&fits, MEBIBYTE).unwrap().len(), MEBIBYTE);
}

#[test]
fn a_window_that_takes_too_much_memory_is_refused() {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(WINDOW_LOG_MAX + 1).unwrap();
    encoder.include_contentsize(false).unwrap();
    std::io::Write::write_all(&mut encoder, &vec![7; 32 * MEBIBYTE]).unwrap();
    assert!(decompress(&encoder.finish().unwrap(), 64 * MEBIBYTE).is_err());
}

#[test]
fn what_is_cut_short_or_no_zstd_at_all_is_an_error() {
    let packed = zstd::bulk::compress(&compressible(), 1).unwrap();
    assert!(decompress(&packed[..packed.len() - 1], MEBIBYTE).is_err());
    assert!(decompress(b"<html>", MEBIBYTE).is_err());
}

#[test]
fn a_fast_link_is_left_uncompressed_where_that_is_left_to_it() {
    let link = LinkEncoding::new(Compression::Auto);
    link.measured(MEBIBYTE, Duration::from_secs(1));
    link.measured(1_000, Duration::from_micros(1));
    assert!(link.accepts() && link.compress(&compressible()).is_some());
    link.measured(MEBIBYTE, Duration::from_millis(100));
    assert!(!link.accepts() && link.compress(&compressible()).is_none());
    let link = LinkEncoding::new(Compression::Always);
    link.measured(MEBIBYTE, Duration::from_millis(1));
    assert!(link.accepts());
}

#[test]
fn small_and_random_bodies_and_those_for_a_server_that_cannot_read_them_stay_as_they_are() {
    let link = LinkEncoding::new(Compression::Always);
    assert!(link.compress(&compressible()[..BODY_BYTES_MIN - 1]).is_none());
    let mut random = vec![0; 4_096];
    blake3::Hasher::new().finalize_xof().fill(&mut random);
    assert!(link.compress(&random).is_none());
    link.refused();
    assert!(link.compress(&compressible()).is_none() && link.accepts());
    assert!(LinkEncoding::new(Compression::Never).compress(&compressible()).is_none());
}
