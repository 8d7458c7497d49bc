//! What the author wrote to a [`Protocol`], with everything resolved; the only way to make one. Reads no XML.
//!
//! Every part is compiled even if another one has an error, so that one run reports all there is. A reference that leads
//! nowhere is reported once and left out of the model; without an error in the report the model is valid by construction.

mod actions;
mod condition;
mod groups;
mod links;
mod lint;
mod lint_http;
mod mapping;
mod messages;
mod params;
mod path;
mod scope;
mod scripts;
mod sequence;
mod sessions;
mod tables;
mod template;
mod tokens;
mod triggers;
mod value;
mod xpath;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::language::definition::message::Response as WrittenResponse;
use crate::language::definition::{Definition, Text};
use crate::language::diagnostic::Report;
use crate::language::model::Protocol;
use crate::language::model::compile::scope::{Index, Scope};
use crate::language::model::connection::{Connection, ConnectionKind, Session, Source};
use crate::language::model::id::{
    ActionIx, CommandIx, ConnectionIx, GroupIx, PairIx, ParamIx, ResponseIx, SessionIx, TimerIx, TriggerIx,
};
use crate::language::model::message::Response;
use crate::language::model::param::{Param, ParamKind};

/// Compiles a definition; `None` if the report has an error then, this step's or an earlier one's.
pub fn compile(mut written: Definition<'_>, report: &mut Report) -> Option<Protocol> {
    let connections = std::mem::take(&mut written.connections);
    let plans = links::plan(report, &connections);
    let mut scope = scope(&mut written, plans.len(), std::mem::take(report));
    let protocol = protocol(&mut scope, &written, &plans);
    scope.report_dangling();
    *report = scope.report;
    (!report.has_errors()).then_some(protocol)
}

/// Sorts the items by id and numbers them.
fn scope(written: &mut Definition<'_>, connections: usize, mut report: Report) -> Scope {
    let missing = tables::add_missing(&mut written.params);
    let made: HashSet<i32> = missing.iter().map(|(id, _)| id.value).collect();
    let report_to = &mut report;
    macro_rules! index {
        ($what:literal, $tag:literal, $list:ident, $ix:ty) => {{
            let mut index =
                Index::build($what, &mut written.$list, |item| (item.id, item.span), <$ix>::new, report_to);
            let lost = written.unreadable.iter().filter(|item| item.kind == $tag);
            lost.for_each(|item| index.lost(item.id));
            index
        }};
    }
    let mut params = index!("parameter", "Param", params, ParamIx);
    for (id, user) in missing {
        params.missing(id, user);
    }
    params.hide(&made);
    let ids = || written.params.iter().enumerate().filter_map(|(at, param)| Some((ParamIx::new(at)?, param)));
    let constant = |kind| matches!(kind, ParamKind::Fixed | ParamKind::Header | ParamKind::Trailer);
    let constants = ids()
        .filter(|(_, param)| constant(params::kind_of(param)))
        .filter_map(|(ix, param)| Some((ix, constant_bytes(param.interprete.value.as_ref()?))))
        .collect();
    let secrets =
        ids().filter(|(_, param)| value::is_true(param.secret.as_ref())).map(|(ix, _)| ix).collect();
    Scope {
        facts: written.params.iter().map(params::facts).collect(),
        names: params::names(&written.params),
        params,
        commands: index!("command", "Command", commands, CommandIx),
        responses: index!("response", "Response", responses, ResponseIx),
        pairs: index!("pair", "Pair", pairs, PairIx),
        sessions: index!("session", "Session", sessions, SessionIx),
        groups: index!("group", "Group", groups, GroupIx),
        triggers: index!("trigger", "Trigger", triggers, TriggerIx),
        actions: index!("action", "Action", actions, ActionIx),
        timers: index!("timer", "Timer", timers, TimerIx),
        constants,
        secrets,
        tables: Vec::new(),
        written: Vec::new(),
        connections,
        searches_left: scope::MAX_SEARCHES,
        patterns_left: scope::MAX_PATTERNS,
        report,
    }
}

fn constant_bytes(text: &Text<'_>) -> bytes::Bytes {
    let hex = value::hex_bytes(&text.value.trim().replace("0X", "0x"));
    hex.unwrap_or_else(|| bytes::Bytes::copy_from_slice(text.value.as_bytes()))
}

fn protocol(scope: &mut Scope, written: &Definition<'_>, plans: &[links::Plan<'_, '_>]) -> Protocol {
    let mut params = params::compile(scope, &written.params);
    let tables = tables::compile(scope, &written.params, &mut params);
    scope.tables.clone_from(&tables);
    let mut connections = links::compile(scope, plans, &written.params, &mut params);
    let handshakes: HashSet<i32> =
        plans.iter().filter_map(|plan| plan.handshake()).map(|id| id.value).collect();
    let sessions = sessions::compile(scope, &written.sessions, &handshakes);
    watch(&mut params, &connections, &sessions);
    let commands = messages::commands(scope, &written.commands);
    let responses = messages::responses(scope, &written.responses);
    let ignores = messages::ignores(scope, &written.ignores);
    let pairs = groups::pairs(scope, &written.pairs);
    let queues = groups::queues(scope, &written.threads);
    let exchanges: Vec<Vec<Option<i32>>> = written
        .sessions
        .iter()
        .map(|session| session.exchanges.iter().map(|exchange| exchange.id.map(|id| id.value)).collect())
        .collect();
    let mut groups = groups::groups(scope, &written.groups, &queues, &exchanges, &handshakes);
    let tokens = tokens::compile(scope, plans, &mut connections, &mut groups, queues.count);
    let triggers = triggers::compile(scope, &written.triggers);
    let actions = actions::compile(scope, &written.actions);
    let timers = groups::timers(scope, &written.timers);
    let scripts = scripts::compile(scope, &written.scripts);
    let candidates = candidates(scope, &connections, &responses, &params, &written.responses);
    let protocol = Protocol {
        name: value::name(written.name.as_ref()),
        version: value::name(written.version.as_ref()),
        connections,
        params,
        tables,
        commands,
        responses,
        ignores,
        pairs,
        sessions,
        groups,
        triggers: triggers.triggers,
        actions,
        timers,
        scripts,
        queues: queues.count + tokens.own_queues,
        own_queues: tokens.own_queues,
        tokens: tokens.tokens,
        dispatch: triggers.dispatch,
        each: triggers.each,
        names: std::mem::take(&mut scope.names),
        candidates,
    };
    lint::check(scope, written, &protocol);
    lint_http::check(scope, written, &protocol);
    protocol
}

/// Tells each parameter which links are made of it.
fn watch(params: &mut [Param], connections: &[Connection], sessions: &[Session]) {
    for connection in connections.iter().filter(|connection| connection.kind == ConnectionKind::WebSocket) {
        let mut watched: Vec<ParamIx> = connection.dynamic_ip.into_iter().collect();
        let session = connection.handshake.and_then(|ix| sessions.get(ix.index()));
        let exchange = session.and_then(|session| session.exchanges.first());
        let mut add = |source: &Source| {
            if let Source::Param(param) = source {
                watched.push(*param);
            }
        };
        if let Some(exchange) = exchange {
            add(&exchange.url);
            exchange.headers.iter().filter(|header| header.watch).for_each(|header| add(&header.value));
        }
        if let Some(credentials) = session.and_then(|session| session.credentials.as_ref()) {
            add(&credentials.user);
            add(&credentials.password);
        }
        for ix in watched {
            if let Some(param) = params.get_mut(ix.index())
                && param.watch
                && !param.watched_by.contains(&connection.index)
            {
                param.watched_by.push(connection.index);
            }
        }
    }
}

/// Whether a response takes any message at all: no condition, and nothing constant in it.
fn is_free(response: &Response, params: &[Param]) -> bool {
    let constant = |ix: &ParamIx| {
        let kind = params.get(ix.index()).map(|param| param.kind);
        matches!(kind, Some(ParamKind::Fixed | ParamKind::Header | ParamKind::Trailer | ParamKind::Length))
    };
    response.mapping.matches.is_empty() && !response.fields.iter().any(constant)
}

/// For each connection the responses that its messages are offered to: those that ask for something first.
fn candidates(
    scope: &mut Scope,
    connections: &[Connection],
    responses: &[Response],
    params: &[Param],
    written: &[WrittenResponse<'_>],
) -> Vec<Box<[ResponseIx]>> {
    // By connection, so that a definition with many of both is not looked through for each; the rest serves all.
    let mut order: Vec<(bool, u32, ResponseIx)> = responses
        .iter()
        .zip(written)
        .enumerate()
        .filter_map(|(at, (response, written))| {
            Some((is_free(response, params), written.span.start, ResponseIx::new(at)?))
        })
        .collect();
    order.sort_unstable();
    let mut own: HashMap<ConnectionIx, Vec<(bool, u32, ResponseIx)>> = HashMap::new();
    let mut common = Vec::new();
    for entry in order {
        match responses.get(entry.2.index()).and_then(|response| response.connection) {
            Some(connection) => own.entry(connection).or_default().push(entry),
            None => common.push(entry),
        }
    }
    let common: Arc<[_]> = common.into();
    let mut said = HashSet::new();
    connections
        .iter()
        .map(|connection| {
            if connection.kind != ConnectionKind::WebSocket {
                return Box::default();
            }
            let mut list = own.remove(&connection.index).unwrap_or_default();
            list.extend(common.iter().copied());
            list.sort_unstable();
            lint::shadowed(scope, connection, &list, written, &mut said);
            list.into_iter().map(|(_, _, ix)| ix).collect()
        })
        .collect()
}
