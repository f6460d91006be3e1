//! What the files in `packaging` tell the server, told to it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{PROGRAM, Process};
use crate::running::order;

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(packaging(name)).unwrap()
}

/// A server that is started as a unit or an image does, but for its port and its folder.
fn start(arguments: &[&str]) -> (Process, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env("LATERBASE_LISTEN", "127.0.0.1:0").env("LATERBASE_LOG", "warn");
    let server = Process::start_by(
        command.env("LATERBASE_DATA", data.path().join("store")).stderr(Stdio::inherit()),
    );
    (server, data)
}

#[tokio::test]
async fn the_unit_starts_the_server_with_the_file_that_is_installed() {
    let unit = read("laterbase-server.service");
    let started = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let arguments = started.strip_prefix("/usr/bin/laterbase-server ").unwrap();
    let file = packaging("server.toml");
    let arguments = arguments.replace("/etc/laterbase/server.toml", file.to_str().unwrap());
    let (server, _data) = start(&arguments.split(' ').collect::<Vec<_>>());
    server.connect().await.post("/e/order", order("o", 1)).await.check(201);
}

/// Whoever takes a `#` away does not meet an error.
#[test]
fn each_setting_that_the_file_offers_is_one_of_the_server_s() {
    let text = read("server.toml");
    let is_setting = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let uncommented: Vec<&str> = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|line| is_setting(line)).unwrap_or(line))
        .filter(|line| is_setting(line) && !line.starts_with("listen = \"0.0.0.0"))
        .collect();
    assert!(uncommented.len() >= 7, "{uncommented:?}");
    let folder = tempfile::tempdir().unwrap();
    // What systemd makes by StateDirectory=.
    std::fs::create_dir(folder.path().join("laterbase")).unwrap();
    let file = folder.path().join("server.toml");
    std::fs::write(
        &file,
        uncommented.join("\n").replace("/var/lib", folder.path().to_str().unwrap()),
    )
    .unwrap();
    let (server, _data) = start(&["--config", file.to_str().unwrap()]);
    assert!(server.terminate_soon().success());
}

#[test]
fn what_the_image_sets_and_asks_is_known_to_the_server() {
    let image = read("Containerfile");
    let settings = image.lines().find_map(|line| line.strip_prefix("ENV ")).unwrap();
    let said = |arguments: &[&str]| {
        let said = Command::new(PROGRAM).args(arguments).output().unwrap();
        assert!(said.status.success());
        String::from_utf8(said.stdout).unwrap()
    };
    let help = said(&["--help"]);
    for setting in settings.split(' ') {
        let name = setting.split('=').next().unwrap();
        assert!(help.contains(&format!("[env: {name}=")), "{name}");
    }
    let (_, check) = image.split_once("CMD [\"/usr/bin/laterbase-server\", \"").unwrap();
    let task = check.split('"').next().unwrap();
    assert!(said(&[task, "--help"]).contains("takes writes"));
}
