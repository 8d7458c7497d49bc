//! What a running element decides, as inputs in and effects out; pure: no task, no clock, no file, no log.

pub mod param;

pub mod target;

pub mod codec;

pub mod link;

pub mod session;

pub mod logic;
