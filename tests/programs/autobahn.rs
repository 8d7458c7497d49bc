//! Runs the client cases of a running Autobahn fuzzing server through our transport; prints the counts.
//!
//! `cargo run --release --example autobahn -- ws://127.0.0.1:9001 AGENT [FIRST-LAST]`
//!
//! The suite calls groups of section 13 *unimplemented* for an offer that does not fit them, so there are two runs with
//! one offer each (agents `AGENT-any` and `AGENT-windows`); a case counts with the better of the two, and a failure in
//! either is a failure. Exit code 1 if any case fails.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the counts are the output")]
#![allow(clippy::disallowed_methods, reason = "a program of its own, outside the runtime's rules on tasks")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use backshell::engine::target::Target;
use backshell::engine::target::request::{Header, Provenance, Request};
use backshell::transport::dial::{self, Environment, Plan};
use backshell::transport::wire::{Closed, Event, Inbox, Kind, Limits, Outbox, Role, Setup};
use backshell::transport::{proxy, tls};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The agents' suffixes and what they offer.
const RUNS: [(&str, &str); 2] = [
    ("any", "permessage-deflate; client_max_window_bits"),
    ("windows", "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15"),
];

/// The suite's largest message is 16 MiB.
const LIMITS: Limits = Limits {
    max_message_bytes: 16 << 20,
    send_queue: 1024,
    receive_queue: 64,
    pause: Duration::from_secs(60),
};

/// A dial on this machine takes no time; a server that is busy with a report may.
const DIAL: Duration = Duration::from_secs(60);

/// No case of the suite takes this long.
const LONGEST_CASE: Duration = Duration::from_secs(180);

/// What the suite says of a case, worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Ok,
    NonStrict,
    Informational,
    Unimplemented,
    Failed,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(url), Some(agent)) = (arguments.first(), arguments.get(1)) else {
        eprintln!("usage: autobahn ws://HOST:PORT AGENT [FIRST-LAST]");
        return ExitCode::from(2);
    };
    match run_all(url, agent, arguments.get(2).map(String::as_str)).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Returns how many cases failed.
async fn run_all(url: &str, agent: &str, range: Option<&str>) -> Result<usize, Failure> {
    let url = url.trim_end_matches('/');
    let count: usize = ask(url, "/getCaseCount").await?.parse()?;
    let (first, last) = match range.and_then(|range| range.split_once('-')) {
        Some((first, last)) => (first.parse()?, last.parse()?),
        None => (1, count),
    };
    let mut best: BTreeMap<usize, (String, Verdict)> = BTreeMap::new();
    let mut failed = 0;
    for (suffix, offer) in RUNS {
        let name = format!("{agent}-{suffix}");
        let mut verdicts = Vec::new();
        for case in first..=last {
            if let Err(error) = run_case(url, case, &name, offer).await {
                println!("{name} case {case}: {error}");
            }
            let id = field(&ask(url, &format!("/getCaseInfo?case={case}")).await?, "id")?;
            let behavior =
                field(&ask(url, &format!("/getCaseStatus?case={case}&agent={name}")).await?, "behavior")?;
            let verdict = Verdict::read(&behavior);
            if verdict == Verdict::Failed {
                failed += 1;
                println!("{name} case {id}: {behavior}");
            }
            verdicts.push(verdict);
            let entry = best.entry(case).or_insert((id, verdict));
            entry.1 = if verdict == Verdict::Failed { verdict } else { entry.1.min(verdict) };
        }
        println!("{name} ({offer}): {}", summary(&verdicts));
        ask(url, &format!("/updateReports?agent={name}")).await?;
    }
    let verdicts: Vec<Verdict> = best.values().map(|(_, verdict)| *verdict).collect();
    for (id, verdict) in best.values() {
        if !matches!(verdict, Verdict::Ok | Verdict::Failed) {
            println!("case {id}: {}", verdict.name());
        }
    }
    println!("over both offers: {}", summary(&verdicts));
    Ok(failed)
}

impl Verdict {
    fn read(behavior: &str) -> Self {
        match behavior {
            "OK" => Self::Ok,
            "NON-STRICT" => Self::NonStrict,
            "INFORMATIONAL" => Self::Informational,
            "UNIMPLEMENTED" => Self::Unimplemented,
            _ => Self::Failed,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::NonStrict => "non-strict",
            Self::Informational => "informational",
            Self::Unimplemented => "unimplemented",
            Self::Failed => "failed",
        }
    }
}

fn summary(verdicts: &[Verdict]) -> String {
    let all =
        [Verdict::Ok, Verdict::NonStrict, Verdict::Informational, Verdict::Failed, Verdict::Unimplemented];
    let count = |verdict: Verdict| verdicts.iter().filter(|other| **other == verdict).count();
    let parts: Vec<String> =
        all.iter().map(|verdict| format!("{} {}", count(*verdict), verdict.name())).collect();
    format!("{} cases: {}", verdicts.len(), parts.join(", "))
}

/// A string field of a small JSON object.
fn field(json: &str, name: &str) -> Result<String, Failure> {
    let value: serde_json::Value = serde_json::from_str(json)?;
    Ok(value.get(name).and_then(|value| value.as_str()).ok_or("field is missing")?.to_owned())
}

/// Echoes until the suite ends the connection.
async fn run_case(url: &str, case: usize, agent: &str, offer: &str) -> Result<Closed, Failure> {
    let (mut inbox, mut outbox, task) =
        open(url, &format!("/runCase?case={case}&agent={agent}"), Some(offer)).await?;
    let echo = async {
        let mut events = Vec::new();
        while inbox.recv_many(&mut events).await > 0 {
            for event in events.drain(..) {
                let mut message = match event {
                    Event::Message(message) => message,
                    Event::Closed(closed) => return Ok(*closed),
                };
                while let Err(error) = outbox.try_send(message) {
                    message = error.into_message();
                    outbox.room(message.data().len()).await;
                    if outbox.is_over() {
                        break;
                    }
                }
            }
        }
        Err(Failure::from("the link ended without saying so"))
    };
    let closed = tokio::time::timeout(LONGEST_CASE, echo).await??;
    task.await?;
    Ok(closed)
}

/// The first message of a connection that only asks.
async fn ask(url: &str, path: &str) -> Result<String, Failure> {
    let (mut inbox, _outbox, task) = open(url, path, None).await?;
    let mut answer = String::new();
    let mut events = Vec::new();
    while tokio::time::timeout(LONGEST_CASE, inbox.recv_many(&mut events)).await? > 0 {
        for event in events.drain(..) {
            match event {
                Event::Message(message) if message.kind() == Kind::Text => {
                    answer = String::from_utf8(message.data().to_vec())?;
                }
                Event::Message(_) | Event::Closed(_) => {}
            }
        }
    }
    task.await?;
    Ok(answer)
}

/// Dials as an element does, and starts the link.
async fn open(
    url: &str,
    path: &str,
    offer: Option<&str>,
) -> Result<(Inbox, Outbox, tokio::task::JoinHandle<Closed>), Failure> {
    let offer = offer.map(|offer| Header::new("Sec-WebSocket-Extensions", offer, Provenance::Literal));
    let target = Target::parse(&format!("{url}{path}"))?;
    let plan = Plan {
        request: Request::new(target, offer.into_iter().collect(), rand::random())?,
        timeout: DIAL,
        tls: tls::Settings::default(),
        proxy: proxy::Choice::Direct,
    };
    let opened = dial::open(plan, &Environment::of_process()).await?;
    let setup = Setup {
        leftover: opened.leftover,
        deflate: opened.deflate,
        limits: LIMITS,
        ..Setup::new(opened.io, Role::Client)
    };
    let (inbox, outbox, link) = setup.open();
    Ok((inbox, outbox, tokio::spawn(link.run(CancellationToken::new()))))
}
