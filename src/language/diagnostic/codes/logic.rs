//! The codes P5xxx, about triggers, actions, groups and messages; raises none of them.

use super::{Entry, row};
use crate::language::diagnostic::Severity::{Error, Note, Warning};

pub(super) const BAD_CONDITION: Entry = row(
    "P5001",
    Error,
    "a condition that cannot be read",
    "A condition compares parameters (`id:12`), numbers, texts in double quotes, `empty` and `emptystring` with `==`, `!=`, `<`, `>`, `<=`, `>=`, joined by `AND` and `OR`.",
    "<Groups><Group id=\"1\"><Condition>id:1 = 1</Condition><Content/></Group></Groups><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
    "<Groups><Group id=\"1\"><Condition>id:1 == 1</Condition><Content/></Group></Groups><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
);
pub(super) const NEVER_FIRES: Entry = row(
    "P5002",
    Warning,
    "a trigger that never fires",
    "What it is on has no such time, or it does not say which item it is on.",
    "<Triggers><Trigger id=\"1\"><On id=\"1\">parameter</On><Time>succeeded</Time><Type>action</Type></Trigger></Triggers><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
    "<Triggers><Trigger id=\"1\"><On id=\"1\">parameter</On><Time>change</Time><Type>action</Type></Trigger></Triggers><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
);
pub(super) const OURS_ONLY: Entry = row(
    "P5003",
    Note,
    "a trigger that only this runtime has",
    "It works here. In the original this combination does nothing.",
    "<Triggers><Trigger id=\"1\"><On id=\"1\">timer</On><Time>after</Time><Type>action</Type></Trigger></Triggers><Timers><Timer id=\"1\"><Time>1000</Time></Timer></Timers>",
    "<Triggers><Trigger id=\"1\"><On id=\"1\">timer</On><Time>before</Time><Type>action</Type></Trigger></Triggers><Timers><Timer id=\"1\"><Time>1000</Time></Timer></Timers>",
);
pub(super) const ELSE_WITHOUT_CONDITION: Entry = row(
    "P5004",
    Warning,
    "an alternative that is never taken",
    "`else=\"true\"` runs when the condition of the trigger does not hold. Without a condition it never runs.",
    "<Triggers><Trigger id=\"1\"><Type>action</Type><Content><Id else=\"true\">1</Id></Content></Trigger></Triggers><Actions><Action id=\"1\"><On>protocol</On><Type>sleep</Type></Action></Actions>",
    "<Triggers><Trigger id=\"1\"><Type>action</Type><Content><Id>1</Id></Content></Trigger></Triggers><Actions><Action id=\"1\"><On>protocol</On><Type>sleep</Type></Action></Actions>",
);
pub(super) const ACTION_MISMATCH: Entry = row(
    "P5005",
    Warning,
    "an action that cannot be done on this kind of item",
    "It does nothing. The help says what it is done on.",
    "<Actions><Action id=\"1\"><On id=\"1\">parameter</On><Type>execute</Type></Action></Actions><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
    "<Actions><Action id=\"1\"><On id=\"1\">group</On><Type>execute</Type></Action></Actions><Groups><Group id=\"1\"><Content/></Group></Groups>",
);
pub(super) const ACTION_INCOMPLETE: Entry = row(
    "P5006",
    Warning,
    "an action that misses what it needs",
    "It does nothing until the attribute that the message names is there.",
    "<Actions><Action id=\"1\"><On id=\"1\">parameter</On><Type>append</Type></Action></Actions><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
    "<Actions><Action id=\"1\"><On id=\"1\">parameter</On><Type id=\"2\">append</Type></Action></Actions><Params><Param id=\"1\"><Type>read</Type></Param><Param id=\"2\"><Type>read</Type></Param></Params>",
);
pub(super) const NO_TARGET: Entry = row(
    "P5007",
    Warning,
    "an action that applies to nothing",
    "Without an id an action applies to the item that its trigger fired for, if it is of the same kind.",
    "<Triggers><Trigger id=\"1\"><On>protocol</On><Time>after startup</Time><Type>action</Type><Content><Id>1</Id></Content></Trigger></Triggers><Actions><Action id=\"1\"><On>group</On><Type>execute</Type></Action></Actions>",
    "<Triggers><Trigger id=\"1\"><On>protocol</On><Time>after startup</Time><Type>action</Type><Content><Id>1</Id></Content></Trigger></Triggers><Actions><Action id=\"1\"><On id=\"1\">group</On><Type>execute</Type></Action></Actions><Groups><Group id=\"1\"><Content/></Group></Groups>",
);
pub(super) const MIXED_GROUP: Entry = row(
    "P5008",
    Warning,
    "a group with items of several kinds",
    "The original allows one kind in a group. Here all of them run, in order.",
    "<Groups><Group id=\"1\"><Content><Action>1</Action><Trigger>1</Trigger></Content><Type>poll action</Type></Group></Groups><Actions><Action id=\"1\"><On>protocol</On><Type>sleep</Type></Action></Actions><Triggers><Trigger id=\"1\"><Type>action</Type></Trigger></Triggers>",
    "<Groups><Group id=\"1\"><Content><Action>1</Action></Content><Type>poll action</Type></Group></Groups><Actions><Action id=\"1\"><On>protocol</On><Type>sleep</Type></Action></Actions>",
);
pub(super) const GROUP_KIND_MISMATCH: Entry = row(
    "P5009",
    Warning,
    "a group whose type does not fit its items",
    "The items run all the same, but at another moment than the type promises.",
    "<Groups><Group id=\"1\"><Content><Action>1</Action></Content></Group></Groups><Actions><Action id=\"1\"><On>protocol</On><Type>sleep</Type></Action></Actions>",
    "<Groups><Group id=\"1\"><Type>poll action</Type><Content><Action>1</Action></Content></Group></Groups><Actions><Action id=\"1\"><On>protocol</On><Type>sleep</Type></Action></Actions>",
);
pub(super) const PAIR_WITHOUT_COMMAND: Entry = row(
    "P5010",
    Warning,
    "a pair that has not exactly one command",
    "A pair sends one command and waits for one of its responses.",
    "<Pairs><Pair id=\"1\"><Content><Response>1</Response></Content></Pair></Pairs><Responses><Response id=\"1\"><Content><Param>1</Param></Content></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
    "<Pairs><Pair id=\"1\"><Content><Command>1</Command><Response>1</Response></Content></Pair></Pairs><Commands><Command id=\"1\"><Content><Param>1</Param></Content></Command></Commands><Responses><Response id=\"1\"><Content><Param>1</Param></Content></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
);
pub(super) const BAD_PERIOD: Entry = row(
    "P5011",
    Warning,
    "a timer that never runs by itself",
    "The period is a whole number of milliseconds, at least 1, or `loop`.",
    "<Timers><Timer id=\"1\"><Time>often</Time></Timer></Timers>",
    "<Timers><Timer id=\"1\"><Time>1000</Time></Timer></Timers>",
);
pub(super) const LONG_PERIOD: Entry = row(
    "P5012",
    Warning,
    "a timer with a period of more than 24 days",
    "It is cut to 24 days, as in the original.",
    "<Timers><Timer id=\"1\"><Time>9999999999</Time></Timer></Timers>",
    "<Timers><Timer id=\"1\"><Time>86400000</Time></Timer></Timers>",
);
pub(super) const EMPTY_RESPONSE: Entry = row(
    "P5013",
    Warning,
    "a response that keeps nothing",
    "It takes messages away from others and fills no parameter.",
    "<Responses><Response id=\"1\"/></Responses>",
    "<Responses><Response id=\"1\"><Content><Param>1</Param></Content></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
);
pub(super) const SHADOWED_RESPONSE: Entry = row(
    "P5014",
    Warning,
    "a response that no unasked message reaches",
    "Another one before it takes every message of the connection.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection></Connections><Responses><Response id=\"1\"><Content><Param>1</Param></Content></Response><Response id=\"2\"><Content><Param>1</Param></Content></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection></Connections><Responses><Response id=\"1\"><Content><Param>1</Param></Content></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
);
pub(super) const FREE_RESPONSE: Entry = row(
    "P5015",
    Note,
    "a response for all that no other one takes",
    "Here a response that asks for something is tried before one that takes anything. In the original the latter gets every message.",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection></Connections><Responses><Response id=\"1\"><Content><Param>1</Param></Content></Response><Response id=\"2\"><bs:Match path=\"$.type\" equals=\"state\"/><bs:Extract path=\"$.value\" pid=\"1\"/></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
    "<Connections><Connection id=\"0\"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection></Connections><Responses><Response id=\"2\"><bs:Match path=\"$.type\" equals=\"state\"/><bs:Extract path=\"$.value\" pid=\"1\"/></Response></Responses><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
);
pub(super) const BINARY_TEXT: Entry = row(
    "P5016",
    Warning,
    "a text command that is sent in binary messages",
    "The original sends binary messages unless a command says otherwise, and so does this runtime. Many servers ignore binary messages with JSON in them.",
    "<Commands><Command id=\"1\"><Content><bs:Template>{\"command\":\"health\"}</bs:Template></Content></Command></Commands>",
    "<Commands><Command id=\"1\"><WebSocketMessageType>text</WebSocketMessageType><Content><bs:Template>{\"command\":\"health\"}</bs:Template></Content></Command></Commands>",
);
pub(super) const BAD_SCRIPT: Entry = row(
    "P5017",
    Error,
    "a script that cannot be read",
    "The text is no JavaScript. The place is that of the definition, or of the file that the message names.",
    "<QActions><QAction id=\"1\" encoding=\"javascript\"><![CDATA[function Run(protocol) { let x = ; }]]></QAction></QActions>",
    "<QActions><QAction id=\"1\" encoding=\"javascript\"><![CDATA[function Run(protocol) { let x = 1; }]]></QAction></QActions>",
);
pub(super) const SCRIPT_FILE: Entry = row(
    "P5018",
    Error,
    "a file of a script that cannot be used",
    "Scripts and what they import are files below the folder of the definition, of at most 1 MiB each.",
    "<QActions><QAction id=\"1\" encoding=\"javascript\" bs:src=\"../run.js\"/></QActions>",
    "<QActions><QAction id=\"1\" encoding=\"javascript\"><![CDATA[function Run(protocol) {}]]></QAction></QActions>",
);
pub(super) const NO_ENTRY_POINT: Entry = row(
    "P5019",
    Warning,
    "a script without the function that is called",
    "A trigger calls the function that `entryPoint` names for it, `Run` otherwise: a function of the script, one that it exports, a method of its class `QAction`, or its default export.",
    "<QActions><QAction id=\"1\" encoding=\"javascript\" triggers=\"1\"><![CDATA[function Main(protocol) {}]]></QAction></QActions><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
    "<QActions><QAction id=\"1\" encoding=\"javascript\" triggers=\"1\" entryPoint=\"Main\"><![CDATA[function Main(protocol) {}]]></QAction></QActions><Params><Param id=\"1\"><Type>read</Type></Param></Params>",
);
pub(super) const SCRIPT_REFERENCE: Entry = row(
    "P5020",
    Warning,
    "a script that names something that the definition does not have",
    "The call has no effect, and is reported when it runs.",
    "<QActions><QAction id=\"1\" encoding=\"javascript\"><![CDATA[function Run(protocol) { protocol.SetParameter(7, 1); }]]></QAction></QActions>",
    "<QActions><QAction id=\"1\" encoding=\"javascript\"><![CDATA[function Run(protocol) { protocol.SetParameter(7, 1); }]]></QAction></QActions><Params><Param id=\"7\"><Type>read</Type></Param></Params>",
);
pub(super) const SCRIPT_METHOD: Entry = row(
    "P5021",
    Warning,
    "a script that calls a method that `protocol` does not have",
    "The call throws, and what the script would have done after it is left out. The methods are those of `schemas/backshell.d.ts`.",
    "<QActions><QAction id=\"1\" encoding=\"javascript\"><![CDATA[function Run(protocol) { protocol.SetParametr(7, 1); }]]></QAction></QActions><Params><Param id=\"7\"><Type>read</Type></Param></Params>",
    "<QActions><QAction id=\"1\" encoding=\"javascript\"><![CDATA[function Run(protocol) { protocol.SetParameter(7, 1); }]]></QAction></QActions><Params><Param id=\"7\"><Type>read</Type></Param></Params>",
);
