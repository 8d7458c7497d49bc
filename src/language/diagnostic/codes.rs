//! The diagnostic codes; what each means, with a bad and a good example, stands in the files below. Raises none of them.

mod connections;
mod form;
mod logic;
mod references;
mod settings;
mod types;

use std::fmt;

use crate::language::diagnostic::Severity;

/// One row of the table of codes.
#[derive(Debug)]
pub struct Entry {
    /// The stable name, such as `P2001`.
    pub name: &'static str,
    /// How bad it is unless a diagnostic says otherwise.
    pub severity: Severity,
    /// One line: what is wrong.
    pub title: &'static str,
    /// Why it matters and what to do.
    pub explanation: &'static str,
    /// A snippet that raises it: a whole file if it begins with `<Protocol`, `<!` or `<Settings`, otherwise what stands in a
    /// `Protocol` that declares `bs:`. Empty where no snippet can show it. For a code of the settings, a settings file.
    pub bad: &'static str,
    /// The same, mended.
    pub good: &'static str,
}

/// A row: name, severity, title, explanation, bad example, good example.
const fn row(
    name: &'static str,
    severity: Severity,
    title: &'static str,
    explanation: &'static str,
    bad: &'static str,
    good: &'static str,
) -> Entry {
    Entry { name, severity, title, explanation, bad, good }
}

macro_rules! codes {
    ($($variant:ident = $module:ident::$row:ident;)*) => {
        /// A stable diagnostic code: `P1xxx` XML form, `P2xxx` references, `P3xxx` types and units, `P4xxx` connections, `P5xxx` logic, `P6xxx` settings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = concat!("`", stringify!($module), "::", stringify!($row), "` says what it is.")] $variant,)* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The row of the table for this code.
            pub fn entry(self) -> &'static Entry {
                match self { $(Code::$variant => { const ENTRY: &Entry = &$module::$row; ENTRY })* }
            }
        }
    };
}

// In the order of their numbers. Never reuse a number.
codes! {
    Malformed = form::MALFORMED;
    DoctypeRefused = form::DOCTYPE_REFUSED;
    UnknownEntity = form::UNKNOWN_ENTITY;
    TooLarge = form::TOO_LARGE;
    NotUtf8 = form::NOT_UTF8;
    Unreadable = form::UNREADABLE;
    NotADefinition = form::NOT_A_DEFINITION;
    UndeclaredPrefix = form::UNDECLARED_PREFIX;
    ForeignNamespace = form::FOREIGN_NAMESPACE;
    UnknownElement = form::UNKNOWN_ELEMENT;
    UnknownAttribute = form::UNKNOWN_ATTRIBUTE;
    Misplaced = form::MISPLACED;
    Renamed = form::RENAMED;
    StrayText = form::STRAY_TEXT;
    BadValue = form::BAD_VALUE;
    MissingId = form::MISSING_ID;
    MissingPart = form::MISSING_PART;
    GivenTwice = form::GIVEN_TWICE;
    DanglingReference = references::DANGLING_REFERENCE;
    DoubledId = references::DOUBLED_ID;
    HandshakeMissing = references::HANDSHAKE_MISSING;
    UndefinedName = references::UNDEFINED_NAME;
    SetterWithoutRead = references::SETTER_WITHOUT_READ;
    BadTable = references::BAD_TABLE;
    StatusIsAParameter = references::STATUS_IS_A_PARAMETER;
    NoValue = references::NO_VALUE;
    TypeMismatch = types::TYPE_MISMATCH;
    BadLiteral = types::BAD_LITERAL;
    NotANumber = types::NOT_A_NUMBER;
    BadRange = types::BAD_RANGE;
    BadSequence = types::BAD_SEQUENCE;
    NoLength = types::NO_LENGTH;
    LengthMismatch = types::LENGTH_MISMATCH;
    BadPath = types::BAD_PATH;
    BadPattern = types::BAD_PATTERN;
    BadTemplate = types::BAD_TEMPLATE;
    SeveralTests = types::SEVERAL_TESTS;
    PlainSecret = types::PLAIN_SECRET;
    BadMap = types::BAD_MAP;
    BadMatch = types::BAD_MATCH;
    RowsWithoutKey = types::ROWS_WITHOUT_KEY;
    CellMismatch = types::CELL_MISMATCH;
    FormatMismatch = types::FORMAT_MISMATCH;
    MixedSyntax = connections::MIXED_SYNTAX;
    HandshakeConnections = connections::HANDSHAKE_CONNECTIONS;
    HandshakeUrl = connections::HANDSHAKE_URL;
    RuntimeHeader = connections::RUNTIME_HEADER;
    HeaderLineBreak = connections::HEADER_LINE_BREAK;
    BadHeaderName = connections::BAD_HEADER_NAME;
    UnknownExtension = connections::UNKNOWN_EXTENSION;
    ConnectionNumber = connections::CONNECTION_NUMBER;
    SecondAddress = connections::SECOND_ADDRESS;
    HandshakeUnused = connections::HANDSHAKE_UNUSED;
    HandshakeVerb = connections::HANDSHAKE_VERB;
    NoPath = connections::NO_PATH;
    PortOrder = connections::PORT_ORDER;
    NoVerification = connections::NO_VERIFICATION;
    HalfCertificate = connections::HALF_CERTIFICATE;
    BadProxy = connections::BAD_PROXY;
    BadStopCode = connections::BAD_STOP_CODE;
    HeaderNeverSet = connections::HEADER_NEVER_SET;
    BadMediaType = connections::BAD_MEDIA_TYPE;
    HalfToken = connections::HALF_TOKEN;
    SessionOverNothing = connections::SESSION_OVER_NOTHING;
    UnusedSession = connections::UNUSED_SESSION;
    OpenToken = connections::OPEN_TOKEN;
    TwoLogins = connections::TWO_LOGINS;
    TokenInClear = connections::TOKEN_IN_CLEAR;
    BadCondition = logic::BAD_CONDITION;
    NeverFires = logic::NEVER_FIRES;
    OursOnly = logic::OURS_ONLY;
    ElseWithoutCondition = logic::ELSE_WITHOUT_CONDITION;
    ActionMismatch = logic::ACTION_MISMATCH;
    ActionIncomplete = logic::ACTION_INCOMPLETE;
    NoTarget = logic::NO_TARGET;
    MixedGroup = logic::MIXED_GROUP;
    GroupKindMismatch = logic::GROUP_KIND_MISMATCH;
    PairWithoutCommand = logic::PAIR_WITHOUT_COMMAND;
    BadPeriod = logic::BAD_PERIOD;
    LongPeriod = logic::LONG_PERIOD;
    EmptyResponse = logic::EMPTY_RESPONSE;
    ShadowedResponse = logic::SHADOWED_RESPONSE;
    FreeResponse = logic::FREE_RESPONSE;
    BinaryText = logic::BINARY_TEXT;
    BadScript = logic::BAD_SCRIPT;
    ScriptFile = logic::SCRIPT_FILE;
    NoEntryPoint = logic::NO_ENTRY_POINT;
    ScriptReference = logic::SCRIPT_REFERENCE;
    ScriptMethod = logic::SCRIPT_METHOD;
    SettingsMalformed = settings::SETTINGS_MALFORMED;
    SettingsUnknownKey = settings::SETTINGS_UNKNOWN_KEY;
    SettingsType = settings::SETTINGS_TYPE;
    SettingsRange = settings::SETTINGS_RANGE;
    SettingsMissing = settings::SETTINGS_MISSING;
    SettingsElementName = settings::SETTINGS_ELEMENT_NAME;
    SettingsElementTwice = settings::SETTINGS_ELEMENT_TWICE;
    SettingsChoice = settings::SETTINGS_CHOICE;
    SettingsConnectionIndex = settings::SETTINGS_CONNECTION_INDEX;
    SettingsReference = settings::SETTINGS_REFERENCE;
    SettingsNotLoopback = settings::SETTINGS_NOT_LOOPBACK;
    SettingsValue = settings::SETTINGS_VALUE;
    SettingsContradiction = settings::SETTINGS_CONTRADICTION;
    SettingsNoElement = settings::SETTINGS_NO_ELEMENT;
}

impl Code {
    /// The stable name, such as `P2001`.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// How bad it is unless a diagnostic says otherwise.
    pub fn severity(self) -> Severity {
        self.entry().severity
    }

    /// Whether the code is about the settings file and not about a definition.
    pub fn is_of_settings(self) -> bool {
        self.name().starts_with("P6")
    }

    /// Finds a code by its name, in upper or lower case.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name().eq_ignore_ascii_case(name.trim()))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
