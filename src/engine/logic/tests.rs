//! The behaviour of the whole engine with a clock of its own; each file is a topic.

mod actions;
mod bounded;
mod events;
mod pairs;
mod queue;
mod sessions;
mod timers;
mod tracing;

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::engine::logic::effect::{Effect, Report};
use crate::engine::logic::link::LinkChange;
use crate::engine::logic::{Engine, First, Options};
use crate::engine::param::Origin;
use crate::engine::param::change::{Changed, Save, Shown};
use crate::language::model::build::Build;
use crate::language::model::id::{ActionIx, ConnectionIx, GroupIx, ParamIx};
use crate::language::model::logic::{GroupKind, GroupOp, GroupRun, Operand, ParamOp, Run, Step, Targets};
use crate::language::model::message::MessageKind;
use crate::value::{Context, Value, Wall};

/// An engine with a clock and the things that it asked for, as lines.
struct Rig {
    engine: Engine,
    ctx: Context,
    began: Instant,
}

impl Rig {
    /// An element that has started and whose effects so far are forgotten.
    fn started(build: Build) -> Self {
        let mut rig = Self::new(build);
        rig.engine.start(&mut rig.ctx, First::default());
        rig.engine.effects();
        rig
    }

    /// A started element whose first link is ready.
    fn ready(build: Build) -> Self {
        let mut rig = Self::started(build);
        rig.link(0, LinkChange::Ready);
        rig.engine.effects();
        rig
    }

    fn new(build: Build) -> Self {
        let began = clock::base();
        let ctx = Context::new(began, Wall(1_700_000_000_000_000_000), 7);
        Self { engine: Engine::new(build.done(), Options::default()), ctx, began }
    }

    fn set(&mut self, param: ParamIx, value: impl Into<Value>) {
        self.engine.set(&mut self.ctx, param, None, value.into(), Origin::User).expect("the value fits");
    }

    fn link(&mut self, connection: usize, change: LinkChange) {
        let connection = ConnectionIx::new(connection).expect("small");
        self.engine.link(&mut self.ctx, connection, change, Some("peer:1"));
    }

    fn message(&mut self, payload: &'static str) {
        self.message_on(0, payload);
    }

    fn message_on(&mut self, connection: usize, payload: &'static str) {
        let connection = ConnectionIx::new(connection).expect("small");
        let payload = Bytes::from_static(payload.as_bytes());
        self.engine.message(&mut self.ctx, connection, MessageKind::Text, payload);
    }

    fn enqueue(&mut self, group: GroupIx, op: GroupOp) {
        self.engine.begin();
        self.engine.enqueue(&self.ctx, group, op);
        let ctx = &mut self.ctx;
        self.engine.run(ctx);
        self.engine.finish(ctx);
    }

    /// Lets time pass, with a tick whenever the engine wants one.
    fn pass(&mut self, millis: u64) {
        let end = self.ctx.now + Duration::from_millis(millis);
        let mut ticks = 0;
        while let Some(at) = self.engine.wake_at().filter(|at| *at <= end) {
            let step = at.saturating_duration_since(self.ctx.now);
            self.ctx.advance(step);
            self.engine.tick(&mut self.ctx);
            ticks += 1;
            assert!(ticks < 100_000, "the engine never comes to rest");
        }
        let step = end.saturating_duration_since(self.ctx.now);
        self.ctx.advance(step);
    }

    fn value(&self, param: ParamIx) -> String {
        self.engine.params().get(param).to_text().to_string()
    }

    /// What was sent since the last call.
    fn sent(&mut self) -> Vec<String> {
        let at = self.ctx.now.duration_since(self.began).as_millis();
        let line = |effect| match effect {
            Effect::Send { connection, message } => {
                let text = String::from_utf8_lossy(&message.payload).into_owned();
                Some(format!("{at}:{}:{text}", connection.index()))
            }
            _ => None,
        };
        self.engine.effects().filter_map(line).collect()
    }

    fn reports(&mut self) -> Vec<Report> {
        let report = |effect| if let Effect::Report(report) = effect { Some(report) } else { None };
        self.engine.effects().filter_map(report).collect()
    }

    /// Everything since the last call.
    fn lines(&mut self) -> Vec<String> {
        let protocol = self.engine.protocol().clone();
        let id = |param: ParamIx| protocol.param(param).name.to_string();
        let effects = self.engine.effects();
        effects
            .map(|effect| match effect {
                Effect::Send { connection, message } => {
                    format!("send {} {}", connection.index(), String::from_utf8_lossy(&message.payload))
                }
                Effect::Prepared { connection, ready } => format!("prepared {} {ready}", connection.index()),
                Effect::Request(order) => {
                    format!("request {} {} over {}", order.id, order.request, order.connection.index())
                }
                Effect::Watched { connection, param, old, new, origin } => {
                    let (old, new) = (old.to_text(), new.to_text());
                    format!("watched {} {} {old}>{new} {origin:?}", connection.index(), id(param))
                }
                Effect::Save(Save::Value { param, value }) => {
                    format!("save {}={}", id(param), value.to_text())
                }
                Effect::Save(save) => format!("save {save:?}"),
                Effect::Remember { param } => format!("remember {}", id(param)),
                Effect::Change(change) => match change.what {
                    Changed::Value(Shown::Value(value)) => {
                        format!("change {}={}", id(change.param), value.to_text())
                    }
                    Changed::Cell { key, value: Shown::Value(value), .. } => {
                        format!("change {}[{key}]={}", id(change.param), value.to_text())
                    }
                    what => format!("change {} {what:?}", id(change.param)),
                },
                Effect::Open(connection) => format!("open {}", connection.index()),
                Effect::Close(connection) => format!("close {}", connection.index()),
                Effect::Reconnect(connection) => format!("reconnect {}", connection.index()),
                Effect::HeartbeatLost(connection) => format!("heartbeat lost {}", connection.index()),
                Effect::ElementTimeout { active } => format!("timeout {active}"),
                Effect::ReadFile { name, into, .. } => format!("read {name} into {}", id(into)),
                Effect::ScriptLog(line) => format!("script {}", line.text),
                Effect::ScriptFailed(failed) => format!("failed {}", failed.failure),
                Effect::Report(report) => format!("report {report}"),
            })
            .collect()
    }
}

/// A definition with a parameter that collects letters, to see what ran and in which order.
struct Traced {
    build: Build,
    trace: ParamIx,
}

impl Traced {
    fn new() -> Self {
        let mut build = Build::new();
        let trace = build.text("trace");
        build.connection(|connection| connection.defaults.timeout = Duration::from_millis(1000));
        Self { build, trace }
    }

    /// An action that adds a letter to the trace.
    fn mark(&mut self, letter: &str) -> ActionIx {
        let op = ParamOp::Append(Operand::Value(letter.into()));
        self.build.action(Run::Param(Targets::These(vec![self.trace]), op), |_| {})
    }

    /// A step that adds a letter to the trace.
    fn step(&mut self, letter: &str) -> Step {
        Step::Action(self.mark(letter))
    }

    /// A queued group that adds a letter to the trace for each of its items.
    fn group(&mut self, letters: &str) -> GroupIx {
        let content: Vec<GroupRun> =
            letters.chars().map(|letter| GroupRun::Action(self.mark(&letter.to_string()))).collect();
        self.build.group(&content, |group| group.kind = GroupKind::PollAction)
    }

    /// An action with its own trigger on a write parameter: setting the parameter runs it.
    fn button(&mut self, run: Run) -> ParamIx {
        let action = self.build.action(run, |_| {});
        self.button_for(&[Step::Action(action)])
    }

    fn button_for(&mut self, steps: &[Step]) -> ParamIx {
        use crate::language::model::logic::{Item, Time};
        let button = self.build.write("button");
        self.build.trigger(Some((Item::Param(button), Time::Change)), steps, |_| {});
        button
    }
}

#[cfg(test)]
mod clock {
    use std::time::Instant;

    /// Where simulated time starts; nothing waits for the real clock.
    #[allow(clippy::disallowed_methods, reason = "an instant can be made in no other way")]
    pub(super) fn base() -> Instant {
        Instant::now()
    }
}
