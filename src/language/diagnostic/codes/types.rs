//! The codes P3xxx, about types, units and literals; raises none of them.

use super::{Entry, row};
use crate::language::diagnostic::Severity::{Error, Warning};

pub(super) const TYPE_MISMATCH: Entry = row(
    "P3001",
    Warning,
    "a parameter that does not fit its use",
    "A table has no value of its own, a constant cannot receive one, and a text cannot hold a number. What cannot work is left out.",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"/><Response><Content pid=\"1\"/></Response></Connection></Session></HTTP><Params><Param id=\"1\"><Type>array</Type><ArrayOptions index=\"0\"><ColumnOption idx=\"0\" pid=\"2\"/></ArrayOptions></Param><Param id=\"2\"><Type>read</Type></Param></Params>",
    "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"/><Response><Content pid=\"1\"/></Response></Connection></Session></HTTP><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
);
pub(super) const BAD_LITERAL: Entry = row(
    "P3002",
    Warning,
    "bytes that cannot be read",
    "Bytes are written with two hexadecimal digits after each `0x`, such as `0x0D0x0A`. Anything else is text.",
    "<Params><Param id=\"1\"><Type>fixed</Type><Interprete><Value>0x0D0x0</Value></Interprete></Param></Params>",
    "<Params><Param id=\"1\"><Type>fixed</Type><Interprete><Value>0x0D0x0A</Value></Interprete></Param></Params>",
);
pub(super) const NOT_A_NUMBER: Entry = row(
    "P3003",
    Warning,
    "a text where a number belongs",
    "The parameter or the action works with numbers. The value is ignored.",
    "<Params><Param id=\"1\"><Type>read</Type><Interprete><Type>double</Type><DefaultValue>high</DefaultValue></Interprete></Param></Params>",
    "<Params><Param id=\"1\"><Type>read</Type><Interprete><Type>double</Type><DefaultValue>5</DefaultValue></Interprete></Param></Params>",
);
pub(super) const BAD_RANGE: Entry = row(
    "P3004",
    Warning,
    "a range without anything in it",
    "The lower end is above the upper one, so that no value fits.",
    "<Params><Param id=\"1\"><Type>read</Type><Interprete><Type>double</Type><Range><Low>9</Low><High>1</High></Range></Interprete></Param></Params>",
    "<Params><Param id=\"1\"><Type>read</Type><Interprete><Type>double</Type><Range><Low>1</Low><High>9</High></Range></Interprete></Param></Params>",
);
pub(super) const BAD_SEQUENCE: Entry = row(
    "P3005",
    Error,
    "a calculation that cannot be read",
    "A sequence is a list of operations with `;` between them: `factor`, `offset`, `min`, `pow`, `div`, `rest`, `log10` or `log20`, or their signs, each with a number, `id:12` or `param:12`.",
    "<Params><Param id=\"1\"><Type>read</Type><Interprete><Sequence>divide:10</Sequence></Interprete></Param></Params>",
    "<Params><Param id=\"1\"><Type>read</Type><Interprete><Sequence>div:10</Sequence></Interprete></Param></Params>",
);
pub(super) const NO_LENGTH: Entry = row(
    "P3006",
    Warning,
    "a length that is not given",
    "A field of fixed length needs `Length`, one with the length of another parameter the id of that parameter. Until then it ends where the next fixed part begins.",
    "<Params><Param id=\"1\"><Type>read</Type><Interprete><LengthType>fixed</LengthType></Interprete></Param></Params>",
    "<Params><Param id=\"1\"><Type>read</Type><Interprete><LengthType>fixed</LengthType><Length>4</Length></Interprete></Param></Params>",
);
pub(super) const LENGTH_MISMATCH: Entry = row(
    "P3007",
    Warning,
    "a constant that is not as long as it says",
    "The value counts. A wrong length is often a sign that the bytes were written as text.",
    "<Params><Param id=\"1\"><Type>fixed</Type><Interprete><LengthType>fixed</LengthType><Length>2</Length><Value>0x0D</Value></Interprete></Param></Params>",
    "<Params><Param id=\"1\"><Type>fixed</Type><Interprete><LengthType>fixed</LengthType><Length>1</Length><Value>0x0D</Value></Interprete></Param></Params>",
);
pub(super) const BAD_PATH: Entry = row(
    "P3008",
    Error,
    "a path that cannot be read",
    "Paths into JSON are written as in RFC 9535 and begin with `$`.",
    "<Responses><Response id=\"1\"><bs:Extract path=\"payload.value\" pid=\"1\"/></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
    "<Responses><Response id=\"1\"><bs:Extract path=\"$.payload.value\" pid=\"1\"/></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
);
pub(super) const BAD_PATTERN: Entry = row(
    "P3009",
    Error,
    "a regular expression that cannot be read",
    "The syntax is that of the Rust library `regex`: without look-around and back references, so that it always ends in time.",
    "<Responses><Response id=\"1\"><bs:Match path=\"$.type\" matches=\"(state\"/></Response></Responses>",
    "<Responses><Response id=\"1\"><bs:Match path=\"$.type\" matches=\"(state)\"/></Response></Responses>",
);
pub(super) const BAD_TEMPLATE: Entry = row(
    "P3010",
    Error,
    "a template that cannot be read",
    "A template is text with `{{ value }}` in it; `{% if %}` and `{% for %}` work too. The message says what is wrong at the place.",
    "<Commands><Command id=\"1\"><WebSocketMessageType>text</WebSocketMessageType><Content><bs:Template>{\"at\": \"{{ tai( }}\"}</bs:Template></Content></Command></Commands>",
    "<Commands><Command id=\"1\"><WebSocketMessageType>text</WebSocketMessageType><Content><bs:Template>{\"at\": \"{{ tai() }}\"}</bs:Template></Content></Command></Commands>",
);
pub(super) const SEVERAL_TESTS: Entry = row(
    "P3011",
    Error,
    "a match that asks for more than one thing",
    "A `bs:Match` has one of `equals`, `exists` and `matches`. Several matches of a response must all hold.",
    "<Responses><Response id=\"1\"><bs:Match path=\"$.type\" equals=\"state\" exists=\"true\"/></Response></Responses>",
    "<Responses><Response id=\"1\"><bs:Match path=\"$.type\" equals=\"state\"/></Response></Responses>",
);
pub(super) const PLAIN_SECRET: Entry = row(
    "P3012",
    Warning,
    "a secret that stands in the file",
    "Who can read the definition can read it. Settings can take it from the environment or from a file of their own.",
    "<Params><Param id=\"1\" bs:secret=\"true\"><Type>read</Type><Interprete><DefaultValue>hunter2</DefaultValue></Interprete></Param></Params>",
    "<Params><Param id=\"1\" bs:secret=\"true\"/></Params>",
);
