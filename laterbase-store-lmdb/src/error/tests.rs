use std::io;

use heed::{Error, MdbError};
use laterbase_core::store::StoreError;

use super::{EIO, write};

#[test]
fn whatever_ran_full_is_full() {
    let full = [Error::Mdb(MdbError::MapFull), io::ErrorKind::StorageFull.into_error()];
    for error in full {
        let text = format!("{error:?}");
        assert!(matches!(write(error, || false), StoreError::Full { .. }), "{text}");
    }
}

#[test]
fn a_page_written_in_part_is_full_only_if_the_disk_is() {
    let eio = || Error::Io(io::Error::from_raw_os_error(EIO));
    assert!(matches!(write(eio(), || true), StoreError::Full { .. }));
    assert!(matches!(write(eio(), || false), StoreError::Engine { .. }));
}

#[test]
fn damage_is_said_to_be_damage() {
    let error = write(Error::Mdb(MdbError::Corrupted), || true);
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

trait IntoError {
    fn into_error(self) -> Error;
}

impl IntoError for io::ErrorKind {
    fn into_error(self) -> Error {
        Error::Io(self.into())
    }
}
