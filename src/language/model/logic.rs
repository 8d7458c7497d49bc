//! Triggers, actions, groups, pairs and timers as the engine knows them; runs none of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::language::model::condition::Condition;
use crate::language::model::id::{
    ActionId, ActionIx, CommandIx, ConnectionIx, GroupId, GroupIx, PairId, PairIx, ParamIx, ResponseIx,
    SessionIx, TimerId, TimerIx, TriggerId, TriggerIx,
};
use crate::language::model::param::{SequenceStep, Wait};
use crate::value::Value;

/// Something that a trigger can be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Item {
    /// The element itself.
    Protocol,
    /// Any exchange with the device.
    Communication,
    /// A parameter.
    Param(ParamIx),
    /// A command.
    Command(CommandIx),
    /// A response.
    Response(ResponseIx),
    /// A pair.
    Pair(PairIx),
    /// A group.
    Group(GroupIx),
    /// An HTTP session.
    Session(SessionIx),
    /// A timer.
    Timer(TimerIx),
    /// A connection.
    Connection(ConnectionIx),
}

/// When a trigger fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Time {
    /// Before the item runs.
    Before,
    /// After the item ran.
    After,
    /// When the value changed, or was set.
    Change,
    /// When a response changed the value.
    ChangeAfterResponse,
    /// When a pair or session got its answer.
    Succeeded,
    /// When a try got no answer.
    Timeout,
    /// When the last try got no answer.
    TimeoutAfterRetries,
    /// When the element has started, before the first dial.
    AfterStartup,
    /// Before the element stops (ours).
    BeforeStop,
    /// When a link opened (ours).
    Opened,
    /// When a link closed (ours).
    Closed,
    /// When a link was rejected (ours).
    Rejected,
}

/// What happens when.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// The author's number.
    pub id: TriggerId,
    /// The name; empty if the author gave none.
    pub name: Arc<str>,
    /// Whether it fires at all.
    pub condition: Option<Condition>,
    /// `Time case/value/id/nr`: a further comparison of the value.
    pub guard: Option<Condition>,
    /// What runs if the condition holds, in order.
    pub content: Vec<Step>,
    /// What runs if it does not (`Id else="true"`), in order.
    pub otherwise: Vec<Step>,
}

/// One thing that a trigger runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An action.
    Action(ActionIx),
    /// Another trigger.
    Trigger(TriggerIx),
}

/// One action.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// The author's number.
    pub id: ActionId,
    /// The name; empty if the author gave none.
    pub name: Arc<str>,
    /// Whether it runs.
    pub condition: Option<Condition>,
    /// What it does.
    pub run: Run,
}

/// What an action does, and to what.
#[derive(Clone, Debug, PartialEq)]
pub enum Run {
    /// On parameters.
    Param(Targets<ParamIx>, ParamOp),
    /// On groups.
    Group(Targets<GroupIx>, GroupOp),
    /// On commands.
    Command(Targets<CommandIx>, CommandOp),
    /// On responses.
    Response(Targets<ResponseIx>, ResponseOp),
    /// On timers.
    Timer(Targets<TimerIx>, TimerOp),
    /// On pairs.
    Pair(Targets<PairIx>, PairOp),
    /// On the element and its connections.
    Protocol(ProtocolOp),
    /// Accepted and does nothing; listed as not run by `check`.
    Nothing,
}

/// What an action applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets<Ix> {
    /// No `On@id`: the item of the same kind that the trigger fired for.
    Fired,
    /// The items named.
    These(Vec<Ix>),
}

/// A number or a value that an action uses.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// Written in the definition.
    Value(Value),
    /// The value of a parameter.
    Param(ParamIx),
}

/// Actions on parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum ParamOp {
    /// Adds the shown value of the source at the end.
    Append(Operand),
    /// Adds the bytes of the source at the end as hexadecimal digits (`options="hex"`), a blank after so many bytes.
    AppendHex(Operand, Option<u32>),
    /// Adds the stored value of the source at the end.
    AppendData(Operand),
    /// Makes it empty; the next value counts as new.
    Clear,
    /// Makes it empty for people only.
    ClearOnDisplay,
    /// Takes the value of the source; without one, that of the parameter that the trigger is on.
    Copy(Option<Operand>),
    /// Takes the value of the source with its bytes in reverse order; without one, of the parameter that the trigger is on.
    CopyReverse(Option<Operand>),
    /// Runs what a change would run, without a change.
    Go,
    /// Adds; 1 if not said.
    Increment(Operand),
    /// Multiplies; by 1 if not said.
    Multiply(Operand),
    /// Raises to a power; 1 if not said.
    Pow(Operand),
    /// Makes the value of a parameter, or its own last value, its normal value (for alarms).
    Normalize(Option<ParamIx>),
    /// Cuts the value out of its response again.
    Read,
    /// Replaces runs of bytes by others.
    ReplaceData(ReplaceData),
    /// Reverses the order of the bytes; in the message that the trigger fired for, at these occurrences of the parameter, from 0.
    Reverse(Vec<usize>),
    /// Runs the scripts of the parameter and nothing else.
    RunActions,
    /// Saves it now.
    Save,
    /// Gives it other steps instead of its `Scale` and `Sequence`, scale first; none at all for `-`.
    SetInfo(Vec<SequenceStep>),
    /// Sets the length of its field.
    ChangeLength(Operand),
}

/// Actions on groups: the place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupOp {
    /// At the very end.
    AddToExecute,
    /// After all that neither a timer nor `add to execute` put there.
    Execute,
    /// At the front, after the running group.
    ExecuteNext,
    /// As `AddToExecute`, if not already queued.
    ExecuteOne,
    /// As `ExecuteNext`, if not already queued.
    ExecuteOneTop,
    /// As `Execute`, if not already queued.
    ExecuteOneNow,
    /// Now, between the items of the running group.
    ForceExecute,
}

/// Actions on commands.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandOp {
    /// Builds the message from the present values.
    Make,
    /// Works out its checksum parameter; how is in the parameter's `checksum`.
    Crc,
    /// Works out its length parameter; from what is in the parameter's `length_of`.
    Length,
    /// Replaces the parameter at a position by another.
    Replace(Replace),
    /// Replaces runs of bytes in the built message.
    ReplaceData(ReplaceData),
    /// Repeats the stuffing bytes in the built message.
    Stuffing(Stuffing),
}

/// Actions on responses.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseOp {
    /// Fills the fields from the message.
    Read,
    /// Forgets the last message.
    Clear,
    /// Forgets the length information.
    ClearLengthInfo,
    /// Checks its checksum parameter.
    Crc,
    /// Checks its length parameters.
    Length,
    /// Replaces the parameter at a position by another.
    Replace(Replace),
    /// Replaces runs of bytes in the received message.
    ReplaceData(ReplaceData),
    /// Repeats the stuffing bytes in the received message.
    Stuffing(Stuffing),
    /// Takes repeated stuffing bytes out of the received message.
    ReadStuffing(Stuffing),
}

/// The action `replace`.
#[derive(Clone, Debug, PartialEq)]
pub struct Replace {
    /// The position in the content, from 0.
    pub position: usize,
    /// Holds the author's id of the parameter that stands there from now on.
    pub by: ParamIx,
}

/// The action `replace data`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplaceData {
    /// What is looked for, and what stands there instead.
    pub pairs: Vec<(Bytes, Bytes)>,
    /// How many bytes at the start count.
    pub start: usize,
    /// How many bytes at the end count.
    pub end: usize,
    /// Where is replaced: between the two, or in the two (`use_offset`).
    pub part: ReplacePart,
}

/// In which part of the bytes `replace data` looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplacePart {
    /// In all but the first `start` and the last `end` bytes.
    Inner,
    /// In the first `start` and the last `end` bytes only (`use_offset`).
    Outer,
}

/// The actions `stuffing` and `read stuffing`.
#[derive(Clone, Debug, PartialEq)]
pub struct Stuffing {
    /// The bytes that are repeated, or taken out again.
    pub value: Bytes,
    /// After the stuffing bytes one of these bytes keeps them from being repeated.
    pub allowed: Bytes,
    /// How many bytes at the start are left alone.
    pub start: usize,
    /// How many bytes at the end are left alone.
    pub end: usize,
}

/// Actions on timers.
#[derive(Clone, Debug, PartialEq)]
pub enum TimerOp {
    /// Starts it.
    Start,
    /// Stops it.
    Stop,
    /// Takes its queued groups away; starts the clock anew if `reschedule`.
    Restart {
        /// `reschedule="true"`.
        reschedule: bool,
    },
    /// Queues its groups now, or when the cycle under way has ended.
    Reschedule,
}

/// Actions on pairs.
#[derive(Clone, Debug, PartialEq)]
pub enum PairOp {
    /// Sets the time an answer may take, in ms.
    Timeout(Operand),
    /// Sets the pause after the pairs at some positions of the group that the trigger fired for, in ms.
    SetNext {
        /// The positions (`On@nr`), from 0; all if empty.
        positions: Vec<usize>,
        /// The milliseconds.
        wait: Operand,
    },
}

/// Actions on the element.
#[derive(Clone, Debug, PartialEq)]
pub enum ProtocolOp {
    /// Opens a closed link.
    Open(ConnectionIx),
    /// Closes a link until it is opened again.
    Close(ConnectionIx),
    /// Closes and opens a link (ours).
    Reconnect(ConnectionIx),
    /// Keeps other queues from running groups.
    Lock,
    /// Ends `Lock`.
    Unlock,
    /// As `Lock`, ahead of those who wait for it.
    PriorityLock,
    /// Ends `PriorityLock`.
    PriorityUnlock,
    /// Pauses the queue; default 5,000 ms, at least 15.
    Sleep(Operand),
    /// Ends the running group after its present pair.
    StopCurrentGroup,
    /// Reads a file below the configured directory into a parameter.
    ReadFile {
        /// Holds the name of the file.
        name: ParamIx,
        /// Holds how many bytes are read; all without it.
        bytes: Option<ParamIx>,
        /// Holds how many bytes at the start are left out.
        start: Option<ParamIx>,
        /// Receives the content.
        into: ParamIx,
    },
}

/// A group: what runs together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The author's number.
    pub id: GroupId,
    /// The name; empty if the author gave none.
    pub name: Arc<str>,
    /// How it is run.
    pub kind: GroupKind,
    /// Evaluated when it is taken from the queue.
    pub condition: Option<Condition>,
    /// The connection that it runs on.
    pub connection: ConnectionIx,
    /// A parameter that holds the index of the connection, read when it runs.
    pub connection_param: Option<ParamIx>,
    /// Which queue it waits in, from 0.
    pub queue: u16,
    /// What it runs, in order.
    pub content: Vec<GroupItem>,
}

impl Group {
    /// The HTTP sessions that it sends.
    pub fn sessions(&self) -> impl Iterator<Item = GroupSession> {
        self.content.iter().enumerate().filter_map(|(item, run)| match run.run {
            GroupRun::Session { session, exchange } => Some(GroupSession { item, session, exchange }),
            GroupRun::Param(_) | GroupRun::Pair(_) | GroupRun::Action(_) | GroupRun::Trigger(_) => None,
        })
    }
}

/// An HTTP session that a group sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSession {
    /// The position of the item in [`Group::content`].
    pub item: usize,
    /// The session.
    pub session: SessionIx,
    /// The exchange, where it sends only that one.
    pub exchange: Option<u16>,
}

impl GroupSession {
    /// Whether it sends an exchange; with none whether it sends anything.
    pub fn sends(self, exchange: Option<usize>) -> bool {
        self.exchange.is_none_or(|own| exchange.is_none_or(|wanted| usize::from(own) == wanted))
    }
}

/// `Group/Type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupKind {
    /// Queued: exchanges with the device.
    #[default]
    Poll,
    /// Queued: actions.
    PollAction,
    /// Queued: triggers.
    PollTrigger,
    /// Run at once by a timer: actions.
    Action,
    /// Run at once by a timer: triggers.
    Trigger,
}

/// One item of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupItem {
    /// What runs.
    pub run: GroupRun,
    /// The pause after it, instead of the timer's interval.
    pub next: Option<Wait>,
}

/// What an item of a group runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRun {
    /// Polls a parameter; nothing for the connections that are run.
    Param(ParamIx),
    /// A pair.
    Pair(PairIx),
    /// An HTTP session.
    Session {
        /// The session.
        session: SessionIx,
        /// Only this exchange of it (`Session@connection`); all without it.
        exchange: Option<u16>,
    },
    /// An action.
    Action(ActionIx),
    /// A trigger.
    Trigger(TriggerIx),
}

/// A command with the responses that may answer it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The author's number.
    pub id: PairId,
    /// The name; empty if the author gave none.
    pub name: Arc<str>,
    /// Whether it runs.
    pub condition: Option<Condition>,
    /// What is sent.
    pub command: Option<CommandIx>,
    /// What may answer; with none the pair is done when it is sent.
    pub responses: Vec<ResponseIx>,
    /// Answers that end the pair without a further try (`ResponseOnBadCommand`).
    pub bad_commands: Vec<ResponseIx>,
    /// The connection, instead of the group's.
    pub connection: Option<ConnectionIx>,
    /// How long an answer may take, instead of the connection's.
    pub timeout: Option<Duration>,
    /// Tries after the first, instead of the connection's.
    pub retries: Option<u32>,
    /// Whether a timeout leaves the element's state alone.
    pub ignore_timeout: bool,
    /// What becomes of it while the link is down (`bs:whenDown`).
    pub when_down: WhenDown,
}

/// `Pair bs:whenDown`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenDown {
    /// Waits for the link, up to `bs:Limits sendQueue`.
    #[default]
    Keep,
    /// Ends at once.
    Drop,
}

/// A timer.
#[derive(Clone, Debug, PartialEq)]
pub struct Timer {
    /// The author's number.
    pub id: TimerId,
    /// The name; empty if the author gave none.
    pub name: Arc<str>,
    /// Whether a cycle runs.
    pub condition: Option<Condition>,
    /// When it fires.
    pub period: Period,
    /// Whether it runs from the start.
    pub initial: bool,
    /// The first cycle starts after a random number of seconds in this range.
    pub random: Option<(u32, u32)>,
    /// The pause between its groups, and between the pairs of a group.
    pub interval: Duration,
    /// What it runs, in order.
    pub groups: Vec<TimerItem>,
}

/// `Timer/Time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Every so often, kept from the start without drift; at most 24 days.
    Every(Duration),
    /// Again as soon as the last group has finished.
    Loop,
}

/// One group of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerItem {
    /// The group.
    pub group: GroupIx,
    /// The pause after it, instead of the timer's interval.
    pub next: Option<Wait>,
}
