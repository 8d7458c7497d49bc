//! Whether a peer asks for a client certificate during a handshake, which rustls does not tell; chooses none.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// Whether a peer asked for a client certificate, and what it got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// It did not ask, or it knew us from an earlier connection.
    #[default]
    No,
    /// It asked and got none, because none is set.
    GotNone,
    /// It asked and got ours.
    GotOurs,
}

thread_local! {
    // Set and read within one poll, in which no other task can run on this thread.
    static ASKED: Cell<Asked> = const { Cell::new(Asked::No) };
}

/// Notes that it was asked and leaves the answer to another; shared by all connections of a configuration.
#[derive(Debug)]
pub(super) struct Noting(pub(super) Arc<dyn ResolvesClientCert>);

impl ResolvesClientCert for Noting {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let found = self.0.resolve(root_hint_subjects, sigschemes);
        ASKED.set(if found.is_some() { Asked::GotOurs } else { Asked::GotNone });
        found
    }

    fn only_raw_public_keys(&self) -> bool {
        self.0.only_raw_public_keys()
    }

    fn has_certs(&self) -> bool {
        self.0.has_certs()
    }
}

/// Runs a handshake and says whether [`Noting`] was asked in it.
///
/// # Cancel safety
///
/// That of the handshake.
pub(super) async fn noting<T>(handshake: impl Future<Output = T>) -> (T, Asked) {
    let mut handshake = pin!(handshake);
    let mut asked = Asked::No;
    let result = std::future::poll_fn(|cx| {
        ASKED.set(asked);
        let polled = handshake.as_mut().poll(cx);
        asked = ASKED.replace(Asked::No);
        polled
    })
    .await;
    (result, asked)
}
