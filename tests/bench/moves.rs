//! How long a link takes to follow its path parameter, beside a bare close, dial and handshake in sequence.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backshell::element::driver;
use backshell::element::handle::{Handle, NewValue};
use backshell::tasks::Tasks;
use backshell::value::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::element;
use crate::peer::{self, Behaviour, Manner, Peer};

const MOVES: usize = 300;
const DEAD_MOVES: usize = 20;
const WINDOW: Duration = Duration::from_millis(50);
const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[((sorted.len() * percent).div_ceil(100)).clamp(1, sorted.len()) - 1]
}

/// Sets the path and waits for the next link; the time from the end of the window.
async fn follow(handle: &Handle, path: &str, epoch: &mut u64) -> Duration {
    let param = element::param(handle.protocol(), 8);
    let value = NewValue::Scalar(Value::Text(Arc::from(path)));
    let start = Instant::now();
    handle.set(param, value, Duration::from_secs(5)).await.expect("it can be set");
    *epoch = element::ready(handle, *epoch).await;
    start.elapsed().saturating_sub(WINDOW)
}

/// A masked close with 1000.
const CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 3, 0xe8];

async fn bare_move(socket: &mut tokio::net::TcpStream, address: std::net::SocketAddr) -> Duration {
    let start = Instant::now();
    socket.write_all(&CLOSE).await.expect("writes");
    let mut rest = Vec::new();
    while socket.read_buf(&mut rest).await.expect("reads") > 0 {}
    assert_eq!(rest[0], 0x88, "the close is answered");
    *socket = peer::open_bare(address, "/events").await.0;
    start.elapsed()
}

pub(crate) fn run() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(moves());
}

async fn moves() {
    let peer = Peer::start(Behaviour { manner: Manner::Stay, extensions: None });
    let protocol = element::protocol(element::SMALL);
    let mut tasks = Tasks::new(&CancellationToken::new());
    let services = element::services(element::UNLIMITED, &mut tasks);
    let stop = CancellationToken::new();
    let reconnect =
        format!("window_ms = {}\nclose_timeout_ms = {}", WINDOW.as_millis(), CLOSE_TIMEOUT.as_millis());
    let spec = element::spec("bench", &protocol, peer.address, &reconnect);
    let handle = driver::start(spec, services, &mut tasks, stop.clone());
    let mut epoch = element::ready(&handle, 0).await;
    let (mut bare, _) = peer::open_bare(peer.address, "/events").await;
    let (mut ours, mut rival, mut after_timer) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..MOVES {
        rival.push(bare_move(&mut bare, peer.address).await);
        let start = Instant::now();
        tokio::time::sleep(WINDOW).await;
        bare_move(&mut bare, peer.address).await;
        after_timer.push(start.elapsed().saturating_sub(WINDOW));
        ours.push(follow(&handle, &format!("events/{number}"), &mut epoch).await);
    }
    ours.sort();
    rival.sort();
    let (p99, rival_p99) = (percentile(&ours, 99), percentile(&rival, 99));
    let more = p99.saturating_sub(rival_p99);
    println!(
        "{MOVES} moves: p50 {:.2?}, p99 {p99:.2?}; bare p50 {:.2?}, p99 {rival_p99:.2?}; p99 {more:.2?} more, target 5 ms: {}",
        percentile(&ours, 50),
        percentile(&rival, 50),
        if more <= Duration::from_millis(5) { "met" } else { "NOT met" },
    );
    after_timer.sort();
    println!(
        "  the same bare sequence behind a timer as long as the window, from its nominal end: p50 {:.2?}, p99 {:.2?}",
        percentile(&after_timer, 50),
        percentile(&after_timer, 99),
    );
    let mut dead = Vec::new();
    for number in 0..DEAD_MOVES {
        follow(&handle, &format!("dead/{number}"), &mut epoch).await;
        dead.push(follow(&handle, &format!("events/back/{number}"), &mut epoch).await);
    }
    dead.sort();
    let added = percentile(&dead, 50).saturating_sub(percentile(&ours, 50));
    let worst = percentile(&dead, 99).saturating_sub(p99);
    println!(
        "{DEAD_MOVES} moves away from a peer that never answers a close: p50 {added:.2?} more, p99 {worst:.2?} more, \
         closeTimeout {CLOSE_TIMEOUT:.0?}: {}",
        // A timer is due at the end of its millisecond.
        if added <= CLOSE_TIMEOUT + Duration::from_millis(2) { "met" } else { "NOT met" },
    );
    assert_eq!(
        element::link(&handle).counters.opened,
        1 + (MOVES + 2 * DEAD_MOVES) as u64,
        "one link a move"
    );
    stop.cancel();
    tasks.stop(Duration::from_secs(5)).await;
}
