//! Definitions run through the pure engine in simulated time, as data: `tests/conformance/<case>/`; opens no socket.
//!
//! A case is `protocol.xml` (or a line `protocol PATH` in the steps, from the root of the tree), `steps.txt` and
//! `expected.txt`. Lines `element timeout 3s`, `retries 1` and `host 10.4.2.8` are settings of all connections. `UPDATE_GOLDEN=1` rewrites what is
//! expected; look at the difference by hand.
//!
//! | step | what happens |
//! |---|---|
//! | `setting 10 "x"` | the settings give a parameter its first value; before `start` |
//! | `saved 10 "x"` | the store has a value of a parameter; before `start` |
//! | `start` | the element starts |
//! | `set 58 "x"`, `set 1002[key] 5` | a user sets a parameter, or a cell |
//! | `script 58 "x"`, `engine 58 "x"` | the same by a script, by the engine |
//! | `add 1000 1001="a" 1002=5`, `row 1000[key] 1002=5`, `delete 1000[key]` | a user changes rows |
//! | `fill 1000 1001="a" 1002=5 \| 1001="b"` | a user replaces all rows |
//! | `link 0 ready` | also `moved`, `swapped`, `down`, `rejected`, `closed`; then the peer's address |
//! | `message 0 TEXT`, `binary 0 0x01ff` | the peer sends a message |
//! | `answer HTTP/1.1 200 OK \| X-Model: M1 \| = BODY` | the oldest request is answered, with headers and a body if need be |
//! | `refuse`, `silence` | the oldest request got no connection, or was sent and got no answer in time |
//! | `advance 5s`, `advance 20ms` | time passes |
//! | `show 40`, `show 1000` | writes the value of a parameter, or the rows of a table down |
//! | `stop` | the element stops |

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backshell::engine::codec::handshake::Answer;
use backshell::engine::logic::effect::Effect;
use backshell::engine::logic::link::LinkChange;
use backshell::engine::logic::session::{Outcome, Written};
use backshell::engine::logic::{Engine, First, Options, OwnAddress, TableEdit};
use backshell::engine::param::change::{Changed, Save, Shown};
use backshell::engine::param::startup::{Fingerprint, Provenance, Setting, Stored};
use backshell::engine::param::{Cells, Fill, Origin};
use backshell::engine::session::Overrides;
use backshell::engine::session::requests::Order;
use backshell::engine::target::exchange::Content;
use backshell::language::load;
use backshell::language::model::Protocol;
use backshell::language::model::id::{ConnectionIx, ParamId, ParamIx, TableIx};
use backshell::language::model::message::MessageKind;
use backshell::language::source::Source;
use backshell::value::{Context, Value, Wall};

/// How many cases there are at least: a walk that finds nothing must not pass.
const LEAST: usize = 43;

/// The files that a case may have.
const FILES: [&str; 3] = ["protocol.xml", "steps.txt", "expected.txt"];

/// One case while it runs.
struct Case {
    engine: Engine,
    ctx: Context,
    began: Instant,
    first: Option<First>,
    /// Requests that wait for an answer, the oldest first.
    asked: VecDeque<u64>,
    out: String,
}

impl Case {
    fn new(protocol: Arc<Protocol>, options: Options) -> Self {
        let began = Instant::now();
        let ctx = Context::new(began, Wall(1_700_000_000_000_000_000), 7);
        let engine = Engine::new(protocol, options);
        Self { engine, ctx, began, first: Some(First::default()), asked: VecDeque::new(), out: String::new() }
    }

    fn step(&mut self, line: &str) {
        let _ = writeln!(self.out, "> {line}");
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "setting" | "saved" => self.before_start(word, rest),
            "start" => {
                let first = self.first.take().expect("the element starts once");
                self.engine.start(&mut self.ctx, first);
            }
            "set" => self.set(rest, Origin::User),
            "script" => self.set(rest, Origin::Script),
            "engine" => self.set(rest, Origin::Engine),
            "add" | "row" | "delete" => self.edit(word, rest),
            "fill" => self.fill(rest),
            "link" => self.link(rest),
            "message" | "binary" => self.message(word, rest),
            "answer" => self.answer(rest),
            "refuse" => self.outcome(Outcome::Silence { written: Written::No }),
            "silence" => self.outcome(Outcome::Silence { written: Written::Maybe }),
            "advance" => self.advance(duration(rest)),
            "show" => {
                let (param, row) = self.place(rest);
                if let (Some(table), None) = (self.engine.protocol().param(param).table, &row) {
                    for row in self.engine.params().rows(table).iter() {
                        let cells: Vec<String> = row.cells().iter().map(shown).collect();
                        let _ = writeln!(self.out, "  {rest}[{}] is {}", row.key(), cells.join(" | "));
                    }
                    return;
                }
                let value = shown(self.engine.params().get_in(param, row.as_deref()));
                let _ = writeln!(self.out, "  {rest} is {value}");
            }
            "stop" => {
                self.engine.stop(&mut self.ctx);
                self.drain();
                let _ = writeln!(self.out, "  idle {}", self.engine.is_idle());
            }
            other => panic!("no step is called `{other}`"),
        }
        self.drain();
    }

    fn before_start(&mut self, word: &str, rest: &str) {
        let (place, value) = rest.split_once(' ').expect("a parameter and a value");
        let (param, _) = self.place(place);
        let value = value_of(value);
        let first = self.first.as_mut().expect("before the start");
        if word == "saved" {
            first.stored.push((param, Stored { value: Some(value), ..Stored::default() }));
        } else {
            let setting = Setting { value, source: Provenance::Literal, fingerprint: Fingerprint::default() };
            first.settings.push((param, setting));
        }
    }

    fn set(&mut self, rest: &str, origin: Origin) {
        let (place, value) = rest.split_once(' ').expect("a parameter and a value");
        let (param, row) = self.place(place);
        let outcome = self.engine.set(&mut self.ctx, param, row.as_deref(), value_of(value), origin);
        self.refused(outcome.err());
    }

    fn edit(&mut self, word: &str, rest: &str) {
        let (place, written) = rest.split_once(' ').unwrap_or((rest, ""));
        let (param, row) = self.place(place);
        let table = self.table(param);
        let key: Arc<str> = row.unwrap_or_default().into();
        let cells = self.cells(table, written);
        let edit = match word {
            "add" => TableEdit::AddRow { cells },
            "row" => TableEdit::SetRow { key, cells },
            _ => TableEdit::DeleteRow { key },
        };
        let outcome = self.engine.edit(&mut self.ctx, table, edit, Origin::User);
        self.refused(outcome.err());
    }

    fn fill(&mut self, rest: &str) {
        let (place, written) = rest.split_once(' ').unwrap_or((rest, ""));
        let table = self.table(self.place(place).0);
        let rows = written.split(" | ").map(|row| self.cells(table, row)).collect();
        let edit = TableEdit::Fill { rows, mode: Fill::Replace };
        let outcome = self.engine.edit(&mut self.ctx, table, edit, Origin::User);
        self.refused(outcome.err());
    }

    /// `1001="a" 1002=5`: by position, none where nothing is given.
    fn cells(&self, table: TableIx, written: &str) -> Cells {
        let protocol = self.engine.protocol();
        let columns = &protocol.table(table).columns;
        let mut cells: Cells = vec![None; columns.len()];
        for cell in written.split_whitespace() {
            let (id, value) = cell.split_once('=').expect("COLUMN=VALUE");
            let id = ParamId(id.parse().expect("a column's id"));
            let at = columns.iter().position(|column| protocol.param(column.param).id == id);
            cells[at.expect("the table has the column")] = Some(value_of(value));
        }
        cells
    }

    fn refused(&mut self, why: Option<impl std::fmt::Display>) {
        if let Some(why) = why {
            let _ = writeln!(self.out, "  refused: {why}");
        }
    }

    fn link(&mut self, rest: &str) {
        let mut words = rest.split_whitespace();
        let connection = connection(words.next());
        let change = match words.next() {
            Some("ready") => LinkChange::Ready,
            Some("moved") => LinkChange::Moved,
            Some("swapped") => LinkChange::Swapped,
            Some("down") => LinkChange::Down,
            Some("rejected") => LinkChange::Rejected,
            Some("closed") => LinkChange::Closed,
            other => panic!("a link cannot become {other:?}"),
        };
        self.engine.link(&mut self.ctx, connection, change, words.next());
    }

    fn message(&mut self, word: &str, rest: &str) {
        let (number, payload) = rest.split_once(' ').unwrap_or((rest, ""));
        let (kind, payload) = match word {
            "message" => (MessageKind::Text, payload.as_bytes().to_vec()),
            _ => (MessageKind::Binary, octets(payload)),
        };
        self.engine.message(&mut self.ctx, connection(Some(number)), kind, payload.into());
    }

    /// `HTTP/1.1 200 OK | X-Model: M1 | = the body`.
    fn answer(&mut self, rest: &str) {
        let mut parts = rest.split(" | ");
        let status_line = parts.next().unwrap_or_default();
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        let (mut headers, mut body) = (Vec::new(), None);
        for part in parts {
            match part.strip_prefix("= ") {
                Some(text) if text.starts_with("0x") => body = Some(octets(text).into()),
                Some(text) => body = Some(text.as_bytes().to_vec().into()),
                None => {
                    let (name, value) = part.split_once(": ").expect("a header");
                    headers.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        let after = headers.iter().find(|(name, _)| name == "Retry-After").map(|(_, value)| value);
        let retry_after = after.map(|seconds| Duration::from_secs(seconds.parse().expect("seconds")));
        let answer = Answer { status_line, headers: &headers, body: body.as_ref() };
        self.outcome(Outcome::Answer { status, answer, retry_after });
    }

    /// What became of the oldest request.
    fn outcome(&mut self, outcome: Outcome<'_>) {
        let id = self.asked.pop_front().expect("a request waits");
        let verdict = self.engine.answered(&mut self.ctx, id, outcome);
        let _ = writeln!(self.out, "  {verdict:?}");
    }

    fn advance(&mut self, time: Duration) {
        let end = self.ctx.now + time;
        let mut ticks = 0;
        while let Some(at) = self.engine.wake_at().filter(|at| *at <= end) {
            let step = at.saturating_duration_since(self.ctx.now);
            self.ctx.advance(step);
            self.engine.tick(&mut self.ctx);
            self.drain();
            ticks += 1;
            assert!(ticks < 10_000, "the engine never comes to rest:\n{}", self.out);
        }
        let step = end.saturating_duration_since(self.ctx.now);
        self.ctx.advance(step);
    }

    /// `58`, or `1002[key]`.
    fn place(&self, text: &str) -> (ParamIx, Option<String>) {
        let (id, row) = match text.split_once('[') {
            Some((id, row)) => (id, Some(row.trim_end_matches(']').to_owned())),
            None => (text, None),
        };
        let id = ParamId(id.parse().expect("a parameter's id"));
        (self.engine.protocol().param_by_id(id).expect("the definition has the parameter"), row)
    }

    fn table(&self, param: ParamIx) -> TableIx {
        let at = self.engine.protocol().tables.iter().position(|table| table.param == param);
        TableIx::new(at.expect("the parameter is a table")).expect("few tables")
    }

    /// Writes down what the engine asked for since the last call.
    fn drain(&mut self) {
        let at = self.ctx.now.duration_since(self.began);
        let protocol = self.engine.protocol().clone();
        let effects: Vec<Effect> = self.engine.effects().collect();
        for effect in effects {
            if let Effect::Request(order) = &effect {
                self.asked.push_back(order.id);
            }
            let _ = writeln!(self.out, "{:>9.3} {}", at.as_secs_f64(), line(&protocol, effect));
        }
    }
}

/// An effect in words; parameters by the author's number.
fn line(protocol: &Protocol, effect: Effect) -> String {
    let id = |param: ParamIx| protocol.param(param).id.0;
    let cells = |cells: &[(ParamIx, Value)]| {
        let cells: Vec<String> =
            cells.iter().map(|(of, value)| format!("{}={}", id(*of), shown(value))).collect();
        cells.join(" ")
    };
    match effect {
        Effect::Send { connection, message } => match message.kind {
            MessageKind::Text => {
                format!("send {} {}", connection.index(), String::from_utf8_lossy(&message.payload))
            }
            MessageKind::Binary => format!("send {} {}", connection.index(), hex(&message.payload)),
        },
        Effect::Prepared { connection, ready } => format!("prepared {}: {ready}", connection.index()),
        Effect::Request(order) => request(&order),
        Effect::Watched { connection, param, old, new, origin } => {
            let (old, new) = (shown(&old), shown(&new));
            format!("watched {} by link {}: {old} -> {new}, {origin:?}", id(param), connection.index())
        }
        Effect::Save(Save::Value { param, value }) => format!("save {} {}", id(param), shown(&value)),
        Effect::Save(Save::Row { table, key, cells: saved }) => {
            format!("save {}[{key}] {}", id(table), cells(&saved))
        }
        Effect::Save(Save::DeleteRow { table, key }) => format!("forget {}[{key}]", id(table)),
        Effect::Save(Save::Table { table, rows }) => {
            let rows: Vec<String> =
                rows.iter().map(|row| format!("[{}] {}", row.key, cells(&row.cells))).collect();
            format!("save {} {}", id(table), rows.join(", "))
        }
        Effect::Remember { param, .. } => format!("remember the setting of {}", id(param)),
        Effect::Change(change) => {
            let of = id(change.param);
            match change.what {
                Changed::Value(value) => format!("change {of} {}", seen(&value)),
                Changed::Cell { key, value, .. } => format!("change {of}[{key}] {}", seen(&value)),
                Changed::Row { key, cells } => {
                    let cells: Vec<String> = cells.iter().map(seen).collect();
                    format!("change {of}[{key}] {}", cells.join(" | "))
                }
                Changed::RowGone { key } => format!("change {of}[{key}] gone"),
                Changed::Table => format!("change {of} table"),
            }
        }
        Effect::Open(connection) => format!("open {}", connection.index()),
        Effect::Close(connection) => format!("close {}", connection.index()),
        Effect::Reconnect(connection) => format!("reconnect {}", connection.index()),
        Effect::HeartbeatLost(connection) => format!("heartbeat lost {}", connection.index()),
        Effect::ElementTimeout { active } => format!("element timeout {active}"),
        Effect::ReadFile { name, start, bytes, into } => {
            format!("read file {name} from {start}, {bytes:?} bytes, into {}", id(into))
        }
        Effect::ScriptLog(line) => format!("script {:?}: {}", line.severity, line.text),
        Effect::ScriptFailed(failed) => format!("script failed: {}", failed.failure),
        Effect::Report(report) => format!("report {:?} {:?}: {report}", report.severity, report.code),
    }
}

/// A request in one line: where it goes, its headers, its body, and what is not part of it.
fn request(order: &Order) -> String {
    let request = &order.request;
    let mut line = format!("request over {}: {request}", order.connection.index());
    let headers = request.headers().iter();
    headers.for_each(|header| line.push_str(&format!(" | {}: {}", header.name, header.value.expose())));
    let body = |bytes: &[u8]| std::str::from_utf8(bytes).map_or_else(|_| hex(bytes), str::to_owned);
    match request.content() {
        Content::None => {}
        Content::Bytes(bytes) => line.push_str(&format!(" | = {}", body(bytes.expose()))),
        Content::Form(parts) => {
            let parts = parts.iter();
            parts.for_each(|part| line.push_str(&format!(" | {part} = {}", body(part.content.expose()))));
        }
    }
    if let Some(login) = request.login() {
        line.push_str(&format!(", login {}", login.user));
    }
    if let Some((server, login)) = &order.proxy {
        let login = login.as_ref().map_or("", |login| login.user.as_str());
        line.push_str(&format!(", proxy {:?} {login}", server.expose()));
    }
    if order.certificate {
        line.push_str(", certificate");
    }
    format!("{line}, {:?}, {:?}, {:?}", order.timeout, order.redirects, order.connection_after)
}

fn seen(value: &Shown) -> String {
    match value {
        Shown::Value(value) => shown(value),
        Shown::Secret { set } => format!("secret, set {set}"),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Empty => "empty".to_owned(),
        Value::Number(_) => value.to_text().to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => hex(bytes),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `"text"`, `0x01ff`, `empty`, or a number.
fn value_of(text: &str) -> Value {
    if let Some(text) = text.strip_prefix('"') {
        return Value::text(text.strip_suffix('"').expect("a text ends with a quote"));
    }
    match text {
        "empty" => Value::Empty,
        bytes if bytes.starts_with("0x") => Value::Bytes(octets(bytes).into()),
        number => Value::number(number.parse().expect("a number")),
    }
}

fn octets(text: &str) -> Vec<u8> {
    let digits = text.strip_prefix("0x").expect("bytes begin with 0x");
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits a byte");
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn duration(text: &str) -> Duration {
    match text.strip_suffix("ms") {
        Some(millis) => Duration::from_millis(millis.parse().expect("milliseconds")),
        None => Duration::from_secs(text.strip_suffix('s').expect("s or ms").parse().expect("seconds")),
    }
}

fn connection(number: Option<&str>) -> ConnectionIx {
    ConnectionIx::new(number.expect("a connection").parse().expect("a number")).expect("small")
}

/// Loads a definition that has no error.
fn protocol(path: &Path) -> Arc<Protocol> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (protocol, report) = load::whole(&Source::new(path.display().to_string(), text));
    protocol.unwrap_or_else(|| panic!("{}: {:#?}", path.display(), report.diagnostics()))
}

/// Runs a case; what came out, as its `expected.txt` should be.
fn run(folder: &Path) -> String {
    let steps = fs::read_to_string(folder.join("steps.txt")).expect("a case has steps");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let elsewhere = steps.lines().find_map(|line| line.strip_prefix("protocol "));
    let path = elsewhere.map_or_else(|| folder.join("protocol.xml"), |path| root.join(path));
    let protocol = protocol(&path);
    let limit = steps.lines().find_map(|line| line.strip_prefix("element timeout "));
    let retries = steps.lines().find_map(|line| line.strip_prefix("retries "));
    let retries = retries.map(|number| number.parse().expect("a number"));
    let settings = Overrides { element_timeout: limit.map(duration), retries, ..Overrides::default() };
    let connections = protocol.connections.iter().map(|_| settings).collect();
    let host = steps.lines().find_map(|line| line.strip_prefix("host ")).map(Arc::from);
    let addresses = protocol
        .connections
        .iter()
        .map(|connection| OwnAddress { host: host.clone(), port: connection.defaults.port });
    let options = Options { connections, addresses: addresses.collect(), ..Options::default() };
    let mut case = Case::new(protocol, options);
    let is_setting = |line: &str| {
        ["protocol ", "element timeout ", "retries ", "host "].iter().any(|start| line.starts_with(start))
    };
    for line in steps.lines().filter(|line| !is_setting(line) && !line.trim().is_empty()) {
        match line.strip_prefix('#') {
            Some(_) => {
                let _ = writeln!(case.out, "{line}");
            }
            None => case.step(line),
        }
    }
    let used = elsewhere.is_none() || !folder.join("protocol.xml").exists();
    assert!(used, "{} has a protocol.xml that it does not use", folder.display());
    case.out
}

#[test]
fn every_case_does_what_is_expected() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(&root).expect("there are cases").map(|entry| entry.expect("readable").path()).collect();
    folders.sort();
    assert!(folders.len() >= LEAST, "only {} cases", folders.len());
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = String::new();
    for folder in &folders {
        assert!(folder.is_dir(), "{} lies unused", folder.display());
        for entry in fs::read_dir(folder).expect("a folder") {
            let name = entry.expect("readable").file_name();
            assert!(
                FILES.iter().any(|file| name == *file),
                "{} lies unused in {}",
                name.display(),
                folder.display()
            );
        }
        let (found, golden) = (run(folder), folder.join("expected.txt"));
        if update {
            fs::write(&golden, &found).expect("the case is writable");
            continue;
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if expected != found {
            let at = expected.lines().zip(found.lines()).take_while(|(a, b)| a == b).count();
            let _ = writeln!(
                wrong,
                "{}, line {}:\n  expected {:?}\n  found    {:?}",
                golden.display(),
                at + 1,
                expected.lines().nth(at),
                found.lines().nth(at)
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
