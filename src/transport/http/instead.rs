//! Lets something else than the network answer requests, as tests in virtual time need it; answers none itself.

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;

use crate::transport::failure::{FailureKind, Trouble};

/// Stands in for all peers and the network between.
pub trait Respond: Send + Sync + fmt::Debug {
    /// Answers a request whose URI is absolute; dropping the future gives it up.
    fn respond(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, Unanswered>>;
}

/// There is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// Whether the peer may have had the request.
    pub written: bool,
    /// Why there is none.
    pub why: String,
}

/// Sends a request to whoever stands in; on failure, also whether anything was written.
pub(super) async fn send(
    peer: &dyn Respond,
    built: reqwest::RequestBuilder,
) -> Result<reqwest::Response, (Trouble, bool)> {
    let refuse = |why: String| (Trouble::new(FailureKind::Request, why, "correct the request"), false);
    let request = built.build().map_err(|error| refuse(error.to_string()))?;
    let request: http::Request<reqwest::Body> =
        request.try_into().map_err(|error: reqwest::Error| refuse(error.to_string()))?;
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|error| refuse(error.to_string()))?.to_bytes();
    match peer.respond(http::Request::from_parts(head, body)).await {
        Ok(response) => Ok(response.into()),
        Err(Unanswered { written, why }) => {
            let kind = if written { FailureKind::Closed } else { FailureKind::ConnectionRefused };
            Err((Trouble::new(kind, why, "see what the peer does"), written))
        }
    }
}
