//! Commands and responses to those of the model, with compiled paths and patterns; evaluates none of them.

use std::sync::Arc;

use crate::language::definition::message::{
    self as written, Extract as WrittenExtract, Match as WrittenMatch,
};
use crate::language::definition::{Id, Text};
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::scope::{MAX_PATTERNS, Scope, Use, User};
use crate::language::model::compile::value::{name, short, value};
use crate::language::model::compile::{path, template};
use crate::language::model::id::{CommandId, ParamIx, ResponseId};
use crate::language::model::message::{Command, CommandContent, Extract, Match, MessageKind, Response, Test};
use crate::language::model::param::ParamKind;
use crate::language::schema::enumerations::MessageType;
use crate::language::source::Spanned;

/// Longest regular expression, in bytes.
const MAX_PATTERN: usize = 1_000;

/// How much memory a compiled regular expression may take.
const PATTERN_MEMORY: usize = 256 << 10;

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
    let matches = matches(scope, &written.matches, user);
    let extracts = extracts(scope, &written.extracts, user);
    if !written.slip
        && written.content.is_empty()
        && written.matches.is_empty()
        && written.extracts.is_empty()
    {
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
        matches,
        extracts,
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

/// Compiles `bs:Match`es.
pub(super) fn matches(scope: &mut Scope, list: &[WrittenMatch<'_>], user: User) -> Vec<Match> {
    list.iter().filter_map(|found| test(scope, found, user)).collect()
}

fn test(scope: &mut Scope, written: &WrittenMatch<'_>, user: User) -> Option<Match> {
    let path = path::compile(scope, written.path.as_ref()?, user);
    let given =
        [&written.equals, &written.exists, &written.matches].iter().filter(|text| text.is_some()).count();
    if given > 1 {
        scope.push(
            Diagnostic::new(
                Code::SeveralTests,
                written.span,
                format!("a `bs:Match` of {user} asks for more than one thing"),
            )
            .with_help(
                "write a `bs:Match` for each of `equals`, `exists` and `matches`: all of them must hold",
            ),
        );
    }
    let test = match (&written.equals, &written.matches) {
        (Some(text), _) => Test::Equals(Arc::from(&*text.value)),
        (None, Some(text)) => Test::Matches(pattern(scope, text, user)?),
        (None, None) => Test::Exists(written.exists.as_ref().and_then(Text::flag) != Some(false)),
    };
    Some(Match { path: path?, test })
}

fn pattern(scope: &mut Scope, text: &Text<'_>, user: User) -> Option<regex::Regex> {
    let left = scope.patterns_left.checked_sub(1);
    scope.patterns_left = left.unwrap_or(0);
    let built = if left.is_none() {
        Err(format!("it is one of more than {MAX_PATTERNS}"))
    } else if text.value.len() > MAX_PATTERN {
        Err(format!("it has more than {MAX_PATTERN} bytes"))
    } else {
        let mut builder = regex::RegexBuilder::new(&text.value);
        builder.size_limit(PATTERN_MEMORY).build().map_err(|error| reason(&error))
    };
    match built {
        Ok(pattern) => Some(pattern),
        Err(why) => {
            scope.say(
                Code::BadPattern,
                text.span,
                format!("the pattern `{}` of {user} is no regular expression: {why}", short(&text.value)),
            );
            None
        }
    }
}

/// The last line of the library's message, which says what is wrong; the others draw the pattern.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "it needs too much memory".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

/// Compiles `bs:Extract`s.
pub(super) fn extracts(scope: &mut Scope, list: &[WrittenExtract<'_>], user: User) -> Vec<Extract> {
    list.iter().filter_map(|found| extract(scope, found, user)).collect()
}

fn extract(scope: &mut Scope, written: &WrittenExtract<'_>, user: User) -> Option<Extract> {
    let path = written.path.as_ref().and_then(|text| path::compile(scope, text, user));
    let purpose = if written.divisor.is_some() { Use::NumberSink } else { Use::Sink };
    let param = written.pid.and_then(|id| scope.param_for(id, user, purpose));
    let value_type = param.and_then(|param| scope.fact(param)).map(|fact| fact.value_type);
    let default = match (&written.default, value_type) {
        (Some(text), Some(value_type)) => value(scope, text, value_type),
        (Some(_) | None, _) => None,
    };
    let divisor = match &written.divisor {
        Some(text) => Some(path::compile(scope, text, user)?),
        None => None,
    };
    Some(Extract { path: path?, param: param?, default, divisor })
}
