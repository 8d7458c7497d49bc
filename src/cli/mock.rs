//! `backshell mock`: the peers of a scenario on real ports, for trying a definition without its device.

mod tell;

use std::io::{self, BufRead as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::tell::Teller;
use super::render::printable;
use super::{Status, complain, test};
use crate::element::clock::Clock;
use crate::scenario::file::{self, FAULTS, Fault, Head, Rule, Then, When};
use crate::scenario::peer::{self, Order, Peer};
use crate::scenario::secure;
use crate::tasks::{self, Tasks};
use crate::transport::tls::server;
use crate::transport::wire::frame;

/// What the peers have got is told this often.
const LOOK: Duration = Duration::from_millis(50);

/// How long peers have to end.
const GRACE: Duration = Duration::from_secs(2);

/// What can be typed.
const ORDERS: &str = "\
type an order for all peers, or one after its number, such as `1 drop`:
  send TEXT        a message on each open link
  close [CODE]     close each open link, with 1000 if no code is given
  drop             drop each open link without a close frame
  fault NAME       let each open link go wrong: reset, half-open, huge-frame
  away, back       be silent, and take no connections; be there again
  quit";

/// What `mock` is given.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 after `quit` or Ctrl-C, 1 if a port cannot be had, 2 for a wrong command line."
)]
pub(super) struct Arguments {
    /// The scenario file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// IP address and port of the first peer, such as 127.0.0.1:9080; port 0 is a free one, as the other peers get
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Speak TLS, with a certificate and its key, both in PEM files: the peers are wss:// and https:// then
    #[arg(long, action = clap::ArgAction::Set, num_args = 2, value_names = ["CERTIFICATE", "KEY"])]
    tls: Option<Vec<PathBuf>>,

    /// Let everything go wrong, whatever the scenario says
    #[arg(long, value_name = "FAULT", value_parser = fault)]
    fault: Option<Fault>,
}

fn fault(name: &str) -> Result<Fault, String> {
    FAULTS.into_iter().find(|fault| fault.name() == name).ok_or_else(|| {
        let names: Vec<&str> = FAULTS.iter().map(|fault| fault.name()).collect();
        format!("the faults are {}", names.join(", "))
    })
}

pub(super) fn run(arguments: &Arguments) -> io::Result<Status> {
    let shown = printable(&arguments.file.to_string_lossy());
    let mut scenario = match test::read(&arguments.file).and_then(|source| file::parse(&source)) {
        Ok(scenario) => scenario,
        Err(problem) => {
            let lines: Vec<String> = problem.message.lines().map(printable).collect();
            complain(&format!("{shown}{}: {}", problem.place(), lines.join("\n  ")));
            return Ok(Status::Bad);
        }
    };
    if scenario.peers.is_empty() {
        complain(&format!("{shown} has no [[peer]]"));
        return Ok(Status::Bad);
    }
    if let Some(fault) = arguments.fault {
        for peer in &mut scenario.peers {
            peer.rules.splice(0..0, all_wrong(fault));
        }
    }
    let tls = match arguments.tls.as_deref() {
        Some([certificate, key]) => match server::server(certificate, key) {
            Ok(config) => Some(config),
            Err(error) => {
                complain(&printable(&error.to_string()));
                return Ok(Status::Bad);
            }
        },
        Some(_) | None => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(mock(arguments, scenario, tls));
    // Whoever waits for a line of standard input is left behind.
    runtime.shutdown_background();
    result
}

/// Rules that make each handshake, message or request go wrong, as far as it can.
fn all_wrong(fault: Fault) -> Vec<Rule> {
    let any = Value::from("{any}");
    let whens = [
        (fault.is_of_handshakes(), When::Handshake(Head::default())),
        (fault.is_of_messages(), When::Message(any)),
        (fault.is_of_requests(), When::Request(Head::default(), None)),
    ];
    let wrong = whens.into_iter().filter(|(fits, _)| *fits);
    wrong
        .map(|(_, when)| Rule {
            line: None,
            when,
            times: None,
            after: Duration::ZERO,
            then: Then { fault: Some(fault), ..Then::default() },
        })
        .collect()
}

async fn mock(
    arguments: &Arguments,
    scenario: file::File,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> io::Result<Status> {
    let clock = Clock::start();
    let mut running = Tasks::new(&CancellationToken::new());
    let mut peers = Vec::new();
    let mut out = anstream::stdout();
    for (number, described) in scenario.peers.into_iter().enumerate() {
        let mut address = arguments.listen;
        if number > 0 {
            address.set_port(0);
        }
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => {
                complain(&format!("cannot listen on {address}: {error}"));
                return Ok(Status::Bad);
            }
        };
        let address = listener.local_addr()?;
        let host = described
            .host
            .as_deref()
            .map(|host| format!(" in place of {}", printable(host)))
            .unwrap_or_default();
        let s = if tls.is_some() { "s" } else { "" };
        writeln!(out, "peer {number}{host}: ws{s}://{address} and http{s}://{address}")?;
        let peer = Arc::new(Peer::new(described, clock.clone()));
        let serving = Arc::clone(&peer);
        let name = format!("peer {number}");
        match tls.clone() {
            Some(config) => {
                let listener = secure::Listener::new(listener, config);
                running.spawn(name, |stop| peer::run(listener, serving, stop))
            }
            None => running.spawn(name, |stop| peer::run(listener, serving, stop)),
        };
        peers.push(peer);
    }
    writeln!(out, "{ORDERS}")?;
    let mut lines = typed(&mut running);
    let mut tellers: Vec<Teller> = (0..peers.len()).map(Teller::new).collect();
    loop {
        tokio::select! {
            biased;
            signal = tokio::signal::ctrl_c() => { // Cancel-safe per its docs.
                signal?;
                break;
            }
            Some(line) = lines.recv() => { // Cancel-safe per its docs.
                match follow(line.trim(), &peers) {
                    Followed::Quit => break,
                    Followed::Said(text) => writeln!(out, "{text}")?,
                    Followed::Nothing => {}
                }
            }
            () = tokio::time::sleep(LOOK) => {} // Cancel-safe: no state.
        }
        for (peer, teller) in peers.iter().zip(&mut tellers) {
            for line in peer.read(|log| teller.news(Instant::now(), log)) {
                writeln!(out, "{line}")?;
            }
        }
    }
    running.stop(GRACE).await;
    Ok(Status::Good)
}

/// The lines of standard input; its end ends nothing, so that it can be run without one.
fn typed(running: &mut Tasks) -> mpsc::Receiver<String> {
    let (typed, lines) = mpsc::channel(16);
    let read = move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if typed.blocking_send(line).is_err() {
                return;
            }
        }
    };
    running.spawn("standard input", |stop| async move {
        tokio::select! {
            () = stop.cancelled() => {} // Cancel-safe: no state.
            _ended = tasks::blocking(read) => {} // Never polled again.
        }
    });
    lines
}

enum Followed {
    Quit,
    Said(String),
    Nothing,
}

/// Follows an order.
fn follow(line: &str, peers: &[Arc<Peer>]) -> Followed {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (whom, line) = match first.parse::<usize>() {
        Ok(number) => match peers.get(number) {
            Some(peer) => (std::slice::from_ref(peer), rest.trim()),
            None => return Followed::Said(format!("there is no peer {number}")),
        },
        Err(_) => (peers, line),
    };
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let order = match word {
        "" => return Followed::Nothing,
        "quit" => return Followed::Quit,
        "away" | "back" => {
            whom.iter().for_each(|peer| peer.set_reachable(word == "back"));
            return Followed::Nothing;
        }
        "send" => Order::Send(vec![Value::from(rest)]),
        "drop" => Order::Drop,
        "close" if rest.is_empty() => Order::Close(1000),
        "close" => match rest.parse() {
            Ok(code) if frame::may_be_sent(code) => Order::Close(code),
            Ok(_) | Err(_) => return Followed::Said(format!("`{rest}` is no close code")),
        },
        "fault" => match fault(rest) {
            Ok(fault) if fault.is_of_messages() => Order::Fault(fault),
            Ok(_) => {
                return Followed::Said(format!("`{rest}` happens to handshakes or requests: use --fault"));
            }
            Err(names) => return Followed::Said(names),
        },
        _ => return Followed::Said(ORDERS.to_owned()),
    };
    let links: u64 = whom.iter().map(|peer| peer.order(order.clone())).sum();
    match links {
        0 => Followed::Said("no link is open".into()),
        _ => Followed::Nothing,
    }
}
