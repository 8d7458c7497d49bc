//! The table of diagnostic codes: what each means, with a bad and a good example; raises none of them.

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

macro_rules! codes {
    ($($variant:ident, $name:literal, $severity:ident, $title:literal, $explanation:literal, $bad:literal, $good:literal;)*) => {
        /// A stable diagnostic code: `P1xxx` XML form, `P2xxx` references, `P3xxx` types and units, `P4xxx` connections, `P5xxx` logic, `P6xxx` settings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $title] $variant,)* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The row of the table for this code.
            pub fn entry(self) -> &'static Entry {
                match self {
                    $(Code::$variant => {
                        const ENTRY: &Entry = &Entry {
                            name: $name, severity: Severity::$severity, title: $title,
                            explanation: $explanation, bad: $bad, good: $good,
                        };
                        ENTRY
                    })*
                }
            }
        }
    };
}

// One row a code: variant, name, severity, title, explanation, bad example, good example. Never reuse a number.
codes! {
    Malformed, "P1001", Error,
        "the file is not well-formed XML",
        "The XML ends early, a tag is not closed, or a quote is missing. Nothing after the place can be read, so this is the only report of the file.",
        "<Protocol><Name>a</Protocol>",
        "<Protocol><Name>a</Name></Protocol>";
    DoctypeRefused, "P1002", Error,
        "the file has a document type declaration",
        "Entities are never expanded and external files are never read. Remove the declaration; the five predefined entities and numeric references need none.",
        "<!DOCTYPE Protocol [<!ENTITY a \"b\">]><Protocol/>",
        "<Protocol/>";
    UnknownEntity, "P1003", Error,
        "an entity that does not exist",
        "Only the five entities of XML itself and numeric references have a meaning. Write the character as it is, or its number.",
        "<Protocol><Name>a&nbsp;b</Name></Protocol>",
        "<Protocol><Name>a&#160;b</Name></Protocol>";
    TooLarge, "P1004", Error,
        "the file is beyond a limit",
        "A file may have 64 MiB and 1,000,000 elements, nested up to 256 deep, with up to 64 attributes in one tag and names of up to 1,000 bytes. The limits keep a broken or hostile file from using up memory.",
        "",
        "";
    NotUtf8, "P1005", Error,
        "the file is not UTF-8",
        "Definitions are read as UTF-8, with or without a byte order mark. Save the file in that encoding. Where only the declaration names another one, it is a warning.",
        "",
        "";
    Unreadable, "P1006", Error,
        "the file cannot be read",
        "The file is not there, or the system does not let this user read it.",
        "",
        "";
    NotADefinition, "P1007", Error,
        "the file is no protocol definition",
        "The outermost element of a definition is `<Protocol>`, in no namespace or in the original language's.",
        "<Settings/>",
        "<Protocol/>";
    UndeclaredPrefix, "P1008", Error,
        "a prefix that is not declared",
        "A prefix such as `bs:` means something only where an `xmlns` attribute binds it. Without it the element would be ignored in silence.",
        "<Protocol><Params><Param id=\"1\" bs:secret=\"true\"><Type>read</Type></Param></Params></Protocol>",
        "<Protocol xmlns:bs=\"urn:backshell:1\"><Params><Param id=\"1\" bs:secret=\"true\"><Type>read</Type></Param></Params></Protocol>";
    ForeignNamespace, "P1009", Warning,
        "an element or attribute of another namespace",
        "It is ignored with all that is in it. Names of the language stand in no namespace or in the original's, additions in `urn:backshell:1`.",
        "<Protocol xmlns:x=\"urn:x\"><x:Note/></Protocol>",
        "<Protocol><Name>a</Name></Protocol>";
    UnknownElement, "P1010", Warning,
        "an element that the language does not have",
        "It is ignored with all that is in it. Usually the name is misspelt: names are case-sensitive.",
        "<Protocol><Parms/></Protocol>",
        "<Protocol><Params/></Protocol>";
    UnknownAttribute, "P1011", Warning,
        "an attribute that the language does not have here",
        "It is ignored. Usually the name is misspelt: names are case-sensitive.",
        "<Protocol><Params><Param id=\"1\" safe=\"true\"><Type>read</Type></Param></Params></Protocol>",
        "<Protocol><Params><Param id=\"1\" save=\"true\"><Type>read</Type></Param></Params></Protocol>";
    Misplaced, "P1012", Warning,
        "an element in the wrong place",
        "The language has this element, but not here, so it is ignored, except a `Param` beside `Params`. Move it into the element that holds its kind.",
        "<Protocol><Param id=\"1\"><Type>read</Type></Param></Protocol>",
        "<Protocol><Params><Param id=\"1\"><Type>read</Type></Param></Params></Protocol>";
    Renamed, "P1013", Warning,
        "an old or mistaken name",
        "The name is known from older files or as a common slip. It is taken for the name given in the help; no value that is run depends on it.",
        "<Protocol><Params><Param id=\"1\"><Type>read</Type><Display><Positions><pPosition/></Positions></Display></Param></Params></Protocol>",
        "<Protocol><Params><Param id=\"1\"><Type>read</Type><Display><Positions><Position/></Positions></Display></Param></Params></Protocol>";
    StrayText, "P1014", Warning,
        "text where only elements belong",
        "The text is ignored. Often it is the rest of a tag that was removed by hand.",
        "<Protocol><Params>x<Param id=\"1\"><Type>read</Type></Param></Params></Protocol>",
        "<Protocol><Params><Param id=\"1\"><Type>read</Type></Param></Params></Protocol>";
    BadValue, "P1015", Warning,
        "a value that does not fit its element or attribute",
        "The value is ignored, as if the element or attribute were not there. The message says which values there are.",
        "<Protocol><Params><Param id=\"1\" save=\"yes\"><Type>read</Type></Param></Params></Protocol>",
        "<Protocol><Params><Param id=\"1\" save=\"true\"><Type>read</Type></Param></Params></Protocol>";
    MissingId, "P1016", Error,
        "an item without a usable id",
        "Other parts of a definition refer to the item by its id, a whole number. Without it the item can never be used.",
        "<Protocol><Params><Param><Type>read</Type></Param></Params></Protocol>",
        "<Protocol><Params><Param id=\"1\"><Type>read</Type></Param></Params></Protocol>";
    MissingPart, "P1017", Warning,
        "something that the element needs is missing",
        "The element has no effect without it.",
        "<Protocol><Params><Param id=\"1\"><Name>Level</Name></Param></Params></Protocol>",
        "<Protocol><Params><Param id=\"1\"><Type>read</Type></Param></Params></Protocol>";
    GivenTwice, "P1018", Warning,
        "an element that stands once is given twice",
        "Sections given twice are merged, in file order; of other elements the first counts.",
        "<Protocol><Params/><Params/></Protocol>",
        "<Protocol><Params/></Protocol>";
    DanglingReference, "P2001", Warning,
        "a reference to something that is not defined",
        "The reference does nothing. Each missing item is reported once, at its first use; the nearest id that exists is named beside it.",
        "<Triggers><Trigger id=\"1\"><On id=\"11\">parameter</On><Time>change</Time><Type>action</Type></Trigger></Triggers><Params><Param id=\"10\"><Type>read</Type></Param></Params>",
        "<Triggers><Trigger id=\"1\"><On id=\"10\">parameter</On><Time>change</Time><Type>action</Type></Trigger></Triggers><Params><Param id=\"10\"><Type>read</Type></Param></Params>";
    DoubledId, "P2002", Error,
        "two items of one kind with the same id",
        "A reference could mean either of them. Items of different kinds may share an id, and a read and a write parameter may share a name.",
        "<Params><Param id=\"1\"><Type>read</Type></Param><Param id=\"1\"><Type>read</Type></Param></Params>",
        "<Params><Param id=\"1\"><Type>read</Type></Param><Param id=\"2\"><Type>read</Type></Param></Params>";
    HandshakeMissing, "P2003", Error,
        "a handshake that is not defined",
        "The connection cannot open without the session that describes its handshake.",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections>",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>";
    UndefinedName, "P2004", Error,
        "a name in a template that means nothing",
        "A message that misses a part is no message, so every name must be that of a parameter, a function or a filter. Names that are no identifiers are written `param(\"Some name\")`.",
        "<Commands><Command id=\"1\"><WebSocketMessageType>text</WebSocketMessageType><Content><bs:Template>{\"level\": {{ Volum | json }} }</bs:Template></Content></Command></Commands><Params><Param id=\"1\"><Type>read</Type><Name>Volume</Name></Param></Params>",
        "<Commands><Command id=\"1\"><WebSocketMessageType>text</WebSocketMessageType><Content><bs:Template>{\"level\": {{ Volume | json }} }</bs:Template></Content></Command></Commands><Params><Param id=\"1\"><Type>read</Type><Name>Volume</Name></Param></Params>";
    SetterWithoutRead, "P2005", Note,
        "a setter that has nothing to copy to",
        "A write parameter with `setter=\"true\"` copies each value to the read parameter with the same name.",
        "<Params><Param id=\"1\" setter=\"true\"><Name>Volume</Name><Type>write</Type></Param></Params>",
        "<Params><Param id=\"1\" setter=\"true\"><Name>Volume</Name><Type>write</Type></Param><Param id=\"2\"><Name>Volume</Name><Type>read</Type></Param></Params>";
    BadTable, "P2006", Warning,
        "a table whose columns do not fit",
        "Columns are numbered from 0 without a gap, and the key is one of them. Until that is so they are taken in order, with the first as the key.",
        "<Params><Param id=\"1\"><Type>array</Type><ArrayOptions index=\"5\"><ColumnOption idx=\"0\" pid=\"2\" type=\"retrieved\"/></ArrayOptions></Param><Param id=\"2\"><Type>read</Type></Param></Params>",
        "<Params><Param id=\"1\"><Type>array</Type><ArrayOptions index=\"0\"><ColumnOption idx=\"0\" pid=\"2\" type=\"retrieved\"/></ArrayOptions></Param><Param id=\"2\"><Type>read</Type></Param></Params>";
    StatusIsAParameter, "P2007", Warning,
        "a status code where the id of a parameter belongs",
        "`Response@statusCode` is the id of the parameter that receives the status line. It is no status that the answer must have.",
        "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"/><Response statusCode=\"200\"/></Connection></Session></HTTP>",
        "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"/><Response statusCode=\"12\"/></Connection></Session></HTTP><Params><Param id=\"12\"><Type>read</Type></Param></Params>";
    NoValue, "P2008", Warning,
        "a header or parameter of a request without a value",
        "The value comes from the parameter that `pid` names, or is the text of the element.",
        "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"X-Token\"/></Headers></Request></Connection></Session></HTTP>",
        "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"X-Token\" pid=\"1\"/></Headers></Request></Connection></Session></HTTP><Params><Param id=\"1\"><Type>read</Type></Param></Params>";
    TypeMismatch, "P3001", Warning,
        "a parameter that does not fit its use",
        "A table has no value of its own, a constant cannot receive one, and a text cannot hold a number. What cannot work is left out.",
        "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"/><Response><Content pid=\"1\"/></Response></Connection></Session></HTTP><Params><Param id=\"1\"><Type>array</Type><ArrayOptions index=\"0\"><ColumnOption idx=\"0\" pid=\"2\"/></ArrayOptions></Param><Param id=\"2\"><Type>read</Type></Param></Params>",
        "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"/><Response><Content pid=\"1\"/></Response></Connection></Session></HTTP><Params><Param id=\"1\"><Type>read</Type></Param></Params>";
    BadLiteral, "P3002", Warning,
        "bytes that cannot be read",
        "Bytes are written with two hexadecimal digits after each `0x`, such as `0x0D0x0A`. Anything else is text.",
        "<Params><Param id=\"1\"><Type>fixed</Type><Interprete><Value>0x0D0x0</Value></Interprete></Param></Params>",
        "<Params><Param id=\"1\"><Type>fixed</Type><Interprete><Value>0x0D0x0A</Value></Interprete></Param></Params>";
    NotANumber, "P3003", Warning,
        "a text where a number belongs",
        "The parameter or the action works with numbers. The value is ignored.",
        "<Params><Param id=\"1\"><Type>read</Type><Interprete><Type>double</Type><DefaultValue>high</DefaultValue></Interprete></Param></Params>",
        "<Params><Param id=\"1\"><Type>read</Type><Interprete><Type>double</Type><DefaultValue>5</DefaultValue></Interprete></Param></Params>";
    BadRange, "P3004", Warning,
        "a range without anything in it",
        "The lower end is above the upper one, so that no value fits.",
        "<Params><Param id=\"1\"><Type>read</Type><Interprete><Type>double</Type><Range><Low>9</Low><High>1</High></Range></Interprete></Param></Params>",
        "<Params><Param id=\"1\"><Type>read</Type><Interprete><Type>double</Type><Range><Low>1</Low><High>9</High></Range></Interprete></Param></Params>";
    BadSequence, "P3005", Error,
        "a calculation that cannot be read",
        "A sequence is a list of operations with `;` between them: `factor`, `offset`, `min`, `pow`, `div`, `rest`, `log10` or `log20`, or their signs, each with a number, `id:12` or `param:12`.",
        "<Params><Param id=\"1\"><Type>read</Type><Interprete><Sequence>divide:10</Sequence></Interprete></Param></Params>",
        "<Params><Param id=\"1\"><Type>read</Type><Interprete><Sequence>div:10</Sequence></Interprete></Param></Params>";
    NoLength, "P3006", Warning,
        "a length that is not given",
        "A field of fixed length needs `Length`, one with the length of another parameter the id of that parameter. Until then it ends where the next fixed part begins.",
        "<Params><Param id=\"1\"><Type>read</Type><Interprete><LengthType>fixed</LengthType></Interprete></Param></Params>",
        "<Params><Param id=\"1\"><Type>read</Type><Interprete><LengthType>fixed</LengthType><Length>4</Length></Interprete></Param></Params>";
    LengthMismatch, "P3007", Warning,
        "a constant that is not as long as it says",
        "The value counts. A wrong length is often a sign that the bytes were written as text.",
        "<Params><Param id=\"1\"><Type>fixed</Type><Interprete><LengthType>fixed</LengthType><Length>2</Length><Value>0x0D</Value></Interprete></Param></Params>",
        "<Params><Param id=\"1\"><Type>fixed</Type><Interprete><LengthType>fixed</LengthType><Length>1</Length><Value>0x0D</Value></Interprete></Param></Params>";
    BadPath, "P3008", Error,
        "a path that cannot be read",
        "Paths into JSON are written as in RFC 9535 and begin with `$`.",
        "<Responses><Response id=\"1\"><bs:Extract path=\"payload.value\" pid=\"1\"/></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
        "<Responses><Response id=\"1\"><bs:Extract path=\"$.payload.value\" pid=\"1\"/></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>";
    BadPattern, "P3009", Error,
        "a regular expression that cannot be read",
        "The syntax is that of the Rust library `regex`: without look-around and back references, so that it always ends in time.",
        "<Responses><Response id=\"1\"><bs:Match path=\"$.type\" matches=\"(state\"/></Response></Responses>",
        "<Responses><Response id=\"1\"><bs:Match path=\"$.type\" matches=\"(state)\"/></Response></Responses>";
    BadTemplate, "P3010", Error,
        "a template that cannot be read",
        "A template is text with `{{ value }}` in it; `{% if %}` and `{% for %}` work too. The message says what is wrong at the place.",
        "<Commands><Command id=\"1\"><WebSocketMessageType>text</WebSocketMessageType><Content><bs:Template>{\"at\": \"{{ tai( }}\"}</bs:Template></Content></Command></Commands>",
        "<Commands><Command id=\"1\"><WebSocketMessageType>text</WebSocketMessageType><Content><bs:Template>{\"at\": \"{{ tai() }}\"}</bs:Template></Content></Command></Commands>";
    SeveralTests, "P3011", Error,
        "a match that asks for more than one thing",
        "A `bs:Match` has one of `equals`, `exists` and `matches`. Several matches of a response must all hold.",
        "<Responses><Response id=\"1\"><bs:Match path=\"$.type\" equals=\"state\" exists=\"true\"/></Response></Responses>",
        "<Responses><Response id=\"1\"><bs:Match path=\"$.type\" equals=\"state\"/></Response></Responses>";
    PlainSecret, "P3012", Warning,
        "a secret that stands in the file",
        "Who can read the definition can read it. Settings can take it from the environment or from a file of their own.",
        "<Params><Param id=\"1\" bs:secret=\"true\"><Type>read</Type><Interprete><DefaultValue>hunter2</DefaultValue></Interprete></Param></Params>",
        "<Params><Param id=\"1\" bs:secret=\"true\"/></Params>";
    MixedSyntax, "P4001", Error,
        "connections declared in two ways",
        "Connections stand either in `Type` with `PortSettings`, or in `Connections`. With both, their numbers would be anybody's guess.",
        "<Type>http</Type><Connections><Connection id=\"0\"><Http/></Connection></Connections>",
        "<Connections><Connection id=\"0\"><Http/></Connection></Connections>";
    HandshakeConnections, "P4002", Error,
        "a handshake that is not exactly one request",
        "The opening handshake of a WebSocket is one request with one answer, so its session has one `Connection`.",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"/></Connection><Connection id=\"2\"><Request pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>";
    HandshakeUrl, "P4003", Warning,
        "a handshake whose path is written out",
        "In a handshake `url` holds the id of the parameter with the path, as in the original. Other text is taken as the path itself, which then can never change.",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request url=\"/events\"/></Connection></Session></HTTP>",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request url=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>";
    RuntimeHeader, "P4004", Warning,
        "a header that the runtime writes itself",
        "The headers that make a request a WebSocket handshake (`Upgrade`, `Connection`, `Sec-WebSocket-Key`, `Sec-WebSocket-Version`), and `Content-Length` of a request, depend on what is sent. A second one would break the request, so what the definition says is left out.",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"><Headers><Header key=\"Upgrade\">websocket</Header></Headers></Request></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"><Headers><Header key=\"Origin\">https://example.com</Header></Headers></Request></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>";
    HeaderLineBreak, "P4005", Error,
        "a header value with a line break",
        "A line break would end the header and begin another one, so a value with one is never sent. Text that is only wrapped over lines of the definition is put on one line, with a warning.",
        "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"X-Note\" pid=\"1\"/></Headers></Request></Connection></Session></HTTP><Params><Param id=\"1\"><Type>read</Type><Interprete><Type>string</Type><DefaultValue>a&#10;b</DefaultValue></Interprete></Param></Params>",
        "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"X-Note\" pid=\"1\"/></Headers></Request></Connection></Session></HTTP><Params><Param id=\"1\"><Type>read</Type><Interprete><Type>string</Type><DefaultValue>a b</DefaultValue></Interprete></Param></Params>";
    BadHeaderName, "P4006", Error,
        "a name that no header can have",
        "The name of a header has letters, digits and some signs such as `-` (RFC 9110, 5.1), no blank and no colon.",
        "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"X Note:\">a</Header></Headers></Request></Connection></Session></HTTP>",
        "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"X-Note\">a</Header></Headers></Request></Connection></Session></HTTP>";
    UnknownExtension, "P4007", Warning,
        "a WebSocket extension that this runtime does not have",
        "A server that selects it would speak in a way that is not understood, so the link then fails. `permessage-deflate` is there.",
        "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"Sec-WebSocket-Extensions\">permessage-bzip2</Header></Headers></Request></Connection></Session></HTTP>",
        "<HTTP><Session id=\"1\"><Connection id=\"1\"><Request url=\"/\"><Headers><Header key=\"Sec-WebSocket-Extensions\">permessage-deflate</Header></Headers></Request></Connection></Session></HTTP>";
    ConnectionNumber, "P4008", Note,
        "a connection whose id is not its position",
        "Everything that refers to a connection means its position, counted from 0. The `id` is a number for people.",
        "<Connections><Connection id=\"1\"><Http/></Connection></Connections>",
        "<Connections><Connection id=\"0\"><Http/></Connection></Connections>";
    SecondAddress, "P4009", Warning,
        "two parameters for the address of one connection",
        "Only the first is used. `dynamic ip` without a number is that of connection 0.",
        "<Type>http</Type><Params><Param id=\"1\"><Type options=\"dynamic ip\">read</Type></Param><Param id=\"2\"><Type options=\"dynamic ip 0\">read</Type></Param></Params>",
        "<Type advanced=\"http\">http</Type><Params><Param id=\"1\"><Type options=\"dynamic ip\">read</Type></Param><Param id=\"2\"><Type options=\"dynamic ip 1\">read</Type></Param></Params>";
    HandshakeUnused, "P4010", Warning,
        "a handshake of a connection that is no WebSocket",
        "The session is not used unless `WebSocket` is `true`.",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>";
    HandshakeVerb, "P4011", Warning,
        "a handshake that does not ask with GET",
        "A WebSocket opens with `GET` (RFC 6455, 4.1).",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request verb=\"POST\" pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request verb=\"GET\" pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>";
    NoPath, "P4012", Note,
        "a handshake without a path",
        "It asks for `/`. Most servers serve their events under a path of their own.",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request verb=\"GET\"/></Connection></Session></HTTP>",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request verb=\"GET\" pid=\"8\"/></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param></Params>";
    PortOrder, "P4013", Warning,
        "port settings in another order than the connections",
        "`PortSettings` below `Ports` belong to the connections of `Type@advanced` by their order, whatever their names say.",
        "<Type advanced=\"http:A;http:B\">http</Type><Ports><PortSettings name=\"B\"/><PortSettings name=\"A\"/></Ports>",
        "<Type advanced=\"http:A;http:B\">http</Type><Ports><PortSettings name=\"A\"/><PortSettings name=\"B\"/></Ports>";
    NoVerification, "P4014", Warning,
        "a connection that takes any certificate",
        "Anyone on the way can read and change what is sent. A certificate of your own authority is as easy to set up.",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Tls verify=\"false\"/></CommunicationOptions></Http></Connection></Connections>",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Tls ca=\"ca.pem\"/></CommunicationOptions></Http></Connection></Connections>";
    HalfCertificate, "P4015", Error,
        "a client certificate without its key",
        "Both files are needed to prove who the client is.",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Tls certificate=\"a.pem\"/></CommunicationOptions></Http></Connection></Connections>",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Tls certificate=\"a.pem\" key=\"a.key\"/></CommunicationOptions></Http></Connection></Connections>";
    BadProxy, "P4016", Error,
        "a proxy address that cannot be read",
        "A proxy is `http://host:port`, `https://host:port`, `socks5://host:port` (names are resolved here) or `socks5h://host:port` (by the proxy), with user and password in front of the host if need be.",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Proxy url=\"proxy.example\"/></CommunicationOptions></Http></Connection></Connections>",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Proxy url=\"http://proxy.example:3128\"/></CommunicationOptions></Http></Connection></Connections>";
    BadStopCode, "P4017", Warning,
        "a code that no link ends with",
        "`stopOn` lists HTTP statuses from 300 to 599 and close codes from 1000 to 4999.",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Reconnect stopOn=\"402;gone\"/></CommunicationOptions></Http></Connection></Connections>",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><bs:Reconnect stopOn=\"402;410\"/></CommunicationOptions></Http></Connection></Connections>";
    HeaderNeverSet, "P4018", Note,
        "a header that nothing fills",
        "The parameter has no default, and no response, action or write parameter gives it a value. The settings of an element may.",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"><Headers><Header key=\"Authorization\" pid=\"9\"/></Headers></Request></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param><Param id=\"9\"><Type>read</Type></Param></Params>",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket><WebSocketHandshake>25</WebSocketHandshake></CommunicationOptions></Http></Connection></Connections><HTTP><Session id=\"25\"><Connection id=\"1\"><Request pid=\"8\"><Headers><Header key=\"Authorization\" pid=\"9\"/></Headers></Request></Connection></Session></HTTP><Params><Param id=\"8\"><Type>read</Type></Param><Param id=\"9\" save=\"true\"><Type>read</Type></Param></Params>";
    BadCondition, "P5001", Error,
        "a condition that cannot be read",
        "A condition compares parameters (`id:12`), numbers, texts in double quotes, `empty` and `emptystring` with `==`, `!=`, `<`, `>`, `<=`, `>=`, joined by `AND` and `OR`.",
        "<Groups><Group id=\"1\"><Condition>id:1 = 1</Condition><Content/></Group></Groups><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
        "<Groups><Group id=\"1\"><Condition>id:1 == 1</Condition><Content/></Group></Groups><Params><Param id=\"1\"><Type>read</Type></Param></Params>";
    NeverFires, "P5002", Warning,
        "a trigger that never fires",
        "What it is on has no such time, or it does not say which item it is on.",
        "<Triggers><Trigger id=\"1\"><On id=\"1\">parameter</On><Time>succeeded</Time><Type>action</Type></Trigger></Triggers><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
        "<Triggers><Trigger id=\"1\"><On id=\"1\">parameter</On><Time>change</Time><Type>action</Type></Trigger></Triggers><Params><Param id=\"1\"><Type>read</Type></Param></Params>";
    OursOnly, "P5003", Note,
        "a trigger that only this runtime has",
        "It works here. In the original this combination does nothing.",
        "<Triggers><Trigger id=\"1\"><On id=\"1\">timer</On><Time>after</Time><Type>action</Type></Trigger></Triggers><Timers><Timer id=\"1\"><Time>1000</Time></Timer></Timers>",
        "<Triggers><Trigger id=\"1\"><On id=\"1\">timer</On><Time>before</Time><Type>action</Type></Trigger></Triggers><Timers><Timer id=\"1\"><Time>1000</Time></Timer></Timers>";
    ElseWithoutCondition, "P5004", Warning,
        "an alternative that is never taken",
        "`else=\"true\"` runs when the condition of the trigger does not hold. Without a condition it never runs.",
        "<Triggers><Trigger id=\"1\"><Type>action</Type><Content><Id else=\"true\">1</Id></Content></Trigger></Triggers><Actions><Action id=\"1\"><On>protocol</On><Type>sleep</Type></Action></Actions>",
        "<Triggers><Trigger id=\"1\"><Type>action</Type><Content><Id>1</Id></Content></Trigger></Triggers><Actions><Action id=\"1\"><On>protocol</On><Type>sleep</Type></Action></Actions>";
    ActionMismatch, "P5005", Warning,
        "an action that cannot be done on this kind of item",
        "It does nothing. The help says what it is done on.",
        "<Actions><Action id=\"1\"><On id=\"1\">parameter</On><Type>execute</Type></Action></Actions><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
        "<Actions><Action id=\"1\"><On id=\"1\">group</On><Type>execute</Type></Action></Actions><Groups><Group id=\"1\"><Content/></Group></Groups>";
    ActionIncomplete, "P5006", Warning,
        "an action that misses what it needs",
        "It does nothing until the attribute that the message names is there.",
        "<Actions><Action id=\"1\"><On id=\"1\">parameter</On><Type>append</Type></Action></Actions><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
        "<Actions><Action id=\"1\"><On id=\"1\">parameter</On><Type id=\"2\">append</Type></Action></Actions><Params><Param id=\"1\"><Type>read</Type></Param><Param id=\"2\"><Type>read</Type></Param></Params>";
    NoTarget, "P5007", Warning,
        "an action that applies to nothing",
        "Without an id an action applies to the item that its trigger fired for, if it is of the same kind.",
        "<Triggers><Trigger id=\"1\"><On>protocol</On><Time>after startup</Time><Type>action</Type><Content><Id>1</Id></Content></Trigger></Triggers><Actions><Action id=\"1\"><On>group</On><Type>execute</Type></Action></Actions>",
        "<Triggers><Trigger id=\"1\"><On>protocol</On><Time>after startup</Time><Type>action</Type><Content><Id>1</Id></Content></Trigger></Triggers><Actions><Action id=\"1\"><On id=\"1\">group</On><Type>execute</Type></Action></Actions><Groups><Group id=\"1\"><Content/></Group></Groups>";
    MixedGroup, "P5008", Warning,
        "a group with items of several kinds",
        "The original allows one kind in a group. Here all of them run, in order.",
        "<Groups><Group id=\"1\"><Content><Action>1</Action><Trigger>1</Trigger></Content><Type>poll action</Type></Group></Groups><Actions><Action id=\"1\"><On>protocol</On><Type>sleep</Type></Action></Actions><Triggers><Trigger id=\"1\"><Type>action</Type></Trigger></Triggers>",
        "<Groups><Group id=\"1\"><Content><Action>1</Action></Content><Type>poll action</Type></Group></Groups><Actions><Action id=\"1\"><On>protocol</On><Type>sleep</Type></Action></Actions>";
    GroupKindMismatch, "P5009", Warning,
        "a group whose type does not fit its items",
        "The items run all the same, but at another moment than the type promises.",
        "<Groups><Group id=\"1\"><Content><Action>1</Action></Content></Group></Groups><Actions><Action id=\"1\"><On>protocol</On><Type>sleep</Type></Action></Actions>",
        "<Groups><Group id=\"1\"><Type>poll action</Type><Content><Action>1</Action></Content></Group></Groups><Actions><Action id=\"1\"><On>protocol</On><Type>sleep</Type></Action></Actions>";
    PairWithoutCommand, "P5010", Warning,
        "a pair that has not exactly one command",
        "A pair sends one command and waits for one of its responses.",
        "<Pairs><Pair id=\"1\"><Content><Response>1</Response></Content></Pair></Pairs><Responses><Response id=\"1\"><Content><Param>1</Param></Content></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
        "<Pairs><Pair id=\"1\"><Content><Command>1</Command><Response>1</Response></Content></Pair></Pairs><Commands><Command id=\"1\"><Content><Param>1</Param></Content></Command></Commands><Responses><Response id=\"1\"><Content><Param>1</Param></Content></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>";
    BadPeriod, "P5011", Warning,
        "a timer that never runs by itself",
        "The period is a whole number of milliseconds, at least 1, or `loop`.",
        "<Timers><Timer id=\"1\"><Time>often</Time></Timer></Timers>",
        "<Timers><Timer id=\"1\"><Time>1000</Time></Timer></Timers>";
    LongPeriod, "P5012", Warning,
        "a timer with a period of more than 24 days",
        "It is cut to 24 days, as in the original.",
        "<Timers><Timer id=\"1\"><Time>9999999999</Time></Timer></Timers>",
        "<Timers><Timer id=\"1\"><Time>86400000</Time></Timer></Timers>";
    EmptyResponse, "P5013", Warning,
        "a response that keeps nothing",
        "It takes messages away from others and fills no parameter.",
        "<Responses><Response id=\"1\"/></Responses>",
        "<Responses><Response id=\"1\"><Content><Param>1</Param></Content></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>";
    ShadowedResponse, "P5014", Warning,
        "a response that no unasked message reaches",
        "Another one before it takes every message of the connection.",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection></Connections><Responses><Response id=\"1\"><Content><Param>1</Param></Content></Response><Response id=\"2\"><Content><Param>1</Param></Content></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection></Connections><Responses><Response id=\"1\"><Content><Param>1</Param></Content></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>";
    FreeResponse, "P5015", Note,
        "a response for all that no other one takes",
        "Here a response that asks for something is tried before one that takes anything. In the original the latter gets every message.",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection></Connections><Responses><Response id=\"1\"><Content><Param>1</Param></Content></Response><Response id=\"2\"><bs:Match path=\"$.type\" equals=\"state\"/><bs:Extract path=\"$.value\" pid=\"1\"/></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
        "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection></Connections><Responses><Response id=\"2\"><bs:Match path=\"$.type\" equals=\"state\"/><bs:Extract path=\"$.value\" pid=\"1\"/></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>";
    BinaryText, "P5016", Warning,
        "a text command that is sent in binary messages",
        "The original sends binary messages unless a command says otherwise, and so does this runtime. Many servers ignore binary messages with JSON in them.",
        "<Commands><Command id=\"1\"><Content><bs:Template>{\"command\":\"health\"}</bs:Template></Content></Command></Commands>",
        "<Commands><Command id=\"1\"><WebSocketMessageType>text</WebSocketMessageType><Content><bs:Template>{\"command\":\"health\"}</bs:Template></Content></Command></Commands>";
    SettingsMalformed, "P6001", Error,
        "the settings file is not well-formed TOML",
        "A quote or bracket is missing, a key stands twice in one table, or a value is none of TOML's kinds. The rest of the file is read as far as it goes.",
        "grace_ms = ",
        "grace_ms = 10000";
    SettingsUnknownKey, "P6002", Error,
        "the settings file has a key that nobody knows",
        "A misspelt setting would silently not hold, so it is refused. Names are written in lower case with underscores, and times carry their unit: `timeout_ms`.",
        "[dial]\nper_secnd = 100",
        "[dial]\nper_second = 100";
    SettingsType, "P6003", Error,
        "a setting has a value of the wrong kind",
        "Numbers are written without quotes, texts with them, and tables as `[table]` or `{ key = value }`.",
        "grace_ms = \"10000\"",
        "grace_ms = 10000";
    SettingsRange, "P6004", Error,
        "a setting is out of its range",
        "The message names the range; the reference page lists all of them.",
        "grace_ms = -1",
        "grace_ms = 10000";
    SettingsMissing, "P6005", Error,
        "a setting that must be there is missing",
        "An element needs a name, which the API and the store know it by, and the definition that it runs.",
        "[[element]]\nname = \"tally\"",
        "[[element]]\nname = \"tally\"\nprotocol = \"tally.xml\"";
    SettingsElementName, "P6006", Error,
        "the name of an element has characters that are not allowed",
        "A name stands in URLs, logs and file names: 1 to 64 of the letters A to Z and a to z, the digits, `.`, `_` and `-`.",
        "[[element]]\nname = \"studio 1\"\nprotocol = \"a.xml\"",
        "[[element]]\nname = \"studio-1\"\nprotocol = \"a.xml\"";
    SettingsElementTwice, "P6007", Error,
        "two elements have the same name",
        "The store keeps saved values by the element's name, so each name may occur once; the case of letters matters.",
        "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[[element]]\nname = \"a\"\nprotocol = \"y.xml\"",
        "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[[element]]\nname = \"b\"\nprotocol = \"y.xml\"";
    SettingsChoice, "P6008", Error,
        "a setting is none of the words that are possible",
        "The message lists the words.",
        "[log]\nformat = \"xml\"",
        "[log]\nformat = \"json\"";
    SettingsConnectionIndex, "P6009", Error,
        "a connection is not named by its index",
        "`[element.connection.0]` is the first connection of the definition, in the order in which they stand there; neither its name nor its id is meant.",
        "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[element.connection.main]\nport = 80",
        "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[element.connection.0]\nport = 80";
    SettingsReference, "P6010", Error,
        "a reference to a value is not one of the three kinds",
        "Exactly one of `env`, `file` and `credential` names where the value comes from, as a text that is not empty.",
        "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[element.params]\nToken = { env = \"A\", file = \"b\" }",
        "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[element.params]\nToken = { env = \"A\" }";
    SettingsNotLoopback, "P6011", Error,
        "the API would listen on an address that is not loopback",
        "The API has no access control yet, so that only programs on the same machine may reach it. Put a proxy with access control in front of it if others must.",
        "[api]\nlisten = \"0.0.0.0:8780\"",
        "[api]\nlisten = \"127.0.0.1:8780\"";
    SettingsValue, "P6012", Error,
        "the text of a setting cannot be read as what it must be",
        "The message says what is expected: an address with a port, a list of codes, a text that is not empty.",
        "[api]\nlisten = \"localhost\"",
        "[api]\nlisten = \"127.0.0.1:8780\"";
    SettingsContradiction, "P6013", Error,
        "two settings contradict each other",
        "A client certificate needs its key and a key its certificate; `max_delay_ms` is not below `initial_delay_ms`.",
        "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[element.connection.0.tls]\ncertificate = \"a.pem\"",
        "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n[element.connection.0.tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"";
    SettingsNoElement, "P6014", Warning,
        "the settings file names no element",
        "Nothing would run. An element is written as `[[element]]` with a name and a definition.",
        "grace_ms = 10000",
        "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"";
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
