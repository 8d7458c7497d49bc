//! Benchmarks, each beside its rival in the same run; see `docs/performance.md`.
//!
//! `cargo bench -- NAME...` runs those named, `cargo bench` all.
#![allow(clippy::disallowed_methods, reason = "benchmarks read the clock and own their tasks themselves")]
#![allow(clippy::print_stdout, reason = "the figures are the output")]

mod check;
mod codec;
mod wire;

fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let benches: [(&str, fn()); 4] =
        [("check", check::run), ("codec", codec::run), ("wire", wire::receive), ("idle", wire::idle)];
    for (name, run) in benches {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            println!("== {name}");
            run();
        }
    }
}
