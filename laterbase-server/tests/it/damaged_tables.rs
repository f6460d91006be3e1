//! Servers whose derived tables are damaged while they are stopped.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use laterbase_core::event::Record;
use laterbase_core::fold::MergePatch;
use laterbase_core::id::RootName;
use laterbase_core::reader::Query;
use laterbase_server::{Engine, Server};
use tempfile::TempDir;

const AGGREGATES: u32 = 50;
const PAGE_BYTES: usize = 4096;

fn root() -> RootName {
    RootName::new("pallet").unwrap()
}

fn server(directory: &TempDir, engine: Engine) -> Server {
    let builder = Server::builder().fallback(Arc::new(MergePatch));
    builder.data_in(directory.path().join("data"), engine).build().unwrap()
}

async fn fill(server: &Server) {
    for _ in 0..3 {
        let mut batch = server.handle().batch(&root());
        for number in 0..3_000 {
            let id = format!("P{}", number % AGGREGATES);
            let data = format!("{{\"n\":{number}}}");
            batch.push(&Record::json(&id, "Packed", &data)).unwrap();
        }
        server.handle().append_batch(batch).await.unwrap();
    }
}

fn check_reads(server: &Server) {
    for number in 0..AGGREGATES {
        let read = server.reader().aggregate(&root(), &format!("P{number}"), &Query::default());
        let expected = format!("{{\"n\":{}}}", 3_000 - AGGREGATES + number);
        assert_eq!(read.unwrap().unwrap().state, expected.into_bytes(), "{number}");
    }
}

/// Junk in the head of a page of `derived/data.mdb` ended the server with SIGSEGV at its first
/// reads, and again after each restart.
#[tokio::test]
async fn a_server_answers_right_whatever_has_become_of_lmdbs_derived_pages() {
    for seed in 0..8 {
        let directory = TempDir::new().unwrap();
        let first = server(&directory, Engine::Lmdb);
        fill(&first).await;
        first.close().await.unwrap();
        spoil_heads(&directory.path().join("data/derived/data.mdb"), seed);
        let again = server(&directory, Engine::Lmdb);
        check_reads(&again);
        assert_eq!(again.reader().condition().set_aside.len(), 1, "{seed}");
        again.close().await.unwrap();
    }
}

/// Writes over the heads of every second page behind the first three.
fn spoil_heads(path: &Path, seed: usize) {
    let mut bytes = fs::read(path).unwrap();
    let mut noise = 0x9e37_79b9_u32.wrapping_mul(u32::try_from(seed).unwrap() + 1);
    for page in (3..bytes.len() / PAGE_BYTES).step_by(2) {
        for byte in &mut bytes[page * PAGE_BYTES + 8..][..32] {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            *byte = noise.to_le_bytes()[0];
        }
    }
    fs::write(path, bytes).unwrap();
}

#[cfg(feature = "rocks")]
#[tokio::test]
async fn a_server_answers_right_whatever_has_become_of_rocksdbs_derived_files() {
    type Spoil = fn(&Path);
    let spoils: [Spoil; 4] = [
        |derived| fs::write(derived.join("CURRENT"), "junk").unwrap(),
        |derived| fs::remove_file(derived.join("CURRENT")).unwrap(),
        |derived| {
            for path in tables(derived) {
                fs::remove_file(path).unwrap();
            }
        },
        |derived| {
            for path in tables(derived) {
                let mut bytes = fs::read(&path).unwrap();
                bytes.iter_mut().step_by(17).for_each(|byte| *byte ^= 0x41);
                fs::write(path, bytes).unwrap();
            }
        },
    ];
    for spoil in spoils {
        let directory = TempDir::new().unwrap();
        let first = server(&directory, Engine::Rocks);
        fill(&first).await;
        first.close().await.unwrap();
        spoil(&directory.path().join("data/derived"));
        let again = server(&directory, Engine::Rocks);
        check_reads(&again);
        assert_eq!(again.reader().condition().set_aside.len(), 1);
        again.close().await.unwrap();
    }
}

#[cfg(feature = "rocks")]
fn tables(folder: &Path) -> Vec<std::path::PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|kind| kind == "sst")).collect()
}

/// A disk filled up without a word.
#[tokio::test]
async fn a_store_takes_no_more_than_its_bound_until_that_is_raised() {
    let directory = TempDir::new().unwrap();
    let bounded = |bytes| {
        let builder = Server::builder().fallback(Arc::new(MergePatch)).max_store_size(bytes);
        builder.data(directory.path().join("data")).build().unwrap()
    };
    let first = bounded(4 * 1024 * 1024);
    let mut taken = 0;
    let noise = format!("\"{}\"", "x".repeat(100_000));
    let refused = loop {
        let mut batch = first.handle().batch(&root());
        batch.push(&Record::json("P0", "Packed", &noise)).unwrap();
        match first.handle().append_batch(batch).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 100, "the bound is not heeded");
    };
    assert!(refused.to_string().contains("its bound is 4194304 bytes"), "{refused}");
    assert!(first.reader().condition().is_low());
    assert_eq!(first.reader().head(), taken);
    first.close().await.unwrap();
    let second = bounded(64 * 1024 * 1024);
    assert_eq!((second.reader().head(), second.reader().refusal()), (taken, None));
    let mut batch = second.handle().batch(&root());
    batch.push(&Record::json("P0", "Packed", &noise)).unwrap();
    second.handle().append_batch(batch).await.unwrap();
}
