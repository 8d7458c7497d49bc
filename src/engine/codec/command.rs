//! Builds the message of a command from the present values; sends nothing.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::engine::codec::layout::Layouts;
use crate::engine::codec::mask::Mask;
use crate::engine::codec::raw::{self, RawError};
use crate::engine::codec::render::{self, RenderError};
use crate::engine::codec::{Set, bits, checksum};
use crate::engine::param::Params;
use crate::language::model::id::{CommandIx, ParamId, ParamIx};
use crate::language::model::message::{CommandContent, MessageKind};
use crate::language::model::param::{Checksum, Length, Param, ParamKind, RawType};
use crate::value::{Context, Secret, Value};

/// What the settings say about building messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// TAI minus UTC in seconds; 37 since 2017.
    pub tai_offset: i64,
    /// The longest message, in bytes (`bs:Limits maxMessageBytes`).
    pub max_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { tai_offset: 37, max_bytes: 16 << 20 }
    }
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Text or binary; a text is valid UTF-8.
    pub kind: MessageKind,
    /// The bytes.
    pub payload: Bytes,
    /// Where each parameter of the command stands in it, by position; empty for a template.
    pub fields: Vec<Range<usize>>,
    /// What must not be seen of it: the bytes that secret parameters put in.
    secrets: Vec<Secret<Bytes>>,
}

impl Outgoing {
    /// Hides what secret parameters put in, as they put it in.
    pub fn hide(&self, mask: &mut Mask) {
        mask.extend(self.secrets.iter().map(|secret| secret.expose().clone()));
    }

    /// The message with other bytes, after stuffing or replacing; the places of the fields are lost.
    ///
    /// What was secret in it may look different now: if anything was, all of it is masked.
    #[must_use]
    pub fn with_payload(mut self, payload: Bytes) -> Self {
        if !self.secrets.is_empty() && payload != self.payload {
            self.secrets = vec![Secret::new(payload.clone())];
        }
        self.payload = payload;
        self.fields.clear();
        self
    }

    /// The message with the bytes of some of its fields the other way round; fields that it does not have are left out.
    #[must_use]
    pub fn with_reversed(mut self, positions: &[usize]) -> Self {
        let mut bytes = self.payload.to_vec();
        for range in positions.iter().filter_map(|at| self.fields.get(*at)) {
            if let Some(field) = bytes.get_mut(range.clone()) {
                field.reverse();
            }
        }
        let fields = std::mem::take(&mut self.fields);
        Self { fields, ..self.with_payload(Bytes::from(bytes)) }
    }
}

/// Why a command has no message.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// A value does not fit its field.
    #[error("parameter {param} cannot be written into its field")]
    Field {
        /// The parameter.
        param: ParamId,
        /// What does not fit.
        #[source]
        error: RawError,
    },
    /// The parts of a text command are not UTF-8 together.
    #[error("a text message must be UTF-8, and the bytes of parameter {param} are not")]
    NotUtf8 {
        /// The parameter with the first wrong byte.
        param: ParamId,
    },
    /// The message is longer than `maxMessageBytes`.
    #[error("the message would be longer than {0} bytes")]
    TooLong(usize),
    /// The template cannot be rendered.
    #[error("the template cannot be filled in")]
    Template(#[source] RenderError),
}

/// Builds the message of a command.
///
/// # Errors
///
/// A value that does not fit its field, a text that is not UTF-8, a template without a result, or a message that is too long.
pub fn make(
    ctx: &mut Context,
    params: &Params,
    layouts: &Layouts,
    command: CommandIx,
    options: &Options,
) -> Result<Outgoing, MakeError> {
    let protocol = params.protocol();
    let described = protocol.command(command);
    match &described.content {
        CommandContent::Params(_) => {
            let fields = layouts.command(protocol, command);
            join(params, fields, described.kind, options)
        }
        CommandContent::Template(template) => {
            let text = render::render(ctx, params, template, options).map_err(|error| match error {
                RenderError::TooLong(bytes) => MakeError::TooLong(bytes),
                error @ (RenderError::Template { .. } | RenderError::NotText(_)) => {
                    MakeError::Template(error)
                }
            })?;
            let secrets = template.params.iter().filter_map(|param| secret_of(params, *param)).collect();
            Ok(Outgoing { kind: described.kind, payload: Bytes::from(text), fields: Vec::new(), secrets })
        }
    }
}

fn join(
    params: &Params,
    fields: &[ParamIx],
    kind: MessageKind,
    options: &Options,
) -> Result<Outgoing, MakeError> {
    let mut payload = BytesMut::new();
    let mut ranges = Vec::with_capacity(fields.len());
    let mut secrets = Vec::new();
    for param in fields {
        let described = params.describe(*param);
        let bytes = field(params, *param).map_err(|error| MakeError::Field { param: described.id, error })?;
        let start = payload.len();
        if start + bytes.len() > options.max_bytes {
            return Err(MakeError::TooLong(options.max_bytes));
        }
        payload.extend_from_slice(&bytes);
        ranges.push(start..payload.len());
        if described.secret && !bytes.is_empty() {
            secrets.push(Secret::new(bytes));
        }
    }
    let payload = payload.freeze();
    if kind == MessageKind::Text
        && let Err(error) = std::str::from_utf8(&payload)
    {
        let wrong = ranges.iter().position(|range| range.contains(&error.valid_up_to())).unwrap_or(0);
        let param = fields.get(wrong).map_or(ParamId(0), |param| params.describe(*param).id);
        return Err(MakeError::NotUtf8 { param });
    }
    Ok(Outgoing { kind, payload, fields: ranges, secrets })
}

/// What must not be seen of a template's output: a secret parameter's value, in whatever form the template wrote it.
fn secret_of(params: &Params, param: ParamIx) -> Option<Secret<Bytes>> {
    let value = params.get(param);
    (params.describe(param).secret && !value.is_empty()).then(|| Secret::new(value.to_bytes()))
}

/// The bytes of one field; a group is zeros as long as it is empty.
fn field(params: &Params, param: ParamIx) -> Result<Bytes, RawError> {
    let described = params.describe(param);
    if described.kind == ParamKind::Group {
        return bits::bytes_of(params, param);
    }
    raw::encode(described, params.length(param), params.get(param))
}

/// The action `length`: the value of each length parameter of a built command.
///
/// It is the number of bytes of the fields that `Length/Content` of the parameter names, or, where it names none, of all
/// fields that are not length parameters themselves.
pub fn lengths(params: &Params, fields: &[ParamIx], made: &Outgoing) -> Vec<Set> {
    let is_length = |param: &ParamIx| params.describe(*param).kind == ParamKind::Length;
    let value = |param: &ParamIx| {
        let bytes = counted(params, fields, &made.fields, params.describe(*param));
        #[expect(clippy::cast_precision_loss, reason = "a message has far less than 2^53 bytes")]
        Set { param: *param, value: Value::Number(bytes as f64) }
    };
    fields.iter().filter(|param| is_length(param)).map(value).collect()
}

/// How many bytes a length parameter counts.
pub(super) fn counted(params: &Params, fields: &[ParamIx], ranges: &[Range<usize>], length: &Param) -> usize {
    if !length.length_of.is_empty() {
        return length.length_of.iter().filter_map(|at| ranges.get(*at)).map(Range::len).sum();
    }
    let others = fields.iter().zip(ranges);
    others.filter(|(param, _)| params.describe(**param).kind != ParamKind::Length).map(|(_, r)| r.len()).sum()
}

/// The action `crc`: the value of the checksum parameter of a built command.
///
/// `None` if it has none, if a field that counts is not there, or if the checksum [cannot be worked out](checksum::of).
pub fn checksum(params: &Params, fields: &[ParamIx], made: &Outgoing, how: &Checksum) -> Option<Set> {
    let position = fields.iter().position(|param| params.describe(*param).kind == ParamKind::Crc)?;
    let param = *fields.get(position)?;
    let bytes = covered(&made.payload, &made.fields, position, how)?;
    #[expect(clippy::cast_precision_loss, reason = "checksums have at most four bytes in practice")]
    let value = Value::Number(checksum::of(how, width(params, param), &bytes)? as f64);
    Some(Set { param, value })
}

/// The bytes of the fields that count, one after the other: those that are named, else all before the checksum.
pub(super) fn covered<'a>(
    payload: &'a [u8],
    fields: &[Range<usize>],
    crc: usize,
    how: &Checksum,
) -> Option<Cow<'a, [u8]>> {
    if how.of.is_empty() {
        return payload.get(..fields.get(crc)?.start).map(Cow::Borrowed);
    }
    let mut bytes = Vec::new();
    for position in &how.of {
        bytes.extend_from_slice(payload.get(fields.get(*position)?.clone())?);
    }
    Some(Cow::Owned(bytes))
}

/// How many bytes a binary number has in its field; `None` for texts and for fields without a fixed length.
pub(super) fn width(params: &Params, param: ParamIx) -> Option<u32> {
    let is_binary = match params.describe(param).raw_type {
        RawType::SignedNumber | RawType::UnsignedNumber => true,
        RawType::Other | RawType::Text | RawType::NumericText | RawType::Double | RawType::Bcd => false,
    };
    match params.length(param) {
        Length::Fixed(bytes) => is_binary.then_some(bytes),
        Length::NextParam | Length::LastNextParam | Length::OtherParam(_) => None,
    }
}

#[cfg(test)]
mod tests;
