//! The requests that HTTP sessions would send over a connection, part by part with where each comes from; sends nothing.

use bytes::Bytes;

use super::name_of;
use crate::element::handle::{ExplainedLine, ExplainedRequest};
use crate::engine::codec::command::Options;
use crate::engine::codec::handshake::Address;
use crate::engine::codec::http::{self, Order};
use crate::engine::codec::mask::{Ends, Mask};
use crate::engine::param::Params;
use crate::engine::target::exchange::{Content, HttpRequest};
use crate::engine::target::request::Provenance;
use crate::language::model::Protocol;
use crate::language::model::connection::{Body, Connection, Exchange, Session, Source};
use crate::language::model::id::{ConnectionIx, ParamIx, SessionIx};
use crate::language::model::logic::{Group, GroupRun};
use crate::value::Context;

/// How much of a body is shown, in bytes.
const SHOWN: usize = 4096;

/// What every exchange that a group asks for over a connection would send now, in the order of the sessions; secrets are masked.
///
/// `connectionPID` chooses as it stands now; what `RedundantPolling` may turn to stands at both connections.
pub fn requests(
    ctx: &mut Context,
    params: &Params,
    options: &Options,
    connection: ConnectionIx,
    address: Address<'_>,
) -> Vec<ExplainedRequest> {
    let protocol = params.protocol().clone();
    let described = protocol.connection(connection);
    let mask = Mask::of(params);
    let mut explained = Vec::new();
    for Asked { session, position, instead_of } in asked(params, connection) {
        let session = protocol.session(session);
        let Some(exchange) = session.exchanges.get(position) else { continue };
        let max_bytes = described.limits.max_message_bytes;
        let order = Order { connection: described, session, exchange, address, max_bytes };
        let lines = match http::request(ctx, params, options, order) {
            Ok(request) => {
                let from = From { params, connection: described, session, exchange };
                Ok(from.lines(&request).into_iter().map(|line| masked(&mask, line)).collect())
            }
            Err(fault) => Err(shown(&mask, fault.to_string().as_bytes())),
        };
        let name = if session.name.is_empty() { String::new() } else { format!(" \"{}\"", session.name) };
        let instead = instead_of
            .map(|first| format!(", while connection {} gets no answer", first.index()))
            .unwrap_or_default();
        let title = format!("session {}{name}, request {}{instead}", session.id, position + 1);
        explained.push(ExplainedRequest { title, lines });
    }
    explained
}

/// One exchange that a group asks for over a connection.
struct Asked {
    session: SessionIx,
    position: usize,
    /// `RedundantPolling`: the connection that goes first.
    instead_of: Option<ConnectionIx>,
}

/// The exchanges that groups ask for over a connection, ours among them; each once.
fn asked(params: &Params, connection: ConnectionIx) -> Vec<Asked> {
    let protocol = params.protocol();
    let mut asked = Vec::new();
    for group in &protocol.groups {
        let first = connection_of(params, group);
        let instead_of = if first == connection {
            None
        } else if second_of(protocol, first) == Some(connection) {
            Some(first)
        } else {
            continue;
        };
        for item in &group.content {
            let (session, positions) = match item.run {
                GroupRun::Session { session, exchange: Some(only) } => {
                    (session, usize::from(only)..usize::from(only) + 1)
                }
                GroupRun::Session { session, exchange: None } => {
                    (session, 0..protocol.session(session).exchanges.len())
                }
                GroupRun::Param(_) | GroupRun::Action(_) | GroupRun::Trigger(_) | GroupRun::Pair(_) => {
                    continue;
                }
            };
            asked.extend(positions.map(|position| Asked { session, position, instead_of }));
        }
    }
    let key =
        |asked: &Asked| (asked.session.index(), asked.position, asked.instead_of.map(ConnectionIx::index));
    asked.sort_by_key(key);
    asked.dedup_by_key(|asked| key(asked));
    asked
}

/// The connection that a group runs on now: that of `connectionPID`, if it holds the number of one.
fn connection_of(params: &Params, group: &Group) -> ConnectionIx {
    let number = group.connection_param.and_then(|param| params.get(param).as_number());
    let named = number.and_then(|number| {
        let mut all = params.protocol().connections.iter().map(|connection| connection.index);
        all.find(|ix| u32::try_from(ix.index()).is_ok_and(|index| f64::from(index) == number))
    });
    named.unwrap_or(group.connection)
}

/// The connection that `RedundantPolling` turns to.
fn second_of(protocol: &Protocol, first: ConnectionIx) -> Option<ConnectionIx> {
    let described = protocol.connection(first);
    let mut others = protocol.connections.iter().filter(|_| described.redundant_polling);
    others.find(|other| other.index != first && other.kind == described.kind).map(|other| other.index)
}

fn shown(mask: &Mask, bytes: &[u8]) -> String {
    String::from_utf8_lossy(&mask.shown(bytes, usize::MAX, Ends::Whole)).into_owned()
}

fn masked(mask: &Mask, line: ExplainedLine) -> ExplainedLine {
    ExplainedLine { line: shown(mask, line.line.as_bytes()), ..line }
}

/// Where the parts of one request come from.
struct From<'a> {
    params: &'a Params,
    connection: &'a Connection,
    session: &'a Session,
    exchange: &'a Exchange,
}

impl From<'_> {
    fn lines(&self, request: &HttpRequest) -> Vec<ExplainedLine> {
        let target = request.target();
        let place = format!("connect to {} ({})", target.authority(), target.scheme().http_name());
        let mut lines = vec![ExplainedLine { line: place, from: self.address() }];
        for (at, (line, from)) in request.shown_lines().into_iter().enumerate() {
            // The first one is the verb and the path.
            let from = if at == 0 { self.path() } else { self.provenance(from) };
            lines.push(ExplainedLine { line, from });
        }
        if request.login().is_some() && !request.has_header("authorization") {
            let from = match &self.session.credentials {
                Some(login) => self.sources([&login.user, &login.password].into_iter()),
                None => self.address(),
            };
            lines.push(ExplainedLine { line: "Authorization: ***".to_owned(), from });
        }
        lines.extend(self.body(request.content()));
        lines
    }

    /// Where host and port come from.
    fn address(&self) -> String {
        let url = match &self.exchange.url {
            Source::Literal(text) => text.to_string(),
            Source::Param(param) => self.params.get(*param).to_text().to_string(),
        };
        if url.split(['?', '#']).next().is_some_and(|start| start.contains("://")) {
            return self.sources(std::iter::once(&self.exchange.url));
        }
        self.provenance(Provenance::Settings)
    }

    /// Where path and query come from.
    fn path(&self) -> String {
        let mut sources = vec![&self.exchange.url];
        let in_query = [::http::Method::GET, ::http::Method::HEAD].contains(&self.exchange.verb);
        let mut of_template = Vec::new();
        if in_query && self.exchange.parameters.is_empty() {
            match &self.exchange.data {
                Some(Body::Plain(source)) => sources.push(source),
                Some(Body::Template(template)) => of_template.extend(template.params.iter().copied()),
                None => {}
            }
        } else if in_query {
            sources.extend(self.exchange.parameters.iter().map(|field| &field.value));
        }
        self.named(sources.into_iter().filter_map(param_of).chain(of_template))
    }

    fn body(&self, content: &Content) -> Vec<ExplainedLine> {
        match content {
            Content::None => Vec::new(),
            Content::Form(parts) => {
                let fields = self.exchange.parameters.iter().zip(parts);
                fields
                    .flat_map(|(field, part)| {
                        let from = self.sources(std::iter::once(&field.value));
                        let head = ExplainedLine { line: part.to_string(), from: "definition".to_owned() };
                        [head, ExplainedLine { line: text(part.content.expose()), from }]
                    })
                    .collect()
            }
            Content::Bytes(bytes) => {
                let from = match (&self.exchange.data, self.exchange.parameters.is_empty()) {
                    (_, false) => self.sources(self.exchange.parameters.iter().map(|field| &field.value)),
                    (Some(Body::Plain(source)), true) => self.sources(std::iter::once(source)),
                    (Some(Body::Template(template)), true) => self.named(template.params.iter().copied()),
                    (None, true) => String::new(),
                };
                vec![ExplainedLine { line: text(bytes.expose()), from }]
            }
        }
    }

    fn provenance(&self, provenance: Provenance) -> String {
        let protocol = self.params.protocol();
        let dynamic = self.connection.dynamic_ip.filter(|param| !self.params.get(*param).is_empty());
        match (provenance, dynamic) {
            (Provenance::Runtime, _) => String::new(),
            (Provenance::Literal, _) => "definition".to_owned(),
            (Provenance::Settings, Some(param)) => name_of(protocol, param),
            (Provenance::Settings, None) => "settings".to_owned(),
            (Provenance::Param(id), _) => protocol
                .param_by_id(id)
                .map_or_else(|| provenance.to_string(), |param| name_of(protocol, param)),
        }
    }

    fn sources<'s>(&self, sources: impl Iterator<Item = &'s Source>) -> String {
        self.named(sources.filter_map(param_of))
    }

    /// The parameters, each once; the definition alone if there are none.
    fn named(&self, params: impl Iterator<Item = ParamIx>) -> String {
        let mut names: Vec<String> = Vec::new();
        for name in params.map(|param| name_of(self.params.protocol(), param)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() { "definition".to_owned() } else { names.join(", ") }
    }
}

fn param_of(source: &Source) -> Option<ParamIx> {
    match source {
        Source::Param(param) => Some(*param),
        Source::Literal(_) => None,
    }
}

/// A body as a line; its length if it is no text or too long.
fn text(bytes: &Bytes) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= SHOWN => text.to_owned(),
        Ok(_) | Err(_) => format!("({} bytes)", bytes.len()),
    }
}

#[cfg(test)]
mod tests;
