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
pub(super) const BAD_MAP: Entry = row(
    "P3013",
    Error,
    "a map that cannot be read",
    "A map says what stands for which value: pairs with `=`, and `;` between them. `*` stands for all others.",
    "<Responses><Response id=\"1\"><bs:Extract path=\"$.state\" pid=\"1\" map=\"idle,running\"/></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
    "<Responses><Response id=\"1\"><bs:Extract path=\"$.state\" pid=\"1\" map=\"idle=0;running=1\"/></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
);
pub(super) const BAD_MATCH: Entry = row(
    "P3014",
    Error,
    "a condition on messages that cannot hold",
    "A `bs:Match` or `bs:Ignore` asks for a part of the message or for its whole text; of the answer to a request also for a header or the status.",
    "<Responses><Response id=\"1\"><bs:Match status=\"200\"/></Response></Responses>",
    "<Responses><Response id=\"1\"><bs:Match path=\"$.status\" equals=\"200\"/></Response></Responses>",
);
pub(super) const ROWS_WITHOUT_KEY: Entry = row(
    "P3015",
    Error,
    "rows without a key",
    "A row is found again by its key, so one of the cells has to be that of the key column, unless the table numbers its rows itself or they are only appended.",
    "<Responses><Response id=\"1\"><bs:Rows path=\"$[*]\" table=\"1\"><bs:Cell path=\"$.name\" pid=\"3\"/></bs:Rows></Response></Responses><Params><Param id=\"1\"><Type>array</Type><ArrayOptions index=\"0\"><ColumnOption idx=\"0\" pid=\"2\"/><ColumnOption idx=\"1\" pid=\"3\"/></ArrayOptions></Param><Param id=\"2\"><Type>read</Type></Param><Param id=\"3\"><Type>read</Type></Param></Params>",
    "<Responses><Response id=\"1\"><bs:Rows path=\"$[*]\" table=\"1\"><bs:Cell path=\"$.id\" pid=\"2\"/><bs:Cell path=\"$.name\" pid=\"3\"/></bs:Rows></Response></Responses><Params><Param id=\"1\"><Type>array</Type><ArrayOptions index=\"0\"><ColumnOption idx=\"0\" pid=\"2\"/><ColumnOption idx=\"1\" pid=\"3\"/></ArrayOptions></Param><Param id=\"2\"><Type>read</Type></Param><Param id=\"3\"><Type>read</Type></Param></Params>",
);
pub(super) const CELL_MISMATCH: Entry = row(
    "P3016",
    Error,
    "a cell that fits no column",
    "Each `bs:Cell` fills one column of the table of its `bs:Rows`, from a `path` or a `part` of the row. Two cells of one column are joined only with `join`.",
    "<Responses><Response id=\"1\"><bs:Rows path=\"$[*]\" table=\"1\"><bs:Cell path=\"$.id\" pid=\"3\"/></bs:Rows></Response></Responses><Params><Param id=\"1\"><Type>array</Type><ArrayOptions index=\"0\"><ColumnOption idx=\"0\" pid=\"2\"/></ArrayOptions></Param><Param id=\"2\"><Type>read</Type></Param><Param id=\"3\"><Type>read</Type></Param></Params>",
    "<Responses><Response id=\"1\"><bs:Rows path=\"$[*]\" table=\"1\"><bs:Cell path=\"$.id\" pid=\"2\"/></bs:Rows></Response></Responses><Params><Param id=\"1\"><Type>array</Type><ArrayOptions index=\"0\"><ColumnOption idx=\"0\" pid=\"2\"/></ArrayOptions></Param><Param id=\"2\"><Type>read</Type></Param></Params>",
);
pub(super) const FORMAT_MISMATCH: Entry = row(
    "P3017",
    Warning,
    "an attribute that does not go with the format of the message",
    "Separators are for `csv` and `keyvalue`, a first line with names is for `csv`. What does not fit is left out.",
    "<Responses><Response id=\"1\" bs:separator=\";\"><bs:Extract path=\"$[0].level\" pid=\"1\"/></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
    "<Responses><Response id=\"1\" bs:format=\"csv\" bs:separator=\";\"><bs:Extract path=\"$[0].level\" pid=\"1\"/></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
);
