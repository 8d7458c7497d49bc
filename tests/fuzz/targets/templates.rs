//! Any text as a template: what `check` lets pass is rendered within its bounds, and tells no secret when it fails.
#![no_main]

use std::time::Instant;

use backshell::engine::codec::command::Options;
use backshell::engine::codec::render;
use backshell::engine::param::{Origin, Params};
use backshell::language::load;
use backshell::language::model::id::{ParamId, TableIx};
use backshell::language::model::message::CommandContent;
use backshell::language::source::Source;
use backshell::value::{Context, Wall};
use libfuzzer_sys::fuzz_target;

/// The longest output.
const MAX_BYTES: usize = 4096;

const SECRET: &str = "hunter2-and-more";

fuzz_target!(|text: &str| {
    let Some(definition) = definition(text) else { return };
    let (protocol, _) = load::whole(&Source::new("templates.xml", definition));
    let Some(protocol) = protocol else { return };
    let mut params = Params::new(protocol.clone());
    for (id, value) in [(1, "a \"b\""), (3, SECRET)] {
        let param = protocol.param_by_id(ParamId(id)).expect("it is in the definition");
        let _ = params.set(param, value.into(), Origin::Api);
    }
    let number = protocol.param_by_id(ParamId(2)).expect("it is in the definition");
    let _ = params.set(number, 2.5.into(), Origin::Api);
    let table = TableIx::new(0).expect("small");
    for key in ["k", "l"] {
        let _ = params.add_row(table, vec![Some(key.into()), Some(SECRET.into())], Origin::Engine);
    }
    let CommandContent::Template(template) = &protocol.commands[0].content else { return };
    let mut ctx = Context::new(Instant::now(), Wall(1_700_000_000_000_000_000), 7);
    let options = Options { max_bytes: MAX_BYTES, ..Options::default() };
    match render::render(&mut ctx, &params, template, &options) {
        Ok(output) => assert!(output.len() <= MAX_BYTES, "longer than allowed"),
        Err(error) => assert!(text.contains(SECRET) || !error.to_string().contains(SECRET), "tells a secret"),
    }
});

/// The text as the template of a command; none if it would end its CDATA.
fn definition(text: &str) -> Option<String> {
    let fits = !text.contains("]]>") && !text.trim().is_empty();
    fits.then(|| {
        format!(
            "<Protocol xmlns:bs=\"urn:backshell:1\"><Params><Param id=\"1\"><Name>Text</Name><Type>read</Type></Param>\
             <Param id=\"2\"><Name>Number</Name><Type>read</Type><Interprete><Type>double</Type></Interprete></Param>\
             <Param id=\"3\" bs:secret=\"true\"><Name>Secret</Name><Type>read</Type></Param>\
             <Param id=\"10\"><Name>Items</Name><Type>array</Type><ArrayOptions index=\"0\"><ColumnOption idx=\"0\" pid=\"11\"/><ColumnOption idx=\"1\" pid=\"12\"/></ArrayOptions></Param>\
             <Param id=\"11\"><Name>Key</Name><Type>read</Type></Param><Param id=\"12\" bs:secret=\"true\"><Name>Cell</Name><Type>read</Type></Param></Params>\
             <Commands><Command id=\"1\"><WebSocketMessageType>text</WebSocketMessageType><Content><bs:Template><![CDATA[{text}]]></bs:Template></Content></Command></Commands></Protocol>"
        )
    })
}
