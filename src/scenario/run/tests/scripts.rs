//! Scenarios of definitions with scripts: failures that are expected and that are not, and how deep scripts nest.

use super::*;

#[test]
fn scripts_nest_as_deep_as_in_the_daemon() {
    let definition = r#"<Protocol><Name>Deep</Name>
  <Params><Param id="1"><Name>Depth</Name><Type>read</Type><Interprete><RawType>numeric text</RawType><Type>double</Type></Interprete></Param></Params>
  <QActions><QAction id="1" encoding="javascript" triggers="1"><![CDATA[
    function Run(protocol) {
      const depth = protocol.GetParameter(1);
      if (depth > 0) protocol.SetParameter(1, depth - 1);
    }
  ]]></QAction></QActions>
</Protocol>"#;
    let (protocol, report) = script_load(definition);
    let protocol = protocol.unwrap_or_else(|| panic!("{report}"));
    let text = "[[step]]\nset = { 1 = 150 }\n[[step]]\nparams = { 1 = 0 }\n";
    let file = file::parse(&Source::new("x.scenario.toml", text)).expect("a scenario");
    assert_eq!(run(&file, &protocol, Path::new(".")).failure, None);
}

#[test]
fn a_script_that_fails_fails_the_scenario_unless_that_is_expected() {
    let definition = r#"<Protocol><Name>Scripts</Name>
  <Params>
    <Param id="1"><Name>Input</Name><Type>read</Type><Interprete><RawType>numeric text</RawType><Type>double</Type></Interprete></Param>
    <Param id="2"><Name>Output</Name><Type>read</Type><Interprete><RawType>numeric text</RawType><Type>double</Type></Interprete></Param>
  </Params>
  <QActions><QAction id="1" encoding="javascript" triggers="1"><![CDATA[
    function Run(protocol) {
      const input = protocol.GetParameter(1);
      if (input > 5) throw new Error("too much: " + input);
      protocol.SetParameter(2, input * 2);
    }
  ]]></QAction></QActions>
</Protocol>"#;
    let (protocol, report) = script_load(definition);
    let protocol = protocol.unwrap_or_else(|| panic!("{report}"));
    let played = |text: &str| {
        let file = file::parse(&Source::new("x.scenario.toml", text)).expect("a scenario");
        run(&file, &protocol, Path::new(".")).failure.map(|failure| (failure.line, failure.message))
    };
    let good = "[[step]]\nset = { 1 = 4 }\n[[step]]\nparams = { 2 = 8 }\n";
    assert_eq!(played(good), None);
    let bad = "[[step]]\nset = { 1 = 6 }\n";
    let expected = "[[step]]\nscript_failed = \"{match: .*too much: 6.*}\"\n";
    assert_eq!(played(&format!("{good}{bad}{expected}{good}")), None);
    assert_eq!(played(&format!("{bad}{bad}{expected}{bad}{expected}")), None);
    let (line, message) = played(&format!("{good}{bad}{good}")).expect("the script fails");
    assert_eq!(line, Some(5));
    assert!(message.starts_with("script 1 failed: ") && message.contains("too much: 6"), "{message}");
    assert!(message.contains("no `script_failed` step expects it"), "{message}");
    let (line, _) = played(&format!("{bad}{expected}{bad}")).expect("it fails once more");
    assert_eq!(line, Some(5));
    let (_, message) = played(&format!("{good}{expected}")).expect("it does not fail");
    assert_eq!(message, "after 1m: no script has failed");
    let other = expected.replace("too much: 6", "too little");
    let (_, message) = played(&format!("{bad}{other}")).expect("it fails otherwise");
    assert!(message.starts_with("after 1m: script 1 failed otherwise: the text: expected"), "{message}");
    // Each failure can be found, in order, also if others came soon after it.
    let worse = bad.replace('6', "7");
    let expected_worse = expected.replace('6', "7");
    assert_eq!(played(&format!("{bad}{worse}{bad}{expected}{expected_worse}{expected}")), None);
    assert_eq!(played(&format!("{bad}{worse}{expected_worse}{good}")), None);
    let (line, message) = played(&format!("{bad}{worse}{expected_worse}{expected}")).expect("it was before");
    assert_eq!((line, message.starts_with("after 1m: no script has failed")), (Some(7), true), "{message}");
    let (_, message) = played(&format!("{bad}{worse}{other}")).expect("none is so");
    assert!(
        message.contains("; 2 runs of scripts failed, none of them so, and this is the last"),
        "{message}"
    );
    for told in ["script 1 failed: Error: too much: 6", "script 1 failed: Error: too much: 7"] {
        assert!(message.lines().any(|line| line.starts_with(told)), "{told} is not in {message}");
    }
}

fn script_load(definition: &str) -> (Option<Arc<Protocol>>, String) {
    let source = Source::new("protocol.xml", definition);
    let loaded = crate::script::load::whole(&source, None);
    (loaded.protocol, format!("{:#?}", loaded.report.diagnostics()))
}
