//! From a part of a message to the value of a parameter or a cell: types, maps, scales, what is not there, what is wrong.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use bytes::Bytes;

use crate::engine::codec::json::Kind;
use crate::engine::codec::message::{Look, Node};
use crate::engine::codec::xml::{self, Search, Selected, Trouble};
use crate::engine::codec::{Gathered, Set};
use crate::engine::param::{Origin, Params};
use crate::language::model::Protocol;
use crate::language::model::id::{ParamIx, TableIx};
use crate::language::model::message::{Extract, How, Map, Path, PathForm, Policy, XPath};
use crate::language::model::param::{Param, ValueType};
use crate::language::schema::enumerations::ValueForm;
use crate::value::{Value, days_since_1970, parse_number};

/// What of a message could not be worked out; holds no value of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The path, as written.
    pub path: Option<Arc<str>>,
    /// The parameter or column that it is for.
    pub param: Option<ParamIx>,
    /// The table that it is for.
    pub table: Option<TableIx>,
    /// What is wrong.
    pub why: Why,
}

/// What is wrong with a part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The message is not of the format: what is wrong with it.
    #[error("the message is not of its format: {0}")]
    NotOfFormat(&'static str),
    /// The bytes of a field do not fit the raw type.
    #[error("does not fit the raw type")]
    RawType,
    /// A number was asked for.
    #[error("is no number")]
    NotANumber,
    /// A flag was asked for.
    #[error("is neither true nor false")]
    NotAFlag,
    /// A time was asked for.
    #[error("is no time as in RFC 3339")]
    NotATime,
    /// Base64 was asked for.
    #[error("is no base64")]
    NotBase64,
    /// The map has nothing for it.
    #[error("is not in the map")]
    NotInMap,
    /// The divisor is zero or no number, or the quotient not finite.
    #[error("has no quotient")]
    NoQuotient,
    /// The parameter does not take the value.
    #[error("does not fit the parameter")]
    NotTaken,
    /// The path would take too long on this message.
    #[error("would take too many steps on a message of this size")]
    TooMuch,
    /// The path comes to nothing that is a value.
    #[error("cannot be worked out")]
    NoValue,
    /// So many rows have no key.
    #[error("rows without a key: {0}")]
    NoKey(u32),
    /// So many rows have the key of another one of the message.
    #[error("rows with a key that another one has: {0}")]
    DoubledKey(u32),
    /// So many rows are more than the table may have.
    #[error("rows that are more than the table takes: {0}")]
    TooMany(u32),
    /// So many cells do not fit their columns.
    #[error("cells that do not fit: {0}")]
    Cells(u32),
}

impl Problem {
    /// In words, with the names of the definition.
    pub fn describe(&self, protocol: &Protocol) -> String {
        let mut text = String::new();
        if let Some(path) = &self.path {
            text.push('`');
            text.push_str(path);
            text.push_str("` ");
        }
        let table = self.table.map(|table| protocol.param(protocol.table(table).param));
        match (self.param.map(|param| protocol.param(param)), table) {
            (Some(param), _) => text.push_str(&format!("for parameter {} ", param.id)),
            (None, Some(table)) => text.push_str(&format!("for table {} ", table.id)),
            (None, None) => {}
        }
        text.push_str(&self.why.to_string());
        text
    }
}

impl Gathered {
    /// Adds what another message has, behind what there is.
    pub(super) fn add(&mut self, other: Self) {
        self.sets.extend(other.sets);
        self.fills.extend(other.fills);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.unsaid = self.unsaid.saturating_add(other.unsaid);
        self.problem = self.problem.take().or(other.problem);
    }

    /// Counts what is lost, and keeps what is said of the first of it.
    pub(super) fn lose(&mut self, count: u32, problem: impl FnOnce() -> Problem) {
        self.dropped = self.dropped.saturating_add(count);
        if self.problem.is_none() {
            self.problem = Some(Box::new(problem()));
        }
    }
}

/// Adds the value of a `bs:Extract`.
pub(super) fn extract(look: Look<'_>, extract: &Extract, params: &Params, got: &mut Gathered) {
    let (param, how) = (extract.param, &extract.how);
    let described = params.describe(param);
    let lookup = Lookup { look, path: &extract.path };
    let found = lookup.value(how, described, params.get(param)).and_then(|value| {
        let is_checked = how.on_error != Policy::Report;
        match value {
            Some(value) if is_checked && !params.takes(param, &value, Origin::Message) => Err(Why::NotTaken),
            value => Ok(value),
        }
    });
    match (found, how.on_error) {
        (Ok(Some(value)), _) => got.sets.push(Set { param, value }),
        (Ok(None), _) => {}
        (Err(why), Policy::Report) => got.lose(1, || Problem {
            path: Some(extract.path.text().clone()),
            param: Some(param),
            table: None,
            why,
        }),
        (Err(_), Policy::Keep) => got.unsaid += 1,
        (Err(_), Policy::Clear) => {
            got.unsaid += 1;
            got.sets.push(Set { param, value: Value::Empty });
        }
    }
}

/// A path on a message.
struct Lookup<'m> {
    look: Look<'m>,
    path: &'m Path,
}

impl Lookup<'_> {
    fn value(&self, how: &How, param: &Param, present: &Value) -> Result<Option<Value>, Why> {
        match (self.look, self.path) {
            (Look::Json(message), Path::Json(path)) => {
                let node = message.try_select(path).map_err(|_| Why::TooMuch)?;
                let divisor = || match &how.divisor {
                    Some(Path::Json(path)) => message.select(path),
                    Some(Path::Xml(_)) | None => None,
                };
                // A path with wildcards may find several parts, which is what is counted then.
                if how.form.0 == ValueForm::Count && !matches!(path.form, PathForm::Singular(_)) {
                    let count = message.count(path).map_err(|_| Why::TooMuch)?;
                    return finish(number_of(count), how, divisor).map(Some);
                }
                convert(node, how, param, present, divisor)
            }
            (Look::Xml(tree), Path::Xml(path)) => {
                let search = Search::new(tree, xml::FUEL);
                in_xml(&search, path, search.whole(), how, param)
            }
            // `compile` gives each path the notation of its mapping.
            (Look::Json(_), Path::Xml(_)) | (Look::Xml(_), Path::Json(_)) => Ok(None),
        }
    }
}

/// What a path finds from a node of XML on.
pub(super) fn in_xml(
    search: &Search<'_>,
    path: &XPath,
    from: xml::Node<'_>,
    how: &How,
    param: &Param,
) -> Result<Option<Value>, Why> {
    let trouble = |trouble| match trouble {
        Trouble::TooMuch => Why::TooMuch,
        Trouble::NoValue => Why::NoValue,
    };
    let from = search.again(from);
    let divisor = match &how.divisor {
        Some(Path::Xml(path)) => search.value(path, from).map_err(trouble)?,
        Some(Path::Json(_)) | None => None,
    };
    let by = || divisor.as_ref().map(Node::Tree);
    if how.form.0 == ValueForm::Count
        && let Selected::Nodes(nodes) = search.select(path, from).map_err(trouble)?
    {
        return finish(number_of(nodes.len()), how, by).map(Some);
    }
    let found = search.value(path, from).map_err(trouble)?;
    convert(found.as_ref().map(Node::Tree), how, param, &crate::engine::param::EMPTY, by)
}

/// What a part of a message means for a parameter; none if nothing is there and nothing stands for that.
///
/// `present` is the value that it may be equal to: equal texts share their memory.
pub(super) fn convert<'n>(
    node: Option<Node<'n>>,
    how: &How,
    param: &Param,
    present: &Value,
    divisor: impl FnOnce() -> Option<Node<'n>>,
) -> Result<Option<Value>, Why> {
    let Some(node) = node else { return Ok(how.default.clone()) };
    if node.kind() == Kind::Null && how.default.is_some() {
        return Ok(how.default.clone());
    }
    let value = match &how.map {
        Some(map) => mapped(map, &node, param)?,
        None => formed(&node, how.form.0, param.value_type, present)?,
    };
    finish(value, how, divisor).map(Some)
}

fn number_of(count: usize) -> Value {
    Value::Number(f64::from(u32::try_from(count).unwrap_or(u32::MAX)))
}

/// Divides and multiplies.
fn finish<'n>(value: Value, how: &How, divisor: impl FnOnce() -> Option<Node<'n>>) -> Result<Value, Why> {
    if how.divisor.is_none() && how.scale.is_none() {
        return Ok(value);
    }
    if value.is_empty() {
        return Ok(value);
    }
    // A divisor that is not there divides by one.
    let by = match divisor() {
        Some(node) => parse_number(&node.text()).ok_or(Why::NoQuotient)?,
        None => 1.0,
    };
    let number = value.as_number().ok_or(Why::NotANumber)?;
    match Value::number(scaled(number / by, how.scale.unwrap_or(1.0))) {
        Value::Empty => Err(Why::NoQuotient),
        quotient @ (Value::Number(_) | Value::Text(_) | Value::Bytes(_)) => Ok(quotient),
    }
}

/// Multiplies; by a fraction such as 0.001 as a division by 1000, which is exact where 0.001 itself is not.
fn scaled(number: f64, scale: f64) -> f64 {
    let whole = (1.0 / scale).round();
    if scale.abs() < 1.0 && whole.is_finite() && 1.0 / whole == scale {
        number / whole
    } else {
        number * scale
    }
}

fn mapped(map: &Map, node: &Node<'_>, param: &Param) -> Result<Value, Why> {
    match map {
        Map::Pairs(pairs, others) => {
            let found = pairs.iter().find(|(from, _)| node.equals(from)).map(|(_, value)| value);
            found.or(others.as_ref()).cloned().ok_or(Why::NotInMap)
        }
        Map::Discreets => {
            let text = node.text();
            let found = param.discreets.iter().find(|discreet| *discreet.display == *text);
            found.map(|discreet| discreet.value.clone()).ok_or(Why::NotInMap)
        }
    }
}

/// A value in a form.
fn formed(node: &Node<'_>, form: ValueForm, value_type: ValueType, present: &Value) -> Result<Value, Why> {
    let kind = node.kind();
    if kind == Kind::Null && form != ValueForm::Json {
        return Ok(Value::Empty);
    }
    match form {
        ValueForm::Auto => Ok(natural(node, value_type, present)),
        ValueForm::Text => Ok(Value::text(&*node.text())),
        ValueForm::Json => Ok(Value::text(&*node.literal())),
        ValueForm::Count => Ok(number_of(node.count())),
        ValueForm::Number => {
            let number = match kind {
                Kind::Number | Kind::Text | Kind::EscapedText => parse_number(&node.text()),
                Kind::Null | Kind::True | Kind::False | Kind::Array | Kind::Object => None,
            };
            number.map(Value::Number).ok_or(Why::NotANumber)
        }
        ValueForm::Flag => flag(node).map(|is| Value::Number(f64::from(u8::from(is)))).ok_or(Why::NotAFlag),
        ValueForm::Time => time(&node.text()).map(Value::Number).ok_or(Why::NotATime),
        ValueForm::Base64 => {
            let text = node.text();
            let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
            let bytes = engines.iter().find_map(|engine| engine.decode(text.trim()).ok());
            bytes.map(|bytes| Value::Bytes(Bytes::from(bytes))).ok_or(Why::NotBase64)
        }
    }
}

/// The value that the parameter asks for: `null` is empty, `true` and `false` are 1 and 0 for numbers, arrays and objects are
/// JSON text.
///
/// A text parameter gets a number as it is written in the message, so that no digit is lost. A text that is the present
/// one shares its memory.
fn natural(node: &Node<'_>, value_type: ValueType, present: &Value) -> Value {
    let is_number = match value_type {
        ValueType::Double | ValueType::HighNibble => true,
        ValueType::String => false,
    };
    match node.kind() {
        Kind::Null => Value::Empty,
        Kind::True if is_number => Value::Number(1.0),
        Kind::False if is_number => Value::Number(0.0),
        Kind::Number if is_number => {
            let text = node.text();
            whole(&text).or_else(|| parse_number(&text)).map_or_else(|| Value::text(&*text), Value::Number)
        }
        Kind::True
        | Kind::False
        | Kind::Number
        | Kind::Text
        | Kind::EscapedText
        | Kind::Array
        | Kind::Object => match (node.text(), present) {
            (text, Value::Text(present)) if *text == **present => Value::Text(present.clone()),
            (text, Value::Text(_) | Value::Empty | Value::Number(_) | Value::Bytes(_)) => Value::text(&*text),
        },
    }
}

/// A short whole number, which most are; `None` for all others.
fn whole(text: &str) -> Option<f64> {
    /// Nine digits are below 2^32.
    const DIGITS: usize = 9;
    let (digits, sign) = text.strip_prefix('-').map_or((text, 1.0), |digits| (digits, -1.0));
    if digits.is_empty() || digits.len() > DIGITS {
        return None;
    }
    let add = |sum: u32, byte: u8| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0'));
    digits.bytes().try_fold(0, add).map(|number| sign * f64::from(number))
}

fn flag(node: &Node<'_>) -> Option<bool> {
    let text = node.text();
    match node.kind() {
        Kind::True => Some(true),
        Kind::False => Some(false),
        Kind::Number => match parse_number(&text) {
            Some(1.0) => Some(true),
            Some(0.0) => Some(false),
            Some(_) | None => None,
        },
        Kind::Text | Kind::EscapedText => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        Kind::Null | Kind::Array | Kind::Object => None,
    }
}

/// Seconds since 1970-01-01 in UTC of a time as in RFC 3339, 5.6; a leap second is the one after it.
fn time(text: &str) -> Option<f64> {
    let text = text.trim();
    let number = |range: std::ops::Range<usize>, most: u32| {
        let digits = text.get(range)?;
        let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u32>().ok().filter(|number| all_digits && *number <= most)
    };
    let is = |at: usize, wanted: &[u8]| text.as_bytes().get(at).is_some_and(|byte| wanted.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0..4, 9999)?, number(5..7, 12)?, number(8..10, 31)?);
    let (hour, minute, second) = (number(11..13, 23)?, number(14..16, 59)?, number(17..19, 60)?);
    if month == 0 || day == 0 {
        return None;
    }
    let rest = text.get(19..)?;
    let digits = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let (fraction, zone) = match digits {
        0 => (0.0, rest),
        digits => (format!("0.{}", rest.get(1..=digits)?).parse::<f64>().ok()?, rest.get(digits + 1..)?),
    };
    let offset = match zone.as_bytes() {
        [b'Z' | b'z'] => 0.0,
        [sign @ (b'+' | b'-'), ..] if zone.len() == 6 && zone.get(3..4) == Some(":") => {
            let (hours, minutes) = (zone.get(1..3)?.parse::<u8>().ok()?, zone.get(4..6)?.parse::<u8>().ok()?);
            let seconds = f64::from(hours) * 3_600.0 + f64::from(minutes) * 60.0;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let days = days_since_1970(i64::from(year), i64::from(month), i64::from(day));
    let seconds = days * 86_400 + i64::from(hour * 3_600 + minute * 60 + second);
    #[expect(
        clippy::cast_precision_loss,
        reason = "four digits of a year are far from what a double cannot count"
    )]
    Some(seconds as f64 + fraction - offset)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "`{path}` ")?;
        }
        write!(f, "{}", self.why)
    }
}

#[cfg(test)]
mod tests;
