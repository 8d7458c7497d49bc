//! All integration tests in one binary; each module is a topic.
#![allow(clippy::disallowed_methods, reason = "tests are outside the runtime's rules on tasks and clocks")]

mod check;
mod conformance;
mod daemon;
mod demo;
mod eval;
mod generated;
mod interop;
mod model;
mod new;
mod program;
mod promises;
mod running;
mod scenarios;
mod settings;
mod shipped;
mod tidy;
mod web;
