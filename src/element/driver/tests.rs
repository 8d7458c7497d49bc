//! The driver over in-memory pipes: a peer written here, virtual time.
