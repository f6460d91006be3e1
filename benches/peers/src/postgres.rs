//! PostgreSQL with one table of events, over its own protocol.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures_util::TryStreamExt;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, Statement};

use crate::{
    load::{self, AGGREGATES},
    process::{Process, START_TIME_MAX, free_address},
};

const TABLE: &str = "
    CREATE TABLE events (
        position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        stream text NOT NULL,
        seq bigint NOT NULL,
        type text NOT NULL,
        data text NOT NULL,
        UNIQUE (stream, seq)
    )";

const INSERT: &str = "
    INSERT INTO events (stream, seq, type, data)
    SELECT stream, seq, 'Departed', data
    FROM unnest($1::text[], $2::bigint[], $3::text[]) AS new (stream, seq, data)";

const READ: &str = "
    SELECT position, stream, seq, type, data FROM events ORDER BY position LIMIT $1";

pub(crate) struct Postgres {
    address: SocketAddr,
    /// The last seq of each stream, which its writers share.
    seqs: Arc<Vec<AtomicI64>>,
    _process: Process,
    _folder: TempDir,
}

impl Postgres {
    /// Makes a new database, whose settings are the defaults but for room for the clients and no
    /// socket file, and starts it.
    pub(crate) async fn start(programs: &Path) -> Result<Self> {
        let (folder, address) = (TempDir::new()?, free_address()?);
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        if is_root()? {
            // PostgreSQL does not run as root; its packages come with a user of its own.
            let chown = Command::new("chown")
                .args(["postgres", "--recursive"])
                .arg(folder.path())
                .status()?;
            ensure!(chown.success(), "there is no user postgres");
        }
        let mut create = as_own_user(&programs.join("initdb"))?;
        create.args(["--auth=trust", "--username=bench", "--encoding=UTF8", "--locale=C", "-D"]);
        let created = create.arg(&data).stdout(Stdio::null()).status();
        ensure!(created.context("cannot start initdb")?.success(), "initdb failed");
        let mut serve = as_own_user(&programs.join("postgres"))?;
        serve.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &address.port().to_string()]);
        serve.args(["-c", "unix_socket_directories=", "-c", "max_connections=150"]);
        serve.args(["-c", "fsync=on", "-c", "synchronous_commit=on"]);
        let process = Process::start(serve.stderr(Stdio::null()), address)?;
        let seqs = Arc::new((0..AGGREGATES).map(|_| AtomicI64::new(0)).collect());
        let server = Self { address, seqs, _process: process, _folder: folder };
        server.first_client().await?.batch_execute(TABLE).await?;
        Ok(server)
    }

    /// A client as soon as there can be one: the server listens before it is ready.
    async fn first_client(&self) -> Result<Client> {
        let asked = Instant::now();
        loop {
            match self.client().await {
                Err(_starting) if asked.elapsed() < START_TIME_MAX => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                answer => return answer,
            }
        }
    }

    async fn client(&self) -> Result<Client> {
        let settings =
            format!("host=127.0.0.1 port={} user=bench dbname=postgres", self.address.port());
        let (client, connection) = tokio_postgres::connect(&settings, NoTls).await?;
        // It ends with the client; what goes wrong before is seen there.
        tokio::spawn(async { connection.await.ok() });
        Ok(client)
    }
}

impl load::Server for Postgres {
    type Connection = Connection;

    async fn connect(&self) -> Result<Connection> {
        let client = self.client().await?;
        let insert = client.prepare(INSERT).await?;
        Ok(Connection { client, insert, seqs: Arc::clone(&self.seqs) })
    }
}

pub(crate) struct Connection {
    client: Client,
    insert: Statement,
    seqs: Arc<Vec<AtomicI64>>,
}

impl load::Connection for Connection {
    async fn write(&mut self, aggregates: &[u64], payload: &str) -> Result<()> {
        let (mut streams, mut seqs) = (Vec::new(), Vec::new());
        for &aggregate in aggregates {
            streams.push(format!("shipment-{aggregate}"));
            seqs.push(self.seqs[usize::try_from(aggregate)?].fetch_add(1, Ordering::Relaxed) + 1);
        }
        let payloads = vec![payload; aggregates.len()];
        let count = self.client.execute(&self.insert, &[&streams, &seqs, &payloads]).await?;
        ensure!(count == aggregates.len() as u64, "{count} events were inserted");
        Ok(())
    }

    async fn read(&mut self, limit: usize) -> Result<usize> {
        let limit = [i64::try_from(limit)?];
        let mut rows = std::pin::pin!(self.client.query_raw(READ, limit).await?);
        let mut count = 0;
        while let Some(row) = rows.try_next().await? {
            std::hint::black_box(row.get::<_, &str>(4));
            count += 1;
        }
        Ok(count)
    }
}

fn is_root() -> Result<bool> {
    let output = Command::new("id").arg("-u").output().context("cannot start id")?;
    Ok(output.stdout.trim_ascii() == b"0")
}

/// A command that runs as the user of PostgreSQL's packages where this program runs as root.
fn as_own_user(program: &Path) -> Result<Command> {
    if !is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    // Folders of root's are closed to it.
    command.current_dir("/");
    Ok(command)
}
