//! The lists of words of the language, each as a Rust type and as a table of its words; parses nothing else.
//!
//! A later stage that needs "which action is this" calls `ActionType::parse` and matches on the type, so that a new word
//! cannot be forgotten there; the reference and the XSD print [`Enumeration::values`].

use super::Run;

/// One word of an enumeration.
#[derive(Debug)]
pub struct Word {
    /// How it is written, in the case of the documentation.
    pub name: &'static str,
    /// Other ways in which it is found in files.
    pub aliases: &'static [&'static str],
    /// Whether it has an effect.
    pub run: Run,
    /// What it means.
    pub doc: &'static str,
}

/// A list of words.
#[derive(Debug)]
pub struct Enumeration {
    /// What the words are, in the singular: "action type".
    pub what: &'static str,
    /// The name of the type in the XSD.
    pub type_name: &'static str,
    /// The words, in the order of the reference.
    pub values: &'static [Word],
}

impl Enumeration {
    /// The position of a word, whatever its case and the blanks around it.
    pub fn position(&self, text: &str) -> Option<usize> {
        let text = text.trim();
        let fits = |name: &&str| name.eq_ignore_ascii_case(text);
        self.values.iter().position(|word| fits(&word.name) || word.aliases.iter().any(fits))
    }

    /// The word that a text is, whatever its case and the blanks around it.
    pub fn find(&self, text: &str) -> Option<&'static Word> {
        self.values.get(self.position(text)?)
    }
}

macro_rules! enumeration {
    ($(#[$doc:meta])* $type:ident, $what:literal {
        $($variant:ident = $name:literal $(| $alias:literal)* , $run:expr, $text:literal;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $(#[doc = $text] $variant,)* }

        impl $type {
            /// The words as data.
            pub const TABLE: &'static Enumeration = &Enumeration {
                what: $what,
                type_name: stringify!($type),
                values: &[$(Word { name: $name, aliases: &[$($alias),*], run: $run, doc: $text },)*],
            };

            /// All of them, in the order of the table.
            pub const ALL: &'static [$type] = &[$($type::$variant,)*];

            /// Reads a word, whatever its case and the blanks around it.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.get(Self::TABLE.position(text)?).copied()
            }

            /// The word as the documentation writes it.
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }
        }
    };
}

use Run::{No, Yes};

const SERIAL: Run = No("serial connections");
const SNMP: Run = No("SNMP");

enumeration! {
    /// The kind of a connection, and of a protocol.
    ConnectionKind, "connection type" {
        Http = "http", Yes, "HTTP or WebSocket.";
        Virtual = "virtual", Yes, "No device: the definition works on its own parameters.";
        Serial = "serial", SERIAL, "Serial line, TCP or UDP.";
        SerialSingle = "serial single", SERIAL, "Serial line, TCP or UDP, with a socket of its own.";
        SmartSerial = "smart-serial" | "smart serial", SERIAL, "TCP or UDP whose messages may come unasked.";
        SmartSerialSingle = "smart-serial single" | "smart serial single", SERIAL, "The same with a socket of its own.";
        Snmp = "snmp" | "snmpv1", SNMP, "SNMP version 1.";
        SnmpV2 = "snmpv2", SNMP, "SNMP version 2c.";
        SnmpV3 = "snmpv3", SNMP, "SNMP version 3.";
        Gpib = "gpib", No("GPIB connections"), "A GPIB bus.";
        Service = "service", No("service and SLA protocols"), "A protocol for a service.";
        Sla = "sla", No("service and SLA protocols"), "A protocol for a service level agreement.";
        Opc = "opc", No("OPC connections"), "An OPC server.";
    }
}

enumeration! {
    /// What an action is applied to.
    ActionOn, "action target" {
        Command = "command", Yes, "A command.";
        Group = "group", Yes, "A group.";
        Pair = "pair", Yes, "A pair.";
        Parameter = "parameter" | "param", Yes, "A parameter.";
        Protocol = "protocol", Yes, "The element itself.";
        Response = "response", Yes, "A response.";
        Timer = "timer", Yes, "A timer.";
    }
}

enumeration! {
    /// What an action does.
    ActionType, "action type" {
        AddToExecute = "add to execute", Yes, "On a group: put it at the very end of the queue.";
        Aggregate = "aggregate", No("aggregation and merge actions"), "On a parameter: works out a figure over the rows of a table.";
        Append = "append", Yes, "On a parameter: add the shown value of another one at its end.";
        AppendData = "append data", Yes, "On a parameter: add the stored value of another one at its end.";
        ChangeLength = "change length", Yes, "On a parameter: set the length of its raw value.";
        Clear = "clear", Yes, "On a parameter: empty it; the next value counts as new. On a response: empty its fields.";
        ClearLengthInfo = "clear length info", Yes, "On a response: forget the lengths found so far.";
        ClearOnDisplay = "clear on display", Yes, "On a parameter: empty what is shown and keep the value.";
        Close = "close", Yes, "On the protocol: close a connection; it stays closed until `open`.";
        Copy = "copy", Yes, "On a parameter: copy the value of another one into it.";
        CopyReverse = "copy reverse", Yes, "On a parameter: copy the bytes of another one in reverse order.";
        Crc = "crc", Yes, "On a command or response: work out its checksum parameter.";
        CreateElement = "create element", No("actions that create elements"), "On the protocol: make a further element.";
        Execute = "execute", Yes, "On a group: queue it behind all that no timer put there.";
        ExecuteNext = "execute next", Yes, "On a group: queue it right behind the running one.";
        ExecuteOne = "execute one", Yes, "As `add to execute`, if it is not queued already.";
        ExecuteOneTop = "execute one top", Yes, "As `execute next`, if it is not queued already.";
        ExecuteOneNow = "execute one now", Yes, "As `execute`, if it is not queued already.";
        ForceExecute = "force execute", Yes, "On a group: run it now, between the items of the running group.";
        Go = "go", Yes, "On a parameter: make its event without a new value.";
        Increment = "increment", Yes, "On a parameter: add a number, 1 unless given.";
        Length = "length", Yes, "On a command or response: work out its length parameter.";
        Lock = "lock", Yes, "On the protocol: keep other elements from using the port.";
        Make = "make", Yes, "On a command: build its message from its parameters.";
        Merge = "merge", No("aggregation and merge actions"), "On a parameter: puts the tables of several elements together.";
        Multiply = "multiply", Yes, "On a parameter: multiply it by a number, 1 unless given.";
        Normalize = "normalize", No("alarms"), "On a parameter: take its present value as its normal one.";
        Open = "open", Yes, "On the protocol: open a connection that was closed.";
        Pow = "pow", Yes, "On a parameter: raise it to a power, 1 unless given.";
        PriorityLock = "priority lock", Yes, "On the protocol: as `lock`, in front of those that wait.";
        PriorityUnlock = "priority unlock", Yes, "On the protocol: ends a `priority lock`.";
        Read = "read", Yes, "On a response: fill its parameters. On a parameter: take a part of another one.";
        ReadFile = "read file", Yes, "On the protocol: read a file below the element's `files_dir` into a parameter.";
        ReadStuffing = "read stuffing", Yes, "On a response: take the stuffed bytes out.";
        Reconnect = "reconnect", Yes, "On the protocol: close a connection and open it again. Ours.";
        Replace = "replace", Yes, "On a command or response: put another parameter at a position.";
        ReplaceData = "replace data", Yes, "On a parameter, command or response: replace runs of bytes by others.";
        Reschedule = "reschedule", Yes, "On a timer: queue its groups now, or when the cycle under way has ended.";
        RestartTimer = "restart timer", Yes, "On a timer: take its queued groups away.";
        Reverse = "reverse", Yes, "On a parameter: turn its bytes round.";
        RunActions = "run actions", Yes, "On a parameter: run the scripts that it triggers, and nothing else.";
        Save = "save", Yes, "On a parameter: write its value to the store now.";
        Set = "set", SNMP, "On a parameter: send its value to the device by SNMP.";
        SetAndGetWithWait = "set and get with wait", SNMP, "On a parameter: send by SNMP, wait and read back.";
        SetInfo = "set info", Yes, "On a parameter: give it another scale and sequence.";
        SetNext = "set next", Yes, "On a pair: wait before the next one.";
        SetWithWait = "set with wait", SNMP, "On a parameter: send by SNMP and wait.";
        Sleep = "sleep", Yes, "On the protocol: pause the queue, 5,000 ms unless given.";
        Start = "start", Yes, "On a timer: start it.";
        Stop = "stop", Yes, "On a timer: stop it.";
        StopCurrentGroup = "stop current group", Yes, "On the protocol: leave out the rest of the running group of pairs.";
        Stuffing = "stuffing", Yes, "On a command: double the bytes that need it.";
        SwapColumn = "swap column", No("swap column"), "On a parameter: exchange two columns of a table.";
        Timeout = "timeout", Yes, "On a pair: set its timeout.";
        Unlock = "unlock", Yes, "On the protocol: ends a `lock`.";
        Wmi = "wmi", No("WMI"), "On the protocol: ask Windows Management Instrumentation.";
    }
}

enumeration! {
    /// What a trigger watches.
    TriggerOn, "trigger source" {
        Command = "command", Yes, "A command.";
        Communication = "communication", Yes, "The communication with the device as a whole.";
        Connection = "connection", Yes, "A connection. Ours.";
        Group = "group", Yes, "A group.";
        Pair = "pair", Yes, "A pair.";
        Parameter = "parameter" | "param", Yes, "A parameter.";
        Protocol = "protocol", Yes, "The element itself.";
        Response = "response", Yes, "A response.";
        Session = "session", Yes, "An HTTP session.";
        Timer = "timer", Yes, "A timer.";
    }
}

enumeration! {
    /// When a trigger fires.
    TriggerTime, "trigger time" {
        After = "after", Yes, "After the item was handled.";
        AfterStartup = "after startup", Yes, "On the protocol: once, before the first connection is opened.";
        Before = "before", Yes, "Before the item is handled.";
        BeforeStop = "before stop", Yes, "On the protocol: while the element stops. Ours.";
        Change = "change", Yes, "On a parameter: each time its value changes.";
        ChangeAfterResponse = "change after response", Yes, "On a parameter: if a response changed it, after all of its values are set.";
        Closed = "closed", Yes, "On a connection: its link has closed. Ours.";
        LinkFileChange = "link file change", No("link files"), "On a parameter: the file that it is linked to has changed.";
        Opened = "opened", Yes, "On a connection: its link is ready. Ours.";
        Rejected = "rejected", Yes, "On a connection: the peer refuses it for good. Ours.";
        Succeeded = "succeeded", Yes, "On a pair or session: the answer has come.";
        Timeout = "timeout", Yes, "On a pair or session: a try got no answer.";
        TimeoutAfterRetries = "timeout after retries", Yes, "On a pair: the last try got no answer.";
    }
}

enumeration! {
    /// What a trigger starts.
    TriggerType, "trigger type" {
        Action = "action", Yes, "Actions.";
        Trigger = "trigger", Yes, "Further triggers.";
    }
}

enumeration! {
    /// How a group is run.
    GroupType, "group type" {
        Action = "action", Yes, "Its actions run at once.";
        Poll = "poll", Yes, "Its pairs, sessions or parameters are worked off from the queue. The default.";
        PollAction = "poll action", Yes, "Its actions run when the queue comes to it.";
        PollTrigger = "poll trigger", Yes, "Its triggers run when the queue comes to it.";
        Trigger = "trigger", Yes, "Its triggers run at once.";
    }
}

enumeration! {
    /// The kind of a parameter.
    ParamType, "parameter type" {
        Array = "array", Yes, "A table.";
        Bus = "bus", Yes, "The bus address of the element; of several connections all, with `;` between them.";
        Crc = "crc", Yes, "A checksum in a message.";
        DataminerInfo = "dataminer info" | "dmainfo", No("platform information parameters"), "Something about the original platform.";
        DiscreetInfo = "discreet info", Yes, "Kept: the texts of another parameter's values.";
        Dummy = "dummy", Yes, "A value of the definition's own, neither read nor set by people.";
        ElementDmaId = "elementdmaid", Yes, "The ids of the platform's host, 1 here, and of the element, with `/` between them.";
        ElementId = "elementid", Yes, "The id of the element: a whole number from 1 to 2147483647 that its name alone decides.";
        ElementName = "elementname", Yes, "The name of the element.";
        Fixed = "fixed", Yes, "A constant.";
        Group = "group", Yes, "Several parameters as one.";
        Header = "header", Yes, "The constant at the beginning of messages.";
        Ip = "ip", Yes, "Host and port of each connection as the settings give them, with `;` between them; a dynamic address does not change it.";
        Length = "length", Yes, "The length of a message in it.";
        Matrix = "matrix", No("matrix parameters"), "A crosspoint matrix.";
        PollingIp = "pollingip", Yes, "The same without the ports.";
        Read = "read", Yes, "A value that comes from the device.";
        ReadBit = "read bit", Yes, "Bits of a value that comes from the device.";
        Response = "response", Yes, "A part of a response.";
        Trailer = "trailer", Yes, "The constant at the end of messages.";
        Write = "write", Yes, "A value that people or programs set.";
        WriteBit = "write bit", Yes, "Bits of a value that people or programs set.";
    }
}

enumeration! {
    /// What a parameter's value is to people and scripts.
    InterpreteType, "value type" {
        Double = "double", Yes, "A number.";
        HighNibble = "high nibble", Yes, "The upper four bits of a byte.";
        String = "string", Yes, "A text.";
    }
}

enumeration! {
    /// What a parameter's value is in a message.
    RawType, "raw type" {
        Bcd = "bcd", Yes, "Decimal digits of four bits each.";
        Double = "double", Yes, "A floating point number.";
        NumericText = "numeric text", Yes, "A number written with digits.";
        OnlyOthers = "only others", No("values listed under `Others` only"), "Only the values listed under `Others`; here as `other`.";
        Other = "other", Yes, "Text or bytes as they come.";
        SignedNumber = "signed number", Yes, "A whole number with a sign, in binary.";
        Text = "text", Yes, "A text.";
        UnsignedNumber = "unsigned number", Yes, "A whole number without a sign, in binary.";
    }
}

enumeration! {
    /// How the end of a parameter in a message is found.
    LengthType, "length type" {
        Fixed = "fixed", Yes, "After `Length` bytes.";
        LastNextParam = "last next param", Yes, "At the last place where the next parameter fits.";
        NextParam = "next param", Yes, "At the first place where the next parameter fits, or at the end.";
        OtherParam = "other param", Yes, "After as many bytes as another parameter says.";
    }
}

enumeration! {
    /// The order of the bytes of a number.
    Endian, "byte order" {
        Big = "big", Yes, "The bytes of a number are turned round: the most significant one first.";
        Little = "little", Yes, "They are taken as they come, the least significant one first. The default.";
    }
}

enumeration! {
    /// The side to which a value is moved in a field of fixed length, or at which blanks are taken off.
    Side, "side" {
        Left = "left", Yes, "The beginning.";
        Right = "right", Yes, "The end.";
    }
}

enumeration! {
    /// Where blanks are taken off a received text.
    Trim, "trim" {
        Left = "left", Yes, "At the beginning.";
        Right = "right", Yes, "At the end.";
        Both = "left;right" | "right;left" | "both", Yes, "At both ends.";
    }
}

enumeration! {
    /// How a number is rounded to its decimals.
    Rounding, "rounding" {
        Down = "down", Yes, "To the next smaller one. The default.";
        Up = "up", Yes, "To the next larger one.";
        ToZero = "toZero", Yes, "Towards zero.";
        ToInfinity = "toInfinity", Yes, "Away from zero.";
        HalfDown = "halfDown", Yes, "To the nearest, halves to the smaller.";
        HalfUp = "halfUp", Yes, "To the nearest, halves to the larger.";
        HalfToZero = "halfToZero", Yes, "To the nearest, halves towards zero.";
        HalfToInfinity = "halfToInfinity", Yes, "To the nearest, halves away from zero.";
    }
}

enumeration! {
    /// How a parameter is shown.
    MeasurementType, "measurement type" {
        Analog = "analog", Yes, "A gauge.";
        Button = "button", Yes, "A button.";
        Chart = "chart", Yes, "A chart.";
        DigitalThreshold = "digital threshold", Yes, "A lamp that depends on a threshold.";
        Discreet = "discreet" | "discrete", Yes, "One of a list.";
        Matrix = "matrix", No("matrix parameters"), "A crosspoint matrix.";
        Number = "number", Yes, "A number.";
        PageButton = "pagebutton", No("page layout and display options"), "A button that opens a page.";
        Progress = "progress", Yes, "A progress bar.";
        String = "string", Yes, "A text.";
        Table = "table", Yes, "A table.";
        Title = "title", No("page layout and display options"), "A frame with a title.";
        ToggleButton = "togglebutton" | "toggle button", Yes, "A switch.";
    }
}

enumeration! {
    /// How a column of a table gets its value.
    ColumnType, "column type" {
        AutoIncrement = "autoincrement", Yes, "A number that the engine counts up.";
        Concatenation = "concatenation", No("concatenated columns"), "Other columns, joined.";
        Custom = "custom", Yes, "Free: set by scripts or from another parameter.";
        DisplayKey = "displaykey", Yes, "The name of the row for people.";
        Index = "index", Yes, "The key, by position.";
        Retrieved = "retrieved", Yes, "Filled from messages or by scripts.";
        Snmp = "snmp", SNMP, "Filled by SNMP.";
        State = "state", Yes, "Whether the row is new, changed or gone.";
        ViewTableKey = "viewTableKey", No("view tables"), "The key of a view table.";
    }
}

enumeration! {
    /// The method of a request.
    Verb, "verb" {
        Get = "GET", Yes, "The default.";
        Post = "POST", Yes, "Sends data.";
        Put = "PUT", Yes, "Stores data.";
        Patch = "PATCH", Yes, "Changes a part.";
        Delete = "DELETE", Yes, "Removes.";
        Head = "HEAD", Yes, "As `GET`, without the body.";
        Options = "OPTIONS", Yes, "Asks what is possible.";
        Trace = "TRACE", Yes, "Sends the request back.";
        Copy = "COPY", Yes, "WebDAV: copies.";
        Lock = "LOCK", Yes, "WebDAV: locks.";
        Mkcol = "MKCOL", Yes, "WebDAV: makes a folder.";
        Propfind = "PROPFIND", Yes, "WebDAV: reads properties.";
        Proppatch = "PROPPATCH", Yes, "WebDAV: sets properties.";
        Unlock = "UNLOCK", Yes, "WebDAV: unlocks.";
        Track = "TRACK", Yes, "As `TRACE`, of some servers.";
    }
}

enumeration! {
    /// How an HTTP session logs in.
    LoginMethod, "login method" {
        Credentials = "credentials", Yes, "User name and password, as Basic; a handshake does not answer a server that asks for Digest.";
        Certificate = "certificate", Yes, "A client certificate from the element's settings.";
    }
}

enumeration! {
    /// The kind of a WebSocket message.
    MessageType, "message type" {
        Binary = "binary", Yes, "Bytes. The default.";
        Text = "text", Yes, "UTF-8 text.";
    }
}

enumeration! {
    /// The language of a script.
    Encoding, "script language" {
        Javascript = "javascript", Yes, "JavaScript. Ours.";
        Jscript = "jscript", Yes, "The original's JavaScript.";
        Csharp = "csharp" | "c#", No("C# scripts"), "C#.";
        Vbscript = "vbscript", No("VBScript scripts"), "VBScript.";
    }
}

enumeration! {
    /// What happens to messages of a pair while its link is down.
    WhenDown, "choice" {
        Keep = "keep", Yes, "They wait, up to the limit of the queue. The default.";
        Drop = "drop", Yes, "They are dropped.";
    }
}

enumeration! {
    /// In which order a link moves to a new target.
    Handover, "handover" {
        CloseFirst = "close-first", Yes, "The old link closes, then the new one opens. The default.";
        OpenFirst = "open-first", Yes, "The old link serves until the new one is ready.";
    }
}

enumeration! {
    /// What rows of a message do to the rows of a table.
    RowsMode, "mode" {
        Replace = "replace", Yes, "They become the table. The default.";
        Merge = "merge", Yes, "They are added; rows with the same key are overwritten.";
        Append = "append", Yes, "They are added at the end, also without a key of their own; rows with the same key are overwritten.";
    }
}

enumeration! {
    /// What an absent list does to the rows of a table.
    AbsentRows, "value" {
        Keep = "keep", Yes, "The table stays as it is. The default.";
        Empty = "empty", Yes, "It counts as an empty list, as in the JSON of protobuf.";
    }
}

enumeration! {
    /// What of a row a cell holds in place of a part of it.
    RowPart, "part" {
        Index = "index", Yes, "The position of the row among those of the message, from 0.";
        Name = "name", Yes, "The name of the member that the row is, or of the XML element.";
    }
}

enumeration! {
    /// How a part of a message is read.
    ValueForm, "type" {
        Auto = "auto", Yes, "As its parameter asks for it: numbers, `true` and `false` as 1 and 0, texts that spell a number; or any text. The default.";
        Text = "text", Yes, "As text: a number as it is written.";
        Number = "number", Yes, "As a number, also out of a text such as `\"12\"`; anything else is an error.";
        Flag = "flag", Yes, "As 1 or 0: `true` and `false`, 1 and 0, and the texts `true`, `false`, `yes`, `no`, `on`, `off`; anything else is an error.";
        Json = "json", Yes, "As the JSON text that it is, quotes included.";
        Count = "count", Yes, "How many elements or members it has; of anything else how many parts the path finds.";
        Time = "time", Yes, "As seconds since 1970 in UTC, out of a text such as `2026-11-21T16:00:00Z` (RFC 3339).";
        Base64 = "base64", Yes, "As the bytes that a text in base64 stands for.";
    }
}

enumeration! {
    /// What happens where a part of a message cannot be read as it should be.
    OnError, "policy" {
        Report = "report", Yes, "The value stays, and the error is counted and reported. The default.";
        Keep = "keep", Yes, "The value stays, and the error is only counted.";
        Clear = "clear", Yes, "The value becomes empty, and the error is only counted.";
    }
}

enumeration! {
    /// The notation of a message, and so of the paths into it.
    MessageFormat, "format" {
        Json = "json", Yes, "JSON, with paths as in RFC 9535. The default.";
        Xml = "xml", Yes, "XML, with paths in XPath 1.0.";
        Csv = "csv", Yes, "Lines with separated columns: a list with an object for each line, by the names in the first line; with paths as in JSON.";
        KeyValue = "keyvalue", Yes, "Lines such as `key=value`: one object, with paths as in JSON.";
    }
}

enumeration! {
    /// The rule of a checksum.
    CrcType, "checksum" {
        TwoComp = "2comp", Yes, "Two's complement of the sum.";
        Codan = "codan", No("rare checksums"), "The rule of one maker.";
        Crc = "crc", Yes, "A cyclic redundancy check with 8 bits.";
        CrcCcitt = "crc-ccitt", Yes, "A cyclic redundancy check with 16 bits, polynomial 0x1021.";
        Crc16 = "crc16", Yes, "A cyclic redundancy check with 16 bits, polynomial 0x8005.";
        Exor = "exor", Yes, "All bytes, exclusive or.";
        Fletcher = "fletcher", Yes, "Fletcher's two sums.";
        LsbAfterSubtract = "lsb after subtract", Yes, "The lowest byte of a difference.";
        LsbAfterSum = "lsb after sum", Yes, "The lowest byte of the sum.";
        Modbus = "modbus", Yes, "The one of Modbus.";
        Rcds = "rcds", No("rare checksums"), "The rule of one maker.";
        Rest = "rest", Yes, "The remainder of a division.";
        Subtract = "subtract", Yes, "All bytes, subtracted.";
        Sum = "sum", Yes, "All bytes, added.";
    }
}

enumeration! {
    /// Whether something is switched on or off for people.
    DisplayState, "state" {
        Enabled = "enabled", Yes, "Shown and usable. The default.";
        Disabled = "disabled", Yes, "Shown and not usable.";
    }
}
