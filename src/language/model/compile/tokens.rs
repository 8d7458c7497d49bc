//! Tokens, and the sessions that run before links open, to those of the model, with groups of ours that run them.

use std::sync::Arc;
use std::time::Duration;

use crate::language::definition::Text;
use crate::language::definition::connection::Settings;
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::links::Plan;
use crate::language::model::compile::path;
use crate::language::model::compile::scope::{Scope, Use, User};
use crate::language::model::compile::value::{millis, shared};
use crate::language::model::connection::Connection;
use crate::language::model::id::{ConnectionIx, GroupId, GroupIx, SessionIx};
use crate::language::model::logic::{Group, GroupItem, GroupKind, GroupRun};
use crate::language::model::token::{Lifetime, Token, TokenPlace};
use crate::language::source::{Span, Spanned};

/// The first id of a group of ours: authors' ids are far below.
const FIRST_OWN_GROUP: i32 = 2_000_000_000;

/// What `compile` gives.
pub(super) struct Tokens {
    pub(super) tokens: Vec<Token>,
    /// How many queues of ours there are, behind those of the definition.
    pub(super) own_queues: u16,
}

/// A group of ours that runs one session, at the end of the list.
fn own_group(
    groups: &mut Vec<Group>,
    session: SessionIx,
    connection: ConnectionIx,
    queue: u16,
) -> Option<GroupIx> {
    let ix = GroupIx::new(groups.len())?;
    let last = groups.last().map_or(0, |group| group.id.0);
    groups.push(Group {
        id: GroupId(last.saturating_add(1).max(FIRST_OWN_GROUP)),
        name: Arc::from(""),
        kind: GroupKind::Poll,
        condition: None,
        connection,
        connection_param: None,
        queue,
        content: vec![GroupItem { run: GroupRun::Session { session, exchange: None }, next: None }],
    });
    Some(ix)
}

/// Compiles the tokens, and what comes before links; `queues` are those of the definition.
///
/// Each fetch and each session before a link has a queue of ours: any of them may wait for the token of another.
pub(super) fn compile(
    scope: &mut Scope,
    plans: &[Plan<'_, '_>],
    connections: &mut [Connection],
    groups: &mut Vec<Group>,
    queues: u16,
) -> Tokens {
    let mut tokens = Vec::new();
    let mut places = Vec::new();
    // Bound: two for each connection, of which there are few.
    let mut own_queues = 0;
    let mut shared_with = Vec::new();
    for (at, plan) in plans.iter().enumerate() {
        let (Some(index), Some(settings)) =
            (ConnectionIx::new(at), plan.options().and_then(|all| all.token.as_ref()))
        else {
            continue;
        };
        let user = User("connection", i32::try_from(at).unwrap_or(i32::MAX));
        if let Some(other) = settings.get("sharedWith") {
            if settings.values.len() > 1 {
                half(scope, settings, user, "has `sharedWith` and more");
            }
            let number = other.parse::<i32>().and_then(|number| scope.connection(number, user));
            shared_with.extend(number.map(|number| (index, number, other.span, user)));
            continue;
        }
        let Some(token) = token(scope, settings, index, groups, queues + own_queues, user) else { continue };
        connections[at].token = Some(tokens.len());
        tokens.push(token);
        places.push((settings.span, user));
        own_queues += 1;
    }
    for (index, other, place, user) in shared_with {
        let found = connections.get(other.index()).and_then(|connection| connection.token);
        if found.is_none() || other == index {
            let message =
                format!("{user} shares the token of connection {}, which has none of its own", other.index());
            scope.push(
                Diagnostic::new(Code::HalfToken, place, message)
                    .with_help("name the connection whose `bs:Token` has a `session`"),
            );
        }
        connections[index.index()].token = found;
    }
    circles(scope, &tokens, &places, connections, groups);
    for (at, plan) in plans.iter().enumerate() {
        let Some(settings) = plan.options().and_then(|all| all.reconnect.as_ref()) else { continue };
        let user = User("connection", i32::try_from(at).unwrap_or(i32::MAX));
        let Some(session) = reference(settings, "before").and_then(|id| scope.sessions.resolve(id, user))
        else {
            continue;
        };
        let Some(own) = ConnectionIx::new(at) else { continue };
        let over = reference(settings, "beforeConnection").and_then(|number| scope.connection(number, user));
        connections[at].before = own_group(groups, session, over.unwrap_or(own), queues + own_queues);
        own_queues += 1;
    }
    Tokens { tokens, own_queues }
}

/// Reports each token whose fetch needs that very token, by way of others: it would wait for ever.
fn circles(
    scope: &mut Scope,
    tokens: &[Token],
    places: &[(Span, User)],
    connections: &[Connection],
    groups: &[Group],
) {
    // The token of the connection that a fetch goes over; a session fetches its own without one.
    let needs = |at: usize| {
        let token = &tokens[at];
        let over = groups[token.group.index()].connection;
        connections[over.index()].token.filter(|other| tokens[*other].session != token.session)
    };
    for (at, (place, user)) in places.iter().enumerate() {
        let chain = std::iter::successors(needs(at), |other| needs(*other)).take(tokens.len());
        if { chain }.any(|other| other == at) {
            let message = format!(
                "the token of {user} waits for itself: its session runs over a connection that needs it"
            );
            scope.push(
                Diagnostic::new(Code::HalfToken, *place, message)
                    .with_help("name in `connection` one that has no token, such as a further connection to the login server"),
            );
        }
    }
}

fn reference(settings: &Settings<'_>, name: &str) -> Option<Spanned<i32>> {
    settings.get(name).and_then(Text::parse::<i32>)
}

fn half(scope: &mut Scope, settings: &Settings<'_>, user: User, what: &str) {
    scope.push(
        Diagnostic::new(Code::HalfToken, settings.span, format!("the token of {user} {what}")).with_help(
            "a token has `session` and `pid`, and at most one each of `path` and `header`, and of `lifetime`, `lifetimePath` and `jwt`; or `sharedWith` alone",
        ),
    );
}

fn token(
    scope: &mut Scope,
    settings: &Settings<'_>,
    own: ConnectionIx,
    groups: &mut Vec<Group>,
    queue: u16,
    user: User,
) -> Option<Token> {
    let jwt = settings.get("jwt").and_then(Text::flag) == Some(true);
    let given = |names: &[&str]| names.iter().filter(|name| settings.get(name).is_some()).count();
    let (session, param) = (reference(settings, "session"), reference(settings, "pid"));
    if session.is_none() || param.is_none() {
        let what = if session.is_none() { "has no `session`" } else { "has no `pid`" };
        half(scope, settings, user, what);
    }
    if given(&["path", "header"]) > 1 {
        half(scope, settings, user, "is in two places");
    }
    if given(&["lifetime", "lifetimePath"]) + usize::from(jwt) > 1 {
        half(scope, settings, user, "has two lifetimes");
    }
    let session = session.and_then(|id| scope.sessions.resolve(id, user));
    let param = param.and_then(|id| {
        let found = scope.param_for(id, user, Use::Sink)?;
        if !scope.secrets.contains(&found) {
            let message =
                format!("parameter {} receives the token of {user}, and everybody can read it", id.value);
            scope.push(
                Diagnostic::new(Code::OpenToken, id.span, message)
                    .with_help(format!("mark it: `<Param id=\"{}\" bs:secret=\"true\">`", id.value)),
            );
        }
        Some(found)
    });
    let over = reference(settings, "connection").and_then(|number| scope.connection(number, user));
    let mut at = |name: &str| settings.get(name).and_then(|text| path::compile(scope, text, user));
    let place = match (at("path"), settings.get("header")) {
        (Some(path), _) => TokenPlace::Path(path),
        (None, Some(header)) if header.value.eq_ignore_ascii_case("set-cookie") => TokenPlace::Cookies,
        (None, Some(header)) => TokenPlace::Header(shared(header)),
        (None, None) => TokenPlace::Body,
    };
    let lifetime = match (at("lifetimePath"), millis(settings.get("lifetime"))) {
        (Some(path), _) => Lifetime::Path(path),
        (None, Some(lifetime)) => Lifetime::Fixed(lifetime),
        (None, None) if jwt => Lifetime::Jwt,
        (None, None) => Lifetime::Unknown,
    };
    let renew = reference(settings, "renew").and_then(|id| scope.groups.resolve(id, user));
    let (session, param) = (session?, param?);
    Some(Token {
        session,
        group: own_group(groups, session, over.unwrap_or(own), queue)?,
        param,
        prefix: settings
            .get("scheme")
            .map_or_else(|| Arc::from(""), |scheme| Arc::from(format!("{} ", scheme.value))),
        place,
        lifetime,
        margin: millis(settings.get("margin")).unwrap_or(Duration::from_secs(30)),
        renew,
    })
}
