//! The table's rows about what happens when: groups, triggers, actions, timers, scripts, threads.

use super::{CONDITION, COUNT, ITEM_DESCRIPTION, ITEM_NAME, MILLISECONDS, PARAM, additions};
use crate::language::schema::enumerations::{
    ActionOn, ActionType, Encoding, GroupType, TriggerOn, TriggerTime, TriggerType,
};
use crate::language::schema::{
    Attribute, Choice, Element, Item, Kind, attribute, choice, element, many, needed, needed_many,
    needed_section, once, section,
};

const ONE_ID: &str = "The id by which the rest of the definition refers to it.";

pub(super) static THREADS: Element =
    element("Threads", Kind::Nothing, "Further queues beside the element's own.").children(&[many(&THREAD)]);
static THREAD: Element =
    element("Thread", Kind::Nothing, "A queue of its own for some connections, or for groups that name it.")
        .attributes(&[
            attribute("id", Kind::Id(Item::Thread), "The number by which `Group@threadId` names it."),
            attribute(
                "connection",
                Kind::References(Item::Connection, ','),
                "The indexes of its connections, separated by commas; numbers from 1000 are no connections.",
            )
            .required(),
            attribute("name", Kind::Text, "What it is called by people.").remark(),
        ]);

pub(super) static GROUPS: Element =
    element("Groups", Kind::Nothing, "The pieces of work that go through the queue.")
        .children(&[many(&GROUP)]);
static GROUP: Element =
    element("Group", Kind::Nothing, "A list of items of one kind that are worked off together.")
        .attributes(&[
            attribute("id", Kind::Id(Item::Group), ONE_ID).required(),
            attribute(
                "connection",
                Kind::Reference(Item::Connection),
                "The index of the connection over which it goes.",
            )
            .default("0"),
            attribute(
                "connectionPID",
                PARAM,
                "The parameter that holds that index, looked at when the group runs.",
            ),
            attribute("ping", Kind::Flag, "Whether it is the group that asks a device in slow polling.")
                .not_run("slow polling"),
            attribute(
                "threadId",
                Kind::Integer { min: -1, max: 4_294_967_295 },
                "The queue that it goes to, by the thread's id or connection.",
            ),
        ])
        .children(&[
            once(&ITEM_NAME),
            once(&ITEM_DESCRIPTION),
            once(&GROUP_TYPE),
            once(&CONDITION),
            section(&GROUP_CONTENT),
        ]);
static GROUP_TYPE: Element =
    element("Type", Kind::Enumeration(GroupType::TABLE), "How the group is run.").default("poll");
static GROUP_CONTENT: Element = element("Content", Kind::Nothing, "The items, of one kind, in order.")
    .attributes(&[attribute(
        "multipleGet",
        Kind::Flag,
        "Whether parameters are asked for in one SNMP message.",
    )
    .not_run("SNMP")])
    .children(&[
        many(&GROUP_PARAM),
        many(&GROUP_PAIR),
        many(&GROUP_SESSION),
        many(&GROUP_ACTION),
        many(&GROUP_TRIGGER),
    ]);

const NEXT: Attribute = attribute(
    "next",
    MILLISECONDS,
    "How long to wait before the next item, or after the last one before the next group, in ms.",
);

static GROUP_PARAM: Element = element(
    "Param",
    Kind::Text,
    "A parameter that is asked for by SNMP, by its id; a suffix such as `:table` says how.",
)
.not_run("SNMP")
.attributes(&[NEXT]);
static GROUP_PAIR: Element =
    element("Pair", Kind::Reference(Item::Pair), "A pair, by its id.").attributes(&[NEXT]);
static GROUP_SESSION: Element =
    element("Session", Kind::Reference(Item::Session), "An HTTP session, by its id.").attributes(&[
        attribute(
            "connection",
            Kind::Reference(Item::Connection),
            "The index of the connection over which it goes.",
        ),
        NEXT,
    ]);
static GROUP_ACTION: Element =
    element("Action", Kind::Reference(Item::Action), "An action, by its id.").attributes(&[NEXT]);
static GROUP_TRIGGER: Element =
    element("Trigger", Kind::Reference(Item::Trigger), "A trigger, by its id.").attributes(&[NEXT]);

pub(super) static TRIGGERS: Element =
    element("Triggers", Kind::Nothing, "What starts actions when something happens.")
        .children(&[many(&TRIGGER)]);
static TRIGGER: Element = element("Trigger", Kind::Nothing, "Starts actions or other triggers when something happens; without `On` it is started by another one or by a script.")
    .attributes(&[attribute("id", Kind::Id(Item::Trigger), ONE_ID).required()])
    .children(&[
        once(&ITEM_NAME),
        once(&ITEM_DESCRIPTION),
        once(&TRIGGER_ON),
        once(&TRIGGER_TIME),
        once(&TRIGGER_TYPE),
        once(&CONDITION),
        needed_section(&TRIGGER_CONTENT),
    ]);
static TRIGGER_ON: Element = element("On", Kind::Enumeration(TriggerOn::TABLE), "What it watches.").attributes(&[attribute(
    "id",
    Kind::Text,
    "The id of the one that it watches; `each` for all that no trigger of the same time names. Of a connection the index.",
)]);
static TRIGGER_TIME: Element = element("Time", Kind::Enumeration(TriggerTime::TABLE), "When it fires.")
    .attributes(&[
        attribute("case", Kind::Text, "How the value is compared: `equal`, `not equal`, `greater`, `less`, or two of them such as `greater or equal`."),
        attribute("id", PARAM, "The parameter whose value is compared, instead of the watched one."),
        attribute("nr", Kind::Text, "With `true` the value is the id of a parameter, whose value is compared."),
        attribute("value", Kind::Text, "It fires only for this value."),
    ]);
static TRIGGER_TYPE: Element =
    element("Type", Kind::Enumeration(TriggerType::TABLE), "What the ids in `Content` are.")
        .default("action");
static TRIGGER_CONTENT: Element =
    element("Content", Kind::Nothing, "What it starts, in order.").children(&[needed_many(&TRIGGER_TARGET)]);
static TRIGGER_TARGET: Element =
    element("Id", Kind::Integer { min: 0, max: 4_294_967_295 }, "An action or trigger, by its id.")
        .attributes(&[attribute(
            "else",
            Kind::Flag,
            "Whether it is started when the condition does not hold.",
        )
        .default("false")]);

pub(super) static ACTIONS: Element =
    element("Actions", Kind::Nothing, "The single steps that triggers and groups start.")
        .children(&[many(&ACTION)]);
static ACTION: Element = element("Action", Kind::Nothing, "One step.")
    .attributes(&[attribute("id", Kind::Id(Item::Action), ONE_ID).required()])
    .children(&[
        once(&ITEM_NAME),
        once(&ITEM_DESCRIPTION),
        needed(&ACTION_ON),
        needed(&ACTION_TYPE),
        once(&CONDITION),
    ]);
static ACTION_ON: Element = element("On", Kind::Enumeration(ActionOn::TABLE), "What the step is applied to.").attributes(&[
    attribute(
        "id",
        Kind::Text,
        "The ids of the items, separated by `;`. Without it the step is applied to the item on which the trigger fired, if it is of this kind.",
    ),
    attribute("nr", Kind::Text, "Positions in the item, separated by `;`: for `reverse` those of parameters in a message, from 0; for `set next` those of pairs in a group, from 1. Or the index of the connection of `open`, `close` and `reconnect`, as `Type@nr`."),
]);
static ACTION_TYPE: Element = element("Type", Kind::Enumeration(ActionType::TABLE), "What is done.")
    .attributes(&[
        attribute("id", Kind::Text, "The other item that the step needs, such as the source of a `copy`."),
        attribute("value", Kind::Text, "The value that the step needs."),
        attribute("nr", Kind::Text, "The number that the step needs: the index of the connection of `open`, `close` and `reconnect`, the position of `replace`, how many bytes `read file` reads."),
        attribute("options", Kind::Text, "Options of the step, separated by `;`."),
        attribute("startoffset", COUNT, "The first byte that the step is applied to."),
        attribute("endoffset", COUNT, "How far from the end it stops."),
        attribute("reschedule", Kind::Flag, "Whether `restart timer` starts the period anew.")
            .default("false"),
        attribute("regex", Kind::Text, "The pattern that an `aggregate` looks for.").not_run("aggregation and merge actions"),
        attribute("scale", Kind::Text, "How a number that is taken is scaled."),
        attribute("sequence", Kind::Text, "Calculations on a number that is taken."),
        attribute("allowed", Kind::Text, "What may stay in the value."),
        attribute("returnValue", Kind::Text, "The parameter that receives what `read file` has read."),
        attribute("arguments", Kind::Text, "What a platform's own step is given.").not_run("WMI"),
        attribute("script", Kind::Text, "Which script of the platform is run.").not_run("WMI"),
    ]);

pub(super) static TIMERS: Element = element("Timers", Kind::Nothing, "What happens again and again.")
    .attributes(&[
        attribute("relativeTimers", Kind::Flag, "Whether timers start relative to each other.").remark()
    ])
    .children(&[many(&TIMER)]);
static TIMER: Element = element("Timer", Kind::Nothing, "Puts groups into the queue, once a period.")
    .attributes(&[
        attribute("id", Kind::Id(Item::Timer), ONE_ID).required(),
        attribute("fixedTimer", Kind::Flag, "Whether people may not change the period.").remark(),
        attribute("options", Kind::Options(TIMER_OPTIONS), "Options, separated by `;`."),
    ])
    .children(&[
        once(&ITEM_NAME),
        once(&ITEM_DESCRIPTION),
        once(&TIME),
        once(&INTERVAL),
        once(&CONDITION),
        section(&TIMER_CONTENT),
    ]);
static TIMER_OPTIONS: &[Choice] = &[
    choice("random=", "The same as `random` of `Time@initial`, which counts where both are given."),
    choice("ip:", "Works through the rows of a table with several threads.").not_run("multi-threaded timers"),
    choice("each:", "How often each row is worked on.").not_run("multi-threaded timers"),
    choice("pollingRate:", "How many rows are started at once.").not_run("multi-threaded timers"),
    choice("threadPool:", "How many threads work on rows.").not_run("multi-threaded timers"),
    choice("ping:", "Pings the address of each row.").not_run("multi-threaded timers"),
    choice("qaction:", "The script for each row.").not_run("multi-threaded timers"),
    choice("qactionBefore:", "The script before each row.").not_run("multi-threaded timers"),
    choice("qactionAfter:", "The script after each row.").not_run("multi-threaded timers"),
    choice("ignoreIf:", "Which rows are left out.").not_run("multi-threaded timers"),
    choice("instance:", "Which column names the row.").not_run("multi-threaded timers"),
    choice("dynamicThreadPool:", "Which parameter says how many threads work.")
        .not_run("multi-threaded timers"),
    choice("deltas", "Measures the time between two polls of a row.").not_run("multi-threaded timers"),
];
static TIME: Element = element(
    "Time",
    Kind::Text,
    "The period in ms, at most 24 days, or `loop`: the next round begins when the last group of this one has finished.",
)
.attributes(&[
    attribute("initial", Kind::Text, "Whether it runs at the start: `true`, `false` (it waits for the action `start`), or `random=1:30`, which starts it after a random number of seconds in that range.").default("true"),
    attribute("dataDisplay", COUNT, "The period while people look at the element.").remark(),
]);
static INTERVAL: Element = element(
    "Interval",
    MILLISECONDS,
    "How long to wait between the groups, and between the pairs of a group, in ms.",
)
.default("0");
static TIMER_CONTENT: Element =
    element("Content", Kind::Nothing, "The groups, in order.").children(&[many(&TIMER_GROUP)]);
static TIMER_GROUP: Element = element(
    "Group",
    Kind::Text,
    "A group, by its id; `col:...` names a column of a table for a multi-threaded timer.",
);

pub(super) static QACTIONS: Element =
    element("QActions", Kind::Nothing, "The scripts.").children(&[many(&QACTION)]);
static QACTION: Element =
    element("QAction", Kind::Text, "A script. Its body is text, best in a CDATA section, or a file.")
        .attributes(&[
            attribute("id", Kind::Id(Item::QAction), ONE_ID).required(),
            attribute("name", Kind::Text, "What it is called in messages and logs."),
            attribute(
                "encoding",
                Kind::Enumeration(Encoding::TABLE),
                "Its language. Without it, it is taken as C#, which is not run.",
            ),
            attribute(
                "triggers",
                Kind::References(Item::Param, ';'),
                "The parameters whose changes run it, separated by `;`.",
            ),
            attribute(
                "inputParameters",
                Kind::References(Item::Param, ';'),
                "The parameters whose values it gets, taken at its start, separated by `;`.",
            ),
            attribute(
                "row",
                Kind::Flag,
                "Whether it gets the row that changed, for triggers that are tables.",
            )
            .default("false"),
            attribute("options", Kind::Options(QACTION_OPTIONS), "Options, separated by `;`."),
            attribute(
                "entryPoint",
                Kind::Text,
                "The functions to call, by the order of `triggers`, separated by `;`; `Name` is a function of the script or a method of its class `QAction`, `Class.Name` a method of another one. `Run` without it.",
            ),
            attribute(
                "include",
                Kind::Text,
                "The files that run ahead of it, relative to the definition, separated by `;`. For `jscript`; a `javascript` imports.",
            ),
            attribute("dllImport", Kind::Text, "The libraries that it uses.").not_run("C# scripts"),
            additions::SRC,
        ])
        .children(&[once(&CONDITION)]);
static QACTION_OPTIONS: &[Choice] = &[
    choice("binary", "Its input parameters come as bytes."),
    choice("queued", "It runs when all else that an input causes is done, one after the other."),
    choice("group", "`triggers` names groups: it runs when one of them has ended."),
    choice("debug", "It is compiled for a debugger.").not_run("C# scripts"),
    choice("precompile", "It is compiled ahead, for others to use.").not_run("C# scripts"),
    choice("dllName=", "What the compiled file is called.").not_run("C# scripts"),
];
