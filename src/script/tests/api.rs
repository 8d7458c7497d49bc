//! What a script sees: the methods of `protocol`, values both ways, tables, entry points.

use super::*;

#[test]
fn values_go_both_ways() {
    for (expression, expected) in [
        ("protocol.GetParameter(20)", "0"),
        ("protocol.GetParameter(11)", "\"\""),
        ("protocol.IsEmpty(20)", "true"),
        ("[protocol.SetParameter(20, 5), protocol.GetParameter(20), protocol.IsEmpty(20)]", "[0,5,false]"),
        ("[protocol.SetParameter(20, '7.5'), protocol.GetParameter(20)]", "[0,7.5]"),
        ("[protocol.SetParameter(20, 1000), protocol.GetParameter(20)]", "[0,1000]"),
        ("[protocol.SetParameter(20, true), protocol.GetParameter(20)]", "[0,1]"),
        ("[protocol.SetParameter(20, 'many'), protocol.GetParameter(20)]", "[-1,0]"),
        ("[protocol.SetParameter(11, 12.50), protocol.GetParameter(11)]", "[0,\"12.5\"]"),
        ("[protocol.SetParameter(11, 2n ** 64n), protocol.GetParameter(11)]", "[0,\"18446744073709551616\"]"),
        ("[protocol.SetParameter(11, ''), protocol.IsEmpty(11)]", "[0,false]"),
        ("[protocol.SetParameter(11, null), protocol.IsEmpty(11)]", "[0,true]"),
        ("[protocol.SetParameter(11, 'a\\0ü😀'), protocol.GetParameter(11)]", "[0,\"a\\u0000ü😀\"]"),
        ("[protocol.SetParameter(11, '\\ud800!'), protocol.GetParameter(11)]", "[0,\"\u{fffd}!\"]"),
        ("[protocol.SetParameter(11, new Uint8Array([97, 98])), protocol.GetParameter(11)]", "[0,\"ab\"]"),
        (
            "[protocol.SetParameter(11, new Uint8Array([0, 255]).buffer), ...protocol.GetParameter(11)]",
            "[0,0,255]",
        ),
        ("protocol.GetParameters([20, 11, '20'])", "[0,\"\",0]"),
        (
            "[protocol.SetParameters([20, 11], [4, 'x']), protocol.GetParameters([20, 11])]",
            "[[0,0],[4,\"x\"]]",
        ),
        ("[protocol.SetParameterByName('number', 3), protocol.GetParameterByName('Number')]", "[0,3]"),
        ("protocol.GetTriggerParameter()", "1"),
        (
            "[protocol.ElementName, protocol.ProtocolName, protocol.ProtocolVersion]",
            "[\"unit\",\"test\",\"1.0.0.1\"]",
        ),
        ("[protocol.QActionID, protocol.IsActive]", "[1,true]"),
        ("[LogType.Error, LogLevel.NoLogging, NotifyProtocol.SaveOption.Partial]", "[1,-1,1]"),
    ] {
        assert_eq!(json(expression), expected, "{expression}");
    }
}

#[test]
fn tables_are_read_and_written() {
    let mut rig = Rig::new(&script(
        "function Run(protocol) {
            const said = [];
            said.push(protocol.AddRow(1000, ['a', 'first', 1]), protocol.AddRow(1000, 'b'), protocol.AddRow(1000, 'a'));
            said.push(protocol.AddRowReturnKey(1000, ['c', null, 3]));
            said.push(protocol.SetRow(1000, 'b', [null, 'second', 2]), protocol.SetRow(1000, 0, ['a', protocol.Clear, 1]));
            said.push(protocol.GetRow(1000, 'b'), protocol.GetRow(1000, 0), protocol.GetRow(1000, 'none'));
            said.push(protocol.GetKeys(1000), protocol.GetKeyPosition(1000, 'c'), protocol.RowCount(1000));
            said.push(protocol.Exists(1000, 'c'), protocol.Exists(1000, 'd'));
            said.push(protocol.GetParameterIndexByKey(1000, 'b', 2), protocol.GetParameterIndex(1000, 3, 2));
            said.push(protocol.SetParameterIndexByKey(1000, 'b', 3, 7), protocol.SetParameterIndex(1000, 3, 3, 3));
            said.push(protocol.DeleteRow(1000, 'a'), protocol.GetParameter(1003));
            protocol.SetParameter(10, JSON.stringify(said));
        }",
    ));
    rig.go();
    let expected = r#"[1,2,0,"c",[0,1,1],[0,1,0],["b","second",2],["a",null,1],null,["a","b","c"],3,3,true,false,"second",null,true,false,2,[7,3]]"#;
    assert_eq!(rig.text(10), expected);
    assert_eq!(rig.rows(), ["b,second,7", "c,,3"]);
}

#[test]
fn the_cells_that_a_set_of_a_row_changes_are_told_by_what_the_row_has() {
    for (call, expected) in [
        // A number that is written as a text is that number, and null leaves the cell.
        ("SetRow(1000, 'a', ['a', 'x', '1.0'])", "[0,0,0]"),
        ("SetRow(1000, 'a', [null, 'y', '1.50'])", "[0,1,1]"),
        ("SetRow(1000, 'a', ['a', protocol.Clear])", "[0,1]"),
        ("SetRow(1000, 'a', ['a', protocol.Leave, 2])", "[0,0,1]"),
        ("SetRow(1000, 'a', [null, 'y', 'no number'])", "[0,0,0]"),
        ("SetRow(1000, 'none', ['none', 'y', 1])", "[0,0,0]"),
        ("SetRow(1000, 7, ['a'])", "[]"),
        ("AddRowReturnKey(1000, [7.0, 'y', 1])", "\"7\""),
        ("AddRow(1000, [true, 'y', 1])", "2"),
        ("AddRowReturnKey(1000, ['a', 'y', 1])", "null"),
        ("AddRowReturnKey(1000, [null, 'y', 1])", "null"),
    ] {
        let call = format!("(protocol.AddRow(1000, ['a', 'x', 1]), protocol.{call})");
        assert_eq!(json(&call), expected, "{call}");
    }
    // What the set causes does not count: another script puts the cell back.
    let back = "function Run(protocol) { if (protocol.NewRow()[1] === 'y') protocol.SetParameterIndexByKey(1000, 'a', 2, 'x'); }";
    let set = "function Run(protocol) { protocol.AddRow(1000, ['a', 'x', 1]); protocol.SetParameter(10, JSON.stringify([protocol.SetRow(1000, 'a', ['a', 'y', 1]), protocol.GetRow(1000, 'a')])); }";
    let both = format!(
        "{}{}",
        qaction(1, "triggers=\"1\"", set),
        qaction(2, "triggers=\"1000\" row=\"true\"", back)
    );
    let mut rig = Rig::new(&definition(&both));
    rig.go();
    assert_eq!(rig.text(10), r#"[[0,1,0],["a","x",1]]"#);
}

#[test]
fn a_column_is_its_cells_and_empty_if_none_of_them_has_a_value() {
    let body = "function Run(protocol, column, key) {
        const empty = [protocol.IsEmpty(1000), protocol.IsEmpty(1001), protocol.IsEmpty(1002), protocol.IsEmpty(1003)];
        protocol.SetParameter(10, JSON.stringify([column, key, protocol.GetInputParameter(0), empty]));
        protocol.FillArray(1000, [['a', 'b'], [null, 'x']]);
    }";
    let mut rig = Rig::new(&definition(&qaction(5, "triggers=\"1\" inputParameters=\"1002;1001\"", body)));
    rig.go();
    assert_eq!(rig.text(10), "[[],[],[],[true,true,true,true]]");
    rig.go();
    assert_eq!(rig.text(10), r#"[[null,"x"],["a","b"],[null,"x"],[false,false,false,true]]"#);
}

#[test]
fn several_rows_are_gone_before_the_first_of_them_causes_anything() {
    let body = "function Run(protocol) {
        protocol.FillArray(1000, [['a', 'b', 'c', 'd']]);
        protocol.SetParameter(10, `${protocol.DeleteRow(1000, ['c', 'none', 'a', 'a'])}`);
    }";
    let seen = "function Run(protocol) { if (protocol.RowKey()) console.log(protocol.RowKey() + ' of ' + protocol.GetKeys(1000)); }";
    let both = format!(
        "{}{}",
        qaction(5, "triggers=\"1\"", body),
        qaction(6, "triggers=\"1000\" row=\"true\"", seen)
    );
    let mut rig = Rig::new(&definition(&both));
    rig.go();
    assert_eq!(rig.text(10), "2");
    let told = "report: script 5: DeleteRow: a change of table 1000 was not taken: there is no row `none`";
    assert_eq!(rig.log(), ["c of b,d", "a of b,d", told, "10=2", "1=x"]);
}

#[test]
fn a_table_is_filled_by_columns_or_by_rows() {
    for (call, expected) in [
        ("FillArray(1000, [['k', 'l'], ['one', 'two'], [1, 2]])", vec!["k,one,1", "l,two,2"]),
        ("FillArray(1000, [['old', 'l'], [undefined, 'two'], [null]])", vec!["old,before,", "l,two,"]),
        ("FillArrayNoDelete(1000, [['l'], ['two']])", vec!["old,before,9", "l,two,"]),
        ("FillArray(1000, [['k', 'one'], ['l']], NotifyProtocol.SaveOption.Full)", vec!["k,one,", "l,,"]),
        (
            "FillArray(1000, [['k', 'one']], NotifyProtocol.SaveOption.Partial)",
            vec!["old,before,9", "k,one,"],
        ),
        ("FillArrayWithColumn(1000, 1003, ['old', 'new'], [1, 2])", vec!["old,before,1", "new,,2"]),
        ("ClearAllKeys(1000)", vec![]),
    ] {
        let body = format!(
            "function Run(protocol) {{ protocol.AddRow(1000, ['old', 'before', 9]); protocol.{call}; }}"
        );
        let mut rig = Rig::new(&script(&body));
        rig.go();
        assert_eq!(rig.failures, []);
        assert_eq!(rig.rows(), expected, "{call}");
    }
}

#[test]
fn what_a_fill_or_a_deletion_does_not_take_is_reported() {
    let not_taken = |what: &str| format!("for table 1000 were not taken; the first: {what}");
    for (call, taken, expected) in [
        (
            "FillArray(1000, [['k'], ['one'], ['many']])",
            "false",
            not_taken("row 1, parameter 1003: not a number"),
        ),
        (
            "FillArray(1000, [['k', null, ''], ['a', 'b', 'c']])",
            "false",
            not_taken("row 2: the row has no primary key"),
        ),
        ("FillArray(1000, [['k', 'a', 1, 2]], 0)", "false", not_taken("row 1: there is no column 3")),
        (
            "FillArray(1000, [['k'], ['a'], [1], [2]])",
            "true",
            "FillArray: 4 columns are given, and 3 of the table are filled from outside".to_owned(),
        ),
        (
            "FillArrayNoDelete(1000, [[null], ['two']])",
            "false",
            not_taken("row 1: the row has no primary key"),
        ),
        (
            "FillArrayWithColumn(1000, 1003, ['k', 'l'], ['x', 2])",
            "false",
            not_taken("row 1, parameter 1003: not a number"),
        ),
        (
            "FillArrayWithColumn(1000, 1003, [null], [2])",
            "false",
            "1 of the keys are neither a text nor a number".to_owned(),
        ),
        ("DeleteRow(1000, 7)", "0", "DeleteRow: there is no such row".to_owned()),
        ("DeleteRow(1000, null)", "0", "DeleteRow: there is no such row".to_owned()),
        (
            "DeleteRow(1000, 'none')",
            "0",
            "DeleteRow: a change of table 1000 was not taken: there is no row `none`".to_owned(),
        ),
        (
            "DeleteRow(1000, [null, {}])",
            "0",
            "DeleteRow: 2 of the keys are neither a text nor a number".to_owned(),
        ),
    ] {
        let mut rig = Rig::new(&script(&format!(
            "function Run(protocol) {{ protocol.SetParameter(10, `${{protocol.{call}}}`); }}"
        )));
        rig.go();
        assert_eq!((rig.text(10).as_str(), &rig.failures[..]), (taken, &[][..]), "{call}");
        let reports: Vec<String> = rig.log().into_iter().filter(|line| line.starts_with("report")).collect();
        assert!(reports.len() == 1 && reports[0].ends_with(&expected), "{call}: {reports:?}");
    }
    // What is whole is said to be.
    assert_eq!(
        json(
            "[protocol.FillArray(1000, [['k'], ['a'], [1]]), protocol.FillArray(1000, [['k'], ['a'], [1]])]"
        ),
        "[true,true]"
    );
}

#[test]
fn a_time_or_a_flag_behind_columns_is_no_option_and_an_option_is_one_of_two() {
    for (call, expected) in [
        ("FillArray(1000, [['k'], ['a']], new Date())", "k,a,"),
        ("FillArray(1000, [['k'], ['a']], null, true)", "k,a,"),
        ("FillArray(1000, [['k'], ['a']], true)", "k,a,"),
        ("FillArrayNoDelete(1000, [['k'], ['a']], true)", "k,a,"),
        (
            "FillArray(1000, [['k', 'a']], 7)",
            "FillArray: the option is `SaveOption.Full` or `SaveOption.Partial`",
        ),
        ("FillArrayNoDelete(1000, [['k', 'a']], 1)", "FillArrayNoDelete takes columns and no option"),
    ] {
        let mut rig = Rig::new(&script(&format!("function Run(protocol) {{ protocol.{call}; }}")));
        rig.go();
        match rig.failures.first() {
            Some(failure) => assert!(failure.text.contains(expected), "{call}: {failure:?}"),
            None => assert_eq!(rig.rows(), [expected], "{call}"),
        }
    }
}

#[test]
fn what_is_not_there_is_reported_once_and_the_script_goes_on() {
    let body = "function Run(protocol) {
        const id = 99;
        const said = [protocol.SetParameter(id, 1), protocol.GetParameter(id), protocol.CheckTrigger(id), protocol.RowCount(10 + 10)];
        protocol.SetParameter(10, JSON.stringify(said));
    }";
    let mut rig = Rig::new(&script(body));
    rig.go();
    assert_eq!(rig.text(10), "[-1,null,-1,0]");
    let reports: Vec<String> = rig.log().into_iter().filter(|line| line.starts_with("report")).collect();
    assert_eq!(reports, ["report: script 1: SetParameter: there is no parameter 99"]);
}

#[test]
fn every_way_of_the_original_to_name_an_entry_point_works() {
    let set = "protocol.SetParameter(10, protocol.GetTriggerParameter())";
    for (attributes, body) in [
        ("", format!("function Run(protocol) {{ {set} }}")),
        ("", format!("export function Run(protocol) {{ {set} }}")),
        ("", format!("export default function (protocol) {{ {set} }}")),
        ("", format!("export default (protocol) => {{ {set} }};")),
        ("", format!("const Run = (protocol) => {{ {set} }};")),
        ("", format!("class QAction {{ static Run(protocol) {{ {set} }} }}")),
        ("", format!("class QAction {{ Run(protocol) {{ {set} }} }}")),
        ("", format!("export default class {{ static Run(protocol) {{ {set} }} }}")),
        ("", format!("async function Run(protocol) {{ await null; {set} }}")),
        ("entryPoint=\"Two\"", format!("function Two(protocol) {{ {set} }}")),
        ("entryPoint=\"IfTable.Two\"", format!("class IfTable {{ static Two(protocol) {{ {set} }} }}")),
        (
            "entryPoint=\" One ; Two \"",
            format!("class QAction {{ static Two() {{}} static One(protocol) {{ {set} }} }}"),
        ),
        (
            "entryPoint=\"One;Two\"",
            format!("export function One(protocol) {{ {set} }} export function Two() {{}}"),
        ),
    ] {
        let mut rig = Rig::new(&definition(&qaction(5, &format!("triggers=\"1;2\" {attributes}"), &body)));
        rig.go();
        assert_eq!((rig.text(10), rig.failures), ("1".to_owned(), vec![]), "{attributes} {body}");
    }
}

#[test]
fn an_instance_and_a_module_keep_their_state_for_one_element() {
    let body = "let runs = 0; class QAction { #own = 0; Run(protocol) { protocol.SetParameter(10, `${++runs} ${++this.#own}`); } }";
    let text = script(body);
    let (mut one, mut other) = (Rig::new(&text), Rig::new(&text));
    one.go();
    one.go();
    other.go();
    assert_eq!((one.text(10), other.text(10)), ("2 2".to_owned(), "1 1".to_owned()));
}

#[test]
fn a_class_has_one_instance_whatever_the_number_of_triggers() {
    let body = "let made = 0; class QAction { runs = 0; constructor() { made++; } One(p) { p.SetParameter(10, `${made} ${++this.runs}`); } Two(p) { this.One(p); } }
        class Other { runs = 0; Three(p) { p.SetParameter(11, ++this.runs); } }";
    let attributes = "triggers=\"1;2;11;20\" entryPoint=\"One;Two;One;Other.Three\"";
    let mut rig = Rig::new(&definition(&qaction(5, attributes, body)));
    rig.go();
    rig.set(2, "x");
    assert_eq!(rig.text(10), "1 2");
    rig.set(20, 1.0);
    assert_eq!((rig.text(11), rig.text(10), rig.failures), ("1".to_owned(), "1 3".to_owned(), vec![]));
}

#[test]
fn entry_points_belong_to_triggers_by_their_order() {
    let body = "export const First = (p) => p.SetParameter(10, 'first'), Second = (p) => p.SetParameter(10, 'second');";
    let mut rig = Rig::new(&definition(&qaction(5, "triggers=\"1;2\" entryPoint=\"First;Second\"", body)));
    rig.set(2, "x");
    assert_eq!(rig.text(10), "second");
    rig.set(1, "x");
    assert_eq!(rig.text(10), "first");
}

#[test]
fn input_parameters_are_those_of_the_start_and_come_as_bytes_if_asked_for() {
    let body = "function Run(protocol, text, number) {
        protocol.SetParameter(11, 'later');
        protocol.SetParameter(10, JSON.stringify([text, number, protocol.GetInputParameter(0), protocol.GetInputParameter(7), protocol.GetParameter(11)]));
    }";
    let mut rig = Rig::new(&definition(&qaction(5, "triggers=\"1\" inputParameters=\"11;20\"", body)));
    rig.set(11, "at first");
    rig.go();
    assert_eq!(rig.text(10), r#"["at first",0,"at first",null,"later"]"#);

    let body = "function Run(protocol, text) { protocol.SetParameter(10, `${text instanceof Uint8Array} ${text}`); }";
    let mut rig =
        Rig::new(&definition(&qaction(5, "triggers=\"1\" inputParameters=\"11\" options=\"binary\"", body)));
    rig.set(11, "ab");
    rig.go();
    assert_eq!(rig.text(10), "true 97,98");
}

#[test]
fn a_table_as_input_is_its_rows() {
    let body = "function Run(protocol, table) { protocol.SetParameter(10, JSON.stringify(table)); protocol.AddRow(1000, ['a', 'x', 1]); }";
    let mut rig = Rig::new(&definition(&qaction(5, "triggers=\"1\" inputParameters=\"1000\"", body)));
    rig.go();
    assert_eq!(rig.text(10), "[]");
    rig.go();
    assert_eq!(rig.text(10), r#"[["a","x",1]]"#);
}

#[test]
fn a_jscript_runs_its_statements_each_time_with_its_own_object() {
    let jscript = |attributes: &str, body: &str| {
        definition(&format!(
            "<QActions><QAction id=\"5\" encoding=\"jscript\" triggers=\"1\" {attributes}><![CDATA[{body}]]></QAction></QActions>"
        ))
    };
    let mut rig = Rig::new(&jscript(
        "",
        "undeclared = SLScript.GetParameter(20) + 1;\nSLScript.SetParameter(20, undeclared);",
    ));
    rig.go();
    rig.go();
    assert_eq!((rig.text(20), rig.failures.len()), ("2".to_owned(), 0));

    let mut rig =
        Rig::new(&jscript("entryPoint=\"Run\"", "function Run(SLScript) { SLScript.SetParameter(20, 9); }"));
    rig.go();
    assert_eq!(rig.text(20), "9");

    let mut rig = Rig::new(&jscript("", "var a = 1; none();"));
    rig.go();
    let column = "var a = 1; ".len() + definition("").find("</Protocol>").unwrap();
    let failure = rig.failure();
    assert_eq!(failure.text, "ReferenceError: none is not defined");
    let head = "<QActions><QAction id=\"5\" encoding=\"jscript\" triggers=\"1\" ><![CDATA[".len();
    assert!(failure.place.starts_with("test.xml:"), "{failure:?}");
    let last_line = definition("").rfind('\n').unwrap();
    assert_eq!(
        failure.place.rsplit(':').next().unwrap(),
        (column - last_line + head).to_string(),
        "{failure:?}"
    );
}

#[test]
fn lines_reach_the_log_and_too_many_of_them_are_counted() {
    let body = "function Run(protocol) {
        console.log('a', 1, { b: [2] }, undefined, null);
        console.error(new TypeError('bad'));
        protocol.Log('plain', LogType.Error, LogLevel.NoLogging);
        protocol.Log('serious', LogType.Error);
        protocol.Log(8, -1, 'the old way');
    }";
    let mut rig = Rig::new(&script(body));
    rig.go();
    let lines: Vec<String> = rig.log().into_iter().filter(|line| !line.contains('=')).collect();
    assert_eq!(
        lines,
        ["a 1 {\"b\":[2]} undefined null", "! TypeError: bad", "plain", "! serious", "the old way"]
    );

    let mut rig = Rig::new(&script("function Run() { for (let n = 0; n < 1000; n++) console.log(n); }"));
    rig.go();
    assert_eq!(rig.log().iter().filter(|line| line.parse::<u32>().is_ok()).count(), 100);
    rig.ctx.advance(Duration::from_secs(2));
    rig.go();
    let log = rig.log();
    assert_eq!(log.iter().filter(|line| line.parse::<u32>().is_ok()).count(), 100);
    assert_eq!(log[..2], ["900 lines were left out", "0"]);
}

#[test]
fn a_button_of_the_original_documentation_counts() {
    // The first QAction of the developer guide, line by line: Convert.ToInt32(protocol.GetParameter(10)); count++; ...
    let body = r#"
        class QAction
        {
            static Run(protocol)
            {
                let count = Number(protocol.GetParameter(21));
                count++;
                protocol.SetParameter(21, count);

                protocol.Log("Number of times button was pressed on this element: " + count, LogType.Error, LogLevel.NoLogging);
            }
        }
    "#;
    let mut rig = Rig::new(&script(body));
    rig.go();
    rig.go();
    let expected: Vec<String> = [
        "21=1",
        "Number of times button was pressed on this element: 1",
        "1=x",
        "21=2",
        "Number of times button was pressed on this element: 2",
        "1=x",
    ]
    .map(str::to_owned)
    .to_vec();
    assert_eq!(rig.log(), expected);
}

#[test]
fn nothing_but_the_language_and_the_element_is_there() {
    // No `performance` among them: milliseconds are all that there is of the time.
    const NAMES: &str = "AggregateError Array ArrayBuffer AsyncDisposableStack Atomics BigInt BigInt64Array BigUint64Array \
        Boolean DataView Date DisposableStack Error EvalError FinalizationRegistry Float16Array Float32Array Float64Array \
        Function Infinity Int16Array Int32Array Int8Array InternalError Iterator JSON LogLevel LogType Map Math NaN \
        NotifyProtocol Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set SharedArrayBuffer String \
        SuppressedError Symbol SyntaxError TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap \
        WeakRef WeakSet console decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval globalThis isFinite \
        isNaN parseFloat parseInt queueMicrotask undefined unescape";
    let all = "Object.getOwnPropertyNames(globalThis).sort().join(' ')";
    assert_eq!(json(all), format!("\"{NAMES}\""));
}
