//! Both ends of the wire: opening and accepting links, TLS, proxies, deflate and messages; decides nothing about when.

pub mod failure;

pub mod dial;

pub mod proxy;

pub mod tls;

pub mod handshake;

pub mod http;

pub mod accept;

pub mod deflate;

pub mod wire;

pub mod control;
