//! `backshell run`: the daemon from settings to the last closed link; what it runs is in `daemon` and `api`.

use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Status, complain, logging, render, systemd};
use crate::daemon::assemble;
use crate::daemon::fleet::{Fleet, Loaded, Reload, Trouble, load_settings};
use crate::element::clock::Clock;
use crate::element::driver::Services;
use crate::element::gate::Gate;
use crate::engine::link::budget::Limits;
use crate::script::lost;
use crate::script::pool::{self, Pool};
use crate::settings::{LogFormat, Settings};
use crate::store::Store;
use crate::tasks::{Ended, Tasks};
use crate::transport::dial::Environment;
use crate::transport::http::Http;

/// How many reloads wait; one that waits reads everything anew, so further ones add nothing.
const RELOADS: usize = 1;

/// How long the API may take to answer what is under way and to close its streams.
const API_GRACE: Duration = Duration::from_secs(4);

/// Descriptors besides those of links: the store, watches, the API and its clients.
const OTHER_DESCRIPTORS: u64 = 256;

/// Threads for what blocks besides scripts: the store, files, name services.
const BLOCKING: usize = 512;

/// What `run` is given.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Signals: SIGHUP reads settings and definitions anew; SIGTERM and SIGINT stop in order, a second one at once."
)]
pub(super) struct Arguments {
    /// The settings file
    #[arg(long, value_name = "FILE", default_value = "backshell.toml")]
    config: PathBuf,

    /// How log lines look; overrides `log.format`
    #[arg(long, value_enum)]
    log: Option<Format>,

    /// What is logged, such as `debug` or `info,backshell::transport=debug`; overrides `log.level`
    #[arg(long, value_name = "FILTER", env = "BACKSHELL_LOG")]
    log_level: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people
    Human,
    /// One JSON object a line
    Json,
}

pub(super) fn run(arguments: &Arguments) -> io::Result<Status> {
    let loaded = match load_settings(&arguments.config) {
        Ok(loaded) => loaded,
        Err(trouble) => {
            explain(&trouble, arguments)?;
            return Ok(Status::Bad);
        }
    };
    let format = match arguments.log {
        Some(Format::Human) => LogFormat::Human,
        Some(Format::Json) => LogFormat::Json,
        None => loaded.settings.log.format,
    };
    let level = arguments.log_level.as_deref().unwrap_or(&loaded.settings.log.level);
    if let Err(error) = logging::start(format, level) {
        complain(&format!("`{level}` is no log filter: {error}"));
        return Ok(Status::Misuse);
    }
    let scripts = usize::try_from(loaded.settings.script.threads).unwrap_or(usize::MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(pool::STACK)
        // A worker whose element runs a script needs a thread for its other tasks, however many scripts run already.
        .max_blocking_threads(scripts.saturating_add(lost::MAX_LOST).saturating_add(BLOCKING))
        .build()?;
    let status = runtime.block_on(daemon(arguments.config.clone(), loaded, format));
    // What hangs in a blocking call (a name service, a disk) must not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    status
}

/// Says why the settings cannot be used: with the lines that they stand in to a person, and without them to whatever keeps
/// what a service writes, because a line of the settings may hold a secret.
fn explain(trouble: &Trouble, arguments: &Arguments) -> io::Result<()> {
    if arguments.log == Some(Format::Json) && logging::start(LogFormat::Json, "info").is_ok() {
        trouble.log();
        return Ok(());
    }
    match &trouble.report {
        Some((source, report)) if io::stderr().is_terminal() => render::print_report(source, report),
        Some((source, report)) => render::print_places(source, report),
        None => {
            complain(&trouble.summary());
            if !arguments.config.exists() {
                use io::Write as _;
                let mut out = anstream::stderr();
                writeln!(
                    out,
                    "help: name the settings file with `--config FILE`, or run `backshell demo` to see one at work"
                )?;
            }
            Ok(())
        }
    }
}

async fn daemon(config: PathBuf, loaded: Loaded, format: LogFormat) -> io::Result<Status> {
    let settings = loaded.settings.clone();
    let listener = match listen(settings.api.listen).await {
        Ok(listener) => listener,
        Err(message) => {
            match format {
                LogFormat::Human => complain(&message),
                // Whoever reads JSON reads only that.
                LogFormat::Json => tracing::error!("{message}"),
            }
            return Ok(Status::Bad);
        }
    };
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let (reload, reloads) = mpsc::channel(RELOADS);
    let life = Arc::new(systemd::Life::default());
    let (stopping, told) = (stop.clone(), life.clone());
    let mut above = Tasks::new(&CancellationToken::new());
    above.spawn("signals", |ended| async move {
        tokio::select! {
            () = ended.cancelled() => {}            // Cancel-safe: no state.
            () = signals(reload, stopping, told) => {}    // Cancel-safe: a signal that came meanwhile has no one to tell.
        }
    });
    descriptors(&settings);
    // The store and the dial budget outlive the elements, so that their last values are saved.
    let mut below = Tasks::new(&CancellationToken::new());
    let services = services(&settings, &mut below);
    let grace = settings.grace;
    // The fleet has its own: with thousands of elements they are not small.
    drop(settings);
    let mut fleet = Fleet::new(config, loaded, services);
    let roster = fleet.roster();
    // Served from the start, so that `/readyz` can say that it is not over yet.
    above.spawn("api", |stop| async move {
        if let Err(error) = crate::api::serve(listener, roster, stop).await {
            tracing::error!(%error, "the API has ended");
        }
    });
    fleet.start().await;
    tracing::info!(%address, elements = fleet.len(), "backshell is running");
    let roster = fleet.roster();
    above.spawn("status for systemd", |stop| systemd::status(roster, stop));
    life.ready();

    let run = fleet.run(reloads, stop.clone(), grace);
    let (aborted, parts) = beside(run, &mut below, &mut above, &stop).await;
    let late = above.stop(API_GRACE).await;
    let unfinished = below.stop(Duration::from_secs(3)).await;
    for task in aborted.iter().chain(&unfinished).chain(&late) {
        tracing::warn!(%task, "did not end within its time; aborted");
    }
    tracing::info!("stopped");
    Ok(match parts {
        Parts::Whole => Status::Good,
        Parts::Broken => Status::Bad,
    })
}

/// Whether everything that the elements use has kept running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    Whole,
    Broken,
}

/// Runs the fleet to its end, and has it stop in order if a part ends without which nothing would be dialled or saved: whoever
/// supervises the process starts it anew.
async fn beside<F: Future>(
    run: F,
    below: &mut Tasks,
    above: &mut Tasks,
    stop: &CancellationToken,
) -> (F::Output, Parts) {
    let mut run = std::pin::pin!(run);
    let mut parts = Parts::Whole;
    loop {
        tokio::select! {
            output = run.as_mut() => return (output, parts),     // Polled on, never dropped before its end.
            Some((task, ended)) = below.join_next() => {         // Cancel-safe per its docs.
                tracing::error!(%task, ?ended, "a part that all elements need has ended; stopping");
                parts = Parts::Broken;
                stop.cancel();
            }
            Some((task, ended)) = above.join_next() => match ended { // Cancel-safe per its docs.
                Ended::Done | Ended::Aborted => tracing::debug!(%task, "ended"),
                Ended::Panicked(reason) => tracing::error!(%task, %reason, "failed; the elements go on"),
            },
        }
    }
}

/// Starts what all elements use.
fn services(settings: &Settings, tasks: &mut Tasks) -> Services {
    let clock = Clock::start();
    let store = Store::start(tasks, &settings.data_dir, clock.wall(crate::element::clock::now()));
    let gate = Gate::new(Limits::from(settings.dial));
    let granting = gate.clone();
    tasks.spawn("dial budget", |stop| granting.run(stop));
    let http = Http::new(usize::try_from(settings.http.per_origin).unwrap_or(usize::MAX));
    let threads = usize::try_from(settings.script.threads).unwrap_or(usize::MAX);
    let scripts = Pool::new(threads, assemble::limits(settings.script)).on_large_stacks();
    Services {
        gate,
        store: Some(store),
        dials: Environment::of_process(),
        http,
        scripts,
        clock,
        witness: None,
    }
}

/// Binds the API before anything runs, so that a port in use is seen at once.
async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| {
        let advice = if error.kind() == io::ErrorKind::AddrInUse {
            "; another program, perhaps another backshell, listens there: choose another `api.listen`"
        } else {
            ""
        };
        format!("the API cannot listen on {address}: {error}{advice}")
    })
}

/// Raises the soft limit of open files and says if the hard one is too low.
fn descriptors(settings: &Settings) {
    let needed = settings.elements.len() as u64 * 2 + OTHER_DESCRIPTORS;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit < needed => tracing::warn!(
            limit,
            needed,
            elements = settings.elements.len(),
            "the hard limit of open files is too low for these elements: raise it (`ulimit -Hn`, systemd: `LimitNOFILE=`)"
        ),
        Ok(limit) => tracing::debug!(limit, "limit of open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}

#[cfg(unix)]
async fn signals(reload: mpsc::Sender<Reload>, stop: CancellationToken, life: Arc<systemd::Life>) {
    use tokio::signal::unix::{SignalKind, signal};
    let open = |kind| signal(kind).map_err(|error| tracing::error!(%error, "a signal cannot be watched"));
    let (Ok(mut hangup), Ok(mut terminate), Ok(mut interrupt)) =
        (open(SignalKind::hangup()), open(SignalKind::terminate()), open(SignalKind::interrupt()))
    else {
        return;
    };
    // Bound: the reload under way and those that wait for it.
    let mut under_way = FuturesUnordered::new();
    loop {
        let name = tokio::select! {
            Some(()) = hangup.recv() => {    // Cancel-safe per docs on `recv()`.
                if stop.is_cancelled() {
                    continue;
                }
                tracing::info!("SIGHUP: reading settings and definitions anew");
                life.reloading();
                let (done, ended) = oneshot::channel();
                // Full: one that waits will read everything, and is told of as ready when it has.
                if reload.try_send(done).is_ok() {
                    under_way.push(ended);
                }
                continue;
            }
            Some(done) = under_way.next() => {  // Cancel-safe: `next` on a `Stream`.
                // One that was given up, because the daemon stops, has read nothing anew.
                if done.is_ok() && under_way.is_empty() {
                    tracing::info!("settings and definitions have been read anew");
                    life.ready();
                }
                continue;
            }
            Some(()) = terminate.recv() => "SIGTERM", // Cancel-safe per docs on `recv()`.
            Some(()) = interrupt.recv() => "SIGINT",  // Cancel-safe per docs on `recv()`.
            else => return,
        };
        if stop.is_cancelled() {
            tracing::warn!(signal = name, "second signal: ending at once");
            std::process::exit(1);
        }
        tracing::info!(signal = name, "stopping; a second signal ends at once");
        life.stopping();
        stop.cancel();
    }
}

#[cfg(not(unix))]
async fn signals(_: mpsc::Sender<Reload>, stop: CancellationToken, _: Arc<systemd::Life>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        if stop.is_cancelled() {
            std::process::exit(1);
        }
        stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_all_need_stops_the_process_in_order_and_another_does_not() {
        for (of_all, expected) in [(true, Parts::Broken), (false, Parts::Whole)] {
            let none = CancellationToken::new();
            let (mut below, mut above) = (Tasks::new(&none), Tasks::new(&none));
            let faulty = if of_all { &mut below } else { &mut above };
            faulty.spawn("faulty", |_| async { panic!("broken") });
            let stop = CancellationToken::new();
            let wait = async {
                let patience = Duration::from_secs(60);
                tokio::time::timeout(patience, stop.cancelled()).await.is_ok()
            };
            let (stopped, parts) = beside(wait, &mut below, &mut above, &stop).await;
            assert_eq!((stopped, parts), (of_all, expected));
        }
    }
}
