//! The server as a process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use super::Settings;
use super::http::Connection;

/// A process, killed with `SIGKILL` when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    /// From the start of the process to its first answer.
    pub(crate) ready: Duration,
    /// Kept open, for a server that cannot say anything might end.
    said: BufReader<ChildStderr>,
}

impl Server {
    /// Starts and waits until it can be asked; else what it said.
    pub(crate) fn start(settings: &Settings, state: &Path) -> Result<Self, String> {
        let start = Instant::now();
        let mut child = spawn(settings, state);
        let said = BufReader::new(child.stderr.take().unwrap());
        let mut server = Self { child, address: String::new(), ready: Duration::ZERO, said };
        server.address = server.address()?;
        while !server.is_ready() {
            if start.elapsed() > Duration::from_secs(60) {
                return Err("not ready within a minute".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        server.ready = start.elapsed();
        Ok(server)
    }

    /// Where it listens, or all that it said and how it ended.
    fn address(&mut self) -> Result<String, String> {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            if self.said.read_line(&mut line).unwrap_or(0) == 0 {
                let status = self.child.wait().unwrap();
                return Err(format!("the server did not start: {status}: {all}"));
            }
            if let Some((_, address)) = line.trim().split_once("listens on http://") {
                return Ok(address.to_owned());
            }
            all += &line;
        }
    }

    fn is_ready(&self) -> bool {
        let answer =
            Connection::open(&self.address).and_then(|mut own| own.ask("GET", "/health/ready", "", ""));
        matches!(answer, Ok((200, _)))
    }

    /// Starts, and kills after some time, whatever it did until then.
    pub(crate) fn start_and_kill(settings: &Settings, state: &Path, after: Duration) {
        let mut child = spawn(settings, state);
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.address).expect("a server that was ready can be connected to")
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(settings: &Settings, state: &Path) -> Child {
    Command::new(&settings.wane)
        .args(["serve", "--listen", "127.0.0.1:0", "--durability", &settings.durability, "--state"])
        .arg(state)
        .arg(&settings.model)
        .stderr(Stdio::piped())
        .spawn()
        .expect("--wane can be run")
}
