//! The codes P2xxx, about references; raises none of them.

use super::{Entry, row};
use crate::language::diagnostic::Severity::{Error, Note, Warning};

pub(super) const DANGLING_REFERENCE: Entry = row(
    "P2001",
    Warning,
    "a reference to something that is not defined",
    "The reference does nothing. Each missing item is reported once, at its first use; the nearest id that exists is named beside it.",
    "<Triggers><Trigger id=\"1\"><On id=\"11\">parameter</On><Time>change</Time><Type>action</Type></Trigger></Triggers><Params><Param id=\"10\"><Type>read</Type></Param></Params>",
    "<Triggers><Trigger id=\"1\"><On id=\"10\">parameter</On><Time>change</Time><Type>action</Type></Trigger></Triggers><Params><Param id=\"10\"><Type>read</Type></Param></Params>",
);
pub(super) const DOUBLED_ID: Entry = row(
    "P2002",
    Error,
    "two items of one kind with the same id",
    "A reference could mean either of them. Items of different kinds may share an id, and a read and a write parameter may share a name.",
    "<Params><Param id=\"1\"><Type>read</Type></Param><Param id=\"1\"><Type>read</Type></Param></Params>",
    "<Params><Param id=\"1\"><Type>read</Type></Param><Param id=\"2\"><Type>read</Type></Param></Params>",
);
pub(super) const HANDSHAKE_MISSING: Entry = row(
    "P2003",
    Error,
    "a handshake that is not defined",
    "The connection cannot open without the session that describes its handshake.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
);
pub(super) const UNDEFINED_NAME: Entry = row(
    "P2004",
    Error,
    "a name in a template that means nothing",
    "A message that misses a part is no message, so every name must be that of a parameter, a function or a filter. Names that are no identifiers are written `param(\"Some name\")`.",
    "<Commands><Command id=\"1\"><WebSocketMessageType>text</WebSocketMessageType><Content><bs:Template>{\"level\": {{ Volum | json }} }</bs:Template></Content></Command></Commands><Params><Param id=\"1\"><Type>read</Type><Name>Volume</Name></Param></Params>",
    "<Commands><Command id=\"1\"><WebSocketMessageType>text</WebSocketMessageType><Content><bs:Template>{\"level\": {{ Volume | json }} }</bs:Template></Content></Command></Commands><Params><Param id=\"1\"><Type>read</Type><Name>Volume</Name></Param></Params>",
);
pub(super) const SETTER_WITHOUT_READ: Entry = row(
    "P2005",
    Note,
    "a setter that has nothing to copy to",
    "A write parameter with `setter=\"true\"` copies each value to the read parameter with the same name.",
    "<Params><Param id=\"1\" setter=\"true\"><Name>Volume</Name><Type>write</Type></Param></Params>",
    "<Params><Param id=\"1\" setter=\"true\"><Name>Volume</Name><Type>write</Type></Param><Param id=\"2\"><Name>Volume</Name><Type>read</Type></Param></Params>",
);
pub(super) const BAD_TABLE: Entry = row(
    "P2006",
    Warning,
    "a table whose columns do not fit",
    "Columns are numbered from 0 without a gap, and the key is one of them. Until that is so they are taken in order, with the first as the key.",
    "<Params><Param id=\"1\"><Type>array</Type><ArrayOptions index=\"5\"><ColumnOption idx=\"0\" pid=\"2\" type=\"retrieved\"/></ArrayOptions></Param><Param id=\"2\"><Type>read</Type></Param></Params>",
    "<Params><Param id=\"1\"><Type>array</Type><ArrayOptions index=\"0\"><ColumnOption idx=\"0\" pid=\"2\" type=\"retrieved\"/></ArrayOptions></Param><Param id=\"2\"><Type>read</Type></Param></Params>",
);
pub(super) const STATUS_IS_A_PARAMETER: Entry = row(
    "P2007",
    Warning,
    "a status code where the id of a parameter belongs",
    "`Response@statusCode` is the id of the parameter that receives the status line. It is no status that the answer must have.",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"/><Response statusCode=\"200\"/></Connection></Session></HTTP>",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"/><Response statusCode=\"12\"/></Connection></Session></HTTP><Params><Param id=\"12\"><Type>read</Type></Param></Params>",
);
pub(super) const NO_VALUE: Entry = row(
    "P2008",
    Warning,
    "a header or parameter of a request without a value",
    "The value comes from the parameter that `pid` names, or is the text of the element.",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"X-Token\"/></Headers></Request></Connection></Session></HTTP>",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"X-Token\" pid=\"1\"/></Headers></Request></Connection></Session></HTTP><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
);
