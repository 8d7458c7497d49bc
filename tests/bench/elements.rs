//! Resident memory of many elements with the reference definition and an idle link each, beside tokio-tungstenite's links.

use std::time::Duration;

use backshell::element::driver;
use backshell::tasks::Tasks;
use futures_util::StreamExt;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use crate::{element, peer, wire};

/// Tells a child process what to measure, so that no kind reuses what another has given back.
const KIND: &str = "BACKSHELL_BENCH_ELEMENTS_KIND";

/// What is measured, what the peer answers to the offer, and the most KiB.
const KINDS: [(&str, Option<&str>, f64); 4] = [
    ("elements, the peer declines deflate", None, 32.0),
    ("elements, the peer keeps no context", Some("permessage-deflate; server_no_context_takeover"), 32.0),
    ("elements, the peer keeps its context", Some("permessage-deflate"), 96.0),
    ("bare tokio-tungstenite links", None, f64::INFINITY),
];

/// Long enough for one round of health messages.
const SETTLED: Duration = Duration::from_secs(7);

/// Whether this process measures one kind for its parent.
pub(crate) fn is_child() -> bool {
    std::env::var_os(KIND).is_some()
}

pub(crate) fn run() {
    let count = count(5_000);
    each_in_a_process("elements", KINDS.len(), |kind| measure(kind, count));
}

/// How many elements are wanted.
pub(crate) fn count(fallback: usize) -> usize {
    std::env::var("BENCH_ELEMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(fallback)
}

/// Measures each kind in a process that does nothing else.
pub(crate) fn each_in_a_process(bench: &str, kinds: usize, measure: impl Fn(usize)) {
    if let Some(kind) = std::env::var(KIND).ok().and_then(|kind| kind.parse().ok()) {
        measure(kind);
        return;
    }
    for kind in 0..kinds {
        let program = std::env::current_exe().expect("a program");
        let status = std::process::Command::new(program).arg(bench).env(KIND, kind.to_string()).status();
        assert!(status.is_ok_and(|status| status.success()));
    }
}

fn measure(kind: usize, count: usize) {
    let (name, extensions, most) = KINDS[kind];
    rlimit::increase_nofile_limit(u64::MAX).expect("descriptors");
    let peer = peer::Process::start(extensions);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let kib = runtime.block_on(async {
        if most.is_finite() { elements(&peer, count).await } else { bare(&peer, count).await }
    });
    let verdict = match kib <= most {
        _ if most.is_infinite() => String::new(),
        true => format!(", target {most}: met"),
        false => format!(", target {most}: NOT met"),
    };
    println!("{count} {name}: {kib:.1} KiB each{verdict}");
}

async fn elements(peer: &peer::Process, count: usize) -> f64 {
    let protocol = element::protocol(element::REFERENCE);
    let mut tasks = Tasks::new(&CancellationToken::new());
    let services = element::services(element::UNLIMITED, &mut tasks);
    let stop = CancellationToken::new();
    let before = wire::resident_kib();
    let mut handles = Vec::new();
    for number in 0..count {
        let spec = element::spec(&format!("element-{number}"), &protocol, peer.address, "");
        handles.push(driver::start(spec, services.clone(), &mut tasks, stop.clone()));
        if number % 50 == 49 {
            for handle in &handles[number - 49..] {
                element::ready(handle, 0).await;
            }
        }
    }
    for handle in &handles {
        element::ready(handle, 0).await;
    }
    tokio::time::sleep(SETTLED).await;
    let after = wire::resident_kib();
    let mut least = u64::MAX;
    for handle in &handles {
        let status = handle.fresh_status().await;
        let link = status.connections[0].link.as_ref().expect("a link");
        assert_eq!((link.state, link.counters.opened), ("ready", 1));
        least = least.min(link.counters.messages_in);
    }
    assert!(least >= 1, "every link has had a message");
    (after - before) as f64 / count as f64
}

async fn bare(peer: &peer::Process, count: usize) -> f64 {
    let before = wire::resident_kib();
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let (socket, rest) = peer::open_bare(peer.address, "/events").await;
        tasks.spawn(async move {
            let mut socket = WebSocketStream::from_partially_read(socket, rest, Role::Client, None).await;
            while let Some(Ok(_)) = socket.next().await {}
        });
    }
    tokio::time::sleep(SETTLED).await;
    (wire::resident_kib() - before) as f64 / count as f64
}
