//! Scripts in files: what they import, what is said of them when they are loaded, and where.

use std::fs;

use super::*;
use crate::language::diagnostic::Report;

/// A folder with files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn source(src: &str) -> String {
    definition(&format!(
        "<QActions><QAction id=\"5\" encoding=\"javascript\" triggers=\"1\" bs:src=\"{src}\"/></QActions>"
    ))
}

fn lines(report: &Report, text: &str) -> Vec<String> {
    let source = Source::new("test.xml", text);
    let line = |problem: &crate::language::diagnostic::Diagnostic| {
        let place = source.position(problem.span.start);
        format!("{}:{} {} {}", place.line, place.column, problem.code, problem.message)
    };
    report.diagnostics().iter().map(line).collect()
}

#[test]
fn a_script_in_a_file_imports_others_below_the_folder() {
    let files = folder(&[
        (
            "lib/run.js",
            "import { twice } from './more/twice.js';\nimport * as all from '../all.js';\nexport function Run(protocol) { protocol.SetParameter(10, twice(all.word)); }",
        ),
        ("lib/more/twice.js", "export const twice = (text) => text + text;"),
        ("all.js", "export const word = 'ho';"),
    ]);
    let text = source("lib/run.js");
    let mut rig = Rig::with(&text, Limits::default(), Some(files.path()));
    rig.go();
    assert_eq!(rig.text(10), "hoho");
    let mut loaded: Vec<String> = load::whole(&Source::new("test.xml", text.as_str()), Some(files.path()))
        .files
        .iter()
        .map(|path| path.strip_prefix(files.path()).unwrap().display().to_string())
        .collect();
    loaded.sort();
    assert_eq!(loaded, ["all.js", "lib/more/twice.js", "lib/run.js"]);
}

#[test]
fn an_include_runs_ahead_of_a_jscript() {
    let files = folder(&[("http.js", "function greet(name) { return 'hello ' + name; }")]);
    let text = definition(
        "<QActions><QAction id=\"5\" encoding=\"jscript\" triggers=\"1\" include=\"http.js\"><![CDATA[SLScript.SetParameter(10, greet('you'));]]></QAction></QActions>",
    );
    let mut rig = Rig::with(&text, Limits::default(), Some(files.path()));
    rig.go();
    assert_eq!(rig.text(10), "hello you");
}

#[test]
fn an_include_reaches_the_element_and_a_failure_in_it_is_told_with_its_place() {
    let files = folder(&[
        ("lib.js", "function fill(value) { SLScript.SetParameter(10, value); fails(); }"),
        ("run.js", "let n = 1;\n  fill('from an include');"),
    ]);
    let text = definition(
        "<QActions><QAction id=\"5\" encoding=\"jscript\" triggers=\"1\" include=\"lib.js\" bs:src=\"run.js\"/></QActions>",
    );
    let mut rig = Rig::with(&text, Limits::default(), Some(files.path()));
    rig.go();
    assert_eq!(rig.text(10), "from an include");
    let failure = rig.failure();
    assert_eq!(failure.place, "lib.js:1:58");
    assert_eq!(failure.stack, "at fill (lib.js:1:58)\nat <anonymous> (run.js:2:3)");
}

#[test]
fn a_file_that_is_a_script_and_included_too_is_told_with_its_columns() {
    let files = folder(&[("both.js", "function both() { none(); } if (SLScript) both();")]);
    let text = definition(
        "<QActions><QAction id=\"5\" encoding=\"jscript\" triggers=\"1\" bs:src=\"both.js\"/>\
         <QAction id=\"6\" encoding=\"jscript\" triggers=\"2\" include=\"both.js\"><![CDATA[both();]]></QAction></QActions>",
    );
    let mut rig = Rig::with(&text, Limits::default(), Some(files.path()));
    rig.go();
    assert_eq!(rig.failure().place, "both.js:1:19");
    rig.set(2, "x");
    assert!(rig.failure().place.starts_with("both.js:1:"));
}

#[test]
fn a_file_is_one_module_whoever_names_it() {
    let files = folder(&[
        (
            "count.js",
            "export let runs = 0;\nexport function Run(protocol) { protocol.SetParameter(10, ++runs); }\nfunction Two(protocol) { Run(protocol); }",
        ),
        (
            "look.js",
            "import { runs } from './count.js';\nexport function Run(protocol) { protocol.SetParameter(11, runs); }",
        ),
    ]);
    let text = definition(
        "<QActions><QAction id=\"4\" encoding=\"javascript\" triggers=\"20\" bs:src=\"look.js\"/>\
         <QAction id=\"5\" encoding=\"javascript\" triggers=\"1\" bs:src=\"count.js\"/>\
         <QAction id=\"6\" encoding=\"javascript\" triggers=\"2\" entryPoint=\"Two\" bs:src=\"./count.js\"/></QActions>",
    );
    let mut rig = Rig::with(&text, Limits::default(), Some(files.path()));
    rig.set(20, 1.0);
    assert_eq!(rig.text(11), "0");
    rig.go();
    rig.set(2, "x");
    rig.set(20, 2.0);
    assert_eq!((rig.text(10), rig.text(11), rig.failures), ("2".to_owned(), "2".to_owned(), vec![]));
}

#[test]
fn a_file_that_several_scripts_include_runs_once() {
    let files = folder(&[("count.js", "let count = 0;\nfunction next() { return ++count; }")]);
    let jscript = |id: u32, trigger: u32| {
        format!(
            "<QActions><QAction id=\"{id}\" encoding=\"jscript\" triggers=\"{trigger}\" include=\"count.js\"><![CDATA[SLScript.SetParameter(10, next());]]></QAction></QActions>"
        )
    };
    let text = definition(&format!("{}{}", jscript(5, 1), jscript(6, 2)));
    let mut rig = Rig::with(&text, Limits::default(), Some(files.path()));
    rig.go();
    rig.set(2, "x");
    assert_eq!((rig.text(10), rig.failures), ("2".to_owned(), vec![]));
}

#[test]
fn an_include_that_does_not_parse_is_said_with_its_place_and_none_of_it_runs() {
    let files = folder(&[
        ("bad.js", "var a = 1; let x = ;"),
        ("worse.js", "var a = 1;\nlet x = ;"),
        ("loop.js", "for (;;) {}"),
    ]);
    let text = definition(
        "<QActions><QAction id=\"5\" encoding=\"jscript\" triggers=\"1\" include=\"loop.js;bad.js;worse.js\"><![CDATA[a;]]></QAction></QActions>",
    );
    let found = lines(&load::check(&Source::new("test.xml", text.as_str()), Some(files.path())), &text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("P5017 script 5: bad.js:1:20: SyntaxError"), "{found:?}");
    assert!(found[1].contains("P5017 script 5: worse.js:2:9: SyntaxError"), "{found:?}");
}

#[test]
fn an_import_of_a_package_says_what_can_be_imported() {
    const NODE: &str = "scripts have no Node modules, they import files below the definition's folder only, such as `./lib/a.js`";
    const WHOLE: &str = "No such file or directory (os error 2); an import gives the whole name of a file, such as `./lib/a.js`";
    for (name, hint) in [
        ("fs", NODE),
        ("node:fs", NODE),
        ("@scope/package", NODE),
        ("./lib/helper", WHOLE),
        ("./lib/helper.js", "cannot read `lib/helper.js`: No such file or directory (os error 2)"),
    ] {
        let text = script(&format!("import x from '{name}'; export function Run() {{}}"));
        let folder = folder(&[]);
        let found = lines(&load::check(&Source::new("test.xml", text.as_str()), Some(folder.path())), &text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with(hint), "{found:?}");
    }
}

#[test]
fn a_method_that_is_not_there_is_said_with_the_nearest_name() {
    let files = folder(&[("run.js", "export function Run(protocol) {\n  protocol.SetRows(1000, []);\n}")]);
    let text = source("run.js");
    let report = load::check(&Source::new("test.xml", text.as_str()), Some(files.path()));
    let problem = &report.diagnostics()[0];
    assert_eq!(problem.message, "run.js:2:12: `protocol` has no method `SetRows`");
    assert_eq!(problem.help.as_deref(), Some("did you mean `SetRow`?"));
    let text = script("function Run(protocol) {\n  protocol.Nonsense(1);\n}");
    let report = load::check(&Source::new("test.xml", text.as_str()), None);
    let line = definition("").lines().count() + 1;
    assert_eq!(
        lines(&report, &text),
        [format!("{line}:12 P5021 script 1: `protocol` has no method `Nonsense`")]
    );
    assert_eq!(report.diagnostics()[0].help, None);
}

#[test]
fn what_is_wrong_with_a_script_is_said_with_its_place() {
    let files = folder(&[
        ("bad.js", "export function Run(protocol) {\n  let x = ;\n}"),
        ("imports-bad.js", "import './bad.js';\nexport function Run() {}"),
        ("imports-nothing.js", "import './none.js';\nexport function Run() {}"),
        ("imports-outside.js", "import '../outside.js';\nexport function Run() {}"),
        ("names.js", "export function Run(protocol) {\n  protocol.GetParameter(77);\n}"),
    ]);
    let last = definition("").lines().count();
    let column = definition("").lines().last().unwrap().find("</Protocol>").unwrap() + 1;
    let of = |text: &str| lines(&load::check(&Source::new("test.xml", text), Some(files.path())), text);
    let in_file = |src: &str| of(&source(src));
    let src_column =
        column + "<QActions><QAction id=\"5\" encoding=\"javascript\" triggers=\"1\" bs:src=\"".len();
    let at = |rest: &str| format!("{last}:{src_column} {rest}");
    let found = in_file("bad.js");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(&at("P5017 script 5: bad.js:2:")), "{found:?}");
    let found = in_file("imports-bad.js");
    assert!(found.len() == 1 && found[0].contains("bad.js:2:"), "{found:?}");
    let found = in_file("imports-nothing.js");
    assert!(found.len() == 1 && found[0].contains("cannot read `none.js`"), "{found:?}");
    let found = in_file("imports-outside.js");
    assert!(
        found.len() == 1 && found[0].contains("`../outside.js` is not below the definition's folder"),
        "{found:?}"
    );
    let found = in_file("none.js");
    assert!(
        found.len() == 1 && found[0].starts_with(&at("P5018 script 5: cannot read `none.js`")),
        "{found:?}"
    );
    let found = in_file("../up.js");
    assert!(found.len() == 1 && found[0].starts_with(&at("P5018 script 5 names `../up.js`")), "{found:?}");
    assert_eq!(
        in_file("names.js"),
        [at("P5020 names.js:2:25: `GetParameter` names parameter 77, which is not defined")]
    );

    let text = script("function Run(protocol) {\n  protocol.SetParameter(77, 1);\n  let x = ;\n}");
    let found = of(&text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(
        found[0],
        format!("{}:25 P5020 script 1: `SetParameter` names parameter 77, which is not defined", last + 1)
    );
    assert!(found[1].starts_with(&format!("{}:11 P5017 script 1: SyntaxError", last + 2)), "{found:?}");

    let found = of(&script("function Main(protocol) {}"));
    assert!(found.len() == 1 && found[0].contains("P5019 script 1 has no function `Run`"), "{found:?}");
    let found = of(&script("throw new Error('no');"));
    assert!(
        found.len() == 1 && found[0].contains("P5017 script 1: loading it fails: Error: no"),
        "{found:?}"
    );
    assert_eq!(of(&script("function Run(p) { p.GetRow(20, 'a'); p.CheckTrigger(4); }")).len(), 2);
    let found = of(&script(
        "function Run(p) { p.NotifyProtocol(130, 20, null); p.NotifyProtocol(195, 1000, null); }",
    ));
    assert!(
        found.len() == 1 && found[0].contains("`NotifyProtocol` names call 130, which does not run here"),
        "{found:?}"
    );
}

#[test]
fn places_are_right_behind_entities_pieces_and_line_ends() {
    let text = definition(
        "<QActions><QAction id=\"5\" encoding=\"javascript\" triggers=\"1\">\r\nfunction Run(protocol) {\r\n  if (1 &lt; 2 &amp;&amp; true) { none(); }\r\n}<![CDATA[\r\n/* <b> */ ]]></QAction></QActions>",
    );
    let mut rig = Rig::new(&text);
    rig.go();
    let line = definition("").lines().count() + 2;
    assert_eq!(
        rig.failure().place,
        format!("test.xml:{line}:{}", "  if (1 &lt; 2 &amp;&amp; true) { ".len() + 1)
    );
}

#[test]
fn a_link_out_of_the_folder_is_not_followed() {
    let files = folder(&[("in/a.js", "export function Run() {}"), ("secret.js", "export const secret = 1;")]);
    std::os::unix::fs::symlink("../secret.js", files.path().join("in/link.js")).unwrap();
    let text = source("link.js");
    let found =
        lines(&load::check(&Source::new("test.xml", text.as_str()), Some(&files.path().join("in"))), &text);
    assert!(found.len() == 1 && found[0].contains("leads out of the definition's folder"), "{found:?}");
}

#[test]
fn scripts_that_are_not_run_load_and_are_listed() {
    let text = definition(
        "<QActions><QAction id=\"1\" encoding=\"csharp\" triggers=\"1\"><![CDATA[using System; class QAction { }]]></QAction>\
         <QAction id=\"2\" encoding=\"csharp\" triggers=\"1\"/><QAction id=\"3\" triggers=\"1\"/>\
         <QAction id=\"4\" encoding=\"javascript\" triggers=\"1\"> </QAction></QActions>",
    );
    let loaded = load::whole(&Source::new("test.xml", text.as_str()), None);
    assert!(loaded.protocol.unwrap().scripts.is_empty());
    let features: Vec<(&str, u32)> =
        loaded.report.features_not_run().iter().map(|entry| (entry.feature.as_str(), entry.count)).collect();
    assert_eq!(features, [("C# scripts", 3), ("scripts without a body", 1)]);
}
