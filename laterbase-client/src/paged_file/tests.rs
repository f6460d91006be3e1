#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn file(pages: &[&[u8]]) -> Vec<u8> {
    let mut writer = PagedFileWriter::new(FileKind::Delta, Vec::new()).unwrap();
    for page in pages {
        writer.push(page, page.len() as u64).unwrap();
    }
    writer.finish().unwrap().0
}

/// Reads all pages, counting each byte of a page as an event, as [`file`] does.
fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, PagedFileError> {
    let mut reader = PagedFileReader::new(FileKind::Delta, bytes)?;
    let mut pages = Vec::new();
    while let Some(page) = reader.next_page()? {
        let page = page.to_vec();
        reader.count_events(page.len() as u64);
        pages.push(page);
    }
    Ok(pages)
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let bytes = file(&[b"page"]);
    let head = b"LBDF\x01\0\0\0\x04page\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x04";
    assert_eq!(&bytes[..head.len()], head);
    assert_eq!(&bytes[head.len()..], blake3::hash(head).as_bytes());
}

#[test]
fn pages_come_back_in_order() {
    assert_eq!(read(&file(&[b"one", b"two"])).unwrap(), [b"one".to_vec(), b"two".to_vec()]);
    assert!(read(&file(&[])).unwrap().is_empty());
}

#[test]
fn every_cut_is_noticed() {
    let bytes = file(&[b"one", b"two"]);
    for end in 0..bytes.len() {
        match read(&bytes[..end]).unwrap_err() {
            PagedFileError::OtherFile { .. } => assert!(end < 4, "{end}"),
            PagedFileError::Truncated { pages, .. } => {
                assert!((4..bytes.len()).contains(&end) && pages <= 2, "{end}");
            }
            error => panic!("cut at {end}: {error}"),
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = file(&[b"one", b"two"]);
    for index in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[index] ^= 0x10;
        assert!(read(&flipped).is_err(), "flipped at {index}");
    }
}

#[test]
fn an_absurd_length_allocates_nothing() {
    let mut bytes = file(&[])[..5].to_vec();
    bytes.extend(u32::MAX.to_be_bytes());
    assert!(matches!(read(&bytes), Err(PagedFileError::Damaged { .. })));
}

#[test]
fn what_follows_the_end_is_noticed() {
    let mut bytes = file(&[b"one"]);
    bytes.push(0);
    assert!(matches!(read(&bytes), Err(PagedFileError::Damaged { .. })));
}
