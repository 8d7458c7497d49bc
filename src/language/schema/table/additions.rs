//! The table's rows in our own namespace, `urn:backshell:1`.

use super::{MILLISECONDS, PARAM};
use crate::language::schema::bounds;
use crate::language::schema::enumerations::{
    AbsentRows, Handover, MessageFormat, OnError, RowPart, RowsMode, ValueForm,
};
use crate::language::schema::{Attribute, Element, Item, Kind, attribute, element, many};

pub(super) static RECONNECT: Element = element(
    "Reconnect",
    Kind::Nothing,
    "How a link comes back after it dropped, and how it moves when its target changes.",
)
.ours()
.attributes(&[
    attribute(
        "initialDelay",
        bounds::INITIAL_DELAY.millis(),
        "The upper end of the first random pause after a drop, in ms.",
    )
    .default("500"),
    attribute(
        "maxDelay",
        bounds::MAX_DELAY.millis(),
        "The upper end of the longest one; each drop doubles it up to here.",
    )
    .default("30000"),
    attribute(
        "settle",
        bounds::SETTLE.millis(),
        "How long a link must be up before the pauses start small again.",
    )
    .default("5000"),
    attribute(
        "window",
        bounds::WINDOW.millis(),
        "How long further changes of the target are gathered into one move; 0 moves at once.",
    )
    .default("50"),
    attribute(
        "closeTimeout",
        bounds::CLOSE_TIMEOUT.millis(),
        "How long the peer may take to close before the socket is dropped.",
    )
    .default("1000"),
    attribute(
        "rejectedDelay",
        bounds::REJECTED_DELAY.millis(),
        "The longest pause between tries while the peer refuses the link for good.",
    )
    .default("300000"),
    attribute(
        "handover",
        Kind::Enumeration(Handover::TABLE),
        "Whether the old link closes before or after the new one is ready.",
    )
    .default("close-first"),
    attribute(
        "stopOn",
        Kind::Text,
        "Further statuses and close codes that count as refused for good, separated by `;`.",
    ),
    attribute(
        "before",
        Kind::Reference(Item::Session),
        "The HTTP session that runs before each dial: what it brings, such as the address, is what the link opens with. If it fails, the link waits as after a failed dial.",
    ),
    attribute(
        "beforeConnection",
        Kind::Reference(Item::Connection),
        "The index of the connection over which that session goes; this one without it.",
    ),
]);

pub(super) static TOKEN: Element = element(
    "Token",
    Kind::Nothing,
    "The token that requests over this connection need, and its link: fetched by a session when it is first needed, before it ends, and once more when it is refused with 401.",
)
.ours()
.attributes(&[
    attribute("session", Kind::Reference(Item::Session), "The session that fetches it; the answer of its last exchange has it."),
    attribute("connection", Kind::Reference(Item::Connection), "The index of the connection over which that session goes; this one without it."),
    attribute("pid", PARAM, "The parameter that receives it, for headers to name; best with `bs:secret`."),
    attribute("scheme", Kind::Text, "What stands in front of it in the parameter, with a blank between: `Bearer`."),
    attribute("path", Kind::Text, "Which part of the JSON answer it is, as an RFC 9535 path; the whole body without `path` and `header`."),
    attribute("header", Kind::Text, "Which header of the answer it is; of `Set-Cookie` the names and values of all cookies that are not over, of each name the last, as a `Cookie` header gives them back."),
    attribute("lifetime", MILLISECONDS, "How long it is good for, in ms."),
    attribute("lifetimePath", Kind::Text, "Which part of the JSON answer says for how many seconds, as an RFC 9535 path."),
    attribute("jwt", Kind::Flag, "Whether it is a JSON Web Token whose `exp` says until when; the signature is not looked at.").default("false"),
    attribute("margin", MILLISECONDS, "How long before its end a new one is fetched, in ms.").default("30000"),
    attribute("renew", Kind::Reference(Item::Group), "The group that tells an open link of the new token; without it the link moves if a header of its handshake is the token."),
    attribute("sharedWith", Kind::Reference(Item::Connection), "The index of the connection whose token is meant, instead of all the others."),
]);

pub(super) static KEEP_ALIVE: Element =
    element("KeepAlive", Kind::Nothing, "How a dead link is found.").ours().attributes(&[
        attribute(
            "pingInterval",
            bounds::PING_INTERVAL.millis(),
            "How long nothing may come before a ping is sent, in ms; 0 is never.",
        )
        .default("30000"),
        attribute(
            "pongTimeout",
            bounds::PONG_TIMEOUT.millis(),
            "How long anything at all may then take to come before the link is dropped.",
        )
        .default("10000"),
        attribute(
            "heartbeat",
            Kind::Reference(Item::Pair),
            "The pair whose timeout after its retries drops the link.",
        ),
        attribute(
            "silence",
            bounds::SILENCE.millis(),
            "How long no text or binary message may come before the link is dropped; 0 is for ever.",
        )
        .default("0"),
    ]);

pub(super) static TLS: Element = element("Tls", Kind::Nothing, "What is asked of the server's certificate, and what is shown to it. Paths are relative to the definition.")
    .ours()
    .attributes(&[
        attribute("ca", Kind::Text, "A file with the certificates of your own authority, in PEM; the system's are used without it."),
        attribute("certificate", Kind::Text, "A file with a client certificate and its chain, in PEM."),
        attribute("key", Kind::Text, "A file with the key of that certificate, in PEM."),
        attribute("serverName", Kind::Text, "The name that the certificate must be for, if not the host's."),
        attribute("verify", Kind::Flag, "Whether the certificate is checked at all; `false` is reported at each start.").default("true"),
    ]);

pub(super) static LIMITS: Element =
    element("Limits", Kind::Nothing, "How much a connection may hold.").ours().attributes(&[
        attribute(
            "maxMessageBytes",
            bounds::MAX_MESSAGE_BYTES.integer(),
            "The largest message each way, unpacked, in bytes.",
        )
        .default("16777216"),
        attribute(
            "sendQueue",
            bounds::SEND_QUEUE.integer(),
            "How many messages wait while the link is down.",
        )
        .default("1024"),
    ]);

pub(super) static PROXY: Element = element("Proxy", Kind::Nothing, "The proxy of the connection.").ours().attributes(&[attribute(
    "url",
    Kind::Text,
    "`http://host:port`, `https://host:port`, `socks5://host:port` (names are resolved here) or `socks5h://host:port` (by the proxy), with user and password if need be; `none` is a direct connection.",
)
.required()]);

pub(super) static ENDPOINTS: Element =
    element("Endpoints", Kind::Opaque, "WebSocket and HTTP endpoints that the element serves.")
        .ours()
        .not_run("hosted endpoints");

/// `bs:watch` of a header or parameter.
pub(super) const WATCH: Attribute = attribute(
    "watch",
    Kind::Flag,
    "Whether a change of the value moves the link that is made of it; `false` for a token that is renewed inside the socket.",
)
.ours()
.default("true");

/// `bs:secret` of a header or parameter.
pub(super) const SECRET: Attribute = attribute(
    "secret",
    Kind::Flag,
    "Whether the value is masked in every log, answer of the API, page and recording.",
)
.ours()
.default("false");

/// `bs:file` of a form field.
pub(super) const FILE: Attribute = attribute(
    "file",
    Kind::Text,
    "The field is a file of this name: with the header `Content-Type: multipart/form-data` only.",
)
.ours();

/// `bs:mediaType` of a form field.
pub(super) const MEDIA_TYPE: Attribute =
    attribute("mediaType", Kind::Text, "The type of the file, such as `application/zip`.").ours();

/// `bs:whenDown` of a pair.
pub(super) const WHEN_DOWN: Attribute = attribute(
    "whenDown",
    Kind::Enumeration(crate::language::schema::enumerations::WhenDown::TABLE),
    "What happens to its messages while the link is down.",
)
.ours()
.default("keep");

/// `bs:src` of a script.
pub(super) const SRC: Attribute =
    attribute("src", Kind::Text, "The file with the script, relative to the definition, instead of a body.")
        .ours();

/// `bs:format` of a response.
pub(super) const FORMAT: Attribute = attribute(
    "format",
    Kind::Enumeration(MessageFormat::TABLE),
    "The notation of the message, and of the paths into it.",
)
.ours()
.default("json");

/// `bs:separator` of a response.
pub(super) const SEPARATOR: Attribute = attribute(
    "separator",
    Kind::Text,
    "With `bs:format` `csv`: what stands between columns, one character or `tab`; a comma without it. With `keyvalue`: what stands between entries; line breaks without it.",
)
.ours();

/// `bs:headerRow` of a response.
pub(super) const HEADER_ROW: Attribute = attribute(
    "headerRow",
    Kind::Flag,
    "With `bs:format` `csv`: whether the first line has the names of the columns; with `false` each line is a list of its columns.",
)
.ours()
.default("true");

const PATH_DOC: &str = "Which part of the message, as an RFC 9535 path; with `bs:format` `xml` in XPath 1.0.";
const EQUALS: Attribute =
    attribute("equals", Kind::Text, "It is this text, number, `true`, `false` or `null`.");
const EXISTS: Attribute = attribute("exists", Kind::Flag, "It is there, or with `false` is not there.");
const MATCHES: Attribute =
    attribute("matches", Kind::Text, "It is a text in which this regular expression is found.");

pub(super) static MATCH: Element = element(
    "Match",
    Kind::Nothing,
    "The message belongs to this response only if this holds; several must all hold. What is looked at is a part, a header, the status, or without these the whole text; it is asked for with one of `equals`, `exists` and `matches`.",
)
.ours()
.attributes(&[
    attribute("path", Kind::Text, PATH_DOC),
    attribute("header", Kind::Text, "A header of an HTTP answer, by its name; one that is repeated is joined with line breaks."),
    attribute("status", Kind::Text, "Which statuses an HTTP answer may have, such as `200`, `2xx` or `200;404`."),
    EQUALS,
    EXISTS,
    MATCHES,
]);

pub(super) static IGNORE: Element = element(
    "Ignore",
    Kind::Nothing,
    "Messages that are known and mean nothing: they are dropped before any response sees them, and are neither counted as unmatched nor shown by `tap`. What holds for them is said as in `bs:Match`, here or in `bs:Match`es inside.",
)
.ours()
.attributes(&[
    attribute("connection", Kind::Reference(Item::Connection), "The index of the connection from which they come; without it every WebSocket connection."),
    attribute("path", Kind::Text, "Which part of the message, as an RFC 9535 path; without it the whole text."),
    EQUALS,
    EXISTS,
    MATCHES,
])
.children(&[many(&MATCH)]);

const DEFAULT: Attribute = attribute(
    "default",
    Kind::Text,
    "What it gets where the path finds nothing, or `null`; an empty text empties a number. Without it the value stays.",
);
const MAP: Attribute = attribute(
    "map",
    Kind::Text,
    "What stands for which value: `idle=0;running=1;*=9`, where `*` is for all others; anything else is an error. `discreets` takes the shown texts of the parameter.",
);
const SCALE: Attribute = attribute("scale", Kind::Decimal, "What the number is multiplied by.");
const FORM: Attribute =
    attribute("type", Kind::Enumeration(ValueForm::TABLE), "How the part is read.").default("auto");
const ON_ERROR: Attribute = attribute(
    "onError",
    Kind::Enumeration(OnError::TABLE),
    "What happens where it cannot be read so, or does not fit.",
)
.default("report");

pub(super) static EXTRACT: Element =
    element("Extract", Kind::Nothing, "Copies a part of a message into a parameter.").ours().attributes(
        &[
            attribute("path", Kind::Text, PATH_DOC).required(),
            attribute("pid", PARAM, "The parameter.").required(),
            DEFAULT,
            FORM,
            MAP,
            attribute("divisor", Kind::Text, "Which part of the same message the value is divided by, as a path: for values with a scale of their own."),
            SCALE,
            ON_ERROR,
        ],
    );

/// The most rows that a table may have, as a limit.
const MOST_ROWS: i64 = 100_000;

pub(super) static ROWS: Element = element(
    "Rows",
    Kind::Nothing,
    "Fills a table from a list in a message: each part that the path finds is a row. Rows without a key are left out; of rows with the same key the last counts.",
)
.ours()
.attributes(&[
    attribute("path", Kind::Text, "Which parts are rows, as an RFC 9535 path, such as `$.items[*]` for the elements of a list or the members of an object; with `bs:format` `xml` in XPath 1.0.").required(),
    attribute("table", PARAM, "The table.").required(),
    attribute("mode", Kind::Enumeration(RowsMode::TABLE), "What happens to the rows that are there.")
        .default("replace"),
    attribute("limit", Kind::Integer { min: 1, max: MOST_ROWS }, "The most rows that the table has then: `merge` and `append` take the oldest away, `replace` leaves the last out. 1000 without it for `append`, else 100000."),
    attribute("absent", Kind::Enumeration(AbsentRows::TABLE), "What happens where there is no list at all.").default("keep"),
])
.children(&[many(&CELL)]);

static CELL: Element = element("Cell", Kind::Nothing, "One column of such a row.").ours().attributes(&[
    attribute("path", Kind::Text, "Which part of the row, as an RFC 9535 path whose `$` is the row, or in XPath 1.0 from the row; with `up` of what is around it."),
    attribute("part", Kind::Enumeration(RowPart::TABLE), "What of the row, instead of a path."),
    attribute("up", Kind::Integer { min: 0, max: 16 }, "How many levels above the row the path begins: 1 is the list, 2 what the list is in.").default("0"),
    attribute("pid", PARAM, "The parameter of the column.").required(),
    attribute("join", Kind::Text, "What stands between this and the text of the cells before it for the same column, for keys of several parts."),
    DEFAULT,
    FORM,
    MAP,
    attribute("divisor", Kind::Text, "Which part of the row the value is divided by, as a path."),
    SCALE,
    ON_ERROR,
]);

pub(super) static TEMPLATE: Element = element(
    "Template",
    Kind::Text,
    "The message as text with values in it: `{{ Name }}`, `{{ param(12) }}`, `{{ param(\"Some name\") }}`, `{{ tai() }}`, `{% for row in table(1000) %}{{ row.Name }}{% endfor %}`, `{{ cell(1002, \"key\") }}`. Values are escaped for JSON strings; `{{ x | json }}` is a whole JSON value; `urlencode`, `base64`, `base64url`, `hex`, `sha256` and `hmac_sha256(key)` encode and sign. Times are `tai()`, `now()`, `unix()` and `unix_ms()`, a new id is `uuid()`.",
)
.ours();
