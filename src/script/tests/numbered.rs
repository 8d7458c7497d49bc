//! The numbered calls of the original: what each gives and does, and what becomes of one that does not run here.

use super::*;

/// What a call gives, as JSON, and the rows after it, where the table has the rows `a` and `b` before.
fn check(call: &str, expected: &str, rows: &[&str]) {
    let mut rig = Rig::new(&script(&format!(
        "function Run(protocol) {{
            protocol.FillArray(1000, [['a', 'b'], ['x', 'y'], [1, 2]]);
            protocol.SetParameter(10, JSON.stringify(protocol.NotifyProtocol({call})));
        }}"
    )));
    rig.go();
    assert_eq!(rig.failures, [], "{call}");
    assert_eq!(
        (rig.text(10).as_str(), rig.rows()),
        (expected, rows.iter().map(ToString::to_string).collect()),
        "{call}"
    );
}

#[test]
fn the_calls_about_parameters_and_tables_do_what_the_methods_do() {
    let same = ["a,x,1", "b,y,2"];
    for (call, expected) in [
        ("73, 20, null", "0"),
        ("85, 'Number', null", "0"),
        ("122, [1000, 2, 2], null", "\"y\""),
        ("122, [1000, 'a', 3], null", "1"),
        ("163, 1000, 'b'", "2"),
        ("168, 1000, null", r#"[["a","b"],["a","b"]]"#),
        ("195, 1000, null", "2"),
        ("215, [1000, 'b'], null", r#"["b","y",2]"#),
        ("215, [1000, 'none'], null", "[null,null,null]"),
        ("265, 1000, 'a'", "true"),
        ("265, 1000, 'c'", "false"),
        ("321, 1000, [2, 0]", r#"[[1,2],["a","b"]]"#),
        ("393, 1002, null", "1000"),
        ("397, 1000, null", r#"["a","b"]"#),
    ] {
        check(call, expected, &same);
    }
    for (call, expected, rows) in [
        ("121, [1000, 'b', 2], 'z'", "true", ["a,x,1", "b,z,2"].as_slice()),
        ("121, [1000, 1, 3], 1", "false", &same),
        ("149, 1000, ['c', 'z', 3]", "3", &["a,x,1", "b,y,2", "c,z,3"]),
        ("149, 1000, 'c'", "3", &["a,x,1", "b,y,2", "c,,"]),
        ("156, 1000, 'a'", "1", &["b,y,2"]),
        ("156, 1000, ['a', 'b']", "0", &[]),
        ("193, 1000, [['c'], ['z']]", "true", &["c,z,"]),
        ("193, [1000, true], [['b', 'c'], [protocol.Leave, 'z']]", "true", &["b,y,2", "c,z,"]),
        ("194, 1000, [['c'], ['z']]", "true", &["a,x,1", "b,y,2", "c,z,"]),
        ("220, [1000, 1003], [['a', 'c'], [5, 6]]", "true", &["a,x,5", "b,y,2", "c,,6"]),
        ("220, [1000, 1003, true], [['a', 'b'], [5, protocol.Clear]]", "true", &["a,x,5", "b,y,"]),
        ("220, [1000, 1002, 1003, [true]], [['a'], ['q'], [9]]", "true", &["a,q,9", "b,y,2"]),
        ("225, [1000, 'a'], [null, 'q', 9]", "[0,1,1]", &["a,q,9", "b,y,2"]),
        ("225, [1000, 'a', null, true], [protocol.Leave, protocol.Clear, 9]", "[0,1,1]", &["a,,9", "b,y,2"]),
        ("240, 1000, 'c'", "\"c\"", &["a,x,1", "b,y,2", "c,,"]),
    ] {
        check(call, expected, rows);
    }
}

#[test]
fn several_columns_in_one_call_are_one_change() {
    let seen =
        "function Run(protocol) { console.log('changed to ' + JSON.stringify(protocol.GetRow(1000, 1))); }";
    let fill = "function Run(protocol) { protocol.NotifyProtocol(220, [1000, 1002, 1003], [['a', 'b'], ['x', 'y'], [1, 2]]); }";
    let both = format!("{}{}", qaction(1, "triggers=\"1\"", fill), qaction(2, "triggers=\"1000\"", seen));
    let mut rig = Rig::new(&definition(&both));
    rig.go();
    assert_eq!(rig.log(), [r#"changed to ["b","y",2]"#, "1=x"]);
}

#[test]
fn calls_that_cannot_be_done_are_told_and_give_null() {
    for (call, expected, report) in [
        ("128, 20, 'x'", "null", "NotifyProtocol: 128 is not one of the calls that run here"),
        ("'x'", "null", "NotifyProtocol: a call without a number is not one of the calls that run here"),
        ("321, 1000, [3]", "null", "NotifyProtocol: the table has 3 columns, counted from 0"),
        ("168, 20, null", "null", "NotifyProtocol: parameter 20 is no table"),
        ("397, 20, null", "null", "NotifyProtocol: parameter 20 is no table"),
        ("134, 7, null", "-1", "CheckTrigger: there is no trigger 7"),
        ("321, 20, [0]", "null", "NotifyProtocol: parameter 20 is no table"),
        ("393, 20, null", "null", "NotifyProtocol: parameter 20 is no column"),
        ("220, [1000, 20], [['a'], [1]]", "false", "NotifyProtocol: the table has no such column 20"),
    ] {
        let mut rig = Rig::new(&script(&format!(
            "function Run(protocol) {{ console.log(JSON.stringify(protocol.NotifyProtocol({call}))); }}"
        )));
        rig.go();
        let log = rig.log();
        assert!(log.iter().any(|line| line == expected), "{call}: {log:?}");
        assert!(log.iter().any(|line| line.contains(report)), "{call}: {log:?}");
        assert!(rig.rows().is_empty(), "{call}");
    }
}

#[test]
fn a_call_with_what_is_no_list_names_what_is_missing() {
    for (call, expected) in [
        ("225, 1000, ['a']", "SetRow: the id of a parameter is a whole number"),
        ("220, 1000, [['a'], [1]]", "NotifyProtocol: an array is missing"),
        (
            "220, [1000, 1003], [['a'], [1], [2]]",
            "RangeError: NotifyProtocol: 1 columns and 2 lists of values",
        ),
        ("220, [1000, 1003], [['a'], [1, 2]]", "RangeError: NotifyProtocol: 1 keys and 2 values"),
        ("121, [[1000], ['a'], [2]], [['x']]", "TypeError: NotifyProtocol: 121 sets one cell here"),
        ("321, 1000, null", "NotifyProtocol: an array is missing"),
    ] {
        let mut rig =
            Rig::new(&script(&format!("function Run(protocol) {{ protocol.NotifyProtocol({call}); }}")));
        rig.go();
        let log = rig.log().join("\n");
        assert!(log.contains(expected), "{call}: {log}");
    }
}
