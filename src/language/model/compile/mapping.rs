//! What is done with messages and bodies to that of the model: `bs:Match`, `bs:Extract`, `bs:Rows`; evaluates none of it.

mod rows;

use std::sync::Arc;

use crate::language::definition::Text;
use crate::language::definition::message::{self as written, Match as WrittenMatch};
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::scope::{MAX_PATTERNS, Scope, Use, User};
use crate::language::model::compile::value::{number, short, value};
use crate::language::model::compile::{path, xpath};
use crate::language::model::id::ParamIx;
use crate::language::model::message::{
    Extract, Form, Format, How, Map, Mapping, Match, Path, Place, Policy, Test,
};
use crate::language::model::param::ValueType;
use crate::language::schema::enumerations::{MessageFormat, OnError, ValueForm};
use crate::language::source::Span;
use crate::value::{Value, parse_number};

/// Longest regular expression, in bytes.
const MAX_PATTERN: usize = 1_000;

/// How much memory a compiled regular expression may take.
const PATTERN_MEMORY: usize = 256 << 10;

/// What a message is that is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// A message of a WebSocket: it has neither headers nor a status.
    Message,
    /// The answer to a request.
    Answer,
}

/// Compiles what is done with a message.
pub(super) fn compile(
    scope: &mut Scope,
    written: &written::Mapping<'_>,
    carrier: Carrier,
    user: User,
) -> Mapping {
    let format = format(scope, &written.format, user);
    let matches = matches(scope, &written.matches, &format, carrier, user);
    let extracts = written.extracts.iter().filter_map(|found| extract(scope, found, &format, user)).collect();
    let rows = written.rows.iter().filter_map(|found| rows::compile(scope, found, &format, user)).collect();
    Mapping { format, matches, extracts, rows }
}

/// The notation, and what of the attributes that go with it fits.
fn format(scope: &mut Scope, written: &written::Format<'_>, user: User) -> Format {
    let known = written.format.as_ref().and_then(|text| MessageFormat::parse(&text.value));
    let needless = |scope: &mut Scope, text: &Option<Text<'_>>, name: &str, needs: &str| {
        if let Some(text) = text {
            scope.push(
                Diagnostic::new(
                    Code::FormatMismatch,
                    text.span,
                    format!("`bs:{name}` of {user} does nothing here"),
                )
                .with_help(format!("it is for {needs}; take it away or add that")),
            );
        }
    };
    match known {
        None | Some(MessageFormat::Json | MessageFormat::Xml) => {
            needless(scope, &written.separator, "separator", "`bs:format` `csv` or `keyvalue`");
            needless(scope, &written.header_row, "headerRow", "`bs:format=\"csv\"`");
            if known == Some(MessageFormat::Xml) { Format::Xml } else { Format::Json }
        }
        Some(MessageFormat::KeyValue) => {
            needless(scope, &written.header_row, "headerRow", "`bs:format=\"csv\"`");
            let separator = written.separator.as_ref().filter(|text| !text.value.is_empty());
            Format::KeyValue { separator: separator.map(|text| Arc::from(&*text.value)) }
        }
        Some(MessageFormat::Csv) => {
            let separator = written.separator.as_ref().map_or(Some(b','), |text| separator(&text.value));
            if let (None, Some(text)) = (separator, &written.separator) {
                scope.push(
                    Diagnostic::new(
                        Code::FormatMismatch,
                        text.span,
                        format!(
                            "`{}` cannot stand between the columns that {user} reads",
                            short(&text.value)
                        ),
                    )
                    .with_help("it is one character such as `;`, or `tab`; a comma is taken"),
                );
            }
            let header_row = written.header_row.as_ref().and_then(Text::flag) != Some(false);
            Format::Csv { separator: separator.unwrap_or(b','), header_row }
        }
    }
}

/// One character that is neither a quote nor a line break.
fn separator(text: &str) -> Option<u8> {
    if text.trim().eq_ignore_ascii_case("tab") {
        return Some(b'\t');
    }
    match text.as_bytes() {
        [one] if one.is_ascii() && !matches!(one, b'"' | b'\r' | b'\n') => Some(*one),
        _ => None,
    }
}

/// A path in the notation of the message.
fn part(scope: &mut Scope, text: &Text<'_>, format: &Format, user: User) -> Option<Path> {
    match format {
        Format::Json | Format::Csv { .. } | Format::KeyValue { .. } => {
            path::compile(scope, text, user).map(Path::Json)
        }
        Format::Xml => xpath::compile(scope, text, user).map(Path::Xml),
    }
}

/// Compiles `bs:Match`es.
pub(super) fn matches(
    scope: &mut Scope,
    list: &[WrittenMatch<'_>],
    format: &Format,
    carrier: Carrier,
    user: User,
) -> Vec<Match> {
    list.iter().filter_map(|found| one_match(scope, found, format, carrier, user)).collect()
}

fn one_match(
    scope: &mut Scope,
    written: &WrittenMatch<'_>,
    format: &Format,
    carrier: Carrier,
    user: User,
) -> Option<Match> {
    several(scope, written, user);
    if carrier == Carrier::Message
        && let Some(text) = written.header.as_ref().or(written.status.as_ref())
    {
        scope.push(
            Diagnostic::new(
                Code::BadMatch,
                text.span,
                format!("{user} asks for a header or a status, which messages of a WebSocket do not have"),
            )
            .with_help("ask for a `path`; the answer of the opening handshake belongs to its session"),
        );
        return None;
    }
    if let Some(text) = &written.status {
        return statuses(scope, text, user)
            .map(|ranges| Match { at: Place::Status, test: Test::Among(ranges) });
    }
    let at = match (&written.path, &written.header) {
        (Some(text), _) => part(scope, text, format, user).map(Place::Part),
        (None, Some(text)) => Some(Place::Header(Arc::from(&*text.value))),
        (None, None) if written.equals.is_none() && written.matches.is_none() => {
            scope.push(
                Diagnostic::new(
                    Code::BadMatch,
                    written.span,
                    format!("a `bs:Match` of {user} asks for nothing"),
                )
                .with_help("add `path`, or `equals` or `matches` for the whole text"),
            );
            return None;
        }
        (None, None) => Some(Place::Whole),
    };
    let test = match (&written.equals, &written.matches) {
        (Some(text), _) => Test::Equals(Arc::from(&*text.value)),
        (None, Some(text)) => Test::Matches(pattern(scope, text, user)?),
        (None, None) => Test::Exists(written.exists.as_ref().and_then(Text::flag) != Some(false)),
    };
    Some(Match { at: at?, test })
}

/// Says that a match asks for more than one thing.
fn several(scope: &mut Scope, written: &WrittenMatch<'_>, user: User) {
    let given = |list: &[&Option<Text<'_>>]| list.iter().filter(|text| text.is_some()).count();
    let tests = given(&[&written.equals, &written.exists, &written.matches]);
    let places = given(&[&written.path, &written.header, &written.status]);
    if tests > 1 || places > 1 || (written.status.is_some() && tests > 0) {
        scope.push(
            Diagnostic::new(
                Code::SeveralTests,
                written.span,
                format!("a `bs:Match` of {user} asks for more than one thing"),
            )
            .with_help("write a `bs:Match` for each of them: all of them must hold; `status` stands alone"),
        );
    }
}

/// `200`, `2xx`, or several of them.
fn statuses(scope: &mut Scope, text: &Text<'_>, user: User) -> Option<Vec<(u16, u16)>> {
    let mut ranges = Vec::new();
    for part in text.value.split([',', ';']).map(|part| part.trim().to_ascii_lowercase()) {
        let class = part.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok());
        match (part.parse::<u16>(), class) {
            (Ok(status), _) if (100..=599).contains(&status) => ranges.push((status, status)),
            (_, Some(class)) if (1..=5).contains(&class) => ranges.push((class * 100, class * 100 + 99)),
            (Ok(_) | Err(_), _) => {
                scope.push(
                    Diagnostic::new(
                        Code::BadMatch,
                        text.span,
                        format!("`{}` of {user} is no status", short(&part)),
                    )
                    .with_help("write `200`, `2xx`, or several with `;` between them"),
                );
                return None;
            }
        }
    }
    Some(ranges)
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

fn extract(
    scope: &mut Scope,
    written: &written::Extract<'_>,
    format: &Format,
    user: User,
) -> Option<Extract> {
    let path = written.path.as_ref().map(|text| part(scope, text, format, user));
    let param = written.pid.and_then(|id| {
        let param = scope.param_for(id, user, purpose(&written.how))?;
        let Some(table) = scope.table_of(param) else { return Some(param) };
        scope.push(
            Diagnostic::new(
                Code::TypeMismatch,
                id.span,
                format!(
                    "{user} puts one value into parameter {}, which is a column of table {table}",
                    id.value
                ),
            )
            .with_help("fill the table with `bs:Rows`; until then the value is left out"),
        );
        None
    });
    let how = how(scope, &written.how, param, format, user);
    Some(Extract { path: path??, param: param?, how: how? })
}

/// A divisor or a scale makes numbers.
fn purpose(how: &written::How<'_>) -> Use {
    if how.divisor.is_some() || how.scale.is_some() { Use::NumberSink } else { Use::Sink }
}

/// How a part becomes the value of a parameter; none if something of it cannot be read.
fn how(
    scope: &mut Scope,
    written: &written::How<'_>,
    param: Option<ParamIx>,
    format: &Format,
    user: User,
) -> Option<How> {
    let fact = param.and_then(|param| scope.fact(param));
    let (value_type, has_discreets) =
        fact.map_or((None, true), |fact| (Some(fact.value_type), fact.has_discreets));
    let default = match (&written.default, value_type) {
        (Some(text), Some(ValueType::Double | ValueType::HighNibble)) if text.value.is_empty() => {
            Some(Value::Empty)
        }
        (Some(text), Some(value_type)) => value(scope, text, value_type),
        (Some(_) | None, _) => None,
    };
    let map = match &written.map {
        Some(text) => Some(map(scope, text, value_type, has_discreets, user)?),
        None => None,
    };
    let divisor = match &written.divisor {
        Some(text) => Some(part(scope, text, format, user)?),
        None => None,
    };
    let form = written.form.as_ref().and_then(|text| ValueForm::parse(&text.value));
    Some(How {
        default,
        form: Form(form.unwrap_or(ValueForm::Auto)),
        map,
        divisor,
        scale: number(written.scale.as_ref()),
        on_error: policy(written.on_error.as_ref()),
    })
}

fn policy(text: Option<&Text<'_>>) -> Policy {
    match text.and_then(|text| OnError::parse(&text.value)) {
        Some(OnError::Keep) => Policy::Keep,
        Some(OnError::Clear) => Policy::Clear,
        Some(OnError::Report) | None => Policy::Report,
    }
}

/// `idle=0;running=1;*=9`, or `discreets`.
fn map(
    scope: &mut Scope,
    text: &Text<'_>,
    value_type: Option<ValueType>,
    has_discreets: bool,
    user: User,
) -> Option<Map> {
    let wrong = |scope: &mut Scope, span: Span, why: String| {
        scope.push(
            Diagnostic::new(Code::BadMap, span, format!("a `map` of {user} cannot be read: {why}"))
                .with_help("write what comes and what it becomes: `map=\"idle=0;running=1;*=9\"`"),
        );
    };
    if text.value.trim().eq_ignore_ascii_case("discreets") {
        if !has_discreets {
            wrong(scope, text.span, "its parameter has no `Discreets`".to_owned());
        }
        return Some(Map::Discreets);
    }
    let mut pairs: Vec<(Arc<str>, Value)> = Vec::new();
    let mut others = None;
    let mut sound = true;
    for part in text.split(';') {
        let Some((from, to)) = part.value.split_once('=') else {
            wrong(scope, part.span, format!("`{}` has no `=`", short(part.value)));
            sound = false;
            continue;
        };
        let (from, to) = (from.trim(), to.trim());
        let value = match value_type {
            Some(ValueType::Double | ValueType::HighNibble) => parse_number(to).map(Value::number),
            Some(ValueType::String) | None => Some(Value::text(to)),
        };
        let is_number = value.is_some() || to.is_empty();
        if !is_number {
            let why = format!("`{}` is no number, and the parameter holds numbers", short(to));
            wrong(scope, part.span, why);
        } else if pairs.iter().any(|(known, _)| **known == *from) || (from == "*" && others.is_some()) {
            wrong(scope, part.span, format!("`{}` is there twice", short(from)));
            sound = false;
        } else if from == "*" {
            others = Some(value.unwrap_or_default());
        } else {
            pairs.push((Arc::from(from), value.unwrap_or_default()));
        }
        sound &= is_number;
    }
    sound.then_some(Map::Pairs(pairs, others))
}
