//! One running definition: the driver that is the only writer of its state, and the handle that everybody else has.
//!
//! The driver ([`driver`]) is one task. Others hold a [`handle::Handle`] and talk to it by bounded channels; what they see
//! of it is a [`status::Status`] (latest), a subscription to changes, or a tap of the wire. [`spec::Spec`] is all that an
//! element is started with.

pub mod clock;
pub mod driver;
pub mod explain;
pub mod gate;
pub mod handle;
pub mod queue;
pub mod spec;
pub mod status;
pub mod witness;
