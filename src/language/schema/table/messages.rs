//! The table's rows about what goes over the wire: commands, responses, pairs, HTTP sessions.

use super::{CONDITION, ITEM_DESCRIPTION, ITEM_NAME, MILLISECONDS, PARAM, additions};
use crate::language::schema::enumerations::{LoginMethod, MessageType, Verb};
use crate::language::schema::{Choice, Element, Item, Kind, attribute, choice, element, many, once, section};

const ONE_ID: &str = "The id by which the rest of the definition refers to it.";

pub(super) static COMMANDS: Element =
    element("Commands", Kind::Nothing, "The messages that are sent.").children(&[many(&COMMAND)]);

static COMMAND: Element = element(
    "Command",
    Kind::Nothing,
    "One message that is sent: the raw values of its parameters, one after the other.",
)
.attributes(&[
    attribute("id", Kind::Id(Item::Command), ONE_ID).required(),
    attribute(
        "ascii",
        Kind::Text,
        "Which parameters are sent as ASCII; a WebSocket message is as its type says.",
    )
    .not_run("serial connections"),
])
.children(&[once(&ITEM_NAME), once(&ITEM_DESCRIPTION), section(&COMMAND_CONTENT), once(&MESSAGE_TYPE)]);
static COMMAND_CONTENT: Element = element("Content", Kind::Nothing, "What the message is made of, in order.")
    .children(&[many(&CONTENT_PARAM), once(&additions::TEMPLATE)]);
static CONTENT_PARAM: Element = element("Param", PARAM, "A parameter, by its id.");
static MESSAGE_TYPE: Element = element(
    "WebSocketMessageType",
    Kind::Enumeration(MessageType::TABLE),
    "Whether a WebSocket peer gets the message as text or as bytes.",
)
.default("binary");

pub(super) static RESPONSES: Element = element("Responses", Kind::Nothing, "The messages that come.")
    .children(&[many(&RESPONSE), many(&additions::IGNORE)]);

static RESPONSE: Element =
    element("Response", Kind::Nothing, "One kind of message that comes, taken apart into parameters.")
        .attributes(&[
            attribute("id", Kind::Id(Item::Response), ONE_ID).required(),
            attribute("options", Kind::Options(RESPONSE_OPTIONS), "Options, separated by `;`."),
            additions::FORMAT,
            additions::SEPARATOR,
            additions::HEADER_ROW,
        ])
        .children(&[
            once(&ITEM_NAME),
            once(&ITEM_DESCRIPTION),
            section(&RESPONSE_CONTENT),
            many(&additions::MATCH),
            many(&additions::EXTRACT),
            many(&additions::ROWS),
        ]);
static RESPONSE_OPTIONS: &[Choice] = &[choice(
    "connection:",
    "The index of the connection from which the message comes; without it every WebSocket connection.",
)];
static RESPONSE_CONTENT: Element =
    element("Content", Kind::Nothing, "The parameters that the message consists of, in order.")
        .attributes(&[attribute(
            "optional",
            Kind::Text,
            "Which of them may be missing, as positions from 0 separated by `;`, or groups of them.",
        )
        .not_run("optional fields of responses")])
        .children(&[many(&CONTENT_PARAM)]);

pub(super) static PAIRS: Element =
    element("Pairs", Kind::Nothing, "Commands with the responses that answer them.").children(&[many(&PAIR)]);

static PAIR: Element = element(
    "Pair",
    Kind::Nothing,
    "A command and the responses that may answer it; without a response it is done when it is sent.",
)
.attributes(&[
    attribute("id", Kind::Id(Item::Pair), ONE_ID).required(),
    attribute("options", Kind::Options(PAIR_OPTIONS), "Options, separated by `;`."),
    attribute("ping", Kind::Flag, "Whether it is the pair that asks a device in slow polling.")
        .not_run("slow polling"),
    attribute(
        "timeout",
        MILLISECONDS,
        "How long to wait for the answer, in ms; the connection's time without it.",
    ),
    additions::WHEN_DOWN,
])
.children(&[once(&ITEM_NAME), once(&ITEM_DESCRIPTION), once(&CONDITION), section(&PAIR_CONTENT)]);
static PAIR_OPTIONS: &[Choice] = &[
    choice("connection:", "The index of the connection over which it goes."),
    choice("retries:", "How often it is repeated without an answer."),
    choice("ignoreTimeout", "No answer does not count as a timeout of the element."),
    choice("commBreak", "Sends a break signal on a serial line.").not_run("serial connections"),
    choice("oneByte", "Sends the bytes one by one on a serial line.").not_run("serial connections"),
    choice("receiveInterval", "How long the bytes of an answer may be apart on a serial line.")
        .not_run("serial connections"),
];
static PAIR_CONTENT: Element = element("Content", Kind::Nothing, "The command and its responses.")
    .children(&[once(&PAIR_COMMAND), many(&PAIR_RESPONSE), many(&PAIR_BAD_COMMAND)]);
static PAIR_COMMAND: Element = element("Command", Kind::Reference(Item::Command), "The command, by its id.");
static PAIR_RESPONSE: Element = element(
    "Response",
    Kind::Reference(Item::Response),
    "A response that answers it, by its id; the first that fits is taken.",
);
static PAIR_BAD_COMMAND: Element = element(
    "ResponseOnBadCommand",
    Kind::Reference(Item::Response),
    "A response that says that the command was not accepted: the pair ends without a further try.",
);

pub(super) static HTTP: Element =
    element("HTTP", Kind::Nothing, "The HTTP sessions.").children(&[many(&SESSION)]);

static SESSION: Element = element(
    "Session",
    Kind::Nothing,
    "A list of HTTP exchanges in order, or the opening handshake of a WebSocket.",
)
.attributes(&[
    attribute("id", Kind::Id(Item::Session), ONE_ID).required(),
    attribute("name", Kind::Text, "What the session is called in messages and logs."),
    attribute(
        "ignoreTimeout",
        Kind::Text,
        "`true`: a failure does not put the element in timeout. Ours: a list of statuses such as `404,5xx`.",
    )
    .default("false"),
    attribute(
        "timeout",
        MILLISECONDS,
        "How long one exchange may take, in ms; the connection's time without it.",
    ),
    attribute("keepAlive", Kind::Flag, "Whether the connection is kept after the last exchange.")
        .default("false"),
    attribute("loginMethod", Kind::Enumeration(LoginMethod::TABLE), "How to log in."),
    attribute("userName", Kind::Text, "The user name, or the id of the parameter that holds it."),
    attribute("password", Kind::Text, "The password, or better the id of the parameter that holds it."),
    attribute("proxyServer", Kind::Text, "The proxy, or the id of the parameter that holds it."),
    attribute("proxyUser", Kind::Text, "The user name for the proxy, or the id of a parameter."),
    attribute("proxyPassword", Kind::Text, "The password for the proxy, or the id of a parameter."),
])
.children(&[once(&CONDITION), many(&EXCHANGE)]);

static EXCHANGE: Element =
    element("Connection", Kind::Nothing, "One exchange: a request and what becomes of its answer.")
        .attributes(&[
            attribute("id", Kind::Id(Item::Local), "Its number in the session.").required(),
            attribute("name", Kind::Text, "What the exchange is called by people.").remark(),
            attribute("ignoreTimeout", Kind::Text, "As on the session, for this exchange.").default("false"),
            attribute("timeout", MILLISECONDS, "How long it may take, in ms; the session's time without it."),
        ])
        .children(&[once(&CONDITION), once(&REQUEST), once(&HTTP_RESPONSE)]);

static REQUEST: Element = element("Request", Kind::Nothing, "What is asked.")
    .attributes(&[
        attribute("verb", Kind::Enumeration(Verb::TABLE), "The method.").default("GET"),
        attribute("url", Kind::Text, "The path, or with `://` the whole address. In a handshake it is the id of the parameter that holds the path."),
        attribute("pid", PARAM, "The parameter that holds the path; `url` wins over it."),
    ])
    .children(&[section(&REQUEST_HEADERS), section(&PARAMETERS), once(&DATA)]);
static REQUEST_HEADERS: Element =
    element("Headers", Kind::Nothing, "The headers that are sent.").children(&[many(&REQUEST_HEADER)]);
static REQUEST_HEADER: Element = element(
    "Header",
    Kind::Text,
    "One header; its text is the value unless `pid` names a parameter. An empty one is left out.",
)
.attributes(&[
    attribute("key", Kind::Text, "The header's name, sent in this case.").required(),
    attribute("pid", PARAM, "The parameter that holds the value."),
    additions::WATCH,
    additions::SECRET,
]);
static PARAMETERS: Element =
    element("Parameters", Kind::Nothing, "Form fields: part of the query of a GET, of the body otherwise.")
        .children(&[many(&PARAMETER)]);
static PARAMETER: Element =
    element("Parameter", Kind::Text, "One field; its text is the value unless `pid` names a parameter.")
        .attributes(&[
            attribute("key", Kind::Text, "The field's name.").required(),
            attribute("pid", PARAM, "The parameter that holds the value."),
            additions::FILE,
            additions::MEDIA_TYPE,
        ]);
static DATA: Element = element(
    "Data",
    Kind::Text,
    "The body; its text unless `pid` names a parameter. With a GET it is appended to the address.",
)
.attributes(&[attribute("pid", PARAM, "The parameter that holds the body.")])
.children(&[once(&additions::TEMPLATE)]);

static HTTP_RESPONSE: Element = element("Response", Kind::Nothing, "What becomes of the answer.")
    .attributes(&[
        attribute(
            "statusCode",
            PARAM,
            "The parameter that receives the whole status line, such as `HTTP/1.1 200 OK`.",
        ),
        additions::FORMAT,
        additions::SEPARATOR,
        additions::HEADER_ROW,
    ])
    .children(&[
        section(&RESPONSE_HEADERS),
        once(&CONTENT),
        many(&additions::MATCH),
        many(&additions::EXTRACT),
        many(&additions::ROWS),
    ]);
static RESPONSE_HEADERS: Element =
    element("Headers", Kind::Nothing, "The headers that are kept.").children(&[many(&RESPONSE_HEADER)]);
static RESPONSE_HEADER: Element = element("Header", Kind::Nothing, "One header that is kept.").attributes(&[
    attribute("key", Kind::Text, "The header's name, in any case.").required(),
    attribute(
        "pid",
        PARAM,
        "The parameter that receives the value; of a repeated header all values, a line each.",
    )
    .required(),
]);
static CONTENT: Element = element("Content", Kind::Nothing, "The body of the answer.")
    .attributes(&[attribute("pid", PARAM, "The parameter that receives it.").required()]);
