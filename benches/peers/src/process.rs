//! Servers as child processes that end with the run.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take until it listens.
pub(crate) const START_TIME_MAX: Duration = Duration::from_secs(20);

/// How long a server may take to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a server and waits until it listens. What it says on stderr is the caller's choice.
    pub(crate) fn start(command: &mut Command, address: SocketAddr) -> Result<Self> {
        let program = command.get_program().to_owned();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let mut process =
            Self { child: child.with_context(|| format!("cannot start {program:?}"))? };
        let asked = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = process.child.try_wait()? {
                bail!("{program:?} ended with {status}");
            }
            if asked.elapsed() > START_TIME_MAX {
                bail!("{program:?} does not listen on {address}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asked, not killed: PostgreSQL would leave shared memory behind. One that has ended
        // already, or does not end, is as well killed.
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        let asked = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && asked.elapsed() < STOP_TIME_MAX {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of this machine that nobody listens on at the moment.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
