//! A copy of an LMDB environment over HTTP, pair by pair: the floor under a first sync.

use std::path::Path;
use std::sync::Arc;
use std::{io, thread};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt as _;
use heed::types::Bytes as Raw;
use heed::{Database, Env, PutFlags, WithoutTls};
use laterbase_client::transport::{HttpTransport, Transport as _};
use laterbase_core::limits::BATCH_EVENTS_MAX;
use laterbase_core::store::{Area, Table};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::raw::{create_database, open_lmdb};

/// Bytes that are handed to the connection at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// Bytes before the key and the value: the table's number and both lengths.
const HEAD_BYTES: usize = 1 + 4 + 4;

/// What was copied.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Copied {
    /// Pairs.
    pub(crate) pairs: u64,
    /// Bytes on the wire, without those of HTTP.
    pub(crate) bytes: u64,
}

type Tables = Vec<(Table, Database<'static, Raw, Raw>)>;

struct Environment {
    env: Env<WithoutTls>,
    tables: Tables,
}

impl Environment {
    fn open(folder: &Path) -> Result<Self> {
        let env = open_lmdb(folder)?;
        let truth = Table::ALL.into_iter().filter(|table| table.area() == Area::Truth);
        let tables = truth.map(|table| Ok((table, create_database(&env, table.name())?)));
        let tables = tables.collect::<Result<_>>()?;
        Ok(Self { env, tables })
    }
}

/// Copies all tables of the truth from an environment into a new one.
///
/// # Errors
/// If LMDB or the network fails.
pub(crate) async fn copy(source: &Path) -> Result<Copied> {
    let source = Arc::new(Environment::open(source)?);
    let serve = get(move || {
        let source = Arc::clone(&source);
        async move { Body::from_stream(pairs(source)) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let serving =
        tokio::spawn(axum::serve(listener, Router::new().route("/", serve)).into_future());
    let folder = TempDir::new()?;
    let target = Environment::open(folder.path())?;
    let request = Request::get(url).body(Bytes::new())?;
    let response = HttpTransport::new()?.send(request).await?;
    let mut stream = Body::new(response.into_body()).into_data_stream();
    let (mut input, mut copied) = (BytesMut::new(), Copied::default());
    let mut batch = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        copied.bytes += chunk.len() as u64;
        input.extend_from_slice(&chunk);
        while let Some(pair) = take_pair(&mut input) {
            batch.push(pair);
            if batch.len() == BATCH_EVENTS_MAX {
                copied.pairs += batch.len() as u64;
                tokio::task::block_in_place(|| insert(&target, &batch))?;
                batch.clear();
            }
        }
    }
    ensure!(input.is_empty(), "the stream ends within a pair");
    copied.pairs += batch.len() as u64;
    tokio::task::block_in_place(|| insert(&target, &batch))?;
    serving.abort();
    Ok(copied)
}

struct Pair {
    table: usize,
    key: Bytes,
    value: Bytes,
}

fn take_pair(input: &mut BytesMut) -> Option<Pair> {
    let mut head = input.get(..HEAD_BYTES)?;
    let (table, key_length) = (usize::from(head.get_u8()), head.get_u32() as usize);
    let value_length = head.get_u32() as usize;
    if input.len() < HEAD_BYTES + key_length + value_length {
        return None;
    }
    input.advance(HEAD_BYTES);
    let key = input.split_to(key_length).freeze();
    Some(Pair { table, key, value: input.split_to(value_length).freeze() })
}

/// Writes pairs in one durable transaction.
fn insert(target: &Environment, pairs: &[Pair]) -> Result<()> {
    let mut transaction = target.env.write_txn()?;
    for Pair { table, key, value } in pairs {
        let (table, entries) = target.tables.get(*table).context("no such table")?;
        if table.is_append_only() {
            entries.put_with_flags(&mut transaction, PutFlags::APPEND, key, value)?;
        } else {
            entries.put(&mut transaction, key, value)?;
        }
    }
    Ok(transaction.commit()?)
}

/// All pairs of an environment, read by a thread of its own.
fn pairs(source: Arc<Environment>) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send {
    let (sender, receiver) = mpsc::channel(4);
    thread::spawn(move || {
        if let Err(error) = read(&source, &sender) {
            let _unheard = sender.blocking_send(Err(io::Error::other(error.to_string())));
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(receiver)
}

fn read(source: &Environment, sender: &mpsc::Sender<io::Result<Bytes>>) -> Result<()> {
    let transaction = source.env.read_txn()?;
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    for (number, (_, entries)) in source.tables.iter().enumerate() {
        for pair in entries.iter(&transaction)? {
            let (key, value) = pair?;
            chunk.push(u8::try_from(number)?);
            chunk.extend_from_slice(&u32::try_from(key.len())?.to_be_bytes());
            chunk.extend_from_slice(&u32::try_from(value.len())?.to_be_bytes());
            chunk.extend_from_slice(key);
            chunk.extend_from_slice(value);
            if chunk.len() > CHUNK_BYTES - HEAD_BYTES {
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_BYTES));
                sender.blocking_send(Ok(full.into())).context("nobody listens any more")?;
            }
        }
    }
    sender.blocking_send(Ok(chunk.into())).context("nobody listens any more")
}
