//! Scripts in an engine of their own: what they see, what they cause, what stops them; each file is a topic.

mod api;
mod bounds;
mod causes;
mod files;
mod numbered;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::engine::logic::effect::{Effect, Severity};
use crate::engine::logic::script::{Failure, ScriptCounters};
use crate::engine::logic::{Engine, First, Options};
use crate::engine::param::change::{Changed, Shown};
use crate::engine::param::{Origin, Rejected};
use crate::language::model::id::{ParamId, ParamIx};
use crate::language::source::Source;
use crate::script::host::{Host, Limits, Plan};
use crate::script::load;
use crate::script::pool::real_now;
use crate::value::{Context, Value, Wall};

/// An element with scripts.
struct Rig {
    engine: Engine,
    ctx: Context,
    /// What came out since it was looked at last.
    log: Vec<String>,
    failures: Vec<Failure>,
}

/// The parameters of most tests: a button, texts 10 to 12, numbers 20 to 22, and a table.
const PARAMS: &str = r#"<Params>
    <Param id="1"><Name>Go</Name><Type>write</Type><Interprete><Type>string</Type></Interprete></Param>
    <Param id="2"><Name>Again</Name><Type>write</Type><Interprete><Type>string</Type></Interprete></Param>
    <Param id="10"><Name>Text</Name><Type>read</Type><Interprete><Type>string</Type></Interprete></Param>
    <Param id="11"><Name>Other</Name><Type>read</Type><Interprete><Type>string</Type></Interprete></Param>
    <Param id="12"><Name>Third</Name><Type>read</Type><Interprete><Type>string</Type></Interprete></Param>
    <Param id="20"><Name>Number</Name><Type>read</Type><Interprete><Type>double</Type><Range><Low>0</Low><High>100</High></Range></Interprete></Param>
    <Param id="21"><Name>Count</Name><Type>read</Type><Interprete><Type>double</Type></Interprete></Param>
    <Param id="1000"><Name>Table</Name><Type>array</Type><ArrayOptions index="0"><ColumnOption idx="0" pid="1001" type="retrieved"/><ColumnOption idx="1" pid="1002" type="retrieved"/><ColumnOption idx="2" pid="1003" type="retrieved"/></ArrayOptions></Param>
    <Param id="1001"><Name>Key</Name><Type>read</Type><Interprete><Type>string</Type></Interprete></Param>
    <Param id="1002"><Name>Label</Name><Type>read</Type><Interprete><Type>string</Type></Interprete></Param>
    <Param id="1003"><Name>Level</Name><Type>read</Type><Interprete><Type>double</Type></Interprete></Param>
</Params>"#;

/// A definition with the parameters of most tests and these further parts.
fn definition(parts: &str) -> String {
    format!(
        "<Protocol xmlns:bs=\"urn:backshell:1\"><Name>test</Name><Version>1.0.0.1</Version>{PARAMS}{parts}</Protocol>"
    )
}

/// A definition with one script that parameter 1 runs.
fn script(body: &str) -> String {
    definition(&qaction(1, "triggers=\"1\"", body))
}

fn qaction(id: u32, attributes: &str, body: &str) -> String {
    format!(
        "<QActions><QAction id=\"{id}\" encoding=\"javascript\" {attributes}><![CDATA[{body}]]></QAction></QActions>"
    )
}

impl Rig {
    fn new(text: &str) -> Self {
        Self::with(text, Limits { time: Duration::from_secs(120), ..Limits::default() }, None)
    }

    fn with(text: &str, limits: Limits, folder: Option<&Path>) -> Self {
        let loaded = load::whole(&Source::new("test.xml", text), folder);
        let Some(protocol) = loaded.protocol else { panic!("{:#?}", loaded.report) };
        let mut engine = Engine::new(protocol.clone(), Options::default());
        engine.set_scripts(Box::new(Host::new(Plan { protocol, element: "unit".into(), limits })));
        let ctx = Context::new(real_now(), Wall(1_700_000_000_000_000_000), 7);
        let mut rig = Self { engine, ctx, log: Vec::new(), failures: Vec::new() };
        rig.engine.start(&mut rig.ctx, First::default());
        rig.drain();
        rig
    }

    fn param(&self, id: i32) -> ParamIx {
        self.engine.protocol().param_by_id(ParamId(id)).unwrap()
    }

    fn set(&mut self, id: i32, value: impl Into<Value>) {
        self.try_set(id, None, value.into()).unwrap();
    }

    fn try_set(&mut self, id: i32, row: Option<&str>, value: Value) -> Result<(), Rejected> {
        let param = self.param(id);
        let done = self.engine.set(&mut self.ctx, param, row, value, Origin::User);
        self.drain();
        done
    }

    /// Presses the button that runs the script.
    fn go(&mut self) {
        self.set(1, "x");
    }

    fn drain(&mut self) {
        let protocol = self.engine.protocol().clone();
        for effect in self.engine.effects() {
            match effect {
                Effect::ScriptLog(line) => {
                    let mark = if line.severity == Severity::Note { "" } else { "! " };
                    if line.suppressed > 0 {
                        self.log.push(format!("{} lines were left out", line.suppressed));
                    }
                    self.log.push(format!("{mark}{}", line.text));
                }
                Effect::ScriptFailed(failed) => {
                    self.log.push(format!("failed: {}", failed.failure));
                    self.failures.push(failed.failure);
                }
                Effect::Report(report) => self.log.push(format!("report: {report}")),
                Effect::Change(change) => {
                    if let Changed::Value(Shown::Value(value)) = &change.what {
                        self.log.push(format!("{}={}", protocol.param(change.param).id, value.to_text()));
                    }
                }
                _ => {}
            }
        }
    }

    /// What came out since the last look.
    fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// The one failure since the last look.
    fn failure(&mut self) -> Failure {
        let failures = std::mem::take(&mut self.failures);
        assert_eq!(failures.len(), 1, "{failures:?} {:?}", self.log);
        failures.into_iter().next().unwrap()
    }

    fn text(&self, id: i32) -> String {
        self.engine.params().get(self.param(id)).to_text().to_string()
    }

    fn rows(&self) -> Vec<String> {
        let table = self.engine.protocol().param(self.param(1000)).table.unwrap();
        let row = |cells: &[Value]| {
            cells.iter().map(|cell| cell.to_text().to_string()).collect::<Vec<_>>().join(",")
        };
        self.engine.params().rows(table).iter().map(|own| row(own.cells())).collect()
    }

    fn counters(&self) -> ScriptCounters {
        self.engine.script_counters().unwrap().clone()
    }
}

/// What a script writes into parameter 10 when parameter 1 runs it.
fn result(body: &str) -> String {
    let mut rig = Rig::new(&script(body));
    rig.go();
    assert_eq!(rig.failures, [], "{body}");
    rig.text(10)
}

/// What an expression gives, as JSON.
fn json(expression: &str) -> String {
    result(&format!("function Run(protocol) {{ protocol.SetParameter(10, JSON.stringify({expression})); }}"))
}

/// Runs it, and gives how long that took.
fn timed(work: impl FnOnce()) -> Duration {
    let began: Instant = real_now();
    work();
    began.elapsed()
}
