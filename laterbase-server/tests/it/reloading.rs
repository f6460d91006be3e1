//! SIGHUP: what of the configuration a running server takes over.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connection::Reply;
use crate::process::{Log, PROGRAM, Process};

const READ: &str = "the configuration was read again";

/// A server with a configuration file, whose log is read.
struct Served {
    server: Process,
    log: Log,
    folder: TempDir,
}

impl Served {
    fn start(file: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("lb.toml"), file).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["--store", "memory", "--listen", "127.0.0.1:0", "--config", "lb.toml"]);
        command.current_dir(folder.path()).env_remove("LATERBASE_LOG").stderr(Stdio::piped());
        let mut server = Process::start_by(&mut command);
        let log = server.log();
        Self { server, log, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gives it another file, and waits for what it says to that.
    fn reload(&mut self, file: &str, says: &str) -> String {
        fs::write(self.path("lb.toml"), file).unwrap();
        self.server.signal("HUP");
        self.log.until(says)
    }

    async fn get(&self, headers: &[(&str, &str)]) -> Reply {
        self.server.connect().await.send("GET", "/healthz", headers, "").await
    }
}

#[tokio::test]
async fn names_and_origins_are_taken_over_and_taken_away() {
    let own = ("origin", "https://app.example");
    let mut served = Served::start("");
    let mut before = served.server.connect().await;
    for (file, status) in [
        ("", 403),
        ("allow-origin = ['https://app.example']", 200),
        ("allow-origin = ['https://other.example']", 403),
    ] {
        served.reload(file, READ);
        let reply = served.get(&[own]).await.check(status);
        let told = reply.header("access-control-allow-origin");
        assert_eq!(told.is_some(), status == 200, "{told:?}");
        // On a connection that was there too.
        before.send("GET", "/healthz", &[own], "").await.check(status);
    }
    let asks =
        |name: &str| format!("GET /healthz HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n");
    for (file, status) in [("host = ['depot.example']", "200 OK"), ("", "421 Misdirected Request")]
    {
        served.reload(file, READ);
        let address = served.server.address;
        for (name, status) in [("depot.example", status), ("127.0.0.1", "200 OK")] {
            let answer = crate::connection::Connection::raw(address, &asks(name)).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_file_with_anything_wrong_changes_nothing_and_is_complained_of() {
    let mut served = Served::start("allow-origin = ['https://app.example']\n");
    let bad = "allow-origin = []\nhosts = ['a']\nhead-seconds = 'x'\n";
    let log = served.reload(bad, "lb.toml:3: head-seconds: ");
    let complaint = "lb.toml:2: there is no hosts; the nearest is host";
    let line = log.lines().find(|line| line.contains(complaint)).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("ERROR") && line.contains("the configuration stays as it was"), "{line}");
    served.get(&[("origin", "https://app.example")]).await.check(200);
    fs::remove_file(served.path("lb.toml")).unwrap();
    served.server.signal("HUP");
    served.log.until("the configuration file lb.toml cannot be read");
    served.get(&[("origin", "https://app.example")]).await.check(200);
}

#[tokio::test]
async fn the_log_says_what_was_taken_over_and_what_takes_a_restart() {
    let mut served = Served::start("");
    let other = "idle-seconds = 1\nqueue-length = 5\nmax-store-size = '1G'\n";
    // A warning comes behind the line of what was taken over.
    let waits = "takes effect with the next start only";
    for _ in 0..2 {
        let log = served.reload(other, waits);
        assert!(log.contains("changed=\"max-store-size, queue-length\""), "{log}");
    }
    // What was said already is not a change; what waits goes on waiting, until it is taken back.
    served.reload("idle-seconds = 1\nhead-seconds = 5", "changed=\"head-seconds\"");
    let log = served.reload("", "changed=\"head-seconds, idle-seconds\"");
    assert!(!log.contains(waits), "{log}");
}

#[tokio::test]
async fn times_of_new_connections_are_taken_over() {
    let mut served = Served::start("");
    let mut before = served.server.connect().await;
    before.get("/healthz").await.check(200);
    served.reload("idle-seconds = 1", READ);
    let mut after = TcpStream::connect(served.server.address).await.unwrap();
    let end = timeout(Duration::from_secs(30), after.read(&mut [0; 8])).await;
    assert_eq!(end.unwrap().unwrap_or(0), 0, "it is closed");
    // The one before goes by the time that it began with.
    before.get("/healthz").await.check(200);
}

#[tokio::test]
async fn connections_are_as_many_as_the_file_says_now() {
    let mut served = Served::start("");
    let mut live = served.server.connect().await;
    let accepts = [crate::connection::ACCEPT_LIVE];
    let _live = live.start("GET", "/e/order", &accepts, "").await.unwrap();
    served.reload("connections = 1", READ);
    let mut heard = String::new();
    let mut next = TcpStream::connect(served.server.address).await.unwrap();
    next.read_to_string(&mut heard).await.unwrap();
    assert!(heard.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{heard}");
    served.reload("connections = 9", READ);
    served.get(&[]).await.check(200);
}

#[tokio::test]
async fn another_filter_goes_for_what_is_logged_from_then_on() {
    let mut served = Served::start("log = 'error'");
    served.get(&[("x-request-id", "first")]).await.check(200);
    served.reload("log = 'info'", READ);
    served.get(&[("x-request-id", "second")]).await.check(200);
    let log = served.log.until("second");
    assert!(!log.contains("first"), "{log}");
    fs::write(served.path("lb.toml"), "log = 'info,access=off'").unwrap();
    served.server.signal("HUP");
    served.log.until(READ);
    served.get(&[("x-request-id", "third")]).await.check(200);
    let log = served.reload("log = 'info'", READ);
    assert!(!log.contains("third"), "{log}");
}

fn backups(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".lbbk"));
    names.sort_unstable();
    names
}

#[test]
fn a_schedule_of_backups_is_taken_over() {
    let mut served = Served::start("backup-dir = 'backups'");
    served.reload("backup-dir = 'backups'\nbackup-every = '1s'", READ);
    for _ in 0..3 {
        served.log.until("a backup was taken");
    }
    served.reload("backup-dir = 'backups'\nbackup-every = '1s'\nbackup-keep = 1", READ);
    // One may have been under way.
    served.log.until("a backup was taken");
    served.log.until("a backup was taken");
    served.reload("backup-dir = 'backups'\nbackup-keep = 1", READ);
    let kept = backups(&served.path("backups"));
    assert!((1..=2).contains(&kept.len()), "{kept:?}");
    assert!(served.server.terminate_soon().success());
}

/// A signal that says that a terminal was closed ends a server that was started in it.
#[cfg(target_os = "linux")]
#[test]
fn a_server_ends_with_its_terminal() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let run = format!("{PROGRAM} --store memory --listen 127.0.0.1:0 2>log; echo ended $? >ended");
    let mut terminal = Command::new("script")
        .args(["--quiet", "--flush", "--command", &run, "typescript"])
        .current_dir(folder.path())
        .env_remove("LATERBASE_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&log, "replica=");
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    wait_for(&log, "the terminal was closed");
}

/// Waits until a file has a text.
#[cfg(target_os = "linux")]
fn wait_for(path: &Path, text: &str) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !fs::read_to_string(path).unwrap_or_default().contains(text) {
        assert!(std::time::Instant::now() < deadline, "there is no {text:?} in {}", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}
