//! Parameters as written to parameters of the model; tables are in `tables`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::language::definition::param::{Crc, Interprete, Param};
use crate::language::definition::{Id, Text};
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::NameEntry;
use crate::language::model::compile::scope::{ParamFacts, Scope, Use, User};
use crate::language::model::compile::sequence;
use crate::language::model::compile::value::{is_true, literal, name, number, shared, value};
use crate::language::model::id::{ParamId, ParamIx};
use crate::language::model::param::{
    self as model, Bits, Checksum, ChecksumKind, Discreet, Exception, GroupForm, Length, ParamKind, Range,
    RawType, ValueType,
};
use crate::language::schema::enumerations::{self as words, CrcType, InterpreteType, LengthType, ParamType};
use crate::language::source::Spanned;
use crate::value::Value;

/// Most bytes of a field of fixed length; the action `change length` has the same limit in the original.
const MAX_LENGTH: u32 = 1 << 20;

/// `Param/Type`; a parameter without one is read.
pub(super) fn kind_of(written: &Param<'_>) -> ParamKind {
    let Some(kind) = written.kind.as_ref().and_then(|text| ParamType::parse(&text.value)) else {
        return ParamKind::Read;
    };
    match kind {
        ParamType::Array => ParamKind::Array,
        ParamType::Bus => ParamKind::Bus,
        ParamType::Crc => ParamKind::Crc,
        ParamType::DiscreetInfo => ParamKind::DiscreetInfo,
        ParamType::Dummy => ParamKind::Dummy,
        ParamType::ElementDmaId => ParamKind::ElementDmaId,
        ParamType::ElementId => ParamKind::ElementId,
        ParamType::ElementName => ParamKind::ElementName,
        ParamType::Fixed => ParamKind::Fixed,
        ParamType::Group => ParamKind::Group,
        ParamType::Header => ParamKind::Header,
        ParamType::Ip => ParamKind::Ip,
        ParamType::Length => ParamKind::Length,
        ParamType::PollingIp => ParamKind::PollingIp,
        ParamType::Read => ParamKind::Read,
        ParamType::ReadBit => ParamKind::ReadBit,
        ParamType::Response => ParamKind::Response,
        ParamType::Trailer => ParamKind::Trailer,
        ParamType::Write => ParamKind::Write,
        ParamType::WriteBit => ParamKind::WriteBit,
        ParamType::DataminerInfo | ParamType::Matrix => ParamKind::Other,
    }
}

fn value_type_of(written: &Interprete<'_>) -> ValueType {
    match written.value_type.as_ref().and_then(|text| InterpreteType::parse(&text.value)) {
        Some(InterpreteType::Double) => ValueType::Double,
        Some(InterpreteType::HighNibble) => ValueType::HighNibble,
        Some(InterpreteType::String) | None => ValueType::String,
    }
}

/// What the rest of the definition needs to know of a parameter first.
pub(super) fn facts(written: &Param<'_>) -> ParamFacts {
    let interprete = &written.interprete;
    ParamFacts {
        id: written.id.value,
        name: name(written.name.as_ref()),
        kind: kind_of(written),
        value_type: value_type_of(interprete),
        has_value: interprete.default.is_some()
            || interprete.value.is_some()
            || is_true(written.save.as_ref()),
        has_discreets: !written.discreets.is_empty(),
        default: interprete.default.as_ref().map(|text| Spanned::new(shared(text), text.span)),
        span: written.span,
    }
}

/// Which parameters a name stands for.
pub(super) fn names(params: &[Param<'_>]) -> HashMap<Arc<str>, NameEntry> {
    let mut names: HashMap<Arc<str>, NameEntry> = HashMap::with_capacity(params.len());
    for (at, param) in params.iter().enumerate() {
        let (Some(text), Some(ix)) = (&param.name, ParamIx::new(at)) else { continue };
        let key: Arc<str> = Arc::from(text.value.to_lowercase());
        let entry = names.entry(key).or_default();
        if matches!(kind_of(param), ParamKind::Write | ParamKind::WriteBit) {
            entry.write.get_or_insert(ix);
        } else {
            entry.read.get_or_insert(ix);
        }
    }
    // A name of one parameter alone means it both ways.
    for entry in names.values_mut() {
        entry.read = entry.read.or(entry.write);
        entry.write = entry.write.or(entry.read);
    }
    names
}

/// Compiles all parameters; what connections and tables add to them is filled in later.
pub(super) fn compile(scope: &mut Scope, written: &[Param<'_>]) -> Vec<model::Param> {
    written.iter().map(|param| one(scope, param)).collect()
}

fn one(scope: &mut Scope, written: &Param<'_>) -> model::Param {
    let user = User("parameter", written.id.value);
    let interprete = &written.interprete;
    let kind = kind_of(written);
    let value_type = value_type_of(interprete);
    let secret = is_true(written.secret.as_ref());
    if secret && let Some(default) = &interprete.default {
        scope.push(
            Diagnostic::new(
                Code::PlainSecret,
                default.span,
                format!("{user} is secret, and its default value stands in the file for all to read"),
            )
            .with_help("leave the default out and give the value in the settings, from `env` or `file`"),
        );
    }
    let fixed = fixed(scope, written, kind);
    model::Param {
        id: ParamId(written.id.value),
        name: name(written.name.as_ref()),
        description: name(written.description.as_ref()),
        kind,
        value_type,
        raw_type: raw_type(interprete),
        length: length(scope, interprete, user),
        little_endian: interprete.endian.as_ref().and_then(|text| words::Endian::parse(&text.value))
            != Some(words::Endian::Big),
        default: default(scope, written, kind, value_type),
        fixed,
        checksum: written.crc.as_ref().filter(|_| kind == ParamKind::Crc).map(checksum),
        length_of: positions(&written.length_of),
        bits: bits(scope, written, kind, user),
        response: response(scope, written, kind, user),
        exceptions: exceptions(scope, interprete, value_type, user),
        range: range(scope, interprete, user),
        sequence: sequence::of(scope, interprete, user),
        decimals: interprete.decimals.as_ref().and_then(Text::parse).map_or(6, |decimals| decimals.value),
        rounding: interprete
            .rounding
            .as_ref()
            .and_then(|text| words::Rounding::parse(&text.value))
            .unwrap_or(words::Rounding::Down),
        base: interprete
            .base
            .as_ref()
            .and_then(Text::parse)
            .map(|base| base.value)
            .filter(|base| (2..=36).contains(base))
            .unwrap_or(10),
        trim: interprete.trim.as_ref().and_then(|text| words::Trim::parse(&text.value)),
        discreets: discreets(written),
        units: name(written.units.as_ref()),
        save: is_true(written.save.as_ref()),
        setter: setter(scope, written, kind),
        secret,
        watch: written.watch.as_ref().and_then(Text::flag) != Some(false),
        dynamic_ip: None,
        watched_by: Vec::new(),
        table: None,
        column: None,
    }
}

fn raw_type(written: &Interprete<'_>) -> RawType {
    match written.raw_type.as_ref().and_then(|text| words::RawType::parse(&text.value)) {
        Some(words::RawType::Bcd) => RawType::Bcd,
        Some(words::RawType::Double) => RawType::Double,
        Some(words::RawType::NumericText) => RawType::NumericText,
        Some(words::RawType::SignedNumber) => RawType::SignedNumber,
        Some(words::RawType::UnsignedNumber) => RawType::UnsignedNumber,
        Some(words::RawType::Text) => RawType::Text,
        Some(words::RawType::Other | words::RawType::OnlyOthers) | None => RawType::Other,
    }
}

fn length(scope: &mut Scope, written: &Interprete<'_>, user: User) -> Length {
    let Some(text) = &written.length_type else { return Length::NextParam };
    match LengthType::parse(&text.value) {
        Some(LengthType::Fixed) => match written.length.as_ref().and_then(Text::parse::<u32>) {
            Some(length) => Length::Fixed(length.value.min(MAX_LENGTH)),
            None => {
                let bytes = written.value.as_ref().map(|value| literal(scope, value).len());
                if bytes.is_none() {
                    scope.push(
                        Diagnostic::new(Code::NoLength, text.span, format!("{user} has a fixed length and no `Length`"))
                            .with_help("add `<Length>` with the number of bytes; until then it ends at the next fixed part"),
                    );
                }
                bytes.and_then(|bytes| u32::try_from(bytes).ok()).map_or(Length::NextParam, Length::Fixed)
            }
        },
        Some(LengthType::LastNextParam) => Length::LastNextParam,
        Some(LengthType::OtherParam) => match written.length_id {
            Some(id) => scope.param_for(id, user, Use::Source).map_or(Length::NextParam, Length::OtherParam),
            None => {
                scope.push(
                    Diagnostic::new(
                        Code::NoLength,
                        text.span,
                        format!("{user} has the length that another parameter says, and names none"),
                    )
                    .with_help(
                        "add the id of that parameter: `<LengthType id=\"12\">other param</LengthType>`",
                    ),
                );
                Length::NextParam
            }
        },
        Some(LengthType::NextParam) | None => Length::NextParam,
    }
}

fn fixed(scope: &mut Scope, written: &Param<'_>, kind: ParamKind) -> Option<bytes::Bytes> {
    let constant = matches!(kind, ParamKind::Fixed | ParamKind::Header | ParamKind::Trailer);
    let text = written.interprete.value.as_ref().filter(|_| constant)?;
    let bytes = literal(scope, text);
    let length = written.interprete.length.as_ref().and_then(Text::parse::<usize>);
    if let Some(length) =
        length.filter(|length| length.value != bytes.len() && written.interprete.length_type.is_some())
    {
        let user = User("parameter", written.id.value);
        scope.push(
            Diagnostic::new(
                Code::LengthMismatch,
                text.span,
                format!("the value of {user} has {} bytes, and its length is {}", bytes.len(), length.value),
            )
            .with_related(length.span, "the length")
            .with_help("the value counts; make the length the same"),
        );
    }
    Some(bytes)
}

fn default(scope: &mut Scope, written: &Param<'_>, kind: ParamKind, value_type: ValueType) -> Option<Value> {
    let interprete = &written.interprete;
    // A read or write parameter may have a constant value of its own: what it begins with.
    let text = interprete.default.as_ref()?;
    if kind == ParamKind::Array {
        scope.say(
            Code::TypeMismatch,
            text.span,
            format!("parameter {} is a table and has no default value", written.id.value),
        );
        return None;
    }
    value(scope, text, value_type)
}

fn range(scope: &mut Scope, written: &Interprete<'_>, user: User) -> Range {
    let range = Range { low: number(written.low.as_ref()), high: number(written.high.as_ref()) };
    if let (Some(low), Some(high), Some(place)) = (range.low, range.high, &written.low)
        && low > high
    {
        scope.push(
            Diagnostic::new(
                Code::BadRange,
                place.span,
                format!("the range of {user} is empty: {low} is above {high}"),
            )
            .with_help("put the smaller number into `Low`"),
        );
    }
    range
}

fn exceptions(
    scope: &mut Scope,
    written: &Interprete<'_>,
    value_type: ValueType,
    user: User,
) -> Vec<Exception> {
    let mut exceptions = Vec::new();
    for exception in &written.exceptions {
        let Some(text) = exception.value.as_ref().or(exception.stored.as_ref()) else { continue };
        // An exception of another type than the parameter cannot be told apart, so it is compared as text.
        let plain = |text: &Text<'_>| match value_type {
            ValueType::Double | ValueType::HighNibble => {
                number(Some(text)).map_or_else(|| Value::text(shared(text)), Value::number)
            }
            ValueType::String => Value::text(shared(text)),
        };
        exceptions.push(Exception {
            value: plain(text),
            display: name(exception.display.as_ref()),
            stored: exception.stored.as_ref().map(plain),
            other: false,
        });
    }
    for other in &written.others {
        let Some(param) = other.id.and_then(|id| scope.param_for(id, user, Use::Source)) else { continue };
        let Some(received) = scope.constants.get(&param).cloned() else { continue };
        let stored = number(other.stored.as_ref()).map(Value::number);
        exceptions.push(Exception {
            value: Value::Bytes(received),
            display: name(other.display.as_ref()),
            stored: stored.or_else(|| other.stored.as_ref().map(|text| Value::text(shared(text)))),
            other: true,
        });
    }
    exceptions
}

fn discreets(written: &Param<'_>) -> Vec<Discreet> {
    let make = |(value, display): &(Option<Text<'_>>, Option<Text<'_>>)| {
        let shown = display.as_ref().or(value.as_ref())?;
        let stored = value.as_ref().unwrap_or(shown);
        let stored = number(Some(stored)).map_or_else(|| Value::text(shared(stored)), Value::number);
        Some(Discreet { value: stored, display: shared(shown) })
    };
    written.discreets.iter().filter_map(make).collect()
}

fn positions(ids: &[Id]) -> Vec<usize> {
    ids.iter().filter_map(|id| usize::try_from(id.value).ok()).collect()
}

fn checksum(written: &Crc<'_>) -> Checksum {
    let integer =
        |text: &Option<Text<'_>>| text.as_ref().and_then(Text::parse::<i64>).map(|number| number.value);
    let option = |name: &str| written.options.as_ref().is_some_and(|options| options.option(name).is_some());
    let kind = match written.kind.as_ref().and_then(|text| CrcType::parse(&text.value)) {
        Some(CrcType::TwoComp) => ChecksumKind::TwosComplement,
        Some(CrcType::Codan) => ChecksumKind::Codan,
        Some(CrcType::Crc) => ChecksumKind::Crc,
        Some(CrcType::CrcCcitt) => ChecksumKind::CrcCcitt,
        Some(CrcType::Crc16) => ChecksumKind::Crc16,
        Some(CrcType::Exor) => ChecksumKind::Exor,
        Some(CrcType::Fletcher) => ChecksumKind::Fletcher,
        Some(CrcType::LsbAfterSubtract) => ChecksumKind::LsbAfterSubtract,
        Some(CrcType::LsbAfterSum) => ChecksumKind::LsbAfterSum,
        Some(CrcType::Modbus) => ChecksumKind::Modbus,
        Some(CrcType::Rcds) => ChecksumKind::Rcds,
        Some(CrcType::Rest) => ChecksumKind::Rest,
        Some(CrcType::Subtract) => ChecksumKind::Subtract,
        Some(CrcType::Sum) | None => ChecksumKind::Sum,
    };
    let group = written.group_bytes.as_ref().and_then(|text| {
        let count = text.split(';').first()?.value.parse().ok()?;
        let binary = text.option("binary").is_some();
        Some((count, if binary { GroupForm::Binary } else { GroupForm::Hex }))
    });
    Checksum {
        kind,
        of: positions(&written.content),
        byte_offset: integer(&written.byte_offset).unwrap_or(0),
        group,
        offset: integer(&written.offset).unwrap_or(0),
        modulo: integer(&written.modulo)
            .and_then(|number| u64::try_from(number).ok())
            .filter(|number| *number > 0),
        total_offset: integer(&written.total_offset)
            .and_then(|number| u64::try_from(number).ok())
            .unwrap_or(0),
        or_total_offset: option("or totaloffset"),
        ones_complement: option("ones complement"),
    }
}

fn bits(scope: &mut Scope, written: &Param<'_>, kind: ParamKind, user: User) -> Option<Bits> {
    if !matches!(kind, ParamKind::ReadBit | ParamKind::WriteBit) {
        return None;
    }
    let id = written.kind_id.as_ref().and_then(Text::parse::<i32>)?;
    let group = scope.param_for(id, user, Use::Source)?;
    let number =
        |text: &Option<Text<'_>>| text.as_ref().and_then(Text::parse::<u32>).map(|number| number.value);
    let interprete = &written.interprete;
    Some(Bits {
        group,
        start: number(&interprete.start_position).unwrap_or(0),
        count: number(&interprete.bits).unwrap_or(1),
    })
}

fn response(
    scope: &mut Scope,
    written: &Param<'_>,
    kind: ParamKind,
    user: User,
) -> Option<crate::language::model::id::ResponseIx> {
    let id = written.kind_id.as_ref().filter(|_| kind == ParamKind::Response).and_then(Text::parse::<i32>)?;
    scope.responses.resolve(id, user)
}

fn setter(scope: &mut Scope, written: &Param<'_>, kind: ParamKind) -> Option<ParamIx> {
    let flag = written.setter.as_ref().filter(|_| is_true(written.setter.as_ref()))?;
    let user = User("parameter", written.id.value);
    if !matches!(kind, ParamKind::Write | ParamKind::WriteBit) {
        scope.push(
            Diagnostic::new(
                Code::SetterWithoutRead,
                flag.span,
                format!("{user} is a setter and no write parameter"),
            )
            .with_help("only a write parameter copies to the read parameter with its name"),
        );
        return None;
    }
    let entry = written.name.as_ref().and_then(|name| scope.names.get(name.value.to_lowercase().as_str()));
    // A name of write parameters alone means the first of them for reading too.
    let is_read = |ix: &ParamIx| {
        scope.fact(*ix).is_some_and(|fact| !matches!(fact.kind, ParamKind::Write | ParamKind::WriteBit))
    };
    let found = entry.and_then(|entry| entry.read).filter(is_read);
    match found {
        Some(ix) => scope.written.push(ix),
        None => scope.push(
            Diagnostic::new(
                Code::SetterWithoutRead,
                flag.span,
                format!("{user} is a setter, and no read parameter has its name"),
            )
            .with_help("a setter copies to the read parameter with the same `Name`"),
        ),
    }
    found
}

/// Parameters that a table names as columns and nobody defines: they are made, so that the other columns keep their places.
pub(super) fn placeholder(id: Id) -> Param<'static> {
    Param {
        span: id.span,
        id,
        name: None,
        description: None,
        kind: None,
        kind_id: None,
        kind_options: None,
        save: None,
        setter: None,
        secret: None,
        watch: None,
        interprete: Box::default(),
        crc: None,
        length_of: Vec::new(),
        discreets: Vec::new(),
        units: None,
        array: None,
    }
}
