//! The set of elements of one process: what to keep, move and restart, and when.

pub mod roster;

pub mod plan;

pub mod watch;

pub mod assemble;

pub mod fleet;
