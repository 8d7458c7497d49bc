//! Parameters and tables as the engine knows them; holds no current value.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::language::model::id::{ConnectionIx, ParamId, ParamIx, ResponseIx, TableIx};
use crate::language::schema::enumerations::{Rounding, Trim};
use crate::value::Value;

/// One parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// The author's number.
    pub id: ParamId,
    /// `Name`; empty if the author gave none.
    pub name: Arc<str>,
    /// `Description`: what people see.
    pub description: Arc<str>,
    /// `Type`.
    pub kind: ParamKind,
    /// `Interprete/Type`: how the value is held.
    pub value_type: ValueType,
    /// `Interprete/RawType`: how the value looks on the wire.
    pub raw_type: RawType,
    /// `Interprete/LengthType`: where the field ends in a message.
    pub length: Length,
    /// `Interprete/Endian` is not `big`: the original reverses the bytes of a number only for `big`; little is its default.
    pub little_endian: bool,
    /// `Interprete/DefaultValue`, for a standalone parameter that is still empty at the start.
    pub default: Option<Value>,
    /// The bytes of a fixed, header or trailer parameter (`Interprete/Value`).
    pub fixed: Option<Bytes>,
    /// What a parameter of type crc is worked out from, and how (`CRC`).
    pub checksum: Option<Checksum>,
    /// What a parameter of type length counts: positions in the command or response, from 0 (`Length/Content`).
    pub length_of: Vec<usize>,
    /// Which bits of which group parameter a parameter of type read bit or write bit is.
    pub bits: Option<Bits>,
    /// The response that a parameter of type response is cut by.
    pub response: Option<ResponseIx>,
    /// `Interprete/Exceptions` and `Others`.
    pub exceptions: Vec<Exception>,
    /// `Interprete/Range`: numbers outside are dropped when they are received.
    pub range: Range,
    /// `Interprete/Scale` and then `Interprete/Sequence`, applied in order when the parameter itself changes.
    pub sequence: Vec<SequenceStep>,
    /// `Decimals`: digits after the point that are kept; 6 if not said.
    pub decimals: u8,
    /// `Rounding` to them; down if not said.
    pub rounding: Rounding,
    /// `Base` in which a number is written as text, from 2 to 36; 10 if not said.
    pub base: u32,
    /// `Type@trim`: where blanks are taken off a received text.
    pub trim: Option<Trim>,
    /// `Measurement/Discreets`: stored value and shown text.
    pub discreets: Vec<Discreet>,
    /// `Display/Units`.
    pub units: Arc<str>,
    /// `save="true"`: survives a restart.
    pub save: bool,
    /// `setter="true"` on a write parameter: the read parameter that a set copies to.
    pub setter: Option<ParamIx>,
    /// `bs:secret="true"`: masked everywhere.
    pub secret: bool,
    /// Whether a change moves the links that are made of it (`bs:watch`, default true).
    pub watch: bool,
    /// The connection whose address this parameter is (`Type options="dynamic ip n"`).
    pub dynamic_ip: Option<ConnectionIx>,
    /// The connections whose target or handshake is made of this parameter; empty if it is not watched.
    pub watched_by: Vec<ConnectionIx>,
    /// The table that this array parameter is.
    pub table: Option<TableIx>,
    /// The table and column number that this column parameter is.
    pub column: Option<(TableIx, u16)>,
}

impl Param {
    /// Whether an API or a person may set it.
    pub fn is_settable(&self) -> bool {
        !matches!(self.kind, ParamKind::Fixed | ParamKind::Header | ParamKind::Trailer)
    }
}

/// `Param/Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// Shown, filled by the engine.
    Read,
    /// Set by people and programs; each set is an event.
    Write,
    /// Not shown.
    Dummy,
    /// Constant bytes of a message.
    Fixed,
    /// A table.
    Array,
    /// The bus address of the element.
    Bus,
    /// The address of the element's connection.
    Ip,
    /// The polling address of the element.
    PollingIp,
    /// The id of the element.
    ElementId,
    /// The name of the element.
    ElementName,
    /// Agent and element id of the element.
    ElementDmaId,
    /// A part of a message that is made of further parameters.
    Group,
    /// One bit of another parameter, read.
    ReadBit,
    /// One bit of another parameter, written.
    WriteBit,
    /// The bytes that a message begins with.
    Header,
    /// The bytes that a message ends with.
    Trailer,
    /// A length that the engine works out.
    Length,
    /// A checksum that the engine works out.
    Crc,
    /// Texts for values; kept, not run.
    DiscreetInfo,
    /// The whole of a response.
    Response,
    /// A kind that is accepted and behaves like a dummy.
    Other,
}

/// `Interprete/Type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueType {
    /// A number.
    Double,
    /// A text.
    #[default]
    String,
    /// The upper four bits of a byte.
    HighNibble,
}

/// `Interprete/RawType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RawType {
    /// Text or anything: bytes as they are.
    #[default]
    Other,
    /// Text in the definition's character set.
    Text,
    /// Digits in text.
    NumericText,
    /// A signed binary integer.
    SignedNumber,
    /// An unsigned binary integer.
    UnsignedNumber,
    /// An IEEE 754 number of 4 or 8 bytes.
    Double,
    /// A binary coded decimal.
    Bcd,
}

/// `Interprete/LengthType`: where a field of a message ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Length {
    /// At the next fixed part, or at the end of the message.
    #[default]
    NextParam,
    /// At the last occurrence of the next fixed part.
    LastNextParam,
    /// After so many bytes.
    Fixed(u32),
    /// After as many bytes as another parameter says.
    OtherParam(ParamIx),
}

/// A value that stands for something else: what is received, and what is shown for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exception {
    /// The received value that has the meaning.
    pub value: Value,
    /// What is shown.
    pub display: Arc<str>,
    /// What stands for it inside, in alarms and trends; of one of `Others`, what the parameter gets.
    pub stored: Option<Value>,
    /// Whether this is one of `Others`: never for values that scripts set.
    pub other: bool,
}

/// How a checksum is worked out, in this order: each byte, the sum, `modulo`, `total_offset`, the complement.
#[derive(Clone, Debug, PartialEq)]
pub struct Checksum {
    /// The kind of sum.
    pub kind: ChecksumKind,
    /// The positions in the command or response that count, from 0.
    pub of: Vec<usize>,
    /// Added to every byte first.
    pub byte_offset: i64,
    /// How many bytes are taken together, and how they are read (`groupbytes`).
    pub group: Option<(u8, GroupForm)>,
    /// Added to the sum.
    pub offset: i64,
    /// The rest of a division by this is kept.
    pub modulo: Option<u64>,
    /// Added to the result, or combined with it by "or".
    pub total_offset: u64,
    /// Whether `total_offset` is combined by "or" (`OR TOTALOFFSET`).
    pub or_total_offset: bool,
    /// Whether every bit is inverted in the end (`ONES COMPLEMENT`).
    pub ones_complement: bool,
}

/// How bytes that are taken together for a checksum become a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupForm {
    /// They are hexadecimal digits.
    Hex,
    /// They are a binary number.
    Binary,
}

/// The kinds of checksum (`CRC/Type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumKind {
    /// The sum of the bytes.
    Sum,
    /// Zero minus each of the bytes.
    Subtract,
    /// The lowest byte of `Sum`.
    LsbAfterSum,
    /// The lowest byte of `Subtract`.
    LsbAfterSubtract,
    /// All bytes combined by exclusive or.
    Exor,
    /// The two's complement of the sum.
    TwosComplement,
    /// The rest of the sum after a division.
    Rest,
    /// The plain `CRC`.
    Crc,
    /// CRC-16.
    Crc16,
    /// CRC-16/CCITT.
    CrcCcitt,
    /// CRC-16 as in Modbus.
    Modbus,
    /// Fletcher's.
    Fletcher,
    /// That of Codan devices.
    Codan,
    /// That of RCDS devices.
    Rcds,
}

/// Some bits of a group parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits {
    /// The group parameter.
    pub group: ParamIx,
    /// The first bit; 0 is the most significant one of the first byte (`Interprete/StartPosition`).
    pub start: u32,
    /// How many; 1 if not said (`Interprete/NbrOfBits`).
    pub count: u32,
}

/// The numbers that a parameter may have, both ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// The least.
    pub low: Option<f64>,
    /// The greatest.
    pub high: Option<f64>,
}

/// One step of a `Sequence`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SequenceStep {
    /// What is done to the value.
    pub op: SequenceOp,
    /// With what.
    pub operand: SequenceOperand,
}

/// What a step of a `Sequence` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceOp {
    /// Multiplies.
    Factor,
    /// Adds.
    Offset,
    /// Subtracts.
    Minus,
    /// Raises to a power.
    Pow,
    /// Divides.
    Div,
    /// Takes the rest of a division.
    Rest,
    /// Takes ten times the decimal logarithm; the operand does not matter.
    Log10,
    /// Takes twenty times the decimal logarithm; the operand does not matter.
    Log20,
}

/// The second number of a step of a `Sequence`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SequenceOperand {
    /// A number.
    Number(f64),
    /// The value of a parameter; in a table, of the same row if it is a column.
    Param(ParamIx),
}

/// A value with the text that is shown for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Discreet {
    /// The stored value.
    pub value: Value,
    /// The shown text.
    pub display: Arc<str>,
}

/// A table: an array parameter with its columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The array parameter.
    pub param: ParamIx,
    /// The column that holds the primary key.
    pub key: u16,
    /// The columns by position.
    pub columns: Vec<Column>,
    /// Whether a set of a row that is not there makes it.
    pub auto_add: bool,
    /// Whether nothing of it is saved.
    pub volatile: bool,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The parameter that describes the column.
    pub param: ParamIx,
    /// Who fills it.
    pub kind: ColumnKind,
    /// Whether its cells survive a restart.
    pub save: bool,
}

/// `ColumnOption@type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColumnKind {
    /// Filled by messages, scripts and sets.
    #[default]
    Retrieved,
    /// Numbered by the engine when a row is made.
    AutoIncrement,
    /// The state of the row, kept by the engine.
    State,
    /// The shown key.
    DisplayKey,
    /// Worked out from other columns; filled like `Retrieved`.
    Custom,
}

/// How long an item waits, where the author may also name a parameter that holds the milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A fixed time.
    Fixed(Duration),
    /// As many milliseconds as a parameter says.
    Param(ParamIx),
}
