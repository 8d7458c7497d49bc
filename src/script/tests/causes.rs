//! What a script causes: everything is finished before the call returns; rows, queued scripts, conditions, links, loops.

use super::*;

const TRIGGER: &str = r#"<Triggers><Trigger id="1"><On id="11">parameter</On><Time>change</Time><Type>action</Type><Content><Id>1</Id></Content></Trigger></Triggers>
    <Actions><Action id="1"><On id="21">parameter</On><Type value="1">increment</Type></Action></Actions>"#;

#[test]
fn a_set_is_over_with_all_that_it_causes_when_it_returns() {
    let body = "function Run(protocol) {
        protocol.SetParameter(11, 'a');
        const after = protocol.GetParameter(21);
        protocol.CheckTrigger(1);
        protocol.SetParameter(10, `${after} ${protocol.GetParameter(21)}`);
    }";
    let mut rig = Rig::new(&definition(&format!("{TRIGGER}{}", qaction(5, "triggers=\"1\"", body))));
    rig.go();
    assert_eq!(rig.text(10), "1 2");
    assert_eq!(rig.log(), ["21=1", "11=a", "21=2", "10=1 2", "1=x"]);
}

#[test]
fn a_script_that_a_script_causes_runs_inside_it() {
    let outer = "function Run(protocol) { console.log('outer'); protocol.SetParameter(11, 'a'); console.log('outer again ' + protocol.GetTriggerParameter()); }";
    let inner = "function Run(protocol) { console.log('inner ' + protocol.GetTriggerParameter()); protocol.SetParameter(12, protocol.GetParameter(11)); }";
    let both = format!("{}{}", qaction(5, "triggers=\"1\"", outer), qaction(6, "triggers=\"11\"", inner));
    let mut rig = Rig::new(&definition(&both));
    rig.go();
    assert_eq!(rig.log(), ["outer", "inner 11", "12=a", "11=a", "outer again 1", "1=x"]);
    assert_eq!(rig.counters(), ScriptCounters { runs: 2, failures: 0 });
}

#[test]
fn a_loop_of_scripts_is_cut_with_its_path_and_the_element_goes_on() {
    let ping = "function Run(protocol) { protocol.SetParameter(12, protocol.GetParameter(11) + 'a'); }";
    let pong = "function Run(protocol) { protocol.SetParameter(11, protocol.GetParameter(12) + 'b'); }";
    let both = format!("{}{}", qaction(5, "triggers=\"11\"", ping), qaction(6, "triggers=\"12\"", pong));
    // A thread on which 200 of them nest, and one on which they do not.
    for (thread, expected) in [
        (32 << 20, "events nest deeper than 200 and were cut"),
        (2 << 20, "scripts nest deeper than the stack allows and were cut"),
    ] {
        let limits = Limits { time: Duration::from_secs(20), thread, ..Limits::default() };
        let text = definition(&both);
        let run = move || {
            let mut rig = Rig::with(&text, limits, None);
            rig.set(11, "");
            let cuts: Vec<String> = rig.log().into_iter().filter(|line| line.contains("were cut")).collect();
            assert_eq!(cuts.len(), 1, "{cuts:?} {:?}", rig.failures);
            assert!(cuts[0].contains(expected), "{cuts:?}");
            assert!(cuts[0].contains("script 5") && cuts[0].contains("script 6"), "{cuts:?}");
            assert_eq!(rig.failures, []);
            rig.set(10, "still here");
        };
        std::thread::Builder::new().stack_size(thread).spawn(run).unwrap().join().unwrap();
    }
}

#[test]
fn a_set_of_a_script_always_is_an_event_and_may_exceed_the_range() {
    let body = "function Run(protocol) { protocol.SetParameter(20, 500); }";
    let watch = "function Run(protocol) { protocol.SetParameter(21, protocol.GetParameter(21) + 1); }";
    let both = format!("{}{}", qaction(5, "triggers=\"1\"", body), qaction(6, "triggers=\"20\"", watch));
    let mut rig = Rig::new(&definition(&both));
    rig.go();
    rig.go();
    assert_eq!((rig.text(20), rig.text(21)), ("500".to_owned(), "2".to_owned()));
}

#[test]
fn the_scripts_of_a_parameter_run_in_the_order_of_the_file_and_their_conditions_hold() {
    let say = |text: &str| format!("function Run() {{ console.log('{text}'); }}");
    let scripts = format!(
        "<QActions><QAction id=\"9\" encoding=\"javascript\" triggers=\"1\"><![CDATA[{}]]></QAction>\
         <QAction id=\"3\" encoding=\"javascript\" triggers=\"1\"><Condition>id:20 &gt; 5</Condition><![CDATA[{}]]></QAction>\
         <QAction id=\"4\" encoding=\"javascript\" triggers=\"1\"><![CDATA[{}]]></QAction></QActions>",
        say("nine"),
        say("three"),
        say("four")
    );
    let mut rig = Rig::new(&definition(&scripts));
    rig.go();
    assert_eq!(rig.log(), ["nine", "four", "1=x"]);
    rig.set(20, 6.0);
    rig.log();
    rig.go();
    assert_eq!(rig.log(), ["nine", "three", "four", "1=x"]);
}

#[test]
fn a_queued_script_runs_when_all_else_is_done() {
    let first = "function Run(protocol) { protocol.SetParameter(11, 'a'); console.log('first'); }";
    let queued = "function Run(protocol) { console.log('queued'); }";
    let both = format!(
        "{}{}",
        qaction(5, "triggers=\"1\"", first),
        qaction(6, "triggers=\"11\" options=\"queued\"", queued)
    );
    let mut rig = Rig::new(&definition(&both));
    rig.go();
    assert_eq!(rig.log(), ["11=a", "first", "1=x", "queued"]);
}

#[test]
fn a_script_of_rows_runs_for_the_row_that_was_set() {
    let seen = "function Run(protocol) {
        console.log(JSON.stringify([protocol.GetTriggerParameter(), protocol.RowKey(), protocol.RowIndex(), protocol.OldRow(), protocol.NewRow()]));
    }";
    let fill = "function Run(protocol) { protocol.FillArray(1000, [['a', 'b'], ['x', 'y'], [1, 2]]); protocol.SetRow(1000, 'b', [null, 'z', 2]); protocol.SetParameterIndexByKey(1000, 'a', 3, 5); }";
    let delete = "function Run(protocol) { protocol.DeleteRow(1000, 'a'); }";
    let all = format!(
        "{}{}{}",
        qaction(5, "triggers=\"1002;1000\" row=\"true\"", seen),
        qaction(6, "triggers=\"1\"", fill),
        qaction(7, "triggers=\"2\"", delete)
    );
    let mut rig = Rig::new(&definition(&all));
    rig.go();
    let lines: Vec<String> = rig.log().into_iter().filter(|line| line.starts_with('[')).collect();
    let expected = [
        "[1000,null,0,null,null]",
        r#"[1000,"b",2,["b","y",2],["b","z",2]]"#,
        r#"[1002,"b",2,["b","y",2],["b","z",2]]"#,
        r#"[1000,"a",1,["a","x",1],["a","x",5]]"#,
    ];
    assert_eq!(lines, expected);
    rig.set(2, "x");
    let lines: Vec<String> = rig.log().into_iter().filter(|line| line.starts_with('[')).collect();
    assert_eq!(lines, [r#"[1000,"a",0,["a","x",5],null]"#]);
    rig.try_set(1002, Some("b"), Value::from("by hand")).unwrap();
    let lines: Vec<String> = rig.log().into_iter().filter(|line| line.starts_with('[')).collect();
    let cell = r#""b",1,["b","z",2],["b","by hand",2]]"#;
    assert_eq!(lines, [format!("[1002,{cell}"), format!("[1000,{cell}")]);
}

#[test]
fn run_actions_runs_the_scripts_of_a_parameter_and_nothing_else() {
    let say = "function Run(protocol) { console.log('ran ' + protocol.GetTriggerParameter()); }";
    let parts = format!(
        "{TRIGGER}<Triggers><Trigger id=\"2\"><On id=\"1\">parameter</On><Time>change</Time><Type>action</Type><Content><Id>2</Id></Content></Trigger></Triggers>\
         <Actions><Action id=\"2\"><On id=\"11\">parameter</On><Type>run actions</Type></Action></Actions>{}",
        qaction(5, "triggers=\"11\"", say)
    );
    let mut rig = Rig::new(&definition(&parts));
    rig.go();
    assert_eq!(rig.log(), ["ran 11", "1=x"]);
    assert_eq!(rig.text(21), "");
}

#[test]
fn a_script_of_a_group_runs_when_the_group_has_ended() {
    let say = "function Run(protocol) { console.log('after group ' + protocol.GetTriggerParameter()); }";
    let parts = format!(
        "<Triggers><Trigger id=\"2\"><On id=\"1\">parameter</On><Time>change</Time><Type>action</Type><Content><Id>2</Id></Content></Trigger></Triggers>\
         <Groups><Group id=\"7\"><Type>poll action</Type><Content><Action>1</Action></Content></Group></Groups>\
         <Actions><Action id=\"1\"><On id=\"21\">parameter</On><Type value=\"1\">increment</Type></Action>\
         <Action id=\"2\"><On id=\"7\">group</On><Type>execute</Type></Action></Actions>{}",
        qaction(5, "triggers=\"7\" options=\"group\"", say)
    );
    let mut rig = Rig::new(&definition(&parts));
    rig.go();
    assert_eq!(rig.log(), ["1=x", "21=1", "after group 7"]);
}

#[test]
fn several_sets_are_there_before_the_first_of_them_causes_anything() {
    let body = "function Run(protocol) { protocol.SetParameters([11, 12], ['a', 'b']); }";
    let seen = "function Run(protocol) { console.log(protocol.GetParameters([11, 12]).join()); }";
    let both = format!("{}{}", qaction(5, "triggers=\"1\"", body), qaction(6, "triggers=\"11;12\"", seen));
    let mut rig = Rig::new(&definition(&both));
    rig.go();
    assert_eq!(rig.log(), ["a,b", "11=a", "a,b", "12=b", "1=x"]);
}
