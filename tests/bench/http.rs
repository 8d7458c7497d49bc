//! Elements that poll over HTTP: one as fast as it can beside bare reqwest, and thousands with a beat of one second.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use backshell::element::driver;
use backshell::element::handle::Handle;
use backshell::language::model::Protocol;
use backshell::tasks::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::{element, elements, peer, wire};

/// Many short ones: the median outlives what else a shared machine does for a second.
const ROUNDS: usize = 25;

/// How long each side of a round of [`rate`] asks.
const WINDOW: Duration = Duration::from_millis(400);

/// What the server answers: the values of `protocol`, and some that nobody wants.
const BODY: &str = r#"{"state":"on air","air":{"temperature":21.5,"target":22},"fans":[{"rpm":1480,"duty":0.62},{"rpm":1475,"duty":0.61}],"note":null,"uptime":8812345,"firmware":"4.2.11-r3","alarms":[],"inputs":[{"id":1,"locked":true},{"id":2,"locked":false}]}"#;

/// One session that takes three values out of a JSON body; a timer with a beat of a second, or a group that begins anew.
fn protocol(beat: Beat) -> Arc<Protocol> {
    let beat = match beat {
        Beat::Second => {
            r#"<Timers><Timer id="1" options="initial"><Name>Beat</Name><Time initial="true">1000</Time><Interval>75</Interval><Content><Group>1</Group></Content></Timer></Timers>"#
        }
        Beat::None => {
            r#"<Triggers>
    <Trigger id="1"><Name>First</Name><On>protocol</On><Time>after startup</Time><Type>action</Type><Content><Id>1</Id></Content></Trigger>
    <Trigger id="2"><Name>Again</Name><On id="1">group</On><Time>after</Time><Type>action</Type><Content><Id>1</Id></Content></Trigger>
  </Triggers>
  <Actions><Action id="1"><Name>Ask</Name><On id="1">group</On><Type>execute</Type></Action></Actions>"#
        }
    };
    let param = |id: u32, name: &str| {
        format!(
            "<Param id=\"{id}\"><Name>{name}</Name><Description>{name}</Description><Type>read</Type>\
             <Interprete><RawType>other</RawType><LengthType>next param</LengthType><Type>string</Type></Interprete></Param>"
        )
    };
    let params: String = [(1, "Line"), (8, "Path"), (10, "State"), (11, "Temperature"), (12, "Speed")]
        .map(|(id, name)| param(id, name))
        .concat();
    element::protocol(&format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<Protocol xmlns:bs="urn:backshell:1">
  <Name>Polls</Name>
  <Version>1.0.0.1</Version>
  <Connections><Connection id="0" name="Device"><Http/></Connection></Connections>
  <HTTP>
    <Session id="1" name="Status" keepAlive="true">
      <Connection id="1">
        <Request verb="GET" pid="8"><Headers><Header key="Accept">application/json</Header></Headers></Request>
        <Response statusCode="1">
          <bs:Extract path="$.state" pid="10"/>
          <bs:Extract path="$.air.temperature" pid="11"/>
          <bs:Extract path="$.fans[0].rpm" pid="12"/>
        </Response>
      </Connection>
    </Session>
  </HTTP>
  <Params>{params}</Params>
  <Groups><Group id="1"><Name>Poll</Name><Content><Session>1</Session></Content></Group></Groups>
  {beat}
</Protocol>
"#
    ))
}

/// When an element asks.
#[derive(Clone, Copy, Debug)]
enum Beat {
    /// Once a second.
    Second,
    /// As soon as the answer is there.
    None,
}

/// The server of both benchmarks: HTTP/1.1 with keep-alive, the least that a client can do with; serves until its orders end.
///
/// The order `arrivals` tells the number in each path and the wall time in microseconds, and forgets them.
pub(crate) fn serve() {
    let arrivals: Arc<Mutex<Vec<(u32, u128)>>> = Arc::default();
    let (address_in, address) = std::sync::mpsc::channel();
    let theirs = Arc::clone(&arrivals);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            // Each element has a device of its own: another address of this machine.
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.expect("binds");
            let port = listener.local_addr().expect("bound").port();
            address_in.send(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).expect("somebody waits");
            loop {
                let Ok((socket, _)) = listener.accept().await else { continue };
                tokio::spawn(connection(socket, Arc::clone(&theirs)));
            }
        });
    });
    println!("{}", address.recv().expect("the server starts"));
    for _ in std::io::stdin().lines().map_while(Result::ok) {
        let arrivals = std::mem::take(&mut *arrivals.lock().expect("whole"));
        let words: Vec<String> = arrivals.iter().map(|(number, at)| format!("{number}:{at}")).collect();
        println!("{}", words.join(" "));
    }
}

async fn connection(mut socket: TcpStream, arrivals: Arc<Mutex<Vec<(u32, u128)>>>) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if socket.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]);
        let path = head.split(' ').nth(1).unwrap_or_default();
        if let Some(number) = path.strip_prefix("/poll/").and_then(|number| number.parse().ok()) {
            arrivals.lock().expect("whole").push((number, wall()));
        }
        buffer.drain(..end);
        socket.write_all(answer.as_bytes()).await?;
    }
}

/// Microseconds, for two processes of one machine.
fn wall() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros()
}

/// Requests a second of one element, beside bare reqwest doing the same: it asks, parses the body and takes three values.
pub(crate) fn rate() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = peer::Process::http();
    let (mut ours, mut rival) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        rival.push(runtime.block_on(through_reqwest(server.address)));
        ours.push(runtime.block_on(through_element(server.address)));
    }
    wire::compare("polling with keep-alive", "requests/s", &ours, "bare reqwest", &rival, 0.7);
}

async fn through_element(address: SocketAddr) -> f64 {
    let protocol = protocol(Beat::None);
    let mut tasks = Tasks::new(&CancellationToken::new());
    let services = element::services(element::UNLIMITED, &mut tasks);
    let stop = CancellationToken::new();
    let spec = element::http_spec("bench", &protocol, address, "status");
    let handle = driver::start(spec, services, &mut tasks, stop.clone());
    while requests(&handle).await == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (began, before) = (Instant::now(), requests(&handle).await);
    tokio::time::sleep(WINDOW).await;
    let count = requests(&handle).await - before;
    let elapsed = began.elapsed();
    assert_eq!(element::text_of(&handle, element::param(&protocol, 1)).await, "HTTP/1.1 200 OK");
    assert_eq!(element::text_of(&handle, element::param(&protocol, 12)).await, "1480");
    stop.cancel();
    tasks.stop(Duration::from_secs(5)).await;
    wire::per_second(usize::try_from(count).expect("small"), elapsed)
}

async fn requests(handle: &Handle) -> u64 {
    let status = handle.fresh_status().await;
    let http = status.connections[0].http.as_ref().expect("an HTTP connection");
    assert_eq!(http.refusals, 0);
    http.requests
}

async fn through_reqwest(address: SocketAddr) -> f64 {
    // Whichever benchmark comes first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("http://{address}/status");
    let ask = async || {
        let answer = client.get(&url).header("Accept", "application/json").send().await.expect("an answer");
        let body = answer.bytes().await.expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let taken =
            [&body["state"], &body["air"]["temperature"], &body["fans"][0]["rpm"]].map(ToString::to_string);
        assert_eq!(std::hint::black_box(taken)[2], "1480");
    };
    ask().await;
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < WINDOW {
        ask().await;
        count += 1;
    }
    wire::per_second(count, began.elapsed())
}

/// How long the beat of [`polls`] is measured, in cycles.
const CYCLES: usize = 20;

/// Cycles before that, in which connections are made.
const WARM: usize = 5;

/// What is measured, how the elements start, and who answers them.
type Case = (&'static str, Spread, Devices);

const CASES: [Case; 3] = [
    ("one after the other, each with a device of its own", Spread::Second, Devices::Own),
    ("one after the other, all with one server", Spread::Second, Devices::One),
    ("all at once, each with a device of its own", Spread::None, Devices::Own),
];

/// How the elements start.
#[derive(Clone, Copy, Debug)]
enum Spread {
    /// Evenly over one second.
    Second,
    /// As fast as it goes.
    None,
}

/// Elements that poll once a second: how late each request reaches its device, and the memory of an element.
pub(crate) fn polls() {
    elements::each_in_a_process("polls", CASES.len(), |kind| measure(&CASES[kind], elements::count(2_000)));
}

fn measure((what, spread, devices): &Case, count: usize) {
    rlimit::increase_nofile_limit(u64::MAX).expect("descriptors");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut server = peer::Process::http();
    let before = wire::resident_kib();
    let (delays, kib) = runtime.block_on(beat(&mut server, count, *spread, *devices));
    let each = (kib - before) as f64 / count as f64;
    let at = |share: usize| delays[delays.len() * share / 1_000 - 1].as_secs_f64() * 1e3;
    // Only where the beats are spread is the delay that of the runtime and not of the burst.
    let verdict = match (spread, at(990) < 100.0) {
        (Spread::None, _) => "",
        (Spread::Second, true) => ", target 100: met",
        (Spread::Second, false) => ", target 100: NOT met",
    };
    println!(
        "{count} elements, started {what}: {} requests, late by {:.1} ms (median), {:.1} ms (p99){verdict}, {:.1} ms (most); {each:.1} KiB each",
        delays.len(),
        at(500),
        at(990),
        at(1_000),
    );
}

/// Who answers.
#[derive(Clone, Copy, Debug)]
enum Devices {
    /// An address for each element.
    Own,
    /// One for all.
    One,
}

/// The delays, in order, and the memory at the end.
async fn beat(
    server: &mut peer::Process,
    count: usize,
    spread: Spread,
    devices: Devices,
) -> (Vec<Duration>, u64) {
    let protocol = protocol(Beat::Second);
    let mut tasks = Tasks::new(&CancellationToken::new());
    let services = element::services(element::UNLIMITED, &mut tasks);
    let stop = CancellationToken::new();
    let (mut handles, mut starts) = (Vec::new(), Vec::new());
    let began = Instant::now();
    for number in 0..count {
        let address = match devices {
            Devices::One => server.address,
            Devices::Own => {
                let low = u32::try_from(number).expect("small") + 2;
                let host = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + low);
                SocketAddr::new(IpAddr::V4(host), server.address.port())
            }
        };
        let spec =
            element::http_spec(&format!("element-{number}"), &protocol, address, &format!("poll/{number}"));
        match spread {
            Spread::Second => {
                let due = began + Duration::from_secs(1).mul_f64(number as f64 / count as f64);
                tokio::time::sleep_until(due.into()).await;
            }
            Spread::None => {}
        }
        starts.push(wall());
        handles.push(driver::start(spec, services.clone(), &mut tasks, stop.clone()));
    }
    tokio::time::sleep(
        Duration::from_secs(u64::try_from(WARM + CYCLES).expect("small")) + Duration::from_millis(1_500),
    )
    .await;
    let resident = wire::resident_kib();
    let mut of_element = vec![Vec::new(); count];
    for (number, at) in server.arrivals() {
        of_element[number].push(at);
    }
    let mut delays = Vec::new();
    for (number, (start, arrivals)) in starts.iter().zip(&of_element).enumerate() {
        assert!(arrivals.len() >= WARM + CYCLES, "element {number} asked {} times", arrivals.len());
        for (cycle, at) in arrivals.iter().enumerate().take(WARM + CYCLES).skip(WARM) {
            // The first comes with the start; a cycle that was left out makes all later ones late by a second.
            let due = start + 1_000_000 * cycle as u128;
            delays.push(Duration::from_micros(u64::try_from(at.saturating_sub(due)).expect("small")));
        }
    }
    for handle in &handles {
        let status = handle.fresh_status().await;
        let http = status.connections[0].http.as_ref().expect("an HTTP connection");
        assert_eq!((http.refusals, http.last_failure.is_none()), (0, true));
    }
    stop.cancel();
    tasks.stop(Duration::from_secs(10)).await;
    delays.sort_unstable();
    (delays, resident)
}
