//! `backshell demo`: the reference definition against simulated senders, the whole daemon and its API in one process.

mod folder;
mod screen;
mod view;

use std::io::{self, IsTerminal as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::remote::Failed;
use crate::cli::{Status, complain, logging};
use crate::daemon::fleet::{Fleet, load_settings};
use crate::element::clock::{self, Clock};
use crate::element::driver::Services;
use crate::element::gate::Gate;
use crate::engine::link::budget::Limits;
use crate::scenario::is07;
use crate::settings::LogFormat;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::transport::control::Control;
use crate::transport::dial::Environment;
use crate::transport::http::Http;

use folder::Folder;
use screen::{Key, Screen};
use view::View;

/// The port of the API when nobody says otherwise.
const API_PORT: u16 = 8780;
/// The second path that the simulated sender serves, to move the link to.
const SECOND_PATH: &str = "x-nmos/events/second";
/// How long everything has to end.
const GRACE: Duration = Duration::from_secs(3);
/// Keys are looked for, and the screen is drawn anew, this often.
const FRAME: Duration = Duration::from_millis(50);

/// What `demo` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// End after so many seconds; exit code 1 if the link was never ready
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// The port of the API [default: 8780, or another one if that is taken]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Print plain lines, as when the output is no terminal
    #[arg(long)]
    plain: bool,
}

pub(super) fn run(arguments: &Arguments) -> io::Result<Status> {
    // Log lines would tear the view apart; whoever wants them asks for them.
    let level = std::env::var("BACKSHELL_LOG").unwrap_or_else(|_| "off".to_owned());
    if let Err(error) = logging::start(LogFormat::Human, &level) {
        complain(&format!("`{level}` is no log filter: {error}"));
        return Ok(Status::Misuse);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(demo(arguments));
    runtime.shutdown_timeout(Duration::from_secs(1));
    match result {
        Ok(status) => Ok(status),
        Err(Failed::Output(error)) => Err(error),
        Err(error) => {
            complain(&error.to_string());
            Ok(Status::Bad)
        }
    }
}

async fn demo(arguments: &Arguments) -> Result<Status, Failed> {
    let clock = Clock::start();
    let mut below = Tasks::new(&CancellationToken::new());
    let (first, first_port) = sender(&mut below, &clock, &is07::LABELS).await?;
    let (_second, second_port) = sender(&mut below, &clock, &["Spare 1", "Spare 2", "Spare 3"]).await?;
    let (api, note) = listen(arguments.port).await?;
    let api_port = api.local_addr().map_err(|error| cannot("serve the API", &error))?.port();
    let folder = Folder::new(first_port, api_port)?;

    let loaded = load_settings(&folder.settings()).map_err(|trouble| Failed::Bad(trouble.summary()))?;
    let wall = clock.wall(clock::now());
    let store = Store::start(&mut below, &loaded.settings.data_dir, wall);
    let gate = Gate::new(Limits { per_second: None, per_host_per_second: None });
    let granting = gate.clone();
    below.spawn("dial budget", |stop| granting.run(stop));
    let services = Services {
        gate,
        store: Some(store),
        dials: Environment::of_process(),
        http: Http::default(),
        scripts: Default::default(),
        clock,
        witness: None,
    };
    let mut fleet = Fleet::new(folder.settings(), loaded, services);
    fleet.start().await;
    let roster = fleet.roster();
    let mut above = Tasks::new(&CancellationToken::new());
    above.spawn("api", |stop| async move {
        if let Err(error) = crate::api::serve(api, roster, stop).await {
            tracing::error!(%error, "the API has ended");
        }
    });

    let intro = Intro { api_port, second_port, folder: folder.path().to_owned(), note };
    let stop = CancellationToken::new();
    // Nobody asks for a reload here: the watch on the folder sees what is edited.
    let (_reload, reloads) = mpsc::channel(1);
    let shown = async {
        let result = show(arguments, &intro, &first).await;
        stop.cancel();
        result
    };
    let (result, _late) = tokio::join!(shown, fleet.run(reloads, stop.clone(), GRACE));
    above.stop(GRACE).await;
    below.stop(GRACE).await;
    drop(folder);
    result
}

/// Starts a simulated sender on a free port.
async fn sender(tasks: &mut Tasks, clock: &Clock, labels: &[&str]) -> Result<(is07::Control, u16), Failed> {
    let unable = |error: io::Error| cannot("start the simulated sender", &error);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(unable)?;
    let port = listener.local_addr().map_err(unable)?.port();
    let mut options = is07::Options::new(clock.wall(clock::now()));
    options.sources = is07::studio(labels);
    options.paths.push(format!("/{SECOND_PATH}"));
    Ok((is07::start(listener, options, tasks), port))
}

/// Binds the API: the port that was asked for, or 8780, or any, with a note on why.
async fn listen(port: Option<u16>) -> Result<(TcpListener, Option<String>), Failed> {
    let bind = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    match bind(port.unwrap_or(API_PORT)).await {
        Ok(listener) => Ok((listener, None)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && port.is_none() => {
            let listener = bind(0).await.map_err(|error| cannot("serve the API", &error))?;
            let note = format!("Port {API_PORT} is taken, so the API of this demo is on another one.");
            Ok((listener, Some(note)))
        }
        Err(error) => Err(cannot(&format!("serve the API on port {}", port.unwrap_or(API_PORT)), &error)),
    }
}

fn cannot(what: &str, error: &io::Error) -> Failed {
    Failed::Bad(format!("cannot {what}: {error}"))
}

/// What the demo says about itself.
struct Intro {
    api_port: u16,
    second_port: u16,
    folder: PathBuf,
    note: Option<String>,
}

impl Intro {
    /// What to try next, as lines.
    fn lines(&self, program: &Path) -> Vec<String> {
        let program = program.display();
        let api = match self.api_port {
            API_PORT => String::new(),
            port => format!(" --api http://127.0.0.1:{port}"),
        };
        let name = folder::ELEMENT;
        let command = |rest: String, what: &str| format!("  {program} {rest}{api}   # {what}");
        let mut lines = Vec::from_iter(self.note.clone());
        lines.push("Try in a second terminal:".to_owned());
        lines.push(command(format!("set {name} WebsocketUrl {SECOND_PATH}"), "another path: the link moves"));
        lines.push(command(
            format!("set {name} Address ws://127.0.0.1:{}", self.second_port),
            "another device: the link moves",
        ));
        lines.push(command(format!("set {name} WebsocketUrl nowhere"), "a path that is refused"));
        lines.push(command(format!("tap {name}"), "the wire as it happens"));
        lines.push(command("elements".to_owned(), "what runs"));
        lines.push(format!("Or edit {} and see it reload.", self.folder.join("protocol.xml").display()));
        lines
    }
}

/// How this program was called, as a second terminal in the same folder would call it.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("backshell"));
    match std::env::current_dir().ok().and_then(|folder| own.strip_prefix(folder).ok().map(Path::to_owned)) {
        Some(relative) => relative,
        None => own,
    }
}

/// Shows what happens until the time is over, a key or a signal ends it, or the output is gone.
async fn show(arguments: &Arguments, intro: &Intro, sender: &is07::Control) -> Result<Status, Failed> {
    let end = arguments.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds.into()));
    let control = Control::new(&format!("http://127.0.0.1:{}", intro.api_port))?;
    let mut channel = control.open(&["api", "v1", "stream"], &[("element", folder::ELEMENT)]).await?;
    let is_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    let mut screen = if is_terminal && !arguments.plain { Screen::live()? } else { Screen::plain() };
    let mut view = View::default();
    screen.print(&intro.lines(&program()))?;
    let mut frames = tokio::time::interval(FRAME);
    frames.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut ended = std::pin::pin!(signalled());
    loop {
        tokio::select! {
            biased;
            () = ended.as_mut() => break,                         // Cancel-safe: no state.
            () = until(end) => break,                             // Cancel-safe: no state.
            message = channel.next() => match message {           // Cancel-safe per its docs.
                Ok(text) => screen.print(&view.take(&text, screen.is_live()))?,
                Err(closed) => return Err(Failed::Bad(format!("the API has ended: {closed}"))),
            },
            _ = frames.tick() => {                                // Cancel-safe per its docs.
                match screen.key()? {
                    Some(Key::Quit) => break,
                    Some(Key::Drop) => {
                        sender.drop_links();
                        screen.print(&["the sender dropped its links".to_owned()])?;
                    }
                    Some(Key::Reboot) => {
                        sender.reboot();
                        screen.print(&["the sender restarts".to_owned()])?;
                    }
                    Some(Key::Silence) => {
                        let silent = view.toggle_silence();
                        sender.set_mode(if silent { is07::Mode::Silent } else { is07::Mode::Serve });
                        let what = if silent { "hangs: it says nothing any more" } else { "speaks again" };
                        screen.print(&[format!("the sender {what}")])?;
                    }
                    None => {}
                }
                screen.draw(&view.block(Instant::now()))?;
            }
        }
    }
    screen.draw(&[])?;
    screen.print(&[view.summary()])?;
    drop(screen);
    Ok(if view.was_ready() { Status::Good } else { Status::Bad })
}

/// Waits for the end of the time, if there is one.
async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Waits for Ctrl-C or, where there is one, the signal to terminate; for ever if signals cannot be had.
async fn signalled() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        {
            tokio::select! {
                _ = interrupt.recv() => return, // Cancel-safe per docs on `recv()`.
                _ = terminate.recv() => return, // Cancel-safe per docs on `recv()`.
            }
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_ok() {
        return;
    }
    std::future::pending().await
}
