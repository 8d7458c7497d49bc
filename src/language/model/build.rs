//! Protocols for unit tests, put together by hand; checks nothing that `compile` checks.
#![allow(dead_code, reason = "a builder for the tests of several modules")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::language::model::condition::{Condition, Expression};
use crate::language::model::connection::{
    Connection, ConnectionDefaults, ConnectionKind, Exchange, Handover, IgnoreTimeout, KeepAlive, Limits,
    Reconnect, Session, Source, Tls,
};
use crate::language::model::id::{
    ActionId, ActionIx, CommandId, CommandIx, ConnectionIx, GroupId, GroupIx, PairId, PairIx, ParamId,
    ParamIx, ResponseId, ResponseIx, SessionId, SessionIx, TableIx, TimerId, TimerIx, TriggerId, TriggerIx,
};
use crate::language::model::logic::{
    Action, Group, GroupItem, GroupKind, GroupRun, Item, Pair, Period, Run, Step, Time, Timer, TimerItem,
    Trigger, WhenDown,
};
use crate::language::model::message::{
    Command, CommandContent, Extract, General, How, JsonPath, Mapping, Match, MessageKind, PathForm, Place,
    Response, Segment, Test,
};
use crate::language::model::param::{
    Checksum, ChecksumKind, Column, ColumnKind, Length, Param, ParamKind, Range, RawType, Table, ValueType,
};
use crate::language::model::{NameEntry, Protocol};
use crate::language::schema::enumerations::Rounding;

macro_rules! next {
    ($ix:ident, $list:expr) => {
        $ix::new($list.len()).expect("a test has few items")
    };
}

/// A protocol under construction; items get the ids 1, 2, 3, ... in the order in which they are added.
#[derive(Default)]
pub(crate) struct Build {
    pub(crate) connections: Vec<Connection>,
    pub(crate) params: Vec<Param>,
    pub(crate) tables: Vec<Table>,
    pub(crate) commands: Vec<Command>,
    pub(crate) responses: Vec<Response>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) groups: Vec<Group>,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) actions: Vec<Action>,
    pub(crate) timers: Vec<Timer>,
    pub(crate) queues: u16,
    pub(crate) own_queues: u16,
    pub(crate) tokens: Vec<crate::language::model::token::Token>,
    pub(crate) dispatch: HashMap<(Item, Time), Vec<TriggerIx>>,
    pub(crate) scripts: crate::language::model::script::Scripts,
}

impl Build {
    pub(crate) fn new() -> Self {
        Self { queues: 1, ..Self::default() }
    }

    /// A parameter with the kind and type that most tests want; change the rest in `with`.
    pub(crate) fn param(
        &mut self,
        name: &str,
        kind: ParamKind,
        value_type: ValueType,
        with: impl FnOnce(&mut Param),
    ) -> ParamIx {
        let ix = next!(ParamIx, self.params);
        let mut param = Param {
            id: ParamId(number(self.params.len())),
            name: name.into(),
            description: "".into(),
            kind,
            value_type,
            raw_type: RawType::Other,
            length: Length::NextParam,
            little_endian: true,
            default: None,
            fixed: None,
            exceptions: Vec::new(),
            range: Range::default(),
            sequence: Vec::new(),
            decimals: 6,
            discreets: Vec::new(),
            units: "".into(),
            save: false,
            setter: None,
            secret: false,
            watch: true,
            dynamic_ip: None,
            watched_by: Vec::new(),
            table: None,
            column: None,
            checksum: None,
            length_of: Vec::new(),
            bits: None,
            response: None,
            rounding: Rounding::Down,
            base: 10,
            trim: None,
        };
        with(&mut param);
        self.params.push(param);
        ix
    }

    /// A read parameter that holds text.
    pub(crate) fn text(&mut self, name: &str) -> ParamIx {
        self.param(name, ParamKind::Read, ValueType::String, |_| {})
    }

    /// A read parameter that holds a number.
    pub(crate) fn number(&mut self, name: &str) -> ParamIx {
        self.param(name, ParamKind::Read, ValueType::Double, |_| {})
    }

    /// A write parameter that holds text.
    pub(crate) fn write(&mut self, name: &str) -> ParamIx {
        self.param(name, ParamKind::Write, ValueType::String, |_| {})
    }

    /// Constant bytes.
    pub(crate) fn fixed(&mut self, name: &str, bytes: &'static [u8]) -> ParamIx {
        self.param(name, ParamKind::Fixed, ValueType::String, |param| {
            param.fixed = Some(Bytes::from_static(bytes));
        })
    }

    /// A table; columns by name, type and kind, the first is the key.
    pub(crate) fn table(
        &mut self,
        name: &str,
        columns: &[(&str, ValueType, ColumnKind)],
        with: impl FnOnce(&mut Table),
    ) -> TableIx {
        let ix = next!(TableIx, self.tables);
        let param = self.param(name, ParamKind::Array, ValueType::String, |param| param.table = Some(ix));
        let columns = (0_u16..)
            .zip(columns)
            .map(|(position, (name, value_type, kind))| Column {
                param: self.param(name, ParamKind::Read, *value_type, |param| {
                    param.column = Some((ix, position));
                }),
                kind: *kind,
                save: false,
            })
            .collect();
        let mut table = Table { param, key: 0, columns, auto_add: false, volatile: false };
        with(&mut table);
        self.tables.push(table);
        ix
    }

    /// A WebSocket connection with the defaults of the language; change the rest in `with`.
    pub(crate) fn connection(&mut self, with: impl FnOnce(&mut Connection)) -> ConnectionIx {
        let index = next!(ConnectionIx, self.connections);
        let mut connection = Connection {
            index,
            id: None,
            name: "".into(),
            kind: ConnectionKind::WebSocket,
            defaults: ConnectionDefaults {
                host: Some("127.0.0.1".into()),
                port: Some(80),
                timeout: Duration::from_millis(1500),
                retries: 2,
                bus_address: None,
                bypass_proxy: false,
                element_timeout: Duration::from_secs(30),
            },
            dynamic_ip: None,
            handshake: None,
            connections_param: None,
            disconnections_param: None,
            redundant_polling: false,
            custom_redirect: false,
            make_command_by_protocol: false,
            reconnect: Reconnect {
                initial_delay: Duration::from_millis(500),
                max_delay: Duration::from_secs(30),
                settle: Duration::from_secs(5),
                window: Duration::from_millis(50),
                close_timeout: Duration::from_secs(1),
                rejected_delay: Duration::from_secs(300),
                handover: Handover::CloseFirst,
                stop_on: Vec::new(),
            },
            keep_alive: KeepAlive {
                ping_interval: Duration::from_secs(30),
                pong_timeout: Duration::from_secs(10),
                heartbeat: None,
                silence: Duration::ZERO,
            },
            tls: Tls { ca: None, certificate: None, key: None, server_name: None, verify: true },
            limits: Limits { max_message_bytes: 16 << 20, send_queue: 1024 },
            token: None,
            before: None,
            proxy: None,
        };
        with(&mut connection);
        self.connections.push(connection);
        index
    }

    /// A binary command of parameters; change the rest in `with`.
    pub(crate) fn command(&mut self, params: &[ParamIx], with: impl FnOnce(&mut Command)) -> CommandIx {
        let ix = next!(CommandIx, self.commands);
        let mut command = Command {
            id: CommandId(number(self.commands.len())),
            name: "".into(),
            kind: MessageKind::Binary,
            content: CommandContent::Params(params.into()),
        };
        with(&mut command);
        self.commands.push(command);
        ix
    }

    /// A response of fields on every connection; change the rest in `with`.
    pub(crate) fn response(&mut self, fields: &[ParamIx], with: impl FnOnce(&mut Response)) -> ResponseIx {
        let ix = next!(ResponseIx, self.responses);
        let mut response = Response {
            id: ResponseId(number(self.responses.len())),
            name: "".into(),
            connection: None,
            fields: fields.into(),
            mapping: Mapping::default(),
        };
        with(&mut response);
        self.responses.push(response);
        ix
    }

    /// A pair.
    pub(crate) fn pair(
        &mut self,
        command: Option<CommandIx>,
        responses: &[ResponseIx],
        with: impl FnOnce(&mut Pair),
    ) -> PairIx {
        let ix = next!(PairIx, self.pairs);
        let mut pair = Pair {
            id: PairId(number(self.pairs.len())),
            name: "".into(),
            condition: None,
            command,
            responses: responses.into(),
            bad_commands: Vec::new(),
            connection: None,
            timeout: None,
            retries: None,
            ignore_timeout: false,
            when_down: WhenDown::Keep,
        };
        with(&mut pair);
        self.pairs.push(pair);
        ix
    }

    /// An HTTP session.
    pub(crate) fn session(&mut self, exchanges: Vec<Exchange>, with: impl FnOnce(&mut Session)) -> SessionIx {
        let ix = next!(SessionIx, self.sessions);
        let id = SessionId(number(self.sessions.len()));
        let mut session = Session {
            id,
            name: "".into(),
            credentials: None,
            certificate: false,
            proxy: None,
            keep_alive: false,
            condition: None,
            exchanges,
        };
        with(&mut session);
        self.sessions.push(session);
        ix
    }

    /// A poll group on the first connection.
    pub(crate) fn group(&mut self, content: &[GroupRun], with: impl FnOnce(&mut Group)) -> GroupIx {
        let ix = next!(GroupIx, self.groups);
        let mut group = Group {
            id: GroupId(number(self.groups.len())),
            name: "".into(),
            kind: GroupKind::Poll,
            condition: None,
            connection: ConnectionIx::new(0).expect("zero is in range"),
            connection_param: None,
            queue: 0,
            content: content.iter().map(|run| GroupItem { run: *run, next: None }).collect(),
        };
        with(&mut group);
        self.groups.push(group);
        ix
    }

    /// A trigger; `on` none for one that is only called.
    pub(crate) fn trigger(
        &mut self,
        on: Option<(Item, Time)>,
        content: &[Step],
        with: impl FnOnce(&mut Trigger),
    ) -> TriggerIx {
        let ix = next!(TriggerIx, self.triggers);
        let mut trigger = Trigger {
            id: TriggerId(number(self.triggers.len())),
            name: "".into(),
            condition: None,
            guard: None,
            content: content.into(),
            otherwise: Vec::new(),
        };
        with(&mut trigger);
        self.triggers.push(trigger);
        if let Some(on) = on {
            self.dispatch.entry(on).or_default().push(ix);
        }
        ix
    }

    /// An action.
    pub(crate) fn action(&mut self, run: Run, with: impl FnOnce(&mut Action)) -> ActionIx {
        let ix = next!(ActionIx, self.actions);
        let id = ActionId(number(self.actions.len()));
        let mut action = Action { id, name: "".into(), condition: None, run };
        with(&mut action);
        self.actions.push(action);
        ix
    }

    /// A timer that runs from the start.
    pub(crate) fn timer(
        &mut self,
        period: Period,
        groups: &[GroupIx],
        with: impl FnOnce(&mut Timer),
    ) -> TimerIx {
        let ix = next!(TimerIx, self.timers);
        let mut timer = Timer {
            id: TimerId(number(self.timers.len())),
            name: "".into(),
            condition: None,
            period,
            initial: true,
            random: None,
            interval: Duration::ZERO,
            groups: groups.iter().map(|group| TimerItem { group: *group, next: None }).collect(),
        };
        with(&mut timer);
        self.timers.push(timer);
        ix
    }

    /// The protocol; every response is a candidate of the connection that it names, or of all.
    pub(crate) fn done(self) -> Arc<Protocol> {
        let mut names: HashMap<Arc<str>, NameEntry> = HashMap::new();
        for (index, param) in self.params.iter().enumerate() {
            let entry = names.entry(param.name.to_lowercase().into()).or_default();
            let ix = ParamIx::new(index);
            let is_write = matches!(param.kind, ParamKind::Write | ParamKind::WriteBit);
            let place = if is_write { &mut entry.write } else { &mut entry.read };
            *place = place.or(ix);
        }
        let takes = |connection: &Connection| {
            (0..self.responses.len())
                .filter(|at| self.responses[*at].connection.is_none_or(|only| only == connection.index))
                .filter_map(ResponseIx::new)
                .collect()
        };
        let candidates = self.connections.iter().map(takes).collect();
        Arc::new(Protocol {
            name: "test".into(),
            version: "1".into(),
            connections: self.connections,
            params: self.params,
            tables: self.tables,
            commands: self.commands,
            responses: self.responses,
            ignores: Vec::new(),
            pairs: self.pairs,
            sessions: self.sessions,
            groups: self.groups,
            triggers: self.triggers,
            actions: self.actions,
            timers: self.timers,
            queues: self.queues,
            own_queues: self.own_queues,
            tokens: self.tokens,
            dispatch: self.dispatch.into_iter().map(|(on, triggers)| (on, triggers.into())).collect(),
            names,
            candidates,
            scripts: self.scripts,
            each: HashMap::new(),
        })
    }
}

/// The id of the next item of a list.
fn number(len: usize) -> i32 {
    i32::try_from(len).expect("a test has few items") + 1
}

/// A condition of an expression.
pub(crate) fn condition(expression: Expression) -> Condition {
    Condition { text: "test".into(), expression }
}

/// A path: `a.b.0` for `$.a.b[0]`, anything that begins with `$` as a general query.
pub(crate) fn path(text: &str) -> JsonPath {
    if text.starts_with('$') {
        let query = serde_json_path::JsonPath::parse(text).expect("a valid path");
        let general = General { query, power: 0, fan: 1, absolute_filter: false, patterns: false };
        return JsonPath { text: text.into(), form: PathForm::General(Arc::new(general)) };
    }
    let segments = text.split('.').filter(|part| !part.is_empty()).map(|part| match part.parse() {
        Ok(index) => Segment::Index(index),
        Err(_) => Segment::Name(part.into()),
    });
    JsonPath { text: text.into(), form: PathForm::Singular(segments.collect()) }
}

/// A `bs:Match` that compares.
pub(crate) fn equals(at: &str, text: &str) -> Match {
    Match { at: Place::Part(path(at).into()), test: Test::Equals(text.into()) }
}

/// A `bs:Extract`.
pub(crate) fn extract(at: &str, param: ParamIx) -> Extract {
    Extract { path: path(at).into(), param, how: How::default() }
}

/// A `GET` of a path with nothing else.
pub(crate) fn exchange(url: Source) -> Exchange {
    Exchange {
        verb: http::Method::GET,
        url,
        headers: Vec::new(),
        condition: None,
        parameters: Vec::new(),
        data: None,
        status_param: None,
        header_params: Vec::new(),
        content_param: None,
        mapping: Mapping::default(),
        timeout: None,
        ignore_timeout: IgnoreTimeout::Nothing,
    }
}

/// A checksum of all fields before it, with nothing added.
pub(crate) fn checksum(kind: ChecksumKind) -> Checksum {
    Checksum {
        kind,
        of: Vec::new(),
        byte_offset: 0,
        group: None,
        offset: 0,
        modulo: None,
        total_offset: 0,
        or_total_offset: false,
        ones_complement: false,
    }
}
