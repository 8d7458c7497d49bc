//! What stops a script: time, memory, stack, errors; each is reported with its place, and the element goes on.

use super::*;

/// A script that fails says so, what it had set stands, and the next run works.
fn check(body: &str, expected: &str) -> Failure {
    // Only what hangs comes near it: a busy machine is slow.
    check_within(Duration::from_secs(120), body, expected)
}

fn check_within(time: Duration, body: &str, expected: &str) -> Failure {
    let text = format!(
        "function Run(protocol) {{\n  if (protocol.GetParameter(11) === 'good') {{ protocol.SetParameter(12, 'worked'); return; }}\n  protocol.SetParameter(12, 'before');\n  {body}\n}}"
    );
    let mut rig = Rig::with(&script(&text), Limits { time, ..Limits::default() }, None);
    let took = timed(|| rig.go());
    assert!(took < time + Duration::from_secs(10), "{body} took {took:?}");
    let failure = rig.failure();
    assert!(failure.text.contains(expected), "{body}: {failure:?}");
    assert_eq!(rig.text(12), "before", "{body}");
    rig.set(11, "good");
    rig.go();
    assert_eq!(rig.text(12), "worked", "{body}");
    assert_eq!(rig.counters(), ScriptCounters { runs: 2, failures: 1 }, "{body}");
    failure
}

#[test]
fn what_runs_too_long_is_stopped() {
    const TIME: Duration = Duration::from_millis(100);
    const STOPPED: &str = "stopped: it ran for longer than 100 ms";
    for body in [
        "for (;;) {}",
        "while (true) { try { throw 1; } catch { } }",
        "try { for (;;) {} } finally { for (;;) {} }",
        "/^(a+)+$/.test('a'.repeat(40) + '!');",
        "const spin = () => Promise.resolve().then(spin); return spin();",
        "[3, 1, 2].sort(() => { for (;;) {} });",
        "new Array(2 ** 32 - 1).indexOf(1);",
        "Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);",
        "new Array(2 ** 32 - 1).forEach(() => {});",
        "JSON.stringify({ toJSON() { for (;;) {} } });",
        "new Proxy({}, { get() { for (;;) {} } }).x;",
        "for (;;) protocol.GetParameter(11);",
    ] {
        let expected = if body.contains("Promise") { "its promises make further ones" } else { STOPPED };
        check_within(TIME, body, expected);
    }
    let failure = check_within(TIME, "for (;;) { Math.abs(1); }", STOPPED);
    // QuickJS knows places of calls and operators only: in a loop without any it is that of the last one before.
    assert!(failure.place.starts_with("test.xml:1"), "{failure:?}");
    assert!(failure.stack.starts_with("at Run (test.xml:"), "{failure:?}");
}

#[test]
fn what_cannot_be_interrupted_is_refused() {
    for body in [
        "new Array(2 ** 32 - 1).reverse();",
        "new Array(2 ** 32 - 1).sort();",
        "[1].concat(new Array(2 ** 32 - 1));",
        "[].splice.call({ length: 2 ** 53 - 1 }, 0, 1);",
        "String(new Array(2 ** 32 - 1));",
        "new Array(2 ** 32 - 1).copyWithin(0, 1);",
        "[].unshift.call({ length: 2 ** 53 - 3 }, 0, 1);",
        "new Array(2 ** 32 - 1).flat();",
        "'x'.repeat(1e6).indexOf('x'.repeat(5e5) + 'y');",
        "'x'.repeat(1e6).indexOf('x'.repeat(200) + 'y');",
        "'x'.repeat(1e6).indexOf(['x'.repeat(5e5) + 'y']);",
        "'x'.repeat(1e6).replace('x'.repeat(5e5) + 'y', '');",
        "new String('x'.repeat(1e6)).includes('x'.repeat(5e5) + 'y');",
        "'x'.repeat(1e6).split({ toString: () => 'x'.repeat(5e5) + 'y' });",
    ] {
        check(body, "RangeError: ");
    }
    check(
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0);",
        "TypeError: cannot block in this thread",
    );
    let all = "[[3, 1, 2].sort().join('-'), [1].concat([2], 3), 'a,b'.split(','), 'abc'.includes('b'), [].sort.length, [].sort.name, \
               'a-b-c'.replace(/-/g, '+'), 'a-b-c'.replace('-', '+'), 'a1b'.split(/\\d/), 'ab'.split(), ''.replace.length]";
    assert_eq!(json(all), r#"["1-2-3",[1,2,3],["a","b"],true,1,"sort","a+b+c","a+b-c",["a","b"],["ab"],2]"#);
}

#[test]
fn what_takes_too_much_memory_is_stopped_and_the_next_run_has_all_of_it_again() {
    for (body, expected) in [
        ("const all = []; for (;;) all.push(new Array(1000).fill('x'));", "InternalError: out of memory"),
        (
            "globalThis.kept = globalThis.kept ?? []; for (;;) globalThis.kept.push('x'.repeat(1000) + kept.length);",
            "out of memory",
        ),
        ("let text = 'x'; for (;;) text += text;", "InternalError: string too long"),
        ("new Uint8Array(2 ** 30);", "InternalError: out of memory"),
        ("'x'.repeat(2 ** 29);", "InternalError: out of memory"),
        ("JSON.parse('[' + '[],'.repeat(5000000) + '[]]');", "InternalError: out of memory"),
        ("let map = new Map(); for (let n = 0; ; n++) map.set(n, { n });", "out of memory"),
    ] {
        check(body, expected);
    }
}

#[test]
fn what_nests_too_deep_is_stopped() {
    let run = || {
        for body in [
            "const deep = (n) => 1 + deep(n + 1); deep(0);",
            "let a = []; a = Array.from({ length: 100000 }).reduce((b) => [b], a); JSON.stringify(a);",
            "const o = { get x() { return o.x; } }; o.x;",
            "/(((((((((a)))))))))/.test('b'); eval('('.repeat(100000));",
            "JSON.parse('['.repeat(10000000));",
        ] {
            check(body, "RangeError: Maximum call stack size exceeded");
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn what_is_thrown_is_reported_with_its_place_and_what_was_set_stands() {
    let failure = check("throw new RangeError('too far');", "RangeError: too far");
    let line = definition("").lines().count() + 3;
    assert_eq!(failure.place, format!("test.xml:{line}:13"));
    check("throw 'a text';", "threw a text");
    check("throw { code: 7 };", "threw {\"code\":7}");
    check("throw null;", "threw null, as JavaScript itself does when it is out of memory");
    check("null.x;", "TypeError");
    check("protocol.SetParameter(10, {});", "TypeError: a parameter takes a number, a text");
    check("protocol.SetParameter({}, 1);", "SetParameter: the id of a parameter is a whole number");
    check("protocol.SetParameters([10], 1);", "TypeError");
    check("return Promise.reject(new Error('late'));", "Error: late");
    check("return new Promise(() => {});", "it waits for something that never comes");
    check("throw { get message() { throw 1; } };", "threw");
    check(
        "const e = new Error('x'); Object.defineProperty(e, 'stack', { get() { throw 2; } }); throw e;",
        "Error: x",
    );
    check("throw Symbol('s');", "threw a value without a text");
}

#[test]
fn a_text_that_cannot_be_parsed_is_told_with_its_place_and_that_of_the_script() {
    let failure = check("JSON.parse('[1,\\n x]');", "(at line 2, column");
    assert!(failure.place.starts_with("test.xml:"), "{failure:?}");
}

#[test]
fn a_failure_in_a_guarded_method_is_told_with_the_line_of_the_script() {
    let failure =
        check("const few = new Array(2 ** 32 - 1);\n  few.reverse();", "RangeError: reverse: more than");
    let line = definition("").lines().count() + 4;
    assert_eq!(failure.place, format!("test.xml:{line}:7"));
    assert_eq!(failure.stack, format!("at Run (test.xml:{line}:7)"));
    let failure = check("[1, 2].sort(() => { throw new Error('in between'); });", "Error: in between");
    assert!(
        !failure.stack.contains("backshell:own") && !failure.stack.contains("eval_script"),
        "{failure:?}"
    );
    assert!(failure.stack.ends_with(&format!("at Run (test.xml:{}:10)", line - 1)), "{failure:?}");
}

#[test]
fn what_promises_have_left_behind_runs_before_the_next_run_also_after_a_throw() {
    let body = "function Run(protocol) {
        const again = protocol.GetParameter(11) === 'again';
        Promise.resolve().then(() => { protocol.SetParameter(12, again ? 'second' : 'first'); });
        if (!again) throw new Error('thrown');
        protocol.SetParameter(10, protocol.GetParameter(12));
    }";
    let mut rig = Rig::new(&script(body));
    rig.go();
    assert_eq!((rig.failure().text.as_str(), rig.text(12).as_str()), ("Error: thrown", "first"));
    rig.set(11, "again");
    rig.set(12, "between");
    rig.go();
    // What was left behind by the first run would have written over it by now.
    assert_eq!((rig.text(10), rig.text(12)), ("between".to_owned(), "second".to_owned()));
}

#[test]
fn a_rejection_that_nobody_handles_is_told_with_its_place_and_one_that_is_handled_is_not() {
    let line = definition("").lines().count() + 1;
    let unhandled = |rest: &str| format!("! a promise was rejected and nobody handled it: {rest}");
    for (body, expected) in [
        ("Promise.reject(new Error('lost'));", vec![unhandled(&format!("test.xml:{line}:20: Error: lost"))]),
        (
            "(async () => { await null; none(); })();",
            vec![unhandled(&format!("test.xml:{line}:28: ReferenceError: none is not defined"))],
        ),
        ("Promise.reject(7); Promise.reject('text');", vec![unhandled("threw 7"), unhandled("threw text")]),
        ("Promise.reject(new Error('kept')).catch(() => {});", vec![]),
        ("const late = Promise.reject(1); Promise.resolve().then(() => late.catch(() => {}));", vec![]),
        (
            "return Promise.reject(new Error('mine'));",
            vec![format!("failed: test.xml:{line}:27: Error: mine")],
        ),
        ("const late = Promise.reject(1); protocol.SetParameter(2, 'go'); late.catch(() => {});", vec![]),
        ("for (let n = 0; n < 1000; n++) Promise.reject(0);", vec![unhandled("threw 0"); 16]),
    ] {
        let other = qaction(2, "triggers=\"2\"", "async function Run() { await null; }");
        let text = format!(
            "{}{other}",
            qaction(1, "triggers=\"1\"", &format!("function Run(protocol) {{\n{body}\n}}"))
        );
        let mut rig = Rig::new(&definition(&text));
        rig.go();
        let said: Vec<String> = rig.log().into_iter().filter(|line| !line.contains('=')).collect();
        assert_eq!(said, expected, "{body}");
    }
}

#[test]
fn a_module_that_does_not_load_is_told_as_its_own_failure_and_not_with_the_next_run_of_another() {
    let both = format!(
        "{}{}",
        qaction(1, "triggers=\"1\"", "Promise.reject(1); throw new Error('no');"),
        qaction(2, "triggers=\"2\"", "function Run() { console.log('ran'); }")
    );
    let mut rig = Rig::new(&definition(&both));
    rig.go();
    rig.set(2, "x");
    let log: Vec<String> = rig.log().into_iter().filter(|line| !line.contains('=')).collect();
    assert_eq!((log.len(), log[1].as_str()), (2, "ran"), "{log:?}");
    assert!(log[0].starts_with("failed: test.xml:") && log[0].ends_with("Error: no"), "{log:?}");
}

#[test]
fn secrets_are_hidden_in_texts_that_were_cut_in_calls_and_in_reports() {
    let secret = r#"<Params><Param id="90" bs:secret="true"><Name>Password</Name><Type>write</Type><Interprete><Type>string</Type></Interprete></Param><Param id="91" bs:secret="true"><Name>Key</Name><Type>write</Type><Interprete><Type>string</Type></Interprete></Param></Params>"#;
    let body = "function Run(protocol) {
        const secret = protocol.GetParameter(90), lines = protocol.GetParameter(91);
        console.log('x'.repeat(3990) + secret);
        protocol.GetParameterByName('no ' + secret + 'y'.repeat(10000));
        ({ [secret]() { throw new Error('z'.repeat(960) + lines + secret); } })[secret]();
    }";
    let text = definition(&format!("{secret}{}", qaction(1, "triggers=\"1\"", body)));
    let mut rig = Rig::new(&text);
    rig.set(90, "hunter2hunter2hunter2");
    rig.set(91, "hunting\nseason");
    rig.go();
    let failure = rig.failure();
    assert_eq!(failure.text, format!("Error: {}******…", "z".repeat(960)));
    assert!(failure.stack.starts_with("at *** (test.xml:"), "{failure:?}");
    let log = rig.log();
    assert!(log.contains(&format!("{}***…", "x".repeat(3990))), "{log:?}");
    let report = log.iter().find(|line| line.starts_with("report")).unwrap();
    assert!(report.contains("there is no parameter `no ***yyy"), "{report}");
    assert!(report.ends_with("yyy…") && report.chars().count() < 600, "{report}");
    assert!(log.iter().all(|line| !line.contains("hunt")), "{log:?}");
}

#[test]
fn ten_sets_stand_up_to_the_one_that_throws() {
    let mut rig = Rig::new(&script(
        "function Run(protocol) { for (let n = 1; n <= 10; n++) { if (n === 6) throw new Error('six'); protocol.SetParameter(21, n); } }",
    ));
    rig.go();
    assert_eq!(rig.text(21), "5");
    assert_eq!(rig.failure().text, "Error: six");
}

#[test]
fn values_that_are_too_large_are_refused_and_what_one_input_sets_is_bounded() {
    check(
        "const text = 'x'.repeat(1 << 20); for (let n = 0; ; n++) protocol.SetParameter(10, text + n);",
        "MiB",
    );
    check("for (;;) protocol.SetParameter(10, 1);", "one input caused more than 200000 steps");
    check(
        "protocol.FillArray(1000, [Array.from({ length: 200000 }, (_, n) => 'k' + n)]); throw new Error('filled');",
        "filled",
    );
}

#[test]
fn all_scripts_of_one_input_are_bounded_together() {
    let busy = "function Run() { const end = Date.now() + 40; while (Date.now() < end); }";
    let hundred: String = (1..=100).map(|id| qaction(id, "triggers=\"1\"", busy)).collect();
    let limits = Limits { time: Duration::from_millis(60), ..Limits::default() };
    let mut rig = Rig::with(&definition(&hundred), limits, None);
    rig.go();
    // At most 180 ms together: four take 40 ms each and the fifth is stopped, on a busy machine sooner.
    let runs = rig.counters().runs;
    assert!((1..=5).contains(&runs), "{runs}");
    let log = rig.log();
    let left_out = "was left out: the scripts of one input ran for longer than 180 ms together";
    let told = log.iter().filter(|line| line.contains(left_out)).count();
    assert_eq!(told as u64, 100 - runs, "{log:#?}");
    // The next input has all of it again.
    rig.failures.clear();
    rig.go();
    assert!(rig.counters().runs > runs);
}

#[test]
fn what_methods_take_out_of_the_engine_is_bounded_too() {
    const MEMBERS: &str = "an array has more than 1048576 members";
    const BYTES: &str = "more than 64 MiB in one call";
    for (body, expected) in [
        ("protocol.SetParameters(new Array(2 ** 31), []);", MEMBERS),
        ("protocol.SetParameters([10], new Array(2 ** 32 - 1));", MEMBERS),
        ("protocol.GetParameters(new Array(2 ** 31));", MEMBERS),
        ("protocol.SetRow(1000, 'a', new Array(2 ** 31));", MEMBERS),
        ("protocol.AddRow(1000, new Array(2 ** 31));", MEMBERS),
        ("protocol.AddRowReturnKey(1000, new Array(2 ** 31));", MEMBERS),
        ("protocol.DeleteRow(1000, new Array(2 ** 31));", MEMBERS),
        ("protocol.FillArray(1000, new Array(2 ** 31));", MEMBERS),
        ("protocol.FillArray(1000, [new Array(2 ** 31)]);", MEMBERS),
        ("protocol.FillArrayNoDelete(1000, [['a'], new Array(2 ** 31)]);", MEMBERS),
        ("protocol.FillArrayWithColumn(1000, 1002, new Array(2 ** 31), []);", MEMBERS),
        ("protocol.FillArrayWithColumn(1000, 1002, [], new Array(2 ** 31));", MEMBERS),
        (
            "let n = 0; protocol.GetParameters(new Proxy([], { get: () => n++ ? 'x' : 2 ** 40 }));",
            "GetParameters: an array is missing",
        ),
        // The same array, or the same text, is many cells: what is little in JavaScript is much outside.
        ("protocol.FillArray(1000, new Array(1e5).fill(new Array(1e6)));", BYTES),
        ("protocol.FillArray(1000, new Array(1e5).fill(new Array(1e3)), 0);", BYTES),
        ("protocol.FillArray(1000, [['a'], new Array(500).fill('x'.repeat(1 << 20))]);", BYTES),
        ("protocol.SetParameters(new Array(500).fill(10), new Array(500).fill('x'.repeat(1 << 20)));", BYTES),
        ("protocol.SetRow(1000, 'a', new Array(500).fill('x'.repeat(1 << 20)));", BYTES),
        ("protocol.AddRow(1000, new Array(500).fill('x'.repeat(1 << 20)));", BYTES),
        ("protocol.DeleteRow(1000, new Array(500).fill('x'.repeat(1 << 20)));", BYTES),
        ("protocol.FillArrayWithColumn(1000, 1002, new Array(500).fill('x'.repeat(1 << 20)), [1]);", BYTES),
        ("protocol.FillArrayWithColumn(1000, 1002, [1], new Array(500).fill('x'.repeat(1 << 20)));", BYTES),
    ] {
        check(body, expected);
    }
    let lines = "function Run(protocol) {
        const long = 'x'.repeat(1 << 20);
        console.log(...new Array(500).fill(long));
        console.log('y'.repeat(3990), 'zzzzzzzzzzz', 'never');
        console.log(...new Array(10000).fill(''), 'never');
        protocol.Log(long);
    }";
    let mut rig = Rig::new(&script(lines));
    rig.go();
    assert_eq!(rig.failures, []);
    let long = format!("{}…", "x".repeat(4_000));
    let expected = [&long, &format!("{} zzzzzzzzz…", "y".repeat(3990)), &" ".repeat(3_999), &long];
    let lines: Vec<String> = rig.log().into_iter().filter(|line| !line.contains('=')).collect();
    assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), expected.map(String::len));
    assert_eq!(lines.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn tricks_with_prototypes_reach_nothing_else() {
    let tricks = "function Run(protocol) {
        Object.prototype.polluted = 'yes';
        Array.prototype.push = () => { throw new Error('pushed'); };
        String = null; JSON = null; Symbol = null; Object = null; Promise = null;
        try { protocol.SetParameter = null; } catch {}
        try { delete protocol.GetParameter; } catch {}
        try { protocol.__proto__ = null; } catch {}
        globalThis.console = null; globalThis.protocol = 1; globalThis.SLScript = 2;
        const own = Function('return this')();
        protocol.SetParameter(10, typeof own.process + ' ' + protocol.GetParameter(20));
    }";
    let text = script(tricks);
    let (mut one, mut other) = (
        Rig::new(&text),
        Rig::new(&script("function Run(protocol) { protocol.SetParameter(10, `${({}).polluted}`); }")),
    );
    one.go();
    other.go();
    assert_eq!((one.text(10), other.text(10)), ("undefined 0".to_owned(), "undefined".to_owned()));
    assert_eq!(one.failures, []);
}

#[test]
fn a_method_out_of_its_time_is_refused() {
    let body = "let kept; function Run(protocol) { if (kept) { kept.SetParameter(10, 'again'); return; } kept = protocol; Promise.resolve().then(() => protocol.SetParameter(11, 'soon')); }";
    let mut rig = Rig::new(&script(body));
    rig.go();
    assert_eq!(rig.text(11), "soon");
    rig.go();
    assert_eq!((rig.text(10), rig.failures.len()), ("again".to_owned(), 0));
}

#[test]
fn the_same_failure_is_told_once_in_a_minute() {
    let mut rig = Rig::new(&script("function Run() { throw new Error('each time'); }"));
    (0..50).for_each(|_| rig.go());
    assert_eq!(rig.failure().text, "Error: each time");
    assert_eq!(rig.counters(), ScriptCounters { runs: 50, failures: 50 });
}

#[test]
fn a_script_that_causes_an_endless_one_is_stopped_with_it() {
    let both = format!(
        "{}{}",
        qaction(5, "triggers=\"1\"", "function Run(protocol) { for (;;) protocol.SetParameter(11, 'a'); }"),
        qaction(6, "triggers=\"11\"", "function Run() { for (;;) {} }")
    );
    let limits = Limits { time: Duration::from_millis(300), ..Limits::default() };
    let mut rig = Rig::with(&definition(&both), limits, None);
    let took = timed(|| rig.go());
    // By the clock, and not by the number of steps, which would take far longer.
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(rig.failures.len(), 2, "{:?}", rig.failures);
    assert!(rig.counters().runs < 100_000, "{:?}", rig.counters());
    rig.set(10, "goes on");
}
