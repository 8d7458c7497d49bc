//! What is likely a mistake although everything resolves; changes nothing of the model.

use std::collections::{HashMap, HashSet};

use crate::language::definition::Definition;
use crate::language::definition::message::Response as WrittenResponse;
use crate::language::diagnostic::{Code, Diagnostic, Severity};
use crate::language::model::Protocol;
use crate::language::model::compile::scope::{Scope, User};
use crate::language::model::compile::sessions;
use crate::language::model::connection::{Connection, ConnectionKind, Source};
use crate::language::model::id::{ActionIx, ResponseIx};
use crate::language::model::logic::{Run, Step, Targets};
use crate::language::schema::enumerations::{ActionOn, TriggerOn};

/// Looks at the whole.
pub(super) fn check(scope: &mut Scope, written: &Definition<'_>, protocol: &Protocol) {
    handshakes(scope, written, protocol);
    applied_to_nothing(scope, written, protocol);
}

/// A handshake without a path, and headers that nothing ever fills.
fn handshakes(scope: &mut Scope, written: &Definition<'_>, protocol: &Protocol) {
    let set: HashSet<_> = scope.written.iter().copied().collect();
    let mut seen = HashSet::new();
    for connection in &protocol.connections {
        let Some(ix) = connection.handshake.filter(|_| connection.kind == ConnectionKind::WebSocket) else {
            continue;
        };
        let (Some(session), Some(source)) =
            (protocol.sessions.get(ix.index()), written.sessions.get(ix.index()))
        else {
            continue;
        };
        let number = i32::try_from(connection.index.index()).unwrap_or(i32::MAX);
        if connection.dynamic_ip.is_none() {
            sessions::no_path(scope, source, User("connection", number));
        }
        // A script may set any parameter, so nothing is certain where there is one.
        if !written.scripts.is_empty() || !seen.insert(ix) {
            continue;
        }
        let headers = session.exchanges.iter().flat_map(|exchange| &exchange.headers);
        for header in headers {
            let Source::Param(param) = header.value else { continue };
            let Some(fact) = scope.fact(param) else { continue };
            let writable = protocol.param(param).kind == crate::language::model::param::ParamKind::Write;
            if set.contains(&param) || fact.has_value || writable {
                continue;
            }
            let (id, place) = (fact.id, fact.span);
            let mut diagnostic = Diagnostic::new(
                Code::HeaderNeverSet,
                place,
                format!("parameter {id} is the header `{}` of session {}, and nothing in the definition fills it", header.name, session.id),
            )
            .with_help("give it a `DefaultValue`, or a value in the settings of the element; while it is empty the header is left out");
            diagnostic.severity = Severity::Note;
            scope.push(diagnostic);
        }
    }
}

/// Actions that apply to the item that fired, run by triggers on other kinds only.
fn applied_to_nothing(scope: &mut Scope, written: &Definition<'_>, protocol: &Protocol) {
    let mut users: HashMap<ActionIx, Vec<usize>> = HashMap::new();
    for (at, trigger) in protocol.triggers.iter().enumerate() {
        for step in trigger.content.iter().chain(&trigger.otherwise) {
            if let Step::Action(action) = step {
                users.entry(*action).or_default().push(at);
            }
        }
    }
    for (at, action) in protocol.actions.iter().enumerate() {
        let on = match &action.run {
            Run::Param(Targets::Fired, _) => ActionOn::Parameter,
            Run::Group(Targets::Fired, _) => ActionOn::Group,
            Run::Command(Targets::Fired, _) => ActionOn::Command,
            Run::Response(Targets::Fired, _) => ActionOn::Response,
            Run::Timer(Targets::Fired, _) => ActionOn::Timer,
            Run::Pair(Targets::Fired, crate::language::model::logic::PairOp::Timeout(_)) => ActionOn::Pair,
            Run::Pair(Targets::Fired | Targets::These(_), _)
            | Run::Param(Targets::These(_), _)
            | Run::Group(Targets::These(_), _)
            | Run::Command(Targets::These(_), _)
            | Run::Response(Targets::These(_), _)
            | Run::Timer(Targets::These(_), _)
            | Run::Protocol(_)
            | Run::Nothing => continue,
        };
        let (Some(ix), Some(source)) = (ActionIx::new(at), written.actions.get(at)) else { continue };
        let Some(triggers) = users.get(&ix) else { continue };
        // A trigger without `On` is called by another one, whose item then counts.
        let same = |trigger: &usize| {
            let on_text = written.triggers.get(*trigger).and_then(|trigger| trigger.on.as_ref());
            let trigger_on = on_text.and_then(|text| TriggerOn::parse(&text.value));
            trigger_on.is_none_or(|found| found.name() == on.name())
        };
        if triggers.iter().any(same) {
            continue;
        }
        let place = source.on.as_ref().map_or(source.span, |text| text.span);
        scope.push(
            Diagnostic::new(
                Code::NoTarget,
                place,
                format!(
                    "action {} names no {}, and no trigger on a {} runs it, so it does nothing",
                    action.id,
                    on.name(),
                    on.name()
                ),
            )
            .with_help(format!("add the id: `<On id=\"12\">{}</On>`", on.name())),
        );
    }
}

/// Free responses behind a free response of the same connection never see a message of their own.
pub(super) fn shadowed(
    scope: &mut Scope,
    connection: &Connection,
    candidates: &[(bool, u32, ResponseIx)],
    written: &[WrittenResponse<'_>],
    said: &mut HashSet<ResponseIx>,
) {
    let mut free = candidates.iter().filter(|(free, _, _)| *free).map(|(_, _, ix)| *ix);
    let Some((first_ix, first)) = free.next().and_then(|ix| Some((ix, written.get(ix.index())?))) else {
        return;
    };
    let number = connection.index.index();
    for ix in free {
        let Some(later) = written.get(ix.index()).filter(|_| said.insert(ix)) else { continue };
        scope.push(
            Diagnostic::new(
                Code::ShadowedResponse,
                later.span,
                format!(
                    "response {} takes any message, as response {} before it does, so unasked messages never reach it",
                    later.id.value, first.id.value
                ),
            )
            .with_related(first.span, format!("this one takes every message of connection {number}"))
            .with_help("tell them apart with `bs:Match` or a fixed part; only a pair that waits for it is answered with it"),
        );
    }
    if candidates.iter().any(|(free, _, _)| !free) && said.insert(first_ix) {
        let mut diagnostic = Diagnostic::new(
            Code::FreeResponse,
            first.span,
            format!(
                "response {} gets the messages that no other response of connection {number} takes",
                first.id.value
            ),
        )
        .with_help("in the original a response of one free parameter takes every message");
        diagnostic.severity = Severity::Note;
        scope.push(diagnostic);
    }
}
