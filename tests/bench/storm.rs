//! Many links that are lost at once, and a peer that never keeps one: how they come back, and how often it is tried.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use backshell::element::driver;
use backshell::element::handle::Handle;
use backshell::engine::link::budget::Limits;
use backshell::tasks::Tasks;
use tokio_util::sync::CancellationToken;

use crate::peer::{self, Behaviour, Manner, Peer};
use crate::{element, wire};

const LINKS: usize = 2_000;

/// The back-off window: the upper end of the first wait.
const BACK_OFF: Duration = Duration::from_secs(2);

/// Dials in one second with the budget on, to one host.
const BUDGET: u32 = 200;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "NOT met" }
}

/// Two storms, one without and one with a dial budget.
pub(crate) fn run() {
    rlimit::increase_nofile_limit(u64::MAX).expect("descriptors");
    runtime().block_on(storms());
}

async fn storms() {
    let mut peer = peer::Process::start(None);
    let protocol = element::protocol(element::SMALL);
    let mut tasks = Tasks::new(&CancellationToken::new());
    let services = element::services(element::UNLIMITED, &mut tasks);
    let stop = CancellationToken::new();
    let reconnect = format!("initial_delay_ms = {}\nsettle_ms = 1000", BACK_OFF.as_millis());
    let handles: Vec<Handle> = (0..LINKS)
        .map(|number| {
            let spec = element::spec(&format!("element-{number}"), &protocol, peer.address, &reconnect);
            driver::start(spec, services.clone(), &mut tasks, stop.clone())
        })
        .collect();
    let mut epochs = all_ready(&handles, &[0; LINKS]).await;
    for limit in [None, NonZeroU32::new(BUDGET)] {
        services.gate.set_limits(Limits { per_second: None, per_host_per_second: limit });
        // Longer than `settle`: the back-off begins anew.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let before = wire::resident_kib();
        peer.drop_all();
        epochs = all_ready(&handles, &epochs).await;
        let returns = peer.returns();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let memory = wire::resident_kib() as f64 / before as f64;
        assert_eq!(returns.len(), LINKS, "each dialled once");
        let last = returns.iter().max().expect("some").as_secs_f64();
        match limit {
            None => {
                let deviation = deviation(&returns);
                let window = BACK_OFF.as_secs_f64();
                println!(
                    "{LINKS} links dropped at once, budget off: all back after {last:.2} s, standard deviation {:.3} of the \
                     back-off window ({BACK_OFF:.0?}), target 0.25: {}",
                    deviation / window,
                    verdict(deviation >= window / 4.0),
                );
            }
            Some(limit) => {
                let most = most_in_one_second(returns);
                println!(
                    "{LINKS} links dropped at once, budget {limit} a second: all back after {last:.2} s, at most {most} \
                     connections in any second: {}",
                    verdict(most <= limit.get() as usize),
                );
            }
        }
        println!("  resident memory {memory:.3} of what it was, target 1.1: {}", verdict(memory <= 1.1));
    }
    stop.cancel();
    tasks.stop(Duration::from_secs(10)).await;
}

async fn all_ready(handles: &[Handle], after: &[u64]) -> Vec<u64> {
    let mut epochs = Vec::with_capacity(handles.len());
    for (handle, after) in handles.iter().zip(after) {
        epochs.push(element::ready(handle, *after).await);
    }
    epochs
}

fn deviation(returns: &[Duration]) -> f64 {
    let seconds: Vec<f64> = returns.iter().map(Duration::as_secs_f64).collect();
    let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
    (seconds.iter().map(|second| (second - mean).powi(2)).sum::<f64>() / seconds.len() as f64).sqrt()
}

fn most_in_one_second(mut times: Vec<Duration>) -> usize {
    times.sort();
    let mut first = 0;
    let mut most = 0;
    for last in 0..times.len() {
        while times[last] - times[first] >= Duration::from_secs(1) {
            first += 1;
        }
        most = most.max(last - first + 1);
    }
    most
}

/// Peers that take a connection and end it; all kinds at the same time.
pub(crate) fn hammer() {
    runtime().block_on(hammered());
}

async fn hammered() {
    const MOST: usize = 16;
    let seconds = std::env::var("BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let protocol = element::protocol(element::SMALL);
    let mut tasks = Tasks::new(&CancellationToken::new());
    let services = element::services(element::UNLIMITED, &mut tasks);
    let stop = CancellationToken::new();
    let kinds = [
        ("ends the connection before the handshake", Manner::EndAtOnce),
        ("ends the connection after the handshake", Manner::EndOpened),
        ("closes with 1000 after the handshake", Manner::CloseOpened),
    ];
    let peers = kinds.map(|(name, manner)| {
        let peer = Peer::start(Behaviour { manner, extensions: None });
        let spec = element::spec("bench", &protocol, peer.address, "");
        let handle = driver::start(spec, services.clone(), &mut tasks, stop.clone());
        (name, peer, handle)
    });
    let end = Instant::now() + Duration::from_secs(seconds);
    tokio::time::sleep_until(end.into()).await;
    for (name, peer, _) in &peers {
        let dials = peer.accepted().len();
        println!(
            "a peer that {name}: {dials} dials in {seconds} s, target {MOST}: {}",
            verdict(dials <= MOST)
        );
    }
    stop.cancel();
    tasks.stop(Duration::from_secs(5)).await;
}
