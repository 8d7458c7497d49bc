//! The table's rows in our own namespace, `urn:backshell:1`.

use super::{MILLISECONDS, PARAM};
use crate::language::schema::bounds;
use crate::language::schema::enumerations::{Handover, RowsMode};
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
    attribute("header", Kind::Text, "Which header of the answer it is."),
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

pub(super) static MATCH: Element = element(
    "Match",
    Kind::Nothing,
    "The message belongs to this response only if this holds for its JSON; several must all hold. One of `equals`, `exists` and `matches`.",
)
.ours()
.attributes(&[
    attribute("path", Kind::Text, "Which part of the message, as an RFC 9535 path.").required(),
    attribute("equals", Kind::Text, "The part is this text, number, `true`, `false` or `null`."),
    attribute("exists", Kind::Flag, "The part is there, or with `false` is not there."),
    attribute("matches", Kind::Text, "The part is a text in which this regular expression is found."),
]);

pub(super) static EXTRACT: Element =
    element("Extract", Kind::Nothing, "Copies a part of a JSON message into a parameter.").ours().attributes(
        &[
            attribute("path", Kind::Text, "Which part of the message, as an RFC 9535 path.").required(),
            attribute("pid", PARAM, "The parameter.").required(),
            attribute("default", Kind::Text, "What the parameter gets where the path finds nothing; without it, it keeps its value."),
            attribute("divisor", Kind::Text, "Which part of the same message the value is divided by, as a path: for values with a scale of their own."),
        ],
    );

pub(super) static ROWS: Element = element(
    "Rows",
    Kind::Nothing,
    "Fills a table from a list in a JSON message: each part that the path finds is a row.",
)
.ours()
.not_run("tables from JSON lists (bs:Rows)")
.attributes(&[
    attribute("path", Kind::Text, "Which parts are rows, as an RFC 9535 path.").required(),
    attribute("table", PARAM, "The table.").required(),
    attribute("mode", Kind::Enumeration(RowsMode::TABLE), "What happens to the rows that are there.")
        .default("replace"),
])
.children(&[many(&CELL)]);

static CELL: Element = element("Cell", Kind::Nothing, "One column of such a row.").ours().attributes(&[
    attribute("path", Kind::Text, "Which part of the row, as an RFC 9535 path whose `$` is the row.")
        .required(),
    attribute("pid", PARAM, "The parameter of the column.").required(),
]);

pub(super) static TEMPLATE: Element = element(
    "Template",
    Kind::Text,
    "The message as text with values in it: `{{ Name }}`, `{{ param(12) }}`, `{{ param(\"Some name\") }}`, `{{ tai() }}`. Values are escaped for JSON strings; `{{ x | json }}` is a whole JSON value.",
)
.ours();
