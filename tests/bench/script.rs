//! A QAction that parses each message and sets a parameter, beside the same handler in bare rquickjs, and the same declared with `bs:Extract`, beside the QAction; the memory of many elements with scripts; what an endless one costs others.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use backshell::element::driver;
use backshell::element::handle::NewValue;
use backshell::engine::logic::link::LinkChange;
use backshell::engine::logic::{Engine, First, Options};
use backshell::language::model::Protocol;
use backshell::language::model::id::ConnectionIx;
use backshell::language::model::message::MessageKind;
use backshell::script::host::{Host, Limits, Plan};
use backshell::script::pool::{Pace, Place, Pool};
use backshell::tasks::Tasks;
use backshell::value::{Context, Wall};
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::receive::{DISTINCT, LAST, Stream, state, through};
use crate::{element, wire};

const ROUNDS: usize = 5;

/// How long a message is.
const LENGTH: usize = 300;

/// How many messages are in a batch.
const BATCH: usize = 64;

const MESSAGES: usize = 20_000;

/// The small definition with a script in the place of its response.
fn definition() -> String {
    let start = element::SMALL.find("<Responses>").expect("it has responses");
    let end = element::SMALL.find("<Pairs>").expect("it has pairs");
    let response = "<Responses><Response id=\"1\"><Name>State</Name><Content><Param>50</Param></Content></Response></Responses>\n";
    let script = "<QActions><QAction id=\"1\" encoding=\"javascript\" triggers=\"50\"><![CDATA[
function Run(protocol) {
    const message = JSON.parse(protocol.GetParameter(50));
    protocol.SetParameter(41, message.payload.value);
    if (message.payload.value === 424242) protocol.SetParameter(43, message.timing.creation_timestamp);
}
]]></QAction></QActions></Protocol>";
    let param = "<Param id=\"50\"><Name>Message</Name><Type>read</Type><Interprete><RawType>other</RawType><LengthType>next param</LengthType><Type>string</Type></Interprete></Param></Params>";
    format!("{}{response}{}", &element::SMALL[..start], &element::SMALL[end..])
        .replace("</Params>", param)
        .replace("</Protocol>", script)
}

/// The same mapping without a script; it takes the time out of each message too, and not only out of the last one.
fn declared() -> String {
    let start = element::SMALL.find("<Responses>").expect("it has responses");
    let end = element::SMALL.find("<Pairs>").expect("it has pairs");
    let response = "<Responses><Response id=\"1\"><Name>State</Name>\
        <bs:Extract path=\"$.payload.value\" pid=\"41\"/>\
        <bs:Extract path=\"$.timing.creation_timestamp\" pid=\"43\"/></Response></Responses>\n";
    format!("{}{response}{}", &element::SMALL[..start], &element::SMALL[end..])
}

fn messages() -> Vec<Bytes> {
    (0..DISTINCT).map(|index| state(LENGTH, index, index * 7 % 1_000).into()).collect()
}

fn engine(protocol: &Arc<Protocol>, ctx: &mut Context) -> Engine {
    let mut engine = Engine::new(Arc::clone(protocol), Options::default());
    if !protocol.scripts.is_empty() {
        let plan =
            Plan { protocol: Arc::clone(protocol), element: "bench".into(), limits: Limits::default() };
        engine.set_scripts(Box::new(Host::new(plan)));
    }
    engine.start(ctx, First::default());
    engine.link(ctx, ConnectionIx::FIRST, LinkChange::Ready, None);
    engine.effects().for_each(drop);
    engine
}

/// The same handler, called from Rust with each message.
fn bare(messages: &[Bytes]) -> f64 {
    let runtime = rquickjs::Runtime::new().expect("a runtime");
    let context = rquickjs::Context::full(&runtime).expect("a context");
    let value = Arc::new(AtomicU64::new(0));
    let kept = Arc::clone(&value);
    context.with(|ctx| {
        let set = rquickjs::Function::new(ctx.clone(), move |value: f64| {
            kept.store(value.to_bits(), Ordering::Relaxed)
        });
        ctx.globals().set("set", set.expect("a function")).expect("is set");
        let run: rquickjs::Function<'_> = ctx
            .eval("(text) => { const message = JSON.parse(text); set(message.payload.value); }")
            .expect("is read");
        let began = Instant::now();
        for message in messages.iter().cycle().take(MESSAGES) {
            let text = std::str::from_utf8(message).expect("a text");
            run.call::<_, ()>((text,)).expect("runs");
        }
        black_box(value.load(Ordering::Relaxed));
        wire::per_second(MESSAGES, began.elapsed())
    })
}

/// The engine with its script, or without one, no thread and no link.
fn in_engine(protocol: &Arc<Protocol>, messages: &[Bytes]) -> f64 {
    let mut ctx = Context::new(Instant::now(), Wall(0), 1);
    let mut engine = engine(protocol, &mut ctx);
    let began = Instant::now();
    for message in messages.iter().cycle().take(MESSAGES) {
        engine.message(&mut ctx, ConnectionIx::FIRST, MessageKind::Text, message.clone());
        engine.effects().for_each(drop);
    }
    let elapsed = began.elapsed();
    if let Some(counters) = engine.script_counters() {
        assert_eq!((counters.runs, counters.failures), (MESSAGES as u64, 0));
    }
    let value = engine.params().get(element::param(protocol, 41)).clone();
    let last = (MESSAGES - 1) % messages.len() * 7 % 1_000;
    assert_eq!(value, (last as f64).into(), "each message was taken");
    wire::per_second(MESSAGES, elapsed)
}

/// The same in a task that takes so many messages at a time, as a driver does: where the pool says, or always on a thread.
async fn lent(protocol: Arc<Protocol>, all: Vec<Bytes>, batch: usize, way: Way) -> f64 {
    let (pool, place) = (Pool::default(), Place::default());
    let mut ctx = Context::new(Instant::now(), Wall(0), 1);
    let mut engine = Box::new(engine(&protocol, &mut ctx));
    let mut pace = Pace::default();
    let began = Instant::now();
    for piece in all.chunks(batch) {
        let piece = piece.to_vec();
        let work = move || {
            for message in piece {
                engine.message(&mut ctx, ConnectionIx::FIRST, MessageKind::Text, message);
                engine.effects().for_each(drop);
            }
            (engine, ctx)
        };
        let known = match way {
            Way::Pool => pace,
            Way::Thread => Pace::default(),
        };
        ((engine, ctx), pace) = pool.run(known, &place, work).await.expect("it runs");
    }
    wire::per_second(all.len(), began.elapsed())
}

/// How a turn goes to its thread.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// As the pool decides: in place once the turns are known as short.
    Pool,
    /// As turns go that are not known as short.
    Thread,
}

/// Prints the speeds, the memory, and the cost of an endless script.
pub(crate) fn run() {
    let text = definition();
    let protocol = element::protocol(&text);
    memory(&protocol);
    let messages = messages();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let frames: Vec<u8> = messages.iter().flat_map(|message| wire::frame(0x81, message)).collect();
    let last = wire::frame(0x81, &state(LENGTH, 999, LAST));
    let stream = Stream { frames, copies: 300, last, extensions: None };
    let (mut bare_speed, mut engine_speed, mut hop) = (vec![], vec![], vec![]);
    let (mut one, mut many, mut link) = (vec![], vec![], vec![]);
    let (mut declared_speed, mut declared_link) = (vec![], vec![]);
    let declared_text = declared();
    let declared_protocol = element::protocol(&declared_text);
    let all: Vec<Bytes> = messages.iter().cycle().take(MESSAGES).cloned().collect();
    // In a task: the thread of `block_on` is no worker, and has nothing to hand to others.
    let in_task = |batch, way| {
        let lent = lent(Arc::clone(&protocol), all.clone(), batch, way);
        runtime.block_on(async { tokio::spawn(lent).await.expect("it ends") })
    };
    for _ in 0..ROUNDS {
        bare_speed.push(bare(&messages));
        engine_speed.push(in_engine(&protocol, &messages));
        declared_speed.push(in_engine(&declared_protocol, &messages));
        hop.push(in_task(1, Way::Thread));
        one.push(in_task(1, Way::Pool));
        many.push(in_task(BATCH, Way::Pool));
        let over_link =
            |text: &str| wire::per_second(stream.count(), runtime.block_on(through(stream.clone(), text)));
        link.push(over_link(&text));
        declared_link.push(over_link(&declared_text));
    }
    wire::compare("in the engine, no thread", "msg/s", &engine_speed, "bare rquickjs", &bare_speed, 0.4);
    wire::compare("a turn for each message", "msg/s", &one, "bare rquickjs", &bare_speed, 0.15);
    wire::compare("a thread for each message", "msg/s", &hop, "bare rquickjs", &bare_speed, 0.0);
    wire::compare("a turn for 64 messages", "msg/s", &many, "bare rquickjs", &bare_speed, 0.4);
    wire::compare("from a link, messages wait", "msg/s", &link, "bare rquickjs", &bare_speed, 0.4);
    wire::compare("declared, in the engine", "msg/s", &declared_speed, "the QAction", &engine_speed, 3.0);
    wire::compare("declared, from a link", "msg/s", &declared_link, "the QAction", &link, 3.0);
    for elements in [1, 8] {
        runtime.block_on(endless(elements));
    }
}

/// Resident memory of elements whose script has run.
fn memory(protocol: &Arc<Protocol>) {
    const ELEMENTS: usize = 1_000;
    let mut ctx = Context::new(Instant::now(), Wall(0), 1);
    let message = Bytes::from(state(LENGTH, 1, 1));
    let before = wire::resident_kib();
    let mut engines: Vec<Engine> = (0..ELEMENTS).map(|_| engine(protocol, &mut ctx)).collect();
    let idle = wire::resident_kib();
    for engine in &mut engines {
        engine.message(&mut ctx, ConnectionIx::FIRST, MessageKind::Text, message.clone());
        engine.effects().for_each(drop);
    }
    let after = wire::resident_kib();
    let each = |kib: u64| kib as f64 / ELEMENTS as f64;
    let verdict = if each(after - before) <= 224.0 { "met" } else { "NOT met" };
    println!(
        "{ELEMENTS} elements with a small script: {:.1} KiB each, {:.1} before it has run, target 224: {verdict}",
        each(after - before),
        each(idle - before)
    );
}

/// How long sets of an element without scripts take, alone and beside so many whose scripts, short ones before, never end by
/// themselves.
async fn endless(elements: usize) {
    let mut tasks = Tasks::new(&CancellationToken::new());
    let services = element::services(element::UNLIMITED, &mut tasks);
    let stop = CancellationToken::new();
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let plain = element::protocol(element::SMALL);
    let text = definition()
        .replace("protocol.SetParameter(41", "if (message.loop) for (;;) {}\nprotocol.SetParameter(41");
    let looping = element::protocol(&text);
    let mut start = |name: &str, protocol: &Arc<Protocol>| {
        let spec = element::spec(name, protocol, nowhere, "");
        driver::start(spec, services.clone(), &mut tasks, stop.clone())
    };
    let quiet = start("plain", &plain);
    let loud: Vec<_> = (0..elements).map(|index| start(&format!("loud-{index}"), &looping)).collect();
    let (value, message) = (element::param(&plain, 43), element::param(&looping, 50));
    let measure = async || {
        let mut times = Vec::new();
        for number in 0..2_000_u32 {
            let began = Instant::now();
            let set = NewValue::Scalar(f64::from(number).into());
            quiet.set(value, set, Duration::from_secs(10)).await.expect("is set");
            times.push(began.elapsed().as_secs_f64() * 1e3);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.sort_by(f64::total_cmp);
        (times[times.len() * 99 / 100], times[times.len() - 1])
    };
    let (alone, _) = measure().await;
    let limit = Duration::from_secs(600);
    for handle in &loud {
        let before = services.scripts.turns_in_place();
        for value in 0..1_000 {
            if services.scripts.turns_in_place() > before {
                break;
            }
            let short = format!("{{\"payload\":{{\"value\":{value}}}}}");
            handle.set(message, NewValue::Scalar(short.into()), limit).await.expect("is set");
        }
    }
    let before = services.scripts.turns_in_place();
    let noise: Vec<_> = loud
        .into_iter()
        .map(|loud| {
            let text = "{\"loop\":true,\"payload\":{\"value\":1}}";
            tokio::spawn(async move {
                while loud.set(message, NewValue::Scalar(text.into()), limit).await.is_ok() {}
            })
        })
        .collect();
    let (beside, longest) = measure().await;
    let in_place = services.scripts.turns_in_place() - before;
    // After the first one, each is known as slow.
    assert_eq!(in_place, elements as u64, "the first of each began in place");
    let verdict = if beside - alone < 10.0 { "met" } else { "NOT met" };
    println!(
        "p99 of a set without scripts: {alone:.2} ms, beside {elements} endless scripts, the first of each begun in place, {beside:.2} ms (longest {longest:.1}), target 10 ms more: {verdict}"
    );
    noise.iter().for_each(tokio::task::JoinHandle::abort);
    stop.cancel();
    tasks.stop(Duration::from_secs(5)).await;
}
