//! The root of the table: `Protocol` and the sections that describe a definition as a whole.

mod additions;
mod connections;
mod logic;
mod messages;
mod not_run;
mod params;

use super::enumerations::ConnectionKind;
use super::{Element, Item, Kind, attribute, choice, element, many, once, section};

/// The outermost element, from which every other is reached.
pub static PROTOCOL: Element =
    element("Protocol", Kind::Nothing, "One definition: how to talk to one kind of device or service.")
        .attributes(&[
            attribute("baseFor", Kind::Text, "Marks a base definition that others are mapped to.")
                .not_run("base protocols"),
            attribute("options", Kind::Text, "Options of the whole definition.").remark(),
        ])
        .children(&[
            once(&NAME),
            once(&DESCRIPTION),
            once(&VERSION),
            once(&INTEGRATION_ID),
            once(&PROVIDER),
            once(&VENDOR),
            once(&VENDOR_OID),
            once(&DEVICE_OID),
            once(&ELEMENT_TYPE),
            once(&ICON),
            once(&MIB),
            once(&APP),
            once(&TYPE),
            section(&connections::CONNECTIONS),
            many(&connections::PORT_SETTINGS),
            section(&connections::PORTS),
            once(&ADVANCED),
            section(&NO_TIMEOUTS),
            section(&logic::THREADS),
            section(&params::PARAMS),
            section(&messages::COMMANDS),
            section(&messages::RESPONSES),
            section(&messages::PAIRS),
            section(&messages::HTTP),
            section(&logic::GROUPS),
            section(&logic::TRIGGERS),
            section(&logic::ACTIONS),
            section(&logic::TIMERS),
            section(&logic::QACTIONS),
            once(&not_run::DISPLAY),
            once(&not_run::SNMP),
            once(&not_run::TREE_CONTROLS),
            once(&not_run::TOPOLOGY),
            once(&not_run::TOPOLOGIES),
            once(&not_run::CHAINS),
            once(&not_run::DVES),
            once(&not_run::EXPORT_RULES),
            once(&not_run::PARAMETER_GROUPS),
            once(&not_run::GENERAL_PARAMETERS),
            section(&not_run::RELATIONS),
            once(&not_run::RCA),
            once(&not_run::SEVERITY_BUBBLE_UP),
            once(&not_run::ALARM_LEVEL_LINKS),
            once(&not_run::MEDIATION),
            once(&not_run::OWNERSHIP),
            once(&not_run::PROCESS_AUTOMATION),
            once(&not_run::SWARMING),
            once(&not_run::SYSTEM_OPTIONS),
            once(&not_run::INTERNAL_LICENSES),
            once(&not_run::COMPLIANCIES),
            once(&not_run::VERSION_HISTORY),
            once(&not_run::REVISIONS),
            once(&additions::ENDPOINTS),
        ]);

static NAME: Element = element("Name", Kind::Text, "What the protocol is called.");
static DESCRIPTION: Element = element("Description", Kind::Text, "What the protocol is for.").remark();
static VERSION: Element = element(
    "Version",
    Kind::Text,
    "The version of the definition, usually four numbers with dots; shown by the API.",
);
static INTEGRATION_ID: Element =
    element("IntegrationID", Kind::Text, "A number under which its maker keeps the definition.").remark();
static PROVIDER: Element = element("Provider", Kind::Text, "Who made the definition.").remark();
static VENDOR: Element = element("Vendor", Kind::Text, "Who makes the device.").remark();
static VENDOR_OID: Element =
    element("VendorOID", Kind::Text, "The object id below which the definition's own SNMP objects stand.")
        .not_run("SNMP");
static DEVICE_OID: Element =
    element("DeviceOID", Kind::Text, "The number of the definition below its maker's object id.")
        .not_run("SNMP");
static ELEMENT_TYPE: Element =
    element("ElementType", Kind::Text, "What kind of device it is, for people.").remark();
static ICON: Element =
    element("Icon", Kind::Opaque, "A picture for the elements of this protocol.").not_run("icons");
static MIB: Element = element("Mib", Kind::Text, "The MIB file of the device.").not_run("SNMP");
static APP: Element = element("App", Kind::Opaque, "An application that belongs to the protocol.")
    .attributes(&[attribute("type", Kind::Text, "The kind of the application.")])
    .not_run("apps");

static TYPE: Element = element(
    "Type",
    Kind::Enumeration(ConnectionKind::TABLE),
    "The kind of the first connection; further ones are listed in `advanced`. Do not use it together with `Connections`.",
)
.attributes(&[
    attribute(
        "advanced",
        Kind::Text,
        "The further connections, separated by `;`: each a type, or a type and a name with a colon between them.",
    ),
    attribute("communicationOptions", Kind::Options(COMMUNICATION_OPTIONS), "Options of the communication, separated by `;`."),
    attribute("databaseOptions", Kind::Text, "How the original platform stores values.").not_run("database options"),
    attribute("options", Kind::Options(TYPE_OPTIONS), "Options of the protocol, separated by `;`."),
    attribute("overrideTimeoutDVE", Kind::Flag, "Whether exported elements have timeouts of their own.").not_run("exported elements (DVE)"),
    attribute("relativeTimers", Kind::Text, "Whether timers start relative to each other.").remark(),
]);

/// Options of a protocol's communication.
static COMMUNICATION_OPTIONS: &[super::Choice] = &[
    choice("chunkedHttp", "Bodies of HTTP requests may be sent in chunks.").remark(),
    choice("closeConnectionOnResponse", "A serial connection closes after each response.")
        .not_run("serial connections"),
    choice("customRedirect", "HTTP redirects are left to the definition: a 3xx answer is not followed."),
    choice("makeCommandByProtocol", "Commands are made by the action `make` only."),
    choice("packetInfo", "How serial data is cut into packets.").not_run("serial connections"),
    choice(
        "notifyConnectionPIDs",
        "The parameters that show whether the connection is there: `notifyConnectionPIDs:10,11` for `Connections` and `Disconnections`.",
    ),
    choice("redundantPolling", "Connections stand in for each other."),
    choice("smartIpHeader", "The sender's address stands in front of received data.")
        .not_run("serial connections"),
];

/// Options of a protocol.
static TYPE_OPTIONS: &[super::Choice] = &[
    choice("disableViewRefresh", "View tables are not refreshed.").not_run("view tables"),
    choice("exportProtocol", "Rows of a table become elements of their own.")
        .not_run("exported elements (DVE)"),
    choice("unicode", "Texts are Unicode. Always so here.").remark(),
];

static ADVANCED: Element = element("Advanced", Kind::Nothing, "Settings of the communication as a whole.")
    .attributes(&[
        attribute(
            "ignoreEqualResponse",
            Kind::Flag,
            "Whether a response equal to the last one is dropped. Here every message counts.",
        )
        .remark(),
        attribute("stuffing", Kind::Text, "Which bytes are doubled in messages of serial lines.")
            .not_run("serial connections"),
    ]);

static NO_TIMEOUTS: Element = element("NoTimeouts", Kind::Nothing, "Answers that do not count as a timeout.")
    .not_run("answers that are no timeout (NoTimeouts)")
    .children(&[many(&NO_TIMEOUT)]);
static NO_TIMEOUT: Element =
    element("NoTimeout", Kind::Text, "The text of an answer that does not count as a timeout.");

/// The id of a parameter.
const PARAM: Kind = Kind::Reference(Item::Param);

/// Any count of something, up to the largest that 32 bits hold.
const COUNT: Kind = Kind::Integer { min: 0, max: 4_294_967_295 };

/// A time of at most 24 days, the longest that 31 bits hold in milliseconds.
const MILLISECONDS: Kind = Kind::Milliseconds { min: 0, max: 2_147_483_647 };

/// A `Condition`, which stands on many items.
static CONDITION: Element = element(
    "Condition",
    Kind::Text,
    "The item works only while this holds, such as `id:12 == 1 AND id:2 != \"x\"`.",
);

/// A `Name` for people.
static ITEM_NAME: Element = element("Name", Kind::Text, "What the item is called in messages and logs.");

/// A `Description` for people.
static ITEM_DESCRIPTION: Element = element("Description", Kind::Text, "What the item is for.").remark();
