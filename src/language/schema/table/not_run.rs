//! The table's rows about what the language has and this runtime does not run; they are read, counted and named, nothing more.

use crate::language::schema::{Child, Element, Kind, attribute, element, many, once};

const LAYOUT: &str = "page layout and display options";
const DVE: &str = "exported elements (DVE)";
const TOPOLOGY_FEATURE: &str = "topology and chains";

const fn any(name: &'static str, feature: &'static str, doc: &'static str) -> Element {
    element(name, Kind::Opaque, doc).not_run(feature)
}

const fn plain(name: &'static str, kind: Kind, doc: &'static str) -> Element {
    element(name, kind, doc)
}

pub(super) static DISPLAY: Element =
    element("Display", Kind::Nothing, "The pages of the definition, for people.")
        .not_run(LAYOUT)
        .attributes(&[
            attribute("defaultPage", Kind::Text, "The page that is shown first."),
            attribute("pageOptions", Kind::Text, "Options of the pages, separated by `;`."),
            attribute("pageOrder", Kind::Text, "The pages in order, separated by `;`."),
            attribute("type", Kind::Text, "Which program shows the element."),
            attribute("wideColumnPages", Kind::Text, "Pages with wide columns, separated by `;`."),
        ])
        .children(&[once(&PAGES)]);
static PAGES: Element = plain("Pages", Kind::Opaque, "When each page is shown.");

pub(super) static SNMP: Element = any("SNMP", "SNMP", "Whether a MIB file is made of the definition.");
pub(super) static TREE_CONTROLS: Element = any("TreeControls", "tree controls", "Tables shown as trees.");
pub(super) static TOPOLOGY: Element = any("Topology", TOPOLOGY_FEATURE, "How tables hang together.");
pub(super) static TOPOLOGIES: Element =
    any("Topologies", TOPOLOGY_FEATURE, "How tables hang together, several times.");
pub(super) static CHAINS: Element =
    any("Chains", TOPOLOGY_FEATURE, "Ways through the topology that people choose from.");
pub(super) static DVES: Element = any("DVEs", DVE, "The definitions of elements made of rows.");
pub(super) static EXPORT_RULES: Element =
    any("ExportRules", DVE, "What changes in the definitions of elements made of rows.");
pub(super) static PARAMETER_GROUPS: Element = any(
    "ParameterGroups",
    "connectivity between elements (DCF)",
    "The interfaces of the element, for connectivity between elements.",
);
pub(super) static GENERAL_PARAMETERS: Element = any(
    "GeneralParameters",
    "platform information parameters",
    "Which parameters of the platform the element has.",
);
pub(super) static RELATIONS: Element =
    element("Relations", Kind::Nothing, "Tables that hang together by their keys.")
        .not_run("relations between tables")
        .children(&[many(&RELATION)]);
static RELATION: Element = plain("Relation", Kind::Nothing, "A path of tables.").attributes(&[
    attribute("name", Kind::Text, "What the path is called."),
    attribute("options", Kind::Text, "Options of the path."),
    attribute("path", Kind::Text, "The tables, separated by `;`."),
]);
pub(super) static RCA: Element = any("RCA", "alarms", "Which alarm is the cause of another.");
pub(super) static SEVERITY_BUBBLE_UP: Element =
    any("SeverityBubbleUp", "alarms", "How the severity of rows goes up to other tables.");
pub(super) static ALARM_LEVEL_LINKS: Element =
    any("AlarmLevelLinks", "alarms", "How the severity of other elements comes in.");
pub(super) static MEDIATION: Element =
    any("Mediation", "base protocols", "How the definition is mapped to a base one.");
pub(super) static OWNERSHIP: Element =
    any("Ownership", "ownership", "What of other elements the element may change.");
pub(super) static PROCESS_AUTOMATION: Element =
    any("ProcessAutomation", "process automation", "The queue of a process of the platform.");
pub(super) static SWARMING: Element = any("Swarming", "swarming", "Whether elements may move between hosts.");
pub(super) static SYSTEM_OPTIONS: Element =
    any("SystemOptions", "system options", "Options of the platform for its elements.");

const fn remark(name: &'static str, doc: &'static str) -> Element {
    element(name, Kind::Opaque, doc).remark()
}

pub(super) static INTERNAL_LICENSES: Element =
    remark("InternalLicenses", "Which licences of the platform it needs.");
pub(super) static COMPLIANCIES: Element = remark("Compliancies", "Which versions of the platform it needs.");
pub(super) static VERSION_HISTORY: Element = remark("VersionHistory", "What was changed in which version.");
pub(super) static REVISIONS: Element = remark("Revisions", "What was changed, in older files.");

pub(super) static ALARM: Element = element("Alarm", Kind::Nothing, "Which values raise an alarm.")
    .attributes(&[
        attribute("activeTime", Kind::Text, "How long a value must last.").remark(),
        attribute("options", Kind::Text, "Options of the alarm, separated by `;`.").remark(),
        attribute("type", Kind::Text, "Whether values are absolute or relative.").remark(),
    ])
    .children(ALARM_CHILDREN);
const ALARM_CHILDREN: &[Child] = &[
    once(&MONITORED),
    once(&NORMAL),
    once(&INFO),
    once(&CRITICAL_HIGH),
    once(&CRITICAL_LOW),
    once(&MAJOR_HIGH),
    once(&MAJOR_LOW),
    once(&MINOR_HIGH),
    once(&MINOR_LOW),
    once(&WARNING_HIGH),
    once(&WARNING_LOW),
];
static MONITORED: Element = plain("Monitored", Kind::Flag, "Whether alarms are raised.")
    .not_run("alarms")
    .attributes(&[attribute("disabledIf", Kind::Text, "The parameter and value for which they are not.")]);
static NORMAL: Element = plain("Normal", Kind::Text, "The normal value.").remark();
static INFO: Element = plain("Info", Kind::Text, "Values that are noted.").remark();
static CRITICAL_HIGH: Element = plain("CH", Kind::Text, "Critical from here up.").remark();
static CRITICAL_LOW: Element = plain("CL", Kind::Text, "Critical from here down.").remark();
static MAJOR_HIGH: Element = plain("MaH", Kind::Text, "Major from here up.").remark();
static MAJOR_LOW: Element = plain("MaL", Kind::Text, "Major from here down.").remark();
static MINOR_HIGH: Element = plain("MiH", Kind::Text, "Minor from here up.").remark();
static MINOR_LOW: Element = plain("MiL", Kind::Text, "Minor from here down.").remark();
static WARNING_HIGH: Element = plain("WaH", Kind::Text, "A warning from here up.").remark();
static WARNING_LOW: Element = plain("WaL", Kind::Text, "A warning from here down.").remark();

/// `Display` of a parameter: the unit is shown by the API, the layout is not run.
pub(super) static PARAM_DISPLAY: Element = element("Display", Kind::Nothing, "How the value is shown.")
    .children(&[
        once(&RT_DISPLAY),
        once(&UNITS),
        once(&DECIMALS),
        once(&STEPS),
        once(&RANGE),
        once(&POSITIONS),
        once(&TRENDING),
        once(&DYNAMIC_UNITS),
        once(&PARAMETERS_VIEW),
    ]);
static RT_DISPLAY: Element = plain("RTDisplay", Kind::Flag, "Whether other programs see the value.")
    .remark()
    .attributes(&[attribute("onAppLevel", Kind::Flag, "Whether an application asks for that.").remark()]);
static UNITS: Element = plain("Units", Kind::Text, "The unit; shown by the API.");
static DECIMALS: Element =
    plain("Decimals", Kind::Integer { min: 0, max: 64 }, "How many decimals are shown.").remark();
static STEPS: Element = plain("Steps", Kind::Decimal, "By how much a set value goes up and down.").remark();
static RANGE: Element = plain("Range", Kind::Nothing, "The values that people may set.")
    .remark()
    .children(&[once(&LOW), once(&HIGH)]);
static LOW: Element = plain("Low", Kind::Decimal, "The smallest value.").remark();
static HIGH: Element = plain("High", Kind::Decimal, "The largest value.").remark();
static POSITIONS: Element = plain("Positions", Kind::Nothing, "Where it stands on which pages.")
    .not_run(LAYOUT)
    .children(&[many(&POSITION)]);
static POSITION: Element = plain("Position", Kind::Nothing, "A place on a page.")
    .old_names(&["pPosition"])
    .children(&[once(&PAGE), once(&COLUMN), once(&ROW)]);
static PAGE: Element = plain("Page", Kind::Text, "The page.").attributes(&[attribute(
    "measType",
    Kind::Text,
    "As what it is shown there.",
)]);
static COLUMN: Element = plain("Column", Kind::Text, "The column, from 0.");
static ROW: Element = plain("Row", Kind::Text, "The row, from 0.");
static TRENDING: Element = any("Trending", "trending", "How the history is shown.");
static DYNAMIC_UNITS: Element = any("DynamicUnits", LAYOUT, "Units by the size of the value.");
static PARAMETERS_VIEW: Element = any("ParametersView", LAYOUT, "A chart of other parameters.");

pub(super) static PARAM_SNMP: Element =
    element("SNMP", Kind::Nothing, "The SNMP object behind the parameter.")
        .attributes(&[attribute("options", Kind::Text, "Options, separated by `;`.").remark()])
        .children(&[
            once(&SNMP_ENABLED),
            many(&SNMP_OID),
            once(&SNMP_TYPE),
            once(&SNMP_FACTOR),
            many(&SNMP_TRAP_OID),
            once(&SNMP_TRAP_MAPPINGS),
            once(&SNMP_INVALID),
        ]);
static SNMP_ENABLED: Element =
    plain("Enabled", Kind::Flag, "Whether the value is asked for by SNMP.").not_run("SNMP");
static SNMP_OID: Element = remark("OID", "The object's id.");
static SNMP_TYPE: Element = remark("Type", "The object's type.");
static SNMP_FACTOR: Element = remark("Factor", "By what the object's value is multiplied.");
static SNMP_TRAP_OID: Element = any("TrapOID", "SNMP", "The trap that sets the value.");
static SNMP_TRAP_MAPPINGS: Element = remark("TrapMappings", "What the trap's values mean.");
static SNMP_INVALID: Element = remark("InvalidResponseHandling", "What to do with answers that are no SNMP.");
pub(super) static MATRIX: Element =
    any("Matrix", "matrix parameters", "The inputs and outputs of a crosspoint matrix.");
pub(super) static DATABASE: Element = any("Database", "database options", "How the value is stored.");
pub(super) static DASHBOARD: Element = any("Dashboard", LAYOUT, "How the value is shown on dashboards.");
pub(super) static HYPER_LINKS: Element = any("HyperLinks", "alarms", "Links in the menu of an alarm.");
pub(super) static REPLICATION: Element =
    any("Replication", "replication", "A parameter of another element whose value it takes.");
pub(super) static CROSS_DRIVER_OPTIONS: Element =
    any("CrossDriverOptions", "view tables", "Columns of other protocols.");
pub(super) static PARAM_ICON: Element = any("Icon", "icons", "The picture of the parameter.");
pub(super) static PARAM_MEDIATION: Element =
    any("Mediation", "base protocols", "The parameter of a base protocol that it is.");
