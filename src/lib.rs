//! Backshell: a connector runtime driven by XML protocol definitions; this file only lists the modules.
//!
//! The order is the order of layers: a module uses only modules above it. See `docs/architecture.md`.

pub mod value;

pub mod tasks;

pub mod files;

pub mod language;

pub mod settings;

pub mod engine;

pub mod transport;

pub mod script;

pub mod store;

pub mod element;

pub mod daemon;

pub mod scenario;

pub mod api;

pub mod cli;
