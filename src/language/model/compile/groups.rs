//! Pairs, groups, timers and the queues that they go through to those of the model; runs none of them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::language::definition::connection::Thread;
use crate::language::definition::logic::{self as written, ItemKind};
use crate::language::definition::{Id, Text};
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::scope::{Scope, Use, User};
use crate::language::model::compile::value::{millis, name, short};
use crate::language::model::compile::{condition, sessions, value};
use crate::language::model::id::{ConnectionIx, GroupId, PairId, TimerId};
use crate::language::model::logic::{
    Group, GroupItem, GroupKind, GroupRun, Pair, Period, Timer, TimerItem, WhenDown,
};
use crate::language::model::param::Wait;
use crate::language::schema::enumerations::{self as words, GroupType};
use crate::language::source::Spanned;

/// The longest period of a timer, as in the original.
const LONGEST: Duration = Duration::from_millis(2_073_600_000);

/// From which number on `Group@connection` names a queue only.
const FIRST_VIRTUAL: i32 = 1_000;

/// Compiles the pairs.
pub(super) fn pairs(scope: &mut Scope, list: &[written::Pair<'_>]) -> Vec<Pair> {
    list.iter().map(|pair| self::pair(scope, pair)).collect()
}

fn pair(scope: &mut Scope, written: &written::Pair<'_>) -> Pair {
    let user = User("pair", written.id.value);
    let option = |name: &str| written.options.as_ref().and_then(|text| text.option(name));
    let number = |name: &str| -> Option<Id> {
        let part = option(name)?;
        Some(Spanned::new(part.value.parse().ok()?, part.span))
    };
    let command = written.commands.first().and_then(|id| scope.commands.resolve(*id, user));
    match written.commands.as_slice() {
        [] => scope.push(
            Diagnostic::new(Code::PairWithoutCommand, written.span, format!("{user} has no command"))
                .with_help("it sends nothing and waits for an answer; messages that come unasked need no pair, only a response"),
        ),
        [_] => {}
        [_, second, ..] => scope.push(
            Diagnostic::new(Code::PairWithoutCommand, second.span, format!("{user} has more than one command; the first is sent"))
                .with_help("make a pair of each command and list the pairs in a group"),
        ),
    }
    let connection = number("connection").and_then(|number| scope.connection(number, user));
    Pair {
        id: PairId(written.id.value),
        name: name(written.name.as_ref()),
        condition: condition::compile(scope, written.condition.as_ref(), user),
        command,
        responses: written.responses.iter().filter_map(|id| scope.responses.resolve(*id, user)).collect(),
        bad_commands: written
            .bad_commands
            .iter()
            .filter_map(|id| scope.responses.resolve(*id, user))
            .collect(),
        connection,
        timeout: millis(written.timeout.as_ref()),
        retries: number("retries").and_then(|retries| u32::try_from(retries.value).ok()),
        ignore_timeout: option("ignoretimeout").is_some(),
        when_down: match written.when_down.as_ref().and_then(|text| words::WhenDown::parse(&text.value)) {
            Some(words::WhenDown::Drop) => WhenDown::Drop,
            Some(words::WhenDown::Keep) | None => WhenDown::Keep,
        },
    }
}

/// Which queue serves which connection number and which thread id; the main queue is 0.
#[derive(Debug, Default)]
pub(super) struct Queues {
    by_connection: HashMap<i32, u16>,
    by_thread: HashMap<i32, u16>,
    /// How many there are, the main one included.
    pub(super) count: u16,
}

/// Numbers the queues.
pub(super) fn queues(scope: &mut Scope, threads: &[Thread<'_>]) -> Queues {
    let mut queues = Queues { count: 1, ..Queues::default() };
    for thread in threads {
        let Some(next) = queues.count.checked_add(1) else { break };
        let number = queues.count;
        queues.count = next;
        let user = User("thread", thread.id.map_or(i32::from(number), |id| id.value));
        if let Some(id) = thread.id {
            queues.by_thread.entry(id.value).or_insert(number);
        }
        for part in thread.connection.iter().flat_map(|text| text.split(',')) {
            let Ok(connection) = part.value.parse::<i32>() else { continue };
            if connection < FIRST_VIRTUAL {
                scope.connection(Spanned::new(connection, part.span), user);
            }
            // Threads with an id are chosen by it, so that a connection can have several.
            if thread.id.is_none() {
                queues.by_connection.entry(connection).or_insert(number);
            } else {
                queues.by_thread.entry(connection).or_insert(number);
            }
        }
    }
    queues
}

/// Compiles the groups.
pub(super) fn groups(
    scope: &mut Scope,
    list: &[written::Group<'_>],
    queues: &Queues,
    exchanges: &[Vec<Option<i32>>],
    handshakes: &HashSet<i32>,
) -> Vec<Group> {
    list.iter().map(|group| self::group(scope, group, queues, exchanges, handshakes)).collect()
}

fn group(
    scope: &mut Scope,
    written: &written::Group<'_>,
    queues: &Queues,
    exchanges: &[Vec<Option<i32>>],
    handshakes: &HashSet<i32>,
) -> Group {
    let user = User("group", written.id.value);
    let number = written.connection.map_or(0, |number| number.value);
    let queue = match written.thread.filter(|thread| thread.value >= 0) {
        Some(thread) => {
            let found = queues
                .by_thread
                .get(&thread.value)
                .or_else(|| queues.by_connection.get(&thread.value))
                .copied();
            if found.is_none() {
                scope.push(
                    Diagnostic::new(Code::DanglingReference, thread.span, format!("{user} refers to thread {}, which is not defined", thread.value))
                        .with_help("it goes through the main queue; define `<Thread id=\"..\" connection=\"..\"/>` below `Threads`"),
                );
            }
            found.unwrap_or(0)
        }
        None => queues.by_connection.get(&number).copied().unwrap_or(0),
    };
    let connection = match written.connection {
        Some(number) if number.value < FIRST_VIRTUAL => scope.connection(number, user),
        Some(_) | None => None,
    };
    let kind = match written.kind.as_ref().and_then(|text| GroupType::parse(&text.value)) {
        Some(GroupType::PollAction) => GroupKind::PollAction,
        Some(GroupType::PollTrigger) => GroupKind::PollTrigger,
        Some(GroupType::Action) => GroupKind::Action,
        Some(GroupType::Trigger) => GroupKind::Trigger,
        Some(GroupType::Poll) | None => GroupKind::Poll,
    };
    check_items(scope, written, kind, user);
    Group {
        id: GroupId(written.id.value),
        name: name(written.name.as_ref()),
        kind,
        condition: condition::compile(scope, written.condition.as_ref(), user),
        // There is always a connection 0.
        connection: connection.unwrap_or(ConnectionIx::FIRST),
        connection_param: written.connection_pid.and_then(|id| scope.param_for(id, user, Use::Source)),
        queue,
        content: written
            .items
            .iter()
            .filter_map(|item| self::item(scope, item, exchanges, handshakes, user))
            .collect(),
    }
}

/// The items of a group are of one kind, and of the kind that its type is about.
fn check_items(scope: &mut Scope, written: &written::Group<'_>, kind: GroupKind, user: User) {
    let Some(first) = written.items.first() else { return };
    let word = |kind: ItemKind| match kind {
        ItemKind::Param => "parameters",
        ItemKind::Pair => "pairs",
        ItemKind::Session => "sessions",
        ItemKind::Action => "actions",
        ItemKind::Trigger => "triggers",
    };
    if let Some(other) = written.items.iter().find(|item| item.kind != first.kind) {
        scope.push(
            Diagnostic::new(
                Code::MixedGroup,
                other.id.span,
                format!("{user} holds {} and {}", word(first.kind), word(other.kind)),
            )
            .with_related(first.id.span, "the first item")
            .with_help("the items of a group are of one kind; split the group"),
        );
    }
    let fits = match kind {
        GroupKind::Poll => matches!(first.kind, ItemKind::Param | ItemKind::Pair | ItemKind::Session),
        GroupKind::PollAction | GroupKind::Action => first.kind == ItemKind::Action,
        GroupKind::PollTrigger | GroupKind::Trigger => first.kind == ItemKind::Trigger,
    };
    if !fits {
        let (span, written) = match &written.kind {
            Some(text) => (text.span, format!("`{}`", short(&text.value))),
            None => (first.id.span, "`poll`, the default,".to_owned()),
        };
        scope.push(
            Diagnostic::new(
                Code::GroupKindMismatch,
                span,
                format!("{user} has the type {written} and holds {}", word(first.kind)),
            )
            .with_help("`poll` is for pairs, sessions and parameters, `poll action` and `action` for actions, `poll trigger` and `trigger` for triggers"),
        );
    }
}

fn item(
    scope: &mut Scope,
    written: &written::GroupItem<'_>,
    exchanges: &[Vec<Option<i32>>],
    handshakes: &HashSet<i32>,
    user: User,
) -> Option<GroupItem> {
    let run = match written.kind {
        ItemKind::Param => GroupRun::Param(scope.param(written.id, user)?),
        ItemKind::Pair => GroupRun::Pair(scope.pairs.resolve(written.id, user)?),
        ItemKind::Action => GroupRun::Action(scope.actions.resolve(written.id, user)?),
        ItemKind::Trigger => GroupRun::Trigger(scope.triggers.resolve(written.id, user)?),
        ItemKind::Session => {
            let session = scope.sessions.resolve(written.id, user)?;
            // It has no body and no address of its own; it is what a link opens with.
            if handshakes.contains(&written.id.value) {
                scope.report.not_run(sessions::REQUESTS, written.id.span);
            }
            let ids = exchanges.get(session.index()).map_or(&[][..], Vec::as_slice);
            let exchange = written.connection.and_then(|number| {
                let at = ids.iter().position(|id| *id == Some(number.value));
                if at.is_none() {
                    scope.push(
                        Diagnostic::new(
                            Code::DanglingReference,
                            number.span,
                            format!(
                                "{user} refers to connection {} of session {}, which is not defined",
                                number.value, written.id.value
                            ),
                        )
                        .with_help(
                            "it is the `id` of a `Connection` in the session; without it all of them run",
                        ),
                    );
                }
                at.and_then(|at| u16::try_from(at).ok())
            });
            GroupRun::Session { session, exchange }
        }
    };
    Some(GroupItem { run, next: wait(written.next.as_ref()) })
}

fn wait(text: Option<&Text<'_>>) -> Option<Wait> {
    millis(text).map(Wait::Fixed)
}

/// Compiles the timers.
pub(super) fn timers(scope: &mut Scope, list: &[written::Timer<'_>]) -> Vec<Timer> {
    list.iter().map(|timer| self::timer(scope, timer)).collect()
}

fn timer(scope: &mut Scope, written: &written::Timer<'_>) -> Timer {
    let user = User("timer", written.id.value);
    let period = period(scope, written, user);
    let initial = written.initial.as_ref();
    let options = [initial, written.options.as_ref()];
    let random = options.into_iter().flatten().find_map(|text| text.option("random")).and_then(|part| {
        let (low, high) = part.value.split_once(':')?;
        Some((low.trim().parse::<u32>().ok()?, high.trim().parse::<u32>().ok()?, part.span))
    });
    if let Some((low, high, span)) = random
        && low > high
    {
        scope.push(
            Diagnostic::new(
                Code::BadRange,
                span,
                format!("the random start of {user} lies between {low} and {high}"),
            )
            .with_help("put the smaller number first"),
        );
    }
    Timer {
        id: TimerId(written.id.value),
        name: name(written.name.as_ref()),
        condition: condition::compile(scope, written.condition.as_ref(), user),
        period: period.unwrap_or(Period::Every(LONGEST)),
        // A timer without a period that can be read never runs by itself.
        initial: period.is_some() && initial.and_then(Text::flag) != Some(false),
        random: random.map(|(low, high, _)| (low.min(high), high.max(low))),
        interval: millis(written.interval.as_ref()).unwrap_or_default(),
        groups: written
            .groups
            .iter()
            .filter_map(|(id, next)| {
                Some(TimerItem { group: scope.groups.resolve(*id, user)?, next: wait(next.as_ref()) })
            })
            .collect(),
    }
}

fn period(scope: &mut Scope, written: &written::Timer<'_>, user: User) -> Option<Period> {
    let Some(text) = &written.time else {
        scope.push(
            Diagnostic::new(Code::BadPeriod, written.span, format!("{user} has no `Time`, so it never runs"))
                .with_help("add `<Time>` with the period in ms, or `loop`"),
        );
        return None;
    };
    if text.value.eq_ignore_ascii_case("loop") {
        return Some(Period::Loop);
    }
    let Some(number) = value::number(Some(text)).filter(|number| *number >= 1.0 && number.fract() == 0.0)
    else {
        scope.push(
            Diagnostic::new(
                Code::BadPeriod,
                text.span,
                format!("`{}` is no period, so {user} never runs", short(&text.value)),
            )
            .with_help("a period is a whole number of milliseconds, at least 1, or `loop`"),
        );
        return None;
    };
    let asked = Duration::try_from_secs_f64(number / 1_000.0).unwrap_or(Duration::MAX);
    if asked > LONGEST {
        scope.push(
            Diagnostic::new(
                Code::LongPeriod,
                text.span,
                format!("the period of {user} is longer than 24 days and is cut to that"),
            )
            .with_help("the longest period is 2073600000 ms"),
        );
        return Some(Period::Every(LONGEST));
    }
    Some(Period::Every(Duration::from_millis(text.parse().map_or(1, |millis| millis.value))))
}
