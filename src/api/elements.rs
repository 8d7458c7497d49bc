//! REST: health, elements, parameters and explained handshakes; each answer is what the element says at that moment.

use std::future::Future;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, Request, State};
use bytes::BytesMut;
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode, Uri, header};
use serde::de::DeserializeOwned;

use crate::api::problem::{Kind, Problem};
use crate::api::wire::from::Detail;
use crate::api::wire::{Element, Explained, Health, Param, Put, PutDone, Text, Value};
use crate::api::{BODY_TIMEOUT, ELEMENT_TIMEOUT, MAX_BODY_BYTES, Shared};
use crate::daemon::roster::{Entry, Phase, Roster};
use crate::element::handle::{Handle, NewValue, SetError};
use crate::element::status::ElementState;
use crate::language::model::connection::ConnectionKind;
use crate::language::model::id::{ConnectionIx, ParamIx};
use crate::language::model::{Access, Protocol};
use crate::language::schema;

/// The parts of a path, percent-decoded.
pub(super) struct Parts<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Parts<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut http::request::Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(found)) => Ok(Self(found)),
            Err(rejection) => Err(Problem::new(Kind::BadRequest, &parts.uri, rejection.body_text())),
        }
    }
}

pub(super) async fn healthz(State(shared): State<Shared>) -> Json<Health> {
    Json(health(&shared.roster.borrow(), "ok"))
}

pub(super) async fn readyz(State(shared): State<Shared>) -> (StatusCode, Json<Health>) {
    let roster = shared.roster.borrow().clone();
    let (code, status) = match roster.phase {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Phase::Ready => (StatusCode::OK, "ready"),
        Phase::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    (code, Json(health(&roster, status)))
}

fn health(roster: &Roster, status: &'static str) -> Health {
    Health {
        status: Text::Borrowed(status),
        version: Text::Borrowed(env!("CARGO_PKG_VERSION")),
        elements: roster.elements.len(),
        store: roster.store_problem.as_deref().unwrap_or("ok").to_owned(),
        store_set_aside: roster.store_set_aside.as_ref().map(|path| path.to_string_lossy().into_owned()),
    }
}

pub(super) async fn list(State(shared): State<Shared>) -> Json<Vec<Element>> {
    let roster = shared.roster.borrow().clone();
    let element = |(name, entry): (&Arc<str>, &Entry)| Element {
        store: roster.store_problem.clone(),
        ..Element::new(name, &entry.status(), Detail::List)
    };
    Json(roster.elements.iter().map(element).collect())
}

pub(super) async fn detail(
    State(shared): State<Shared>,
    Parts(name): Parts<String>,
    uri: Uri,
) -> Result<Json<Element>, Problem> {
    let (name, entry) = shared.entry(&name, &uri)?;
    let status = match &entry {
        // The published status is as old as the last change of state; the counters move all the time.
        Entry::Running(handle) => answer(async { Some(handle.fresh_status().await) }, &uri).await?,
        Entry::Down(status) => status.clone(),
    };
    let store = shared.roster.borrow().store_problem.clone();
    Ok(Json(Element { store, ..Element::new(&name, &status, Detail::Full) }))
}

pub(super) async fn params(
    State(shared): State<Shared>,
    Parts(name): Parts<String>,
    uri: Uri,
) -> Result<Json<Vec<Param>>, Problem> {
    let handle = shared.running(&name, &uri)?;
    let snapshot = answer(handle.snapshot(), &uri).await?;
    let protocol = handle.protocol();
    Ok(Json(snapshot.readings.iter().map(|reading| Param::new(protocol, reading)).collect()))
}

pub(super) async fn get_param(
    State(shared): State<Shared>,
    Parts((name, param)): Parts<(String, String)>,
    uri: Uri,
) -> Result<Json<Param>, Problem> {
    let handle = shared.running(&name, &uri)?;
    let access = access(&uri)?;
    let ix = handle
        .protocol()
        .find_param(&param, access)
        .ok_or_else(|| no_param(handle.protocol(), &param, &uri))?;
    let reading = answer(handle.get(ix), &uri).await?;
    Ok(Json(Param::new(handle.protocol(), &reading)))
}

pub(super) async fn put_param(
    State(shared): State<Shared>,
    Parts((name, param)): Parts<(String, String)>,
    request: Request,
) -> Result<Json<PutDone>, Problem> {
    let uri = request.uri().clone();
    let handle = shared.running(&name, &uri)?;
    let ix = handle
        .protocol()
        .find_param(&param, Access::Write)
        .ok_or_else(|| no_param(handle.protocol(), &param, &uri))?;
    let put: Put = body(request, &uri).await?;
    let value = fit(handle.protocol(), ix, put).map_err(|why| Problem::new(Kind::Unfit, &uri, why))?;
    match handle.set(ix, value, ELEMENT_TIMEOUT).await {
        Ok(done) => Ok(Json(PutDone { saved: done.not_saved.is_none(), reason: done.not_saved })),
        Err(error) => {
            let kind = match &error {
                SetError::Fixed(_) => Kind::Conflict,
                SetError::Unfit(_) => Kind::Unfit,
                SetError::NoRow(_) => Kind::NotFound,
                SetError::NotRunning => Kind::Unavailable,
                SetError::Timeout => Kind::Timeout,
            };
            Err(Problem::new(kind, &uri, error.to_string()))
        }
    }
}

pub(super) async fn explain(
    State(shared): State<Shared>,
    Parts((name, index)): Parts<(String, String)>,
    uri: Uri,
) -> Result<Json<Explained>, Problem> {
    let handle = shared.running(&name, &uri)?;
    let count = handle.protocol().connections.len();
    let ix =
        index.parse::<usize>().ok().filter(|index| *index < count).and_then(ConnectionIx::new).ok_or_else(
            || Problem::new(Kind::NotFound, &uri, format!("no connection `{index}`: `{name}` has {count}")),
        )?;
    let requests = answer(handle.explain_requests(ix), &uri).await?;
    let requests: Vec<_> = requests.into_iter().map(Into::into).collect();
    let has_link = handle.protocol().connection(ix).kind == ConnectionKind::WebSocket;
    let handshake = if has_link { Some(answer(handle.explain(ix), &uri).await?) } else { None };
    let (lines, reason) = match handshake {
        Some(Ok(lines)) => (lines.into_iter().map(Into::into).collect(), None),
        Some(Err(why)) if requests.is_empty() => return Err(Problem::new(Kind::Conflict, &uri, why)),
        Some(Err(why)) => (Vec::new(), Some(why)),
        None => (Vec::new(), None),
    };
    Ok(Json(Explained { lines, reason, requests }))
}

pub(super) async fn unknown(uri: Uri) -> Problem {
    Problem::new(Kind::NotFound, &uri, "no such page; the API is below /api/v1")
}

pub(super) async fn wrong_method(method: http::Method, uri: Uri) -> Problem {
    Problem::new(Kind::Method, &uri, format!("{method} is not known here"))
}

impl Shared {
    /// The entry of an element with its name.
    pub(super) fn entry(&self, name: &str, uri: &Uri) -> Result<(Arc<str>, Entry), Problem> {
        let roster = self.roster.borrow().clone();
        roster.elements.get_key_value(name).map(|(name, entry)| (name.clone(), entry.clone())).ok_or_else(
            || {
                let names = roster.elements.keys().map(AsRef::as_ref);
                Problem::new(Kind::NotFound, uri, format!("no element `{name}`{}", did_you_mean(name, names)))
            },
        )
    }

    /// The handle of an element that runs.
    pub(super) fn running(&self, name: &str, uri: &Uri) -> Result<Handle, Problem> {
        match self.entry(name, uri)?.1 {
            Entry::Running(handle) => Ok(handle),
            Entry::Down(status) => {
                let why = match &status.state {
                    ElementState::Invalid(reason) => format!("is invalid: {reason}"),
                    ElementState::Restarting { reason, .. } => format!("is restarting: {reason}"),
                    ElementState::Running => "is starting".to_owned(),
                    ElementState::Stopping => "is stopping".to_owned(),
                    ElementState::Stopped => "has stopped".to_owned(),
                };
                Err(Problem::new(Kind::Unavailable, uri, format!("element `{name}` {why}")))
            }
        }
    }
}

/// Waits for an element's answer, with an end.
async fn answer<T>(asked: impl Future<Output = Option<T>>, uri: &Uri) -> Result<T, Problem> {
    match tokio::time::timeout(ELEMENT_TIMEOUT, asked).await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(Problem::new(Kind::Unavailable, uri, SetError::NotRunning.to_string())),
        Err(_) => Err(Problem::new(Kind::Timeout, uri, "the element did not answer in time")),
    }
}

/// What `?access=write` asks for: to see the parameter that a PUT by this name would set.
fn access(uri: &Uri) -> Result<Access, Problem> {
    match uri.query() {
        None | Some("") | Some("access=read") => Ok(Access::Read),
        Some("access=write") => Ok(Access::Write),
        Some(_) => {
            Err(Problem::new(Kind::BadRequest, uri, "the only option is `access=read` or `access=write`"))
        }
    }
}

fn no_param(protocol: &Protocol, wanted: &str, uri: &Uri) -> Problem {
    let hint = did_you_mean(wanted, protocol.params.iter().map(|param| param.name.as_ref()));
    Problem::new(Kind::NotFound, uri, format!("no parameter `{wanted}` in `{}`{hint}", protocol.name))
}

/// `; did you mean ...?` for the nearest of some names, or nothing if none is near.
fn did_you_mean<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let meant = schema::did_you_mean(wanted, names);
    meant.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// Reads a JSON body: declared as such, whole, in time, and not too large.
async fn body<T: DeserializeOwned>(request: Request, uri: &Uri) -> Result<T, Problem> {
    if !is_json(request.headers()) {
        return Err(Problem::new(Kind::MediaType, uri, "send the body with Content-Type: application/json"));
    }
    let too_large = || Problem::new(Kind::TooLarge, uri, format!("at most {MAX_BODY_BYTES} bytes"));
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if declared
        .and_then(|length| length.parse::<u64>().ok())
        .is_some_and(|length| length > MAX_BODY_BYTES as u64)
    {
        return Err(too_large());
    }
    let bytes = match tokio::time::timeout(BODY_TIMEOUT, whole(request.into_body())).await {
        Ok(Ok(Some(bytes))) => bytes,
        Ok(Ok(None)) => return Err(too_large()),
        Ok(Err(_)) => return Err(Problem::new(Kind::BadRequest, uri, "the body ended too early")),
        Err(_) => return Err(Problem::new(Kind::Slow, uri, "the body did not arrive in time")),
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        let kind = if error.is_data() { Kind::Unfit } else { Kind::BadRequest };
        Problem::new(kind, uri, error.to_string())
    })
}

/// The whole body; `None` if it is too large.
async fn whole(body: axum::body::Body) -> Result<Option<BytesMut>, axum::Error> {
    let mut chunks = body.into_data_stream();
    let mut bytes = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if bytes.len() + chunk.len() > MAX_BODY_BYTES {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Turns a body into what an element takes; refuses what can never fit the kind of the parameter.
fn fit(protocol: &Protocol, ix: ParamIx, put: Put) -> Result<NewValue, String> {
    let param = protocol.param(ix);
    let is_table = matches!(put.value, Value::Table(_));
    let value = put.value.into_new().ok_or("a cell is never a table")?;
    match (value, put.row) {
        (NewValue::Scalar(value), Some(row)) if param.column.is_some() => Ok(NewValue::Cell(row, value)),
        (_, Some(_)) => Err(format!("`row` is for a column of a table; parameter {} is none", param.id)),
        (value, None) if is_table == param.table.is_some() => {
            if param.column.is_some() {
                return Err(format!("parameter {} is a column: say which `row`", param.id));
            }
            Ok(value)
        }
        (_, None) if is_table => Err(format!("parameter {} is no table", param.id)),
        (_, None) => Err(format!("parameter {} is a table: send {{\"rows\": [...]}}", param.id)),
    }
}
