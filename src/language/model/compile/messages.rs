//! Commands, responses and ignored messages to those of the model; evaluates none of them.

use crate::language::definition::Id;
use crate::language::definition::message as written;
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::mapping::{self, Carrier};
use crate::language::model::compile::scope::{Scope, Use, User};
use crate::language::model::compile::template;
use crate::language::model::compile::value::name;
use crate::language::model::id::{CommandId, ParamIx, ResponseId};
use crate::language::model::message::{Command, CommandContent, Format, Ignore, MessageKind, Response};
use crate::language::model::param::ParamKind;
use crate::language::schema::enumerations::MessageType;
use crate::language::source::Spanned;

/// Compiles the commands.
pub(super) fn commands(scope: &mut Scope, list: &[written::Command<'_>]) -> Vec<Command> {
    list.iter().map(|command| self::command(scope, command)).collect()
}

fn command(scope: &mut Scope, written: &written::Command<'_>) -> Command {
    let user = User("command", written.id.value);
    let kind = match written.kind.as_ref().and_then(|text| MessageType::parse(&text.value)) {
        Some(MessageType::Text) => MessageKind::Text,
        Some(MessageType::Binary) | None => MessageKind::Binary,
    };
    let template = written.template.as_ref().and_then(|text| template::compile(scope, text, user));
    let content = match template {
        Some(template) => {
            if written.kind.is_none() {
                scope.push(
                    Diagnostic::new(Code::BinaryText, written.span, format!("{user} is text and is sent in binary messages"))
                        .with_help("add `<WebSocketMessageType>text</WebSocketMessageType>`: many servers ignore binary messages; `binary` keeps it as it is, without this warning"),
                );
            }
            CommandContent::Template(template)
        }
        None => CommandContent::Params(
            written.content.iter().filter_map(|id| scope.param_for(*id, user, Use::Source)).collect(),
        ),
    };
    Command { id: CommandId(written.id.value), name: name(written.name.as_ref()), kind, content }
}

/// Compiles the responses.
pub(super) fn responses(scope: &mut Scope, list: &[written::Response<'_>]) -> Vec<Response> {
    list.iter().map(|response| self::response(scope, response)).collect()
}

fn response(scope: &mut Scope, written: &written::Response<'_>) -> Response {
    let user = User("response", written.id.value);
    let connection = written.options.as_ref().and_then(|text| text.option("connection")).and_then(|part| {
        let number = part.value.parse().ok()?;
        Some(Spanned::new(number, part.span))
    });
    let fields: Vec<ParamIx> = written.content.iter().filter_map(|id| field(scope, *id, user)).collect();
    let mapping = mapping::compile(scope, &written.mapping, Carrier::Message, user);
    let maps = &written.mapping;
    let is_empty = maps.matches.is_empty() && maps.extracts.is_empty() && maps.rows.is_empty();
    if !written.slip && written.content.is_empty() && is_empty {
        scope.push(
            Diagnostic::new(Code::EmptyResponse, written.span, format!("{user} takes every message and keeps nothing of it"))
                .with_help("give it a `Content` with the parameters that the message is made of, or `bs:Match` and `bs:Extract`"),
        );
    }
    Response {
        id: ResponseId(written.id.value),
        name: name(written.name.as_ref()),
        connection: connection.and_then(|number| scope.connection(number, user)),
        fields,
        mapping,
    }
}

/// A field of a response: anything but a table; a write parameter is set by people, not by messages.
fn field(scope: &mut Scope, id: Id, user: User) -> Option<ParamIx> {
    let ix = scope.param_for(id, user, Use::Source)?;
    let fact = scope.fact(ix)?;
    let place = fact.span;
    if matches!(fact.kind, ParamKind::Write | ParamKind::WriteBit) {
        scope.push(
            Diagnostic::new(
                Code::TypeMismatch,
                id.span,
                format!("{user} fills parameter {}, which is a write parameter", id.value),
            )
            .with_related(place, "defined here")
            .with_help("use the read parameter; a write parameter holds what people set"),
        );
    }
    scope.written.push(ix);
    Some(ix)
}

/// Compiles the messages that mean nothing; one that says nothing about them ignores none.
pub(super) fn ignores(scope: &mut Scope, list: &[written::Ignore<'_>]) -> Vec<Ignore> {
    let mut ignores = Vec::new();
    for (written, number) in list.iter().zip(1..) {
        let user = User("`bs:Ignore`", number);
        let connection = match written.connection {
            Some(number) => match scope.connection(number, user) {
                Some(connection) => Some(connection),
                None => continue,
            },
            None => None,
        };
        let matches = mapping::matches(scope, &written.matches, &Format::Json, Carrier::Message, user);
        if written.matches.is_empty() {
            let message = format!("{user} does not say which messages it is about");
            scope.push(Diagnostic::new(Code::BadMatch, written.span, message).with_help(
                "say it as in `bs:Match`: `<bs:Ignore equals=\"dump\"/>`; until then it ignores nothing",
            ));
        } else if matches.len() == written.matches.len() {
            ignores.push(Ignore { connection, matches });
        }
    }
    ignores
}
