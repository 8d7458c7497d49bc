//! The table's rows about parameters: `Params` with all that stands below a `Param`.

use super::not_run;
use super::{COUNT, PARAM, additions};
use crate::language::schema::enumerations::{
    ColumnType, CrcType, DisplayState, Endian, InterpreteType, LengthType, MeasurementType, ParamType,
    RawType, Rounding, Side, Trim,
};
use crate::language::schema::{
    Attribute, Choice, Element, Item, Kind, attribute, choice, element, many, needed, once, section,
};

const LAYOUT: &str = "page layout and display options";
const VIEWS: &str = "view tables";
const NAMING: &str = "names of rows for people";
const GROUP_BYTES: &str = "bytes of a group that are used in part or moved (Bits, ByteOffset)";

pub(super) static PARAMS: Element =
    element("Params", Kind::Nothing, "The parameters: every value that the element has.")
        .attributes(&[
            attribute("loadSequence", Kind::Text, "The order in which saved values are loaded.").remark()
        ])
        .children(&[many(&PARAM_ELEMENT)]);

static PARAM_ELEMENT: Element = element("Param", Kind::Nothing, "One value, or one table.")
    .attributes(&[
        attribute("id", Kind::Id(Item::Param), "The id by which the rest of the definition refers to it.")
            .required(),
        attribute("save", Kind::Flag, "Whether the value survives a restart.").default("false"),
        attribute("saveInterval", Kind::Text, "How long changes are gathered before they are saved.")
            .remark(),
        attribute(
            "setter",
            Kind::Flag,
            "On a `write`: whether a value set is copied to the `read` with the same name.",
        )
        .default("false"),
        attribute("trending", Kind::Flag, "Whether the value's history is kept.").not_run("trending"),
        attribute("options", Kind::Options(PARAM_OPTIONS), "Options of the parameter, separated by `;`."),
        attribute("duplicateAs", Kind::Text, "Shows the value in columns of view tables.").not_run(VIEWS),
        attribute("export", Kind::Text, "To which exported elements it belongs.")
            .not_run("exported elements (DVE)"),
        attribute("historySet", Kind::Flag, "Whether values may be set for times past.")
            .not_run("history sets"),
        attribute("confirmPopup", Kind::Text, "Whether people are asked before a set.").not_run(LAYOUT),
        attribute("level", COUNT, "The right that people need to see it.").not_run("access levels"),
        attribute("pollingInterval", COUNT, "How often it changes, as a hint for graphs.")
            .not_run("trending"),
        attribute("snapshot", Kind::Flag, "Whether values go to a central database.")
            .not_run("database options"),
        attribute("snmpSetAndGet", Kind::Text, "Whether a set is sent by SNMP and read back.")
            .not_run("SNMP"),
        attribute("verificationTimeout", COUNT, "How long the read parameter may take to show a set value.")
            .remark(),
        additions::WATCH,
        additions::SECRET,
    ])
    .children(&[
        once(&NAME),
        once(&DESCRIPTION),
        needed(&TYPE),
        once(&INFORMATION),
        once(&INTERPRETE),
        once(&ARRAY_OPTIONS),
        once(&CRC),
        once(&LENGTH),
        once(&MEASUREMENT),
        once(&not_run::ALARM),
        once(&not_run::PARAM_DISPLAY),
        once(&not_run::PARAM_SNMP),
        once(&not_run::MATRIX),
        once(&not_run::DATABASE),
        once(&not_run::DASHBOARD),
        once(&not_run::HYPER_LINKS),
        once(&not_run::REPLICATION),
        once(&not_run::CROSS_DRIVER_OPTIONS),
        once(&not_run::PARAM_ICON),
        once(&not_run::PARAM_MEDIATION),
        once(&DEPENDENCIES),
        once(&MESSAGE),
    ]);

static PARAM_OPTIONS: &[Choice] =
    &[choice("snmpSet", "A set is sent by SNMP, with or without waiting and reading back.").not_run("SNMP")];

static NAME: Element = element(
    "Name",
    Kind::Text,
    "The name by which scripts, templates, settings and the API know it; a read and a write may share one.",
);
static DESCRIPTION: Element = element("Description", Kind::Text, "What people see as its name.");
static MESSAGE: Element =
    element("Message", Kind::Text, "What people are asked before a set.").not_run(LAYOUT);
static DEPENDENCIES: Element =
    element("Dependencies", Kind::Opaque, "Parameters that people set together.").not_run(LAYOUT);

static TYPE: Element = element("Type", Kind::Enumeration(ParamType::TABLE), "What kind of parameter it is.").attributes(&[
    attribute("options", Kind::Options(TYPE_OPTIONS), "Options, separated by `;`."),
    attribute("id", Kind::Text, "Of an `array` the parameters of its columns, of a `group` its members, separated by `;`; of a `length` or `response` the item that it is about."),
    attribute("virtual", Kind::Text, "Which element of the platform it stands for.").not_run("virtual parameters"),
    attribute("distribution", Kind::Text, "How a set is passed on to other elements.").not_run("virtual parameters"),
    attribute("alarmRegistration", Kind::Text, "Which alarms of other elements it receives.").not_run("alarms"),
    attribute("dynamicSnmpGet", Kind::Text, "Which SNMP object is asked for next.").not_run("SNMP"),
    attribute("relativeTimers", Kind::Text, "Whether timers start relative to each other.").remark(),
    attribute("times", COUNT, "How often it is repeated.").remark(),
]);
static TYPE_OPTIONS: &[Choice] = &[
    choice(
        "dynamic ip",
        "The address of the connection with the index that follows, 0 without one: `dynamic ip 1`.",
    ),
    choice("dynamic snmp get", "Which SNMP object is asked for next.").not_run("SNMP"),
    choice("connection=", "The only connection for which it counts.")
        .not_run("parameters for one connection only (connection=)"),
    choice("column", "It is a column of a table.").remark(),
    choice("columnTypes=", "The parameters behind the columns of a matrix.").not_run("matrix parameters"),
    choice("dimensions=", "The size of a matrix.").not_run("matrix parameters"),
    choice("headerTrailerLink", "Which header and trailer of serial data belong together.")
        .not_run("serial connections"),
    choice("loadOID", "Takes the SNMP object from elsewhere.").not_run("SNMP"),
    choice("ssh username", "The user of an SSH connection.").not_run("serial connections"),
    choice("ssh pwd", "The password of an SSH connection.").not_run("serial connections"),
    choice("ssh options", "Options of an SSH connection.").not_run("serial connections"),
    choice("linkAlarmValue", "Whether its alarm shows the text of its value.").not_run("alarms"),
];

static INFORMATION: Element =
    element("Information", Kind::Opaque, "Explanations for people.").children(&[]).remark();

static INTERPRETE: Element =
    element("Interprete", Kind::Nothing, "What the value is, in messages and to people.").children(&[
        once(&RAW_TYPE),
        once(&INTERPRETE_TYPE),
        once(&LENGTH_TYPE),
        once(&INTERPRETE_LENGTH),
        once(&DEFAULT_VALUE),
        once(&VALUE),
        section(&EXCEPTIONS),
        section(&OTHERS),
        once(&RANGE),
        once(&SEQUENCE),
        once(&SCALE),
        once(&DECIMALS),
        once(&ROUNDING),
        once(&FACTOR),
        once(&OFFSET),
        once(&ALIGNMENT),
        once(&BASE),
        once(&BITS),
        once(&NBR_OF_BITS),
        once(&START_POSITION),
        once(&BYTE_OFFSET),
        once(&ENDIAN),
    ]);
static RAW_TYPE: Element =
    element("RawType", Kind::Enumeration(RawType::TABLE), "What the value is in a message.");
static INTERPRETE_TYPE: Element =
    element("Type", Kind::Enumeration(InterpreteType::TABLE), "What the value is to people and scripts.")
        .attributes(&[
            attribute("trim", Kind::Enumeration(Trim::TABLE), "Where blanks are taken off a received text."),
            attribute("filter", Kind::Flag, "Whether characters that cannot be shown are taken out.")
                .default("false")
                .not_run("filtered texts"),
        ]);
static LENGTH_TYPE: Element = element(
    "LengthType",
    Kind::Enumeration(LengthType::TABLE),
    "How the end of the value in a message is found.",
)
.attributes(&[
    attribute("id", PARAM, "The parameter that holds the length."),
    attribute("times", COUNT, "At which occurrence of the next parameter the field ends.")
        .not_run("fields up to a later occurrence of the next one (times)"),
]);
static INTERPRETE_LENGTH: Element = element("Length", COUNT, "The length in bytes, if it is fixed.");
static DEFAULT_VALUE: Element =
    element("DefaultValue", Kind::Text, "The value of a parameter that is still empty at the start.");
static VALUE: Element =
    element("Value", Kind::Text, "The constant value of a `fixed`, `header` or `trailer`; `0x0D` is a byte.");
static EXCEPTIONS: Element =
    element("Exceptions", Kind::Nothing, "Values that are shown as a text.").children(&[many(&EXCEPTION)]);
static EXCEPTION: Element =
    element("Exception", Kind::Nothing, "A value that is shown as a text; scripts read the value.")
        .attributes(&[
            attribute("id", Kind::Id(Item::Local), "Its number among the exceptions."),
            attribute("value", Kind::Text, "The value as it comes."),
        ])
        .children(&[once(&SHOWN), once(&EXCEPTION_VALUE)]);
static EXCEPTION_VALUE: Element = element("Value", Kind::Text, "The value as it is stored.");
static SHOWN: Element = element("Display", Kind::Text, "The text that is shown.").attributes(&[STATE]);
const STATE: Attribute =
    attribute("state", Kind::Enumeration(DisplayState::TABLE), "Whether people can choose it.")
        .default("enabled")
        .remark();
static OTHERS: Element =
    element("Others", Kind::Nothing, "Received texts that stand for a value.").children(&[many(&OTHER)]);
static OTHER: Element = element("Other", Kind::Nothing, "A received text that stands for a value.")
    .attributes(&[attribute("id", PARAM, "The parameter that the received text is taken from.")])
    .children(&[once(&OTHER_VALUE), once(&SHOWN)]);
static OTHER_VALUE: Element = element("Value", Kind::Text, "The value that is stored.");
static RANGE: Element = element(
    "Range",
    Kind::Nothing,
    "The values that are taken; a received one outside is dropped and counted.",
)
.children(&[once(&LOW), once(&HIGH)]);
static LOW: Element = element("Low", Kind::Decimal, "The smallest value.");
static HIGH: Element = element("High", Kind::Decimal, "The largest value.");
const SEQUENCE_OPTIONS: &str = "`loop` and `noset` of a `Sequence`";
static SEQUENCE: Element = element(
    "Sequence",
    Kind::Text,
    "Calculations on a received value, in order and separated by `;`, such as `factor:0.1;offset:id:12`.",
)
.attributes(&[
    attribute("loop", COUNT, "How often the sequence is gone through.").not_run(SEQUENCE_OPTIONS),
    attribute("noset", Kind::Flag, "Whether it is left out for values that people set.")
        .not_run(SEQUENCE_OPTIONS),
]);
static SCALE: Element = element(
    "Scale",
    Kind::Nothing,
    "Maps a range of received numbers to a range of values, before `Sequence`.",
)
.attributes(&[
    attribute("lowData", Kind::Decimal, "The smallest received number."),
    attribute("highData", Kind::Decimal, "The largest received number."),
    attribute("low", Kind::Decimal, "The value for the smallest."),
    attribute("high", Kind::Decimal, "The value for the largest."),
]);
static DECIMALS: Element = element("Decimals", COUNT, "How many decimals a number keeps.").default("6");
static ROUNDING: Element =
    element("Rounding", Kind::Enumeration(Rounding::TABLE), "How a number is rounded to them.")
        .default("down");
static FACTOR: Element = element("Factor", Kind::Decimal, "By what a received number is multiplied.");
static OFFSET: Element =
    element("OffSet", Kind::Text, "What is added to a received number, or where it begins.")
        .old_names(&["Offset"])
        .attributes(&[attribute("id", PARAM, "The parameter that holds it.")]);
static ALIGNMENT: Element = element(
    "Alignment",
    Kind::Enumeration(Side::TABLE),
    "On which side a shorter value stands in its field. Texts stand on the left, digits on the right.",
)
.not_run("alignment of fields")
.default("left");
static BASE: Element =
    element("Base", Kind::Integer { min: 2, max: 36 }, "The base in which a number is written.")
        .default("10");
static BITS: Element =
    element("Bits", COUNT, "Of a `group`: how many bits of each of its bytes count.").not_run(GROUP_BYTES);
static NBR_OF_BITS: Element = element("NbrOfBits", COUNT, "How many bits the value has.");
static START_POSITION: Element = element("StartPosition", COUNT, "The first of its bits.");
static BYTE_OFFSET: Element = element(
    "ByteOffset",
    COUNT,
    "Of a `group`: what is taken off each byte that comes and added to each that is sent.",
)
.not_run(GROUP_BYTES);
static ENDIAN: Element =
    element("Endian", Kind::Enumeration(Endian::TABLE), "The order of the bytes of a number.")
        .default("little");

static ARRAY_OPTIONS: Element = element("ArrayOptions", Kind::Nothing, "The columns of a table.")
    .attributes(&[
        attribute("index", COUNT, "The position of the column that is the key, from 0.").default("0"),
        attribute("displayColumn", COUNT, "The position of the column that names the rows for people.")
            .not_run(NAMING),
        attribute(
            "options",
            Kind::Options(ARRAY_OPTIONS_OPTIONS),
            "Options, separated by `;`. With `naming=` the first character after it is the separator.",
        ),
        attribute("deleteRow", Kind::Flag, "Whether people may delete rows.").not_run(LAYOUT),
        attribute("partial", Kind::Text, "Whether large tables are shown in pages.").remark(),
        attribute("snmpIndex", Kind::Text, "Which columns are the SNMP index.").not_run("SNMP"),
    ])
    .children(&[once(&NAMING_FORMAT), many(&COLUMN_OPTION)]);
static ARRAY_OPTIONS_OPTIONS: &[Choice] = &[
    choice("autoAdd", "A cell or row that is set for an unknown key makes the row."),
    choice("naming=", "The columns that make up the name of a row for people.").not_run(NAMING),
    choice("volatile", "Nothing of the table is saved."),
    choice("preserve state", "Rows keep their state over a restart.")
        .not_run("row states that survive a restart"),
    choice("customDatabaseName", "The name of the table in a database of the platform.")
        .not_run("database options"),
    choice("database", "The table is kept in a database of the platform.").not_run("database options"),
    choice("propertyTable", "The table holds properties of the platform.").not_run("database options"),
    choice("sizeHint", "How large the table will be.").remark(),
    choice("discreetDestination", "Where the texts of a column are kept.").not_run(LAYOUT),
    choice("interruptTrend", "Whether the history has gaps.").not_run("trending"),
    choice("onlyFilteredDirectView", "Rows of other elements, only if asked for.").not_run(VIEWS),
    choice("processingOrder", "In which order columns are set.").not_run("processing order of columns"),
    choice("directView", "Rows of other elements.").not_run(VIEWS),
    choice("view", "A selection from another table.").not_run(VIEWS),
    choice("filterChange", "Which changes reach a view.").not_run(VIEWS),
    choice("queryTablePid", "The query of a view.").not_run(VIEWS),
];
static NAMING_FORMAT: Element = element(
    "NamingFormat",
    Kind::Text,
    "How rows are named for people: texts and column parameters; the first character is the separator.",
)
.not_run(NAMING);
static COLUMN_OPTION: Element = element("ColumnOption", Kind::Nothing, "One column.").attributes(&[
    attribute("idx", COUNT, "The position of the column, from 0.").required(),
    attribute("pid", PARAM, "The parameter that describes the column.").required(),
    attribute("type", Kind::Enumeration(ColumnType::TABLE), "How it gets its value.").default("retrieved"),
    attribute(
        "options",
        Kind::Options(COLUMN_OPTIONS),
        "Options of the column; the first character is the separator, such as `;save;foreignKey=1000`.",
    ),
    attribute(
        "value",
        Kind::Text,
        "What a value is taken from: the parts of a concatenation, or an SNMP object.",
    )
    .remark(),
    attribute("pollingRate", COUNT, "How often it is asked for by SNMP.").not_run("SNMP"),
    attribute("cpeAlignment", Kind::Text, "On which side it is shown.").not_run(LAYOUT),
]);

static COLUMN_OPTIONS: &[Choice] = &[
    choice("save", "The cells survive a restart."),
    choice("volatile", "They do not, whatever column it is."),
    choice("foreignKey=", "The column holds keys of the table that follows."),
    choice("element", "The column holds the elements that rows become; it is saved."),
    choice("delta", "What a trend of differences is made of.").not_run("trending"),
    choice("disableHeaderSum", "Sums above the column.").not_run(LAYOUT),
    choice("disableHeatmap", "Colours by value.").not_run(LAYOUT),
    choice("disableHistogram", "A picture of the values.").not_run(LAYOUT),
    choice("displayElementAlarm", "Alarms of other elements.").not_run("alarms"),
    choice("displayIcon", "Pictures instead of values.").not_run("icons"),
    choice("displayServiceAlarm", "Alarms of services.").not_run("alarms"),
    choice("displayViewAlarm", "Alarms of views.").not_run("alarms"),
    choice("dynamicData", "Values are asked for when they are shown.").not_run(VIEWS),
    choice("enableHeaderAvg", "Averages above the column.").not_run(LAYOUT),
    choice("enableHeaderMax", "Largest values above the column.").not_run(LAYOUT),
    choice("enableHeaderMin", "Smallest values above the column.").not_run(LAYOUT),
    choice("enableHeaderSum", "Sums above the column.").not_run(LAYOUT),
    choice("enableHeatmap", "Colours by value.").not_run(LAYOUT),
    choice("enableHistogram", "A picture of the values.").not_run(LAYOUT),
    choice("groupby", "Rows are shown in groups.").not_run(LAYOUT),
    choice("hidden", "The column is not shown.").not_run(LAYOUT),
    choice("indexColumn", "The column is an index of others.").not_run(VIEWS),
    choice("linkElement", "Rows lead to elements.").not_run(LAYOUT),
    choice("rowTextColoring", "Rows have a colour.").not_run(LAYOUT),
    choice("separator", "What stands between the parts of a name.").not_run(NAMING),
    choice("space", "Blanks in a name.").not_run(NAMING),
    choice("severity", "The severity of alarms.").not_run("alarms"),
    choice("view", "A selection from another table.").not_run(VIEWS),
    choice("xpos", "Where a row stands in a diagram.").not_run(LAYOUT),
    choice("ypos", "Where a row stands in a diagram.").not_run(LAYOUT),
];

static CRC: Element = element(
    "CRC",
    Kind::Nothing,
    "How the checksum of a message is worked out, for a parameter of type `crc`.",
)
.children(&[once(&CRC_TYPE), section(&CRC_CONTENT)]);
static CRC_TYPE: Element = element("Type", Kind::Enumeration(CrcType::TABLE), "The rule.").attributes(&[
    attribute("byteoffset", Kind::Integer { min: -65_536, max: 65_536 }, "What is added to each byte."),
    attribute("groupbytes", Kind::Text, "How many bytes are taken as one number."),
    attribute("mod", COUNT, "By what the result is divided; the remainder counts."),
    attribute(
        "off",
        Kind::Integer { min: -2_147_483_648, max: 2_147_483_647 },
        "What is added to the result.",
    ),
    attribute("options", Kind::Text, "Options of the rule."),
    attribute("totaloffset", COUNT, "What is added to the whole."),
]);
static CRC_CONTENT: Element =
    element("Content", Kind::Nothing, "The parameters that it covers.").children(&[many(&CONTENT_PARAM)]);
static CONTENT_PARAM: Element = element("Param", PARAM, "A parameter, by its id.");

static LENGTH: Element = element("Length", Kind::Nothing, "What a parameter of type `length` counts.")
    .children(&[section(&LENGTH_CONTENT)]);
static LENGTH_CONTENT: Element = element("Content", Kind::Nothing, "The parameters whose bytes are counted.")
    .children(&[many(&CONTENT_PARAM)]);

static MEASUREMENT: Element = element("Measurement", Kind::Nothing, "How the value is shown and chosen.")
    .children(&[once(&MEASUREMENT_TYPE), section(&DISCREETS), once(&THRESHOLD)]);
static MEASUREMENT_TYPE: Element =
    element("Type", Kind::Enumeration(MeasurementType::TABLE), "As what it is shown.").remark().attributes(
        &[
            attribute("options", Kind::Text, "Options of how it is shown, separated by `;`.").remark(),
            attribute("width", COUNT, "The width of a button.").not_run(LAYOUT),
            attribute("link", Kind::Text, "The file with the rows or the page.").not_run(LAYOUT),
            attribute("lines", COUNT, "How many lines a text has.").not_run(LAYOUT),
            attribute("case", Kind::Text, "Whether a text is made upper or lower case.").not_run(LAYOUT),
            attribute("continuous", Kind::Text, "Whether a set is sent while people still move the control.")
                .not_run(LAYOUT),
            attribute("hex", Kind::Flag, "Whether a number is shown in hexadecimal.").not_run(LAYOUT),
            attribute("number", Kind::Text, "Whether people type a number.").not_run(LAYOUT),
            attribute("scientificNotation", Kind::Text, "How large numbers are shown.").not_run(LAYOUT),
            attribute("verificationDeviation", Kind::Decimal, "How far a value read back may be off.")
                .remark(),
        ],
    );
static DISCREETS: Element =
    element("Discreets", Kind::Nothing, "The values that can be chosen, with their texts.")
        .old_names(&["Discretes"])
        .attributes(&[
            attribute("dependencyId", PARAM, "The parameter on which the choice depends.").not_run(LAYOUT),
            attribute("physicalSize", Kind::Text, "How many inputs and outputs of a matrix are there.")
                .not_run("matrix parameters"),
            attribute("matrixLayout", Kind::Text, "How a matrix is turned.").not_run("matrix parameters"),
        ])
        .children(&[many(&DISCREET)]);
static DISCREET: Element = element("Discreet", Kind::Nothing, "One value with its text.")
    .attributes(&[
        attribute(
            "dependencyValues",
            Kind::Text,
            "For which values of the other parameter it can be chosen, separated by `;`.",
        )
        .not_run(LAYOUT),
        attribute("options", Kind::Text, "Options of the choice, separated by `;`.").not_run(LAYOUT),
        attribute("export", Kind::Text, "To which exported elements it belongs.")
            .not_run("exported elements (DVE)"),
        attribute("iconRef", Kind::Text, "The picture of the choice.").not_run("icons"),
        attribute("displayIconAndLabel", Kind::Flag, "Whether text and picture are shown.").not_run("icons"),
    ])
    .children(&[once(&DISCREET_DISPLAY), once(&DISCREET_VALUE), once(&TOOLTIP)]);
static DISCREET_DISPLAY: Element = element("Display", Kind::Text, "The text.").attributes(&[STATE]);
static DISCREET_VALUE: Element = element("Value", Kind::Text, "The value.").attributes(&[
    attribute("type", Kind::Text, "What choosing it does on the platform.").not_run(LAYOUT),
    attribute("location", Kind::Text, "Where that happens.").not_run(LAYOUT),
]);
static TOOLTIP: Element = element("Tooltip", Kind::Text, "What is shown beside it.").not_run(LAYOUT);
static THRESHOLD: Element = element("Threshold", Kind::Decimal, "From where a lamp is on.").not_run(LAYOUT);
