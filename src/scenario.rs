//! Simulated peers: what stands in for a device in the demo and in tests; knows nothing of elements.

pub mod is07;
