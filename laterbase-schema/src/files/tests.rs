#![allow(clippy::unwrap_used, reason = "tests")]

use std::error::Error as _;

use laterbase_core::event::Record;
use laterbase_core::fold::MergePatch;

use super::*;

#[test]
fn an_entry_names_a_root_and_a_file() {
    let (root, path) = RootSchemas::split("shipment=a=b.json").unwrap();
    assert_eq!((root.as_str(), path), ("shipment", Path::new("a=b.json")));
    for bad in ["", "shipment", "shipment=", "=a.json", "shipment@depot-7=a.json", "a b=c"] {
        let error = RootSchemas::split(bad).unwrap_err();
        assert!(matches!(error, SchemaFileError::Entry { .. }), "{bad}: {error}");
    }
}

#[test]
fn a_root_s_file_stands_before_its_folds_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shipment.json");
    std::fs::write(&path, r#"{"events":{"T":{"type":"object"}}}"#).unwrap();
    let root = RootName::new("shipment").unwrap();
    let mut schemas = RootSchemas::default();
    schemas.read(&root, &path).unwrap();
    let twice = schemas.read(&root, &path).unwrap_err();
    assert!(matches!(twice, SchemaFileError::Twice { .. }), "{twice}");
    let record = Record::json("a", "T", "1");
    let fold = |root| schemas.before(root, Arc::new(MergePatch));
    assert!(fold("shipment").validate(&record).is_err());
    assert!(fold("order").validate(&record).is_ok());
    assert_eq!(schemas.roots().collect::<Vec<_>>(), ["shipment"]);
}

#[test]
fn a_file_that_cannot_be_taken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = RootName::new("shipment").unwrap();
    let path = folder.path().join("none.json");
    let error = RootSchemas::default().read(&root, &path).unwrap_err();
    assert!(error.to_string().ends_with("none.json"), "{error}");
    assert!(error.source().is_some());
    std::fs::write(&path, "{").unwrap();
    let error = RootSchemas::default().read(&root, &path).unwrap_err();
    assert!(error.to_string().contains("none.json holds no schemas"), "{error}");
}
