//! The table's rows about connections: `Connections`, `PortSettings`, `Ports`.

use super::ConnectionKind;
use super::additions;
use crate::language::schema::bounds;
use crate::language::schema::{Element, Item, Kind, attribute, element, many, once, section};

pub(super) static CONNECTIONS: Element = element(
    "Connections",
    Kind::Nothing,
    "The connections, in order: the first has the index 0. Not together with `Type` and `PortSettings`.",
)
.children(&[many(&CONNECTION)]);

static CONNECTION: Element = element("Connection", Kind::Nothing, "One connection.")
    .attributes(&[
        attribute(
            "id",
            Kind::Integer { min: 0, max: 4_294_967_295 },
            "A number for people. What refers to a connection uses its index, which is its position from 0.",
        ),
        attribute("name", Kind::Text, "What the connection is called; shown by the API."),
    ])
    .children(&[
        once(&TYPE),
        once(&HTTP),
        once(&VIRTUAL),
        once(&SERIAL),
        once(&SMART_SERIAL),
        once(&SNMP),
        section(&COMMUNICATION_OPTIONS),
        section(&USER_SETTINGS),
        many(&PORT_SETTINGS),
    ]);

static TYPE: Element =
    element("Type", Kind::Enumeration(ConnectionKind::TABLE), "The kind of the connection.");

static HTTP: Element = element("Http", Kind::Nothing, "An HTTP or WebSocket connection.")
    .attributes(&[attribute("name", Kind::Text, "What the connection is called.").remark()])
    .children(&[section(&COMMUNICATION_OPTIONS), section(&USER_SETTINGS)]);
static VIRTUAL: Element = element("Virtual", Kind::Opaque, "No device behind it.");
static SERIAL: Element =
    element("Serial", Kind::Opaque, "A serial line, TCP or UDP.").not_run("serial connections");
static SMART_SERIAL: Element =
    element("SmartSerial", Kind::Opaque, "TCP or UDP whose messages may come unasked.")
        .not_run("serial connections");
static SNMP: Element = element("Snmp", Kind::Opaque, "SNMP of any version.")
    .old_names(&["SNMP", "SnmpV1", "SnmpV2", "SnmpV3"])
    .not_run("SNMP");

static COMMUNICATION_OPTIONS: Element =
    element("CommunicationOptions", Kind::Nothing, "How the connection is used.").children(&[
        once(&WEB_SOCKET),
        once(&WEB_SOCKET_HANDSHAKE),
        section(&NOTIFY_CONNECTION_PIDS),
        once(&MAKE_COMMAND_BY_PROTOCOL),
        once(&REDUNDANT_POLLING),
        once(&CUSTOM_REDIRECT),
        once(&CHUNKED_HTTP),
        once(&additions::RECONNECT),
        once(&additions::KEEP_ALIVE),
        once(&additions::TLS),
        once(&additions::LIMITS),
        once(&additions::PROXY),
        once(&additions::TOKEN),
    ]);
static WEB_SOCKET: Element =
    element("WebSocket", Kind::Flag, "Whether the connection is a WebSocket.").default("false");
static WEB_SOCKET_HANDSHAKE: Element = element(
    "WebSocketHandshake",
    Kind::Reference(Item::Session),
    "The HTTP session that says what the opening handshake asks for: path, headers, and where the answer goes. It must hold exactly one exchange.",
);
static NOTIFY_CONNECTION_PIDS: Element = element(
    "NotifyConnectionPIDs",
    Kind::Nothing,
    "The parameters that show whether the connection is there.",
)
.children(&[once(&NOTIFY_CONNECTIONS), once(&NOTIFY_DISCONNECTIONS)]);
static NOTIFY_CONNECTIONS: Element = element(
    "Connections",
    Kind::Reference(Item::Param),
    "The parameter that is 1 while the link is open and 0 otherwise; it is set when that changes.",
);
static NOTIFY_DISCONNECTIONS: Element = element(
    "Disconnections",
    Kind::Reference(Item::Param),
    "The parameter that receives `host:port` of each link that closed.",
);
static MAKE_COMMAND_BY_PROTOCOL: Element = element(
    "MakeCommandByProtocol",
    Kind::Flag,
    "Whether commands are built by the action `make` only, when their group is queued, instead of when it runs.",
)
.default("false");
static REDUNDANT_POLLING: Element = element(
    "RedundantPolling",
    Kind::Flag,
    "Whether the other connection of the same kind takes over when a request over this one gets no answer, and back in the same way.",
)
.default("false");
static CUSTOM_REDIRECT: Element = element(
    "CustomRedirect",
    Kind::Flag,
    "Whether HTTP redirects are left to the definition: a 3xx answer is not followed.",
)
.default("false");
static CHUNKED_HTTP: Element =
    element("ChunkedHttp", Kind::Flag, "Whether bodies of HTTP requests may be sent in chunks.").remark();

static USER_SETTINGS: Element = element(
    "UserSettings",
    Kind::Nothing,
    "Defaults of the connection; the settings of an element override each of them.",
)
.children(SETTINGS);

const SETTINGS: &[crate::language::schema::Child] = &[
    once(&BUS_ADDRESS),
    once(&IP_PORT),
    once(&TIMEOUT_TIME),
    once(&TIMEOUT_TIME_ELEMENT),
    once(&RETRIES),
    once(&SLOW_POLL),
    once(&SLOW_POLL_BASE),
    once(&PING_INTERVAL),
    once(&SKIP_CERTIFICATE_VERIFICATION),
    once(&PORT_TYPE),
    once(&PORT_TYPE_IP),
    once(&PORT_TYPE_UDP),
    once(&PORT_TYPE_SERIAL),
    once(&LOCAL_IP_PORT),
    once(&BAUDRATE),
    once(&DATABITS),
    once(&STOPBITS),
    once(&PARITY),
    once(&FLOWCONTROL),
    once(&FLUSH_PER_DATAGRAM),
    once(&GET_COMMUNITY),
    once(&SET_COMMUNITY),
    once(&SSH),
    once(&ALLOWED_IP_ADDRESSES),
    once(&IP_ADDRESS),
];

/// `PortSettings` of a connection that is declared by `Type`: the same settings under another name.
pub(super) static PORT_SETTINGS: Element = element(
    "PortSettings",
    Kind::Nothing,
    "Defaults of a connection that is declared by `Type`; several belong to the connections in order.",
)
.attributes(&[
    attribute("name", Kind::Text, "The name of the connection that the settings are for."),
    attribute("visibleInUi", Kind::Flag, "Whether people may change the settings.").remark(),
])
.children(SETTINGS);

pub(super) static PORTS: Element =
    element("Ports", Kind::Nothing, "The `PortSettings` of all connections but the first.")
        .children(&[many(&PORT_SETTINGS)]);

static BUS_ADDRESS: Element = element(
    "BusAddress",
    Kind::Nothing,
    "The bus address; `bypassProxy` as its value means that no proxy of the system is used.",
)
.children(&[once(&TEXT_DEFAULT), once(&DISABLED), once(&RANGE), many(&VALUE)]);
static IP_PORT: Element = element("IPport", Kind::Nothing, "The port of the device.").children(&[
    once(&PORT_DEFAULT),
    once(&DISABLED),
    once(&RANGE),
    many(&VALUE),
]);
static TIMEOUT_TIME: Element =
    element("TimeoutTime", Kind::Nothing, "How long an answer, and the opening of a link, may take.")
        .children(&[once(&TIMEOUT_DEFAULT), once(&DISABLED), once(&RANGE), many(&VALUE)]);
static TIMEOUT_TIME_ELEMENT: Element = element(
    "TimeoutTimeElement",
    Kind::Nothing,
    "How long nothing may come before the element counts as in timeout.",
)
.children(&[once(&ELEMENT_TIMEOUT_DEFAULT), once(&DISABLED), once(&RANGE), many(&VALUE)]);
static RETRIES: Element =
    element("Retries", Kind::Nothing, "How often a try is repeated that got no answer.").children(&[
        once(&COUNT_DEFAULT),
        once(&DISABLED),
        once(&RANGE),
        many(&VALUE),
    ]);
static SKIP_CERTIFICATE_VERIFICATION: Element = element(
    "SkipCertificateVerification",
    Kind::Nothing,
    "Whether the server's certificate is taken without a check. Prefer `bs:Tls` with the certificate of your own authority.",
)
.children(&[once(&FLAG_DEFAULT), once(&DISABLED)]);
static IP_ADDRESS: Element =
    element("IPaddress", Kind::Opaque, "The address of the device that people see first.").remark();

static TEXT_DEFAULT: Element =
    element("DefaultValue", Kind::Text, "The value unless the element's settings say otherwise.");
static PORT_DEFAULT: Element = element(
    "DefaultValue",
    Kind::Integer { min: 0, max: 65_535 },
    "The port unless the element's settings say otherwise; 0 is none.",
);
static TIMEOUT_DEFAULT: Element = element("DefaultValue", bounds::TIMEOUT.millis(), TIME_DOC);
static ELEMENT_TIMEOUT_DEFAULT: Element = element("DefaultValue", bounds::ELEMENT_TIMEOUT.millis(), TIME_DOC);
const TIME_DOC: &str = "The time in milliseconds unless the element's settings say otherwise.";
static COUNT_DEFAULT: Element = element(
    "DefaultValue",
    bounds::RETRIES.integer(),
    "The number unless the element's settings say otherwise.",
);
static FLAG_DEFAULT: Element =
    element("DefaultValue", Kind::Flag, "The choice unless the element's settings say otherwise.");
static DISABLED: Element =
    element("Disabled", Kind::Flag, "Whether people may not change the setting.").remark();
static RANGE: Element =
    element("Range", Kind::Opaque, "The values that people may choose, `From` one `To` another.").remark();
static VALUE: Element = element("Value", Kind::Text, "A value that people may choose.").remark();

static SLOW_POLL: Element =
    element("SlowPoll", Kind::Opaque, "When to ask a silent device less often.").not_run("slow polling");
static SLOW_POLL_BASE: Element =
    element("SlowPollBase", Kind::Opaque, "Whether that is counted or timed.").not_run("slow polling");
static PING_INTERVAL: Element =
    element("PingInterval", Kind::Opaque, "How often a device in slow polling is asked.")
        .not_run("slow polling");

const SERIAL_FEATURE: &str = "serial connections";

static PORT_TYPE: Element =
    element("Type", Kind::Opaque, "TCP, UDP or a serial line.").not_run(SERIAL_FEATURE);
static PORT_TYPE_IP: Element = element("PortTypeIP", Kind::Opaque, "Whether people may choose TCP.").remark();
static PORT_TYPE_UDP: Element =
    element("PortTypeUDP", Kind::Opaque, "Whether people may choose UDP.").remark();
static PORT_TYPE_SERIAL: Element =
    element("PortTypeSerial", Kind::Opaque, "Whether people may choose a serial line.").remark();
static LOCAL_IP_PORT: Element =
    element("LocalIPport", Kind::Opaque, "The own port of a UDP connection.").remark();
static BAUDRATE: Element = element("Baudrate", Kind::Opaque, "The speed of a serial line.").remark();
static DATABITS: Element =
    element("Databits", Kind::Opaque, "The bits of a character on a serial line.").remark();
static STOPBITS: Element =
    element("Stopbits", Kind::Opaque, "The bits after a character on a serial line.").remark();
static PARITY: Element = element("Parity", Kind::Opaque, "The check bit of a serial line.").remark();
static FLOWCONTROL: Element =
    element("Flowcontrol", Kind::Opaque, "How the ends of a serial line hold each other up.").remark();
static FLUSH_PER_DATAGRAM: Element =
    element("FlushPerDatagram", Kind::Opaque, "Whether each UDP datagram is a message.")
        .not_run(SERIAL_FEATURE);
static SSH: Element =
    element("SSH", Kind::Opaque, "The login of a connection over SSH.").not_run(SERIAL_FEATURE);
static ALLOWED_IP_ADDRESSES: Element =
    element("AllowedIPAddresses", Kind::Opaque, "Who may connect to a serving connection.")
        .not_run(SERIAL_FEATURE);
static GET_COMMUNITY: Element =
    element("GetCommunity", Kind::Opaque, "The SNMP community for reading.").remark();
static SET_COMMUNITY: Element =
    element("SetCommunity", Kind::Opaque, "The SNMP community for writing.").remark();
