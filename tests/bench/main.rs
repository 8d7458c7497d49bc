//! Benchmarks, each beside its rival in the same run; see `docs/performance.md`.
//!
//! `cargo bench -- NAME...` runs those named, `cargo bench` all.
#![allow(clippy::disallowed_methods, reason = "benchmarks read the clock and own their tasks themselves")]
#![allow(clippy::print_stdout, reason = "the figures are the output")]

mod check;
mod codec;
mod element;
mod elements;
mod engine;
mod http;
mod moves;
mod peer;
mod receive;
mod rows;
mod script;
mod storm;
mod wire;

const BENCHES: [(&str, fn()); 15] = [
    ("check", check::run),
    ("codec", codec::run),
    ("rows", rows::run),
    ("engine", engine::run),
    ("wire", wire::receive),
    ("idle", wire::idle),
    ("receive", receive::plain),
    ("deflate", receive::deflated),
    ("script", script::run),
    ("elements", elements::run),
    ("moves", moves::run),
    ("storm", storm::run),
    ("hammer", storm::hammer),
    ("http", http::rate),
    ("polls", http::polls),
];

fn main() {
    if peer::is_peer() {
        return;
    }
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    for (name, run) in BENCHES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            // A child that measures one kind prints below its parent's heading.
            if !elements::is_child() {
                println!("== {name}");
            }
            run();
        }
    }
}
