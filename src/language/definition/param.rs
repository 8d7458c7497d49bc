//! Parameters and tables as written; resolves nothing.

use crate::language::definition::{Id, Text};
use crate::language::source::Span;

/// `Param`.
#[derive(Debug)]
pub struct Param<'a> {
    /// The start tag.
    pub span: Span,
    /// `@id`.
    pub id: Id,
    /// `Name`.
    pub name: Option<Text<'a>>,
    /// `Description`.
    pub description: Option<Text<'a>>,
    /// `Type`.
    pub kind: Option<Text<'a>>,
    /// `Type@id`.
    pub kind_id: Option<Text<'a>>,
    /// `Type@options`.
    pub kind_options: Option<Text<'a>>,
    /// `@save`.
    pub save: Option<Text<'a>>,
    /// `@setter`.
    pub setter: Option<Text<'a>>,
    /// `@bs:secret`.
    pub secret: Option<Text<'a>>,
    /// `@bs:watch`.
    pub watch: Option<Text<'a>>,
    /// `Interprete`.
    pub interprete: Box<Interprete<'a>>,
    /// `CRC`.
    pub crc: Option<Crc<'a>>,
    /// `Length/Content/Param`.
    pub length_of: Vec<Id>,
    /// `Measurement/Discreets/Discreet`: value and shown text.
    pub discreets: Vec<(Option<Text<'a>>, Option<Text<'a>>)>,
    /// `Display/Units`.
    pub units: Option<Text<'a>>,
    /// `ArrayOptions`.
    pub array: Option<ArrayOptions<'a>>,
}

/// `Interprete`.
#[derive(Debug, Default)]
pub struct Interprete<'a> {
    /// `Type`.
    pub value_type: Option<Text<'a>>,
    /// `RawType`.
    pub raw_type: Option<Text<'a>>,
    /// `LengthType`.
    pub length_type: Option<Text<'a>>,
    /// `LengthType@id`.
    pub length_id: Option<Id>,
    /// `Length`.
    pub length: Option<Text<'a>>,
    /// `Endian`.
    pub endian: Option<Text<'a>>,
    /// `DefaultValue`, blanks included.
    pub default: Option<Text<'a>>,
    /// `Value`, blanks included.
    pub value: Option<Text<'a>>,
    /// `Exceptions/Exception`.
    pub exceptions: Vec<Exception<'a>>,
    /// `Others/Other`.
    pub others: Vec<Other<'a>>,
    /// `Range/Low`.
    pub low: Option<Text<'a>>,
    /// `Range/High`.
    pub high: Option<Text<'a>>,
    /// `Scale@lowData`, `@highData`, `@low`, `@high`.
    pub scale: Option<[Option<Text<'a>>; 4]>,
    /// `Factor`.
    pub factor: Option<Text<'a>>,
    /// `OffSet`.
    pub offset: Option<Text<'a>>,
    /// `OffSet@id`.
    pub offset_id: Option<Id>,
    /// `Sequence`.
    pub sequence: Option<Text<'a>>,
    /// `Decimals`.
    pub decimals: Option<Text<'a>>,
    /// `Rounding`.
    pub rounding: Option<Text<'a>>,
    /// `Base`.
    pub base: Option<Text<'a>>,
    /// `Type@trim`.
    pub trim: Option<Text<'a>>,
    /// `StartPosition`.
    pub start_position: Option<Text<'a>>,
    /// `NbrOfBits`.
    pub bits: Option<Text<'a>>,
}

/// `Exception`.
#[derive(Debug)]
pub struct Exception<'a> {
    /// `@value`.
    pub value: Option<Text<'a>>,
    /// `Display`.
    pub display: Option<Text<'a>>,
    /// `Value`.
    pub stored: Option<Text<'a>>,
}

/// `Other`.
#[derive(Debug)]
pub struct Other<'a> {
    /// `@id`.
    pub id: Option<Id>,
    /// `Display`.
    pub display: Option<Text<'a>>,
    /// `Value`.
    pub stored: Option<Text<'a>>,
}

/// `CRC`.
#[derive(Debug)]
pub struct Crc<'a> {
    /// The start tag.
    pub span: Span,
    /// `Type`.
    pub kind: Option<Text<'a>>,
    /// `Type@byteoffset`.
    pub byte_offset: Option<Text<'a>>,
    /// `Type@groupbytes`.
    pub group_bytes: Option<Text<'a>>,
    /// `Type@off`.
    pub offset: Option<Text<'a>>,
    /// `Type@mod`.
    pub modulo: Option<Text<'a>>,
    /// `Type@totaloffset`.
    pub total_offset: Option<Text<'a>>,
    /// `Type@options`.
    pub options: Option<Text<'a>>,
    /// `Content/Param`.
    pub content: Vec<Id>,
}

/// `ArrayOptions`.
#[derive(Debug)]
pub struct ArrayOptions<'a> {
    /// The start tag.
    pub span: Span,
    /// `@index`.
    pub index: Option<Text<'a>>,
    /// `@options`.
    pub options: Option<Text<'a>>,
    /// `ColumnOption`.
    pub columns: Vec<ColumnOption<'a>>,
}

/// `ColumnOption`.
#[derive(Debug)]
pub struct ColumnOption<'a> {
    /// The start tag.
    pub span: Span,
    /// `@idx`.
    pub idx: Option<Id>,
    /// `@pid`.
    pub pid: Option<Id>,
    /// `@type`.
    pub kind: Option<Text<'a>>,
    /// `@options`; its first character is the separator.
    pub options: Option<Text<'a>>,
}
