//! Messages given to an element: rows of tables, secrets, and bytes that nobody wrote on purpose.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::cli::eval::outcome::Summary;
use crate::cli::eval::print;
use crate::element::clock::Clock;
use crate::engine::logic::link::LinkChange;
use crate::engine::logic::{First, Options, TableEdit};
use crate::engine::param::{Cells, Fill, Origin};
use crate::language::load;
use crate::language::source::Source;
use crate::value::Value;

const DEFINITION: &str = r#"<Protocol xmlns:bs="urn:backshell:1"><Name>T</Name>
<Connections><Connection id="0" name="c"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection></Connections>
<Params>
  <Param id="10"><Name>Value</Name><Type>read</Type><Interprete><RawType>numeric text</RawType><LengthType>next param</LengthType><Type>double</Type></Interprete></Param>
  <Param id="11" bs:secret="true"><Name>Key</Name><Type>read</Type><Interprete><RawType>other</RawType><LengthType>next param</LengthType><Type>string</Type></Interprete></Param>
  <Param id="100"><Name>Inputs</Name><Type>array</Type><ArrayOptions index="0"><ColumnOption idx="0" pid="101" type="retrieved"/><ColumnOption idx="1" pid="102" type="retrieved"/><ColumnOption idx="2" pid="103" type="retrieved"/></ArrayOptions></Param>
  <Param id="101"><Name>Name</Name><Type>read</Type><Interprete><RawType>other</RawType><LengthType>next param</LengthType><Type>string</Type></Interprete></Param>
  <Param id="102"><Name>Gain</Name><Type>read</Type><Interprete><RawType>numeric text</RawType><LengthType>next param</LengthType><Type>double</Type></Interprete></Param>
  <Param id="103" bs:secret="true"><Name>Pin</Name><Type>read</Type><Interprete><RawType>other</RawType><LengthType>next param</LengthType><Type>string</Type></Interprete></Param>
</Params>
<Responses>
  <Response id="1"><bs:Match path="$.v" exists="true"/><bs:Extract path="$.v" pid="10"/><bs:Extract path="$.k" pid="11"/></Response>
</Responses></Protocol>"#;

fn started() -> (Engine, Context) {
    let (protocol, report) = load::whole(&Source::new("t.xml", DEFINITION));
    let protocol = protocol.unwrap_or_else(|| panic!("{:?}", report.diagnostics()));
    let mut ctx = Clock::start().context(0);
    let mut engine = Engine::new(protocol, Options::default());
    engine.start(&mut ctx, First::default());
    engine.link(&mut ctx, ConnectionIx::FIRST, LinkChange::Ready, None);
    (engine, ctx)
}

fn given(trial: &mut Trial, payload: &[u8], kind: MessageKind) -> (Outcome, String) {
    let payload = Bytes::copy_from_slice(payload);
    let outcome = trial.message("m".to_owned(), ConnectionIx::FIRST, kind, payload);
    let mut printed = Vec::new();
    print::outcome(&mut printed, &outcome).unwrap();
    (outcome, String::from_utf8(printed).unwrap())
}

fn row(name: &str, gain: f64, pin: &str) -> Cells {
    [Value::text(name), Value::number(gain), Value::text(pin)].map(Some).to_vec()
}

#[test]
fn rows_that_are_new_other_and_gone_are_told_apart_without_their_secrets() {
    let (mut engine, mut ctx) = started();
    let table = TableIx::FIRST;
    let mut fill = |engine: &mut Engine, rows: Vec<Cells>| {
        let edit = TableEdit::Fill { rows, mode: Fill::Replace };
        engine.edit(&mut ctx, table, edit, Origin::Script).unwrap();
    };
    fill(
        &mut engine,
        vec![row("a", 1.0, "1111"), row("b", 2.0, "2222"), row("c", 3.0, "3333"), row("d", 4.0, "4444")],
    );
    let mut before = Snapshot::of(engine.params());
    fill(
        &mut engine,
        vec![row("a", 1.0, "1111"), row("b", 2.5, "2222"), row("c", 3.0, "9999"), row("e", 5.0, "5555")],
    );
    let (values, tables) = before.renew(engine.params(), &Mask::default(), &BTreeSet::from([table]));
    assert_eq!((values.len(), tables.len()), (0, 1));
    let outcome = Outcome { tables, ..empty() };
    let mut printed = Vec::new();
    print::outcome(&mut printed, &outcome).unwrap();
    assert_eq!(
        String::from_utf8(printed).unwrap(),
        "message 1: m, text, 0 bytes, over connection 0\n  taken by response 1\n  table 100 \"Inputs\": 1 added, 2 changed, 1 gone, now 4 rows\n       \
         NAME  GAIN      PIN\n    +  e     5         ***\n    ~  b     2 -> 2.5  ***\n    ~  c     3         ***\n    -  d\n\n"
    );
    let json = serde_json::to_string(&outcome).unwrap();
    assert!(json.contains(r#""removed":["d"]"#) && !json.contains("9999"), "{json}");
    let mut summary = Summary::default();
    summary.add(&outcome);
    assert_eq!((summary.rows, summary.is_good()), (4, true));
    // The next comparison begins here.
    assert!(before.renew(engine.params(), &Mask::default(), &BTreeSet::from([table])).1.is_empty());
}

fn empty() -> Outcome {
    let (engine, ctx) = started();
    let came = Came { connection: 0, form: "text", size: 0 };
    let mut outcome = Trial::new(engine, ctx, Duration::ZERO).begin("message", "m".to_owned(), Some(came));
    outcome.taken = "whole";
    outcome.response = Some(Named { id: 1, name: "".into() });
    outcome
}

#[test]
fn a_secret_of_the_message_is_masked_wherever_it_comes_back() {
    let (engine, ctx) = started();
    let mut trial = Trial::new(engine, ctx, Duration::ZERO);
    given(&mut trial, br#"{"v":1,"k":"hush-hush"}"#, MessageKind::Text);
    // The reason quotes what stands in the message.
    let (engine, ctx) = started();
    let mut other = Trial::new(engine, ctx, Duration::ZERO);
    for trial in [&mut trial, &mut other] {
        let (outcome, printed) = given(trial, br#"{"v":"hush-hush","k":"hush-hush"}"#, MessageKind::Text);
        assert_eq!(outcome.params[0].what, What::Rejected);
        assert!(!printed.contains("hush-hush"), "{printed}");
        assert!(!serde_json::to_string(&outcome).unwrap().contains("hush-hush"));
    }
}

proptest! {
    #[test]
    fn any_message_has_an_outcome_that_no_terminal_obeys(
        messages in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "[\\{\\}\\[\\]\":,vk0-9e\u{1b}\u{9b}-]{0,40}".prop_map(String::into_bytes),
            "\\{\"v\":(\"[^\"]{0,9}\"|-?[0-9]{1,9}|null|\\[1\\]),\"k\":\"[^\"\\\\]{0,9}\"\\}".prop_map(String::into_bytes),
        ], 1..4),
        binary in any::<bool>(),
    ) {
        let (engine, ctx) = started();
        let mut trial = Trial::new(engine, ctx, Duration::from_secs(1));
        for message in &messages {
            let kind = if binary { MessageKind::Binary } else { MessageKind::Text };
            let (outcome, printed) = given(&mut trial, message, kind);
            let obeyed: Vec<char> = printed.chars().filter(|c| c.is_control() && *c != '\n').collect();
            prop_assert!(obeyed.is_empty(), "{obeyed:?} in {printed}");
            prop_assert_eq!(outcome.taken == "whole", outcome.why.is_empty());
            prop_assert!(serde_json::to_string(&outcome).is_ok());
        }
    }
}
