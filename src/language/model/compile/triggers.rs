//! Triggers, and the table of which fires when; fires none of them.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::sync::Arc;

use crate::language::definition::logic as written;
use crate::language::definition::{Id, Text};
use crate::language::diagnostic::{Code, Diagnostic, Severity};
use crate::language::model::compile::scope::{Scope, Use, User};
use crate::language::model::compile::value::{name, short};
use crate::language::model::compile::{condition, value};
use crate::language::model::condition::{Condition, Expression, Operator};
use crate::language::model::id::{
    CommandIx, ConnectionIx, GroupIx, PairIx, ParamIx, ResponseIx, SessionIx, TimerIx, TriggerId, TriggerIx,
};
use crate::language::model::logic::{Item, Step, Time, Trigger};
use crate::language::schema::did_you_mean;
use crate::language::schema::enumerations::{TriggerOn, TriggerTime, TriggerType};

/// What the triggers compile to.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    /// The triggers, by index.
    pub(super) triggers: Vec<Trigger>,
    /// Which fire for an item at a time.
    pub(super) dispatch: HashMap<(Item, Time), Box<[TriggerIx]>>,
    /// Which fire for all others of its kind.
    pub(super) each: HashMap<(Discriminant<Item>, Time), Box<[TriggerIx]>>,
}

/// Triggers with their places in the file.
type Placed = Vec<(u32, TriggerIx)>;

/// Where a trigger goes in the tables.
enum Place {
    Nowhere,
    One(Item, Time),
    Each(Discriminant<Item>, Time),
}

/// Compiles the triggers.
pub(super) fn compile(scope: &mut Scope, list: &[written::Trigger<'_>]) -> Compiled {
    let mut compiled = Compiled::default();
    let mut one: HashMap<(Item, Time), Placed> = HashMap::new();
    let mut each: HashMap<(Discriminant<Item>, Time), Placed> = HashMap::new();
    for (at, written) in list.iter().enumerate() {
        let user = User("trigger", written.id.value);
        let condition = condition::compile(scope, written.condition.as_ref(), user);
        let place = place(scope, written, user);
        let guard = guard(scope, written, user);
        let (content, otherwise) = steps(scope, written, user);
        if let Some((id, _)) = written.content.iter().find(|(_, otherwise)| *otherwise)
            && written.condition.is_none()
        {
            scope.push(
                Diagnostic::new(
                    Code::ElseWithoutCondition,
                    id.span,
                    format!("{user} has an `else` and no condition, so this never runs"),
                )
                .with_help("add a `Condition`, or leave `else` out"),
            );
        }
        compiled.triggers.push(Trigger {
            id: TriggerId(written.id.value),
            name: name(written.name.as_ref()),
            condition,
            guard,
            content,
            otherwise,
        });
        let (Some(ix), order) = (TriggerIx::new(at), written.span.start) else { continue };
        match place {
            Place::Nowhere => {}
            Place::One(item, time) => one.entry((item, time)).or_default().push((order, ix)),
            Place::Each(kind, time) => each.entry((kind, time)).or_default().push((order, ix)),
        }
    }
    compiled.dispatch = one.into_iter().map(|(key, list)| (key, in_file_order(list))).collect();
    compiled.each = each.into_iter().map(|(key, list)| (key, in_file_order(list))).collect();
    compiled
}

/// The list is sorted by id so far; the author's order is that of the file.
fn in_file_order(mut list: Placed) -> Box<[TriggerIx]> {
    list.sort_by_key(|(order, _)| *order);
    list.into_iter().map(|(_, ix)| ix).collect()
}

/// Any item of a kind, for its discriminant.
fn sample(on: TriggerOn) -> Item {
    match on {
        TriggerOn::Command => Item::Command(CommandIx::FIRST),
        TriggerOn::Communication => Item::Communication,
        TriggerOn::Connection => Item::Connection(ConnectionIx::FIRST),
        TriggerOn::Group => Item::Group(GroupIx::FIRST),
        TriggerOn::Pair => Item::Pair(PairIx::FIRST),
        TriggerOn::Parameter => Item::Param(ParamIx::FIRST),
        TriggerOn::Protocol => Item::Protocol,
        TriggerOn::Response => Item::Response(ResponseIx::FIRST),
        TriggerOn::Session => Item::Session(SessionIx::FIRST),
        TriggerOn::Timer => Item::Timer(TimerIx::FIRST),
    }
}

fn place(scope: &mut Scope, written: &written::Trigger<'_>, user: User) -> Place {
    // Without `On` a trigger is called by another one, by a group or by a script.
    let Some(on_text) = &written.on else { return Place::Nowhere };
    let Some(on) = TriggerOn::parse(&on_text.value) else { return Place::Nowhere };
    let Some(time_text) = &written.time else { return Place::Nowhere };
    let Some(time) = TriggerTime::parse(&time_text.value) else {
        if on == TriggerOn::Communication {
            scope.report.not_run("triggers on data that a connection reports", time_text.span);
        }
        return Place::Nowhere;
    };
    let Some(time) = self::time(scope, on, time, time_text, user) else { return Place::Nowhere };
    // A parameter has a timeout where it is asked for by SNMP.
    if on == TriggerOn::Parameter && matches!(time, Time::Timeout | Time::TimeoutAfterRetries) {
        scope.report.not_run("SNMP", time_text.span);
    }
    match (on, &written.on_id) {
        (TriggerOn::Protocol, _) => Place::One(Item::Protocol, time),
        (TriggerOn::Communication, _) => Place::One(Item::Communication, time),
        (_, Some(text)) if text.value.eq_ignore_ascii_case("each") => {
            Place::Each(discriminant(&sample(on)), time)
        }
        (_, Some(text)) => match text.parse::<i32>() {
            Some(id) => item(scope, on, id, user).map_or(Place::Nowhere, |item| Place::One(item, time)),
            None => {
                let mut diagnostic = Diagnostic::new(
                    Code::NeverFires,
                    text.span,
                    format!(
                        "{user} is on {} `{}`, which is neither an id nor `each`, so it never fires",
                        on.name(),
                        short(&text.value)
                    ),
                );
                if let Some(known) = did_you_mean(&text.value, ["each"]) {
                    diagnostic = diagnostic.with_help(format!("did you mean `{known}`?"));
                }
                scope.push(diagnostic);
                Place::Nowhere
            }
        },
        (_, None) => {
            scope.push(
                Diagnostic::new(
                    Code::NeverFires,
                    on_text.span,
                    format!("{user} does not say which {} it is on, so it never fires", on.name()),
                )
                .with_help(format!(
                    "add the id, `<On id=\"12\">{}</On>`, or `each` for all of them",
                    on.name()
                )),
            );
            Place::Nowhere
        }
    }
}

/// Whether a trigger can be on something at a time.
enum Fit {
    /// As in the original.
    Yes(Time),
    /// Here, and not in the original.
    Ours(Time),
    /// Never.
    No,
}

fn fit(on: TriggerOn, time: TriggerTime) -> Fit {
    use TriggerOn as On;
    use TriggerTime as At;
    match (on, time) {
        (_, At::LinkFileChange) => Fit::No,
        (On::Command | On::Group | On::Response, At::Before) => Fit::Yes(Time::Before),
        (On::Command | On::Group | On::Response, At::After) => Fit::Yes(Time::After),
        (On::Timer, At::Before) => Fit::Yes(Time::Before),
        (On::Pair, At::Succeeded) => Fit::Yes(Time::Succeeded),
        (On::Pair | On::Parameter | On::Session, At::Timeout) => Fit::Yes(Time::Timeout),
        (On::Pair | On::Parameter, At::TimeoutAfterRetries) => Fit::Yes(Time::TimeoutAfterRetries),
        (On::Parameter, At::Change) => Fit::Yes(Time::Change),
        (On::Parameter, At::ChangeAfterResponse) => Fit::Yes(Time::ChangeAfterResponse),
        (On::Protocol, At::AfterStartup) => Fit::Yes(Time::AfterStartup),
        // What the runtime adds openly needs no remark.
        (On::Protocol, At::BeforeStop) => Fit::Yes(Time::BeforeStop),
        (On::Connection, At::Opened) => Fit::Yes(Time::Opened),
        (On::Connection, At::Closed) => Fit::Yes(Time::Closed),
        (On::Connection, At::Rejected) => Fit::Yes(Time::Rejected),
        (On::Communication | On::Pair | On::Session, At::Before) => Fit::Ours(Time::Before),
        (On::Communication | On::Pair | On::Session | On::Timer, At::After) => Fit::Ours(Time::After),
        (On::Session | On::Communication | On::Group, At::Succeeded) => Fit::Ours(Time::Succeeded),
        (On::Session | On::Communication, At::TimeoutAfterRetries) => Fit::Ours(Time::TimeoutAfterRetries),
        (On::Communication | On::Group, At::Timeout) => Fit::Ours(Time::Timeout),
        (
            On::Command
            | On::Communication
            | On::Connection
            | On::Group
            | On::Pair
            | On::Parameter
            | On::Protocol
            | On::Response
            | On::Session
            | On::Timer,
            At::After
            | At::AfterStartup
            | At::Before
            | At::BeforeStop
            | At::Change
            | At::ChangeAfterResponse
            | At::Closed
            | At::Opened
            | At::Rejected
            | At::Succeeded
            | At::Timeout
            | At::TimeoutAfterRetries,
        ) => Fit::No,
    }
}

fn time(scope: &mut Scope, on: TriggerOn, time: TriggerTime, text: &Text<'_>, user: User) -> Option<Time> {
    match fit(on, time) {
        Fit::Yes(time) => Some(time),
        Fit::Ours(found) => {
            let mut diagnostic = Diagnostic::new(
                Code::OursOnly,
                text.span,
                format!("{user} fires `{}` a {}, which only this runtime does", time.name(), on.name()),
            );
            diagnostic.severity = Severity::Note;
            scope.push(diagnostic);
            Some(found)
        }
        Fit::No if time == TriggerTime::LinkFileChange => None,
        Fit::No => {
            let times: Vec<String> = TriggerTime::ALL
                .iter()
                .filter(|time| !matches!(fit(on, **time), Fit::No))
                .map(|time| format!("`{}`", time.name()))
                .collect();
            scope.push(
                Diagnostic::new(
                    Code::NeverFires,
                    text.span,
                    format!("{user} never fires: there is no `{}` of a {}", time.name(), on.name()),
                )
                .with_help(format!("a {} has {}", on.name(), times.join(", "))),
            );
            None
        }
    }
}

fn item(scope: &mut Scope, on: TriggerOn, id: Id, user: User) -> Option<Item> {
    match on {
        TriggerOn::Command => scope.commands.resolve(id, user).map(Item::Command),
        TriggerOn::Connection => scope.connection(id, user).map(Item::Connection),
        TriggerOn::Group => scope.groups.resolve(id, user).map(Item::Group),
        TriggerOn::Pair => scope.pairs.resolve(id, user).map(Item::Pair),
        TriggerOn::Parameter => scope.param(id, user).map(Item::Param),
        TriggerOn::Response => scope.responses.resolve(id, user).map(Item::Response),
        TriggerOn::Session => scope.sessions.resolve(id, user).map(Item::Session),
        TriggerOn::Timer => scope.timers.resolve(id, user).map(Item::Timer),
        TriggerOn::Protocol => Some(Item::Protocol),
        TriggerOn::Communication => Some(Item::Communication),
    }
}

/// `Time case="..." value="..." id="..." nr="true"`: a comparison beside the condition.
fn guard(scope: &mut Scope, written: &written::Trigger<'_>, user: User) -> Option<Condition> {
    let Some(value) = written.guard.get("value") else {
        for name in ["case", "id", "nr"] {
            if let Some(text) = written.guard.get(name) {
                let message = format!("`{name}` of {user} has no `value` beside it, so nothing is compared");
                let help = "add `value`, or leave it out; until then it fires for every value";
                scope.push(Diagnostic::new(Code::MissingPart, text.span, message).with_help(help));
            }
        }
        return None;
    };
    let on = written.on.as_ref().and_then(|text| TriggerOn::parse(&text.value));
    let own =
        written.on_id.as_ref().filter(|_| on == Some(TriggerOn::Parameter)).and_then(Text::parse::<i32>);
    let left = written.guard.get("id").and_then(Text::parse::<i32>).or(own);
    let Some(left) = left else {
        scope.push(
            Diagnostic::new(
                Code::BadCondition,
                value.span,
                format!("the `value` of {user} is compared with nothing"),
            )
            .with_help("add `id` with the parameter whose value is compared"),
        );
        return None;
    };
    let left = scope.param_for(left, user, Use::Source)?;
    let case = written.guard.get("case");
    let operator = match case.map(Text::lower) {
        None => Operator::Equal,
        Some(words) => {
            let has = |word: &str| words.contains(word);
            match (has("not"), has("equal"), has("greater"), has("less")) {
                (true, _, false, false) => Operator::NotEqual,
                (false, true, true, false) => Operator::GreaterEqual,
                (false, true, false, true) => Operator::LessEqual,
                (false, false, true, false) => Operator::Greater,
                (false, false, false, true) => Operator::Less,
                (false, true, false, false) => Operator::Equal,
                _ => {
                    let place = case.map_or(value.span, |text| text.span);
                    scope.push(
                        Diagnostic::new(Code::BadCondition, place, format!("`{}` of {user} is no comparison", short(&words)))
                            .with_help("write `equal`, `not equal`, `greater`, `less`, `greater or equal` or `less or equal`"),
                    );
                    return None;
                }
            }
        }
    };
    let right = if value::is_true(written.guard.get("nr")) {
        let Some(id) = value.parse::<i32>() else {
            let message = format!("the `value` of {user} is no id of a parameter: `{}`", short(&value.value));
            let help = "with `nr=\"true\"` it is one; without it the value itself is compared";
            scope.push(Diagnostic::new(Code::BadCondition, value.span, message).with_help(help));
            return None;
        };
        Expression::Param(scope.param_for(id, user, Use::Source)?)
    } else {
        value::number(Some(value))
            .map_or_else(|| Expression::Text(Arc::from(&*value.value)), Expression::Number)
    };
    Some(Condition {
        text: Arc::from(&*value.value),
        expression: Expression::Binary(operator, Box::new(Expression::Param(left)), Box::new(right)),
    })
}

fn steps(scope: &mut Scope, written: &written::Trigger<'_>, user: User) -> (Vec<Step>, Vec<Step>) {
    let kind = written.kind.as_ref().and_then(|text| TriggerType::parse(&text.value));
    let mut content = Vec::new();
    let mut otherwise = Vec::new();
    for (id, is_else) in &written.content {
        let step = match kind {
            Some(TriggerType::Trigger) => scope.triggers.resolve(*id, user).map(Step::Trigger),
            Some(TriggerType::Action) | None => scope.actions.resolve(*id, user).map(Step::Action),
        };
        if *is_else { otherwise.extend(step) } else { content.extend(step) }
    }
    (content, otherwise)
}
