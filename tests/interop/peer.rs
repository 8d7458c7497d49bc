//! Peers that we did not write, as child processes: sets their libraries up once, starts and ends them; tests nothing.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak, mpsc};
use std::time::Duration;

/// How long a peer may take to say its port.
const START: Duration = Duration::from_secs(30);

/// Which library a peer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `websockets` of PyPI.
    Python,
    /// `ws` of npm.
    Node,
    /// `pproxy` of PyPI: a proxy.
    Proxy,
    /// `httpbin` of PyPI on `hypercorn`: a web server.
    Web,
    /// `aiohttp` of PyPI: a web server with the manners of devices, which tells what it was asked.
    Pages,
    /// `aiohttp` again: systems that we have definitions for, as their clients see them.
    Systems,
    /// `nginx` of this machine, or else of Debian's archive: a web server.
    Nginx,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Python => "websockets-15.0.1",
            Self::Node => "ws-8.18.3",
            Self::Proxy => "pproxy-2.7.9",
            Self::Web => "httpbin-0.10.2",
            Self::Pages | Self::Systems => "aiohttp-3.13.2",
            Self::Nginx => "nginx",
        }
    }

    fn install(self, folder: &Path) -> Command {
        let further: &[&str] = match self {
            Self::Python | Self::Proxy => &["--no-deps"],
            Self::Web => &["hypercorn==0.17.3"],
            Self::Pages | Self::Systems => &["brotli==1.2.0", "zstandard==0.25.0"],
            Self::Node => {
                let mut command = Command::new("npm");
                command.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]);
                command.args(["--fetch-timeout=15000", "--fetch-retries=1", "--prefix"]);
                command.arg(folder).arg("ws@8.18.3");
                return command;
            }
            Self::Nginx => {
                let mut command = Command::new("sh");
                command.arg(scripts().join("nginx.sh")).arg(folder);
                return command;
            }
        };
        let mut command = Command::new("python3");
        command.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
        command.args(["--timeout", "15", "--retries", "1", "--upgrade", "--target"]).arg(folder);
        command.arg(self.name().replacen('-', "==", 1)).args(further);
        command
    }

    fn server(self, folder: &Path, port: u16, name: &str, files: &[PathBuf]) -> Command {
        let port = port.to_string();
        let script = match self {
            Self::Python => "server.py",
            Self::Proxy => "proxy.py",
            Self::Web => "web.py",
            Self::Pages => "pages.py",
            Self::Systems => "systems.py",
            Self::Nginx => "nginx.py",
            Self::Node => {
                let mut command = Command::new("node");
                command.arg(scripts().join("server.mjs")).arg(folder.join("node_modules/ws"));
                command.args([&port, name]);
                return command;
            }
        };
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", folder).env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(scripts().join(script)).arg(port);
        match self {
            Self::Nginx => command.arg(folder.join("program")),
            Self::Python | Self::Node | Self::Proxy | Self::Web | Self::Pages | Self::Systems => {
                command.arg(name)
            }
        };
        command.args(files);
        command
    }
}

pub(super) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

/// The folder with a library, set up at the first call: by one thread of one process, whoever else asks waits.
pub(super) fn library(kind: Kind) -> Result<PathBuf, String> {
    static SET_UP: [OnceLock<Result<PathBuf, String>>; 6] = [const { OnceLock::new() }; 6];
    let cell = &SET_UP[match kind {
        Kind::Python => 0,
        Kind::Node => 1,
        Kind::Proxy => 2,
        Kind::Web => 3,
        Kind::Pages | Kind::Systems => 4,
        Kind::Nginx => 5,
    }];
    cell.get_or_init(|| set_up(kind)).clone()
}

fn set_up(kind: Kind) -> Result<PathBuf, String> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    let folder = peers.join(kind.name());
    let done = folder.join("complete");
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(failed)?;
    let lock = File::create(peers.join(format!("{}.lock", kind.name()))).map_err(failed)?;
    lock.lock().map_err(failed)?;
    if done.exists() {
        return Ok(folder);
    }
    let output = kind.install(&folder).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{} cannot be installed: {error}", kind.name()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        return Err(format!("{} cannot be installed: {line}", kind.name()));
    }
    File::create(done).map_err(failed)?;
    Ok(folder)
}

/// A running peer; ends when it is dropped, and by itself when this process ends, because its stdin closes then.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) kind: Kind,
    pub(super) port: u16,
    child: Child,
}

impl Peer {
    /// Starts a peer on a port, 0 for any; `name` is what it calls itself.
    pub(super) fn start(kind: Kind, port: u16, name: &str) -> Result<Self, String> {
        Self::start_with(kind, port, name, &[])
    }

    /// Starts a peer that gets files as well: certificate, key and the clients' CA for TLS.
    pub(super) fn start_with(kind: Kind, port: u16, name: &str, files: &[PathBuf]) -> Result<Self, String> {
        let folder = library(kind)?;
        let log = File::create(folder.with_extension("log")).map_err(|error| error.to_string())?;
        let mut command = kind.server(&folder, port, name, files);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().map_err(|error| format!("{kind:?} cannot be started: {error}"))?;
        let stdout = child.stdout.take().unwrap();
        let (port_in, port) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            // Nobody may wait any more.
            let _ = port_in.send(read.ok().and_then(|_| line.trim().parse().ok()));
        });
        let mut peer = Self { kind, port: 0, child };
        match port.recv_timeout(START) {
            Ok(Some(port)) => peer.port = port,
            // A library that is there and a script that does not run: that is no reason to skip.
            answer => panic!("the {kind:?} peer said no port ({answer:?}), see target/peers/*.log"),
        }
        Ok(peer)
    }

    pub(super) fn url(&self, target: &str) -> String {
        format!("ws://127.0.0.1:{}{target}", self.port)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server of a kind that all tests share while any of them runs.
pub(super) fn shared(kind: Kind) -> Option<Arc<Peer>> {
    static PYTHON: Mutex<Weak<Peer>> = Mutex::new(Weak::new());
    static NODE: Mutex<Weak<Peer>> = Mutex::new(Weak::new());
    static WEB: Mutex<Weak<Peer>> = Mutex::new(Weak::new());
    static PAGES: Mutex<Weak<Peer>> = Mutex::new(Weak::new());
    let slot = match kind {
        Kind::Python => &PYTHON,
        Kind::Node => &NODE,
        Kind::Web => &WEB,
        Kind::Pages => &PAGES,
        Kind::Proxy | Kind::Nginx | Kind::Systems => panic!("each test has its own"),
    };
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(peer) = slot.upgrade() {
        return Some(peer);
    }
    let peer = Arc::new(or_skipped(Peer::start(kind, 0, "shared"))?);
    *slot = Arc::downgrade(&peer);
    Some(peer)
}

/// Says that a test is skipped where a peer cannot be had; a failure where `CI` is set.
#[expect(clippy::print_stderr, reason = "whoever runs the tests must see what was not tested")]
pub(super) fn or_skipped<T>(had: Result<T, String>) -> Option<T> {
    match had {
        Ok(had) => Some(had),
        Err(reason) if std::env::var_os("CI").is_some() => panic!("CI must have the peers: {reason}"),
        Err(reason) => {
            eprintln!("skipped: {reason}");
            None
        }
    }
}

/// As [`or_skipped`] for a peer that is in no registry of a language: where it cannot be had, `CI` goes on without it.
#[expect(clippy::print_stderr, reason = "whoever runs the tests must see what was not tested")]
pub(super) fn or_without<T>(had: Result<T, String>) -> Option<T> {
    had.inspect_err(|reason| eprintln!("skipped: {reason}")).ok()
}
