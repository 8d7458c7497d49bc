//! Errors as `application/problem+json` (RFC 9457); decides no status by itself.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::api::wire;

/// What kinds of problem there are; each has one status, one title and one `type` URN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The request itself is wrong: bad escapes, a body that is no JSON.
    BadRequest,
    /// `Host` or `Origin` are not ours.
    Forbidden,
    /// No such page, element, parameter or connection.
    NotFound,
    /// The page does not know the method.
    Method,
    /// The body took too long.
    Slow,
    /// The parameter is fixed, or there is nothing to explain yet.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// The body is not declared as JSON.
    MediaType,
    /// The value does not fit.
    Unfit,
    /// A WebSocket handshake was expected.
    UpgradeRequired,
    /// The element does not run, or all sockets are taken.
    Unavailable,
    /// The element did not answer in time.
    Timeout,
}

impl Kind {
    fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unfit => StatusCode::UNPROCESSABLE_ENTITY,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::Method => "method-not-allowed",
            Self::Slow => "slow-body",
            Self::Conflict => "conflict",
            Self::TooLarge => "too-large",
            Self::MediaType => "unsupported-media-type",
            Self::Unfit => "unfit-value",
            Self::UpgradeRequired => "upgrade-required",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "The request cannot be understood",
            Self::Forbidden => "Only this machine may use this API",
            Self::NotFound => "Not found",
            Self::Method => "The method is not allowed here",
            Self::Slow => "The body took too long",
            Self::Conflict => "Not possible in the present state",
            Self::TooLarge => "The body is too large",
            Self::MediaType => "The body must be application/json",
            Self::Unfit => "The value does not fit",
            Self::UpgradeRequired => "A WebSocket handshake is needed",
            Self::Unavailable => "Not available now",
            Self::Timeout => "No answer in time",
        }
    }
}

/// A refused request.
#[derive(Debug)]
pub(super) struct Problem {
    kind: Kind,
    detail: String,
    instance: String,
}

impl Problem {
    /// A problem of a request for `instance`, a path; `detail` tells this case apart and holds no secret.
    pub(super) fn new(kind: Kind, instance: &http::Uri, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), instance: instance.path().to_owned() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = wire::Problem {
            kind: format!("urn:backshell:problem:{}", self.kind.name()),
            title: self.kind.title().to_owned(),
            status: self.kind.status().as_u16(),
            detail: self.detail,
            instance: self.instance,
        };
        let mut response = (self.kind.status(), axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.kind {
            Kind::UpgradeRequired => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Kind::Unavailable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            // The rest of the body is not read, so the connection cannot be used again.
            Kind::Slow | Kind::TooLarge => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Kind::BadRequest
            | Kind::Forbidden
            | Kind::NotFound
            | Kind::Method
            | Kind::Conflict
            | Kind::MediaType
            | Kind::Unfit
            | Kind::Timeout => {}
        }
        response
    }
}
