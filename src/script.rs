//! Scripts (`QAction`) in a sandboxed JavaScript engine, one for each element; the only user of rquickjs and scoped-tls-hkt.
//!
//! ```text
//!   definition ──load──> texts of the files, diagnostics        element's driver ──pool──> a thread for a turn
//!                                                                                            │
//!   engine: a script is due ──> Host ──> function of the script ──> protocol.SetParameter ──> engine: all that it causes
//! ```
//!
//! A script sees `protocol` and the language, and nothing else: no file, no network, no clock finer than a millisecond.

mod allowance;
mod clock;
pub mod declaration;
mod failure;
mod fills;
pub mod host;
mod lent;
pub mod load;
mod log;
pub mod lost;
mod machine;
pub mod methods;
mod names;
mod numbered;
mod parameters;
pub mod pool;
mod source;
mod tables;
#[cfg(test)]
mod tests;
mod values;
