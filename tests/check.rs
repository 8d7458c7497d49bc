//! `backshell check` as its users see it: golden reports, codes, command line, and bytes that nobody wrote on purpose.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use backshell::cli::render::{self, Style};
use backshell::language::diagnostic::{Code, Diagnostic, Severity};
use backshell::language::load;
use backshell::language::source::{Source, Span};
use backshell::script;
use proptest::prelude::*;

use crate::program::{self, text};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn backshell(arguments: &[&str]) -> Output {
    program::backshell(&root(), arguments)
}

/// Whether goldens are rewritten instead of compared.
fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| !value.is_empty())
}

/// The definitions of a folder with their golden reports; every other file there must be named by one of them.
fn definitions(folder: &str, least: usize) -> Vec<PathBuf> {
    let folder = root().join("tests/definitions").join(folder);
    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("folder is readable")
        .map(|entry| entry.expect("entry is readable").file_name().into_string().expect("name is UTF-8"))
        .collect();
    names.sort();
    let (definitions, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.ends_with(".xml"));
    let texts: Vec<String> = definitions
        .iter()
        .filter_map(|name| fs::read(folder.join(name)).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    for other in others {
        let golden = other.strip_suffix(".expected");
        let used = match golden {
            Some(name) => definitions.iter().any(|definition| definition.strip_suffix(".xml") == Some(name)),
            None => texts.iter().any(|text| text.contains(&other)),
        };
        assert!(used, "{} is used by no test", folder.join(other).display());
    }
    assert!(definitions.len() >= least, "only {} definitions in {}", definitions.len(), folder.display());
    definitions.into_iter().map(|name| folder.join(name)).collect()
}

/// Compares the report of a definition with its golden file; gives the report.
fn golden(definition: &Path) -> (String, Option<i32>) {
    let relative = definition.strip_prefix(root()).expect("definition is in the repository");
    let output = backshell(&["check", relative.to_str().expect("path is UTF-8")]);
    let report = text(&output.stdout);
    assert_eq!(text(&output.stderr), "", "{}", relative.display());
    let expected = definition.with_extension("expected");
    if updating() {
        fs::write(&expected, &report).expect("golden file is writable");
    }
    let wanted = fs::read_to_string(&expected).unwrap_or_default();
    assert_eq!(report, wanted, "{}: run with UPDATE_GOLDEN=1 and read the difference", relative.display());
    (report, output.status.code())
}

#[test]
fn good_definitions_give_neither_errors_nor_warnings() {
    for definition in definitions("valid", 8) {
        let (report, status) = golden(&definition);
        assert_eq!(status, Some(0), "{report}");
        let strict = backshell(&["check", "--strict", definition.to_str().expect("path is UTF-8")]);
        assert_eq!(strict.status.code(), Some(0), "{}", text(&strict.stdout));
    }
}

#[test]
fn each_code_is_raised_by_a_wrong_definition_that_is_named_after_it() {
    let mut raised = BTreeSet::new();
    for definition in definitions("invalid", Code::ALL.iter().filter(|code| !code.is_of_settings()).count()) {
        let name = definition.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let (code, what) = name.split_once('-').expect("the name is a code, a dash, and what is wrong");
        assert!(what.len() > ".xml".len(), "{name} does not say what is wrong");
        let (report, status) = golden(&definition);
        assert!(report.contains(&format!("[{code}]")), "{name} does not raise {code}:\n{report}");
        assert_eq!(status, Some(i32::from(report.contains("error["))), "{name}");
        let strict = backshell(&["check", "--strict", definition.to_str().expect("path is UTF-8")]);
        let only_notes = !report.contains("error[") && !report.contains("warning[");
        assert_eq!(strict.status.code(), Some(i32::from(!only_notes)), "{name}");
        raised.insert(code.to_owned());
    }
    // Those of the settings have files of their own.
    for code in Code::ALL.iter().filter(|code| !code.is_of_settings()) {
        assert!(raised.contains(code.name()), "no file in tests/definitions/invalid is named after {code}");
    }
}

/// Codes whose examples cannot be shown as a piece of a definition.
const WITHOUT_EXAMPLES: &[Code] = &[Code::TooLarge, Code::NotUtf8, Code::Unreadable];

/// An example as a file, by the rule at `codes::Entry::bad`.
fn example(text: &str) -> Source {
    let whole = text.starts_with("<Protocol") || text.starts_with("<!") || text.starts_with("<Settings");
    let text = if whole {
        text.to_owned()
    } else {
        format!("<Protocol xmlns:bs=\"urn:backshell:1\">{text}</Protocol>")
    };
    Source::new("example.xml", text)
}

#[test]
fn the_examples_of_a_code_raise_it_and_do_not() {
    for code in Code::ALL.iter().filter(|code| !code.is_of_settings()) {
        let entry = code.entry();
        assert_eq!(
            entry.bad.is_empty() || entry.good.is_empty(),
            WITHOUT_EXAMPLES.contains(code),
            "{code} has examples or stands on the list of those without"
        );
        if entry.bad.is_empty() {
            continue;
        }
        let codes = |text: &str| -> Vec<Code> {
            script::load::check(&example(text), None)
                .diagnostics()
                .iter()
                .map(|diagnostic| diagnostic.code)
                .collect()
        };
        let (bad, good) = (codes(entry.bad), codes(entry.good));
        assert!(bad.contains(code), "the bad example of {code} raises {bad:?}");
        assert!(!good.contains(code), "the good example of {code} raises it");
    }
}

#[test]
fn codes_are_named_in_order_without_gaps_in_form() {
    let names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted, "codes are unique and in the order of their numbers");
    for code in Code::ALL {
        let entry = code.entry();
        let digits = entry.name.strip_prefix('P').expect("a code begins with P");
        assert!(digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
        assert!(!entry.title.ends_with('.') && entry.explanation.ends_with('.'), "{code}");
        assert_eq!(Code::by_name(&entry.name.to_lowercase()), Some(*code));
    }
}

/// Runs the program and compares all that comes out.
fn check(arguments: &[&str], status: i32, stdout: &str, stderr: &str) {
    let output = backshell(arguments);
    assert_eq!(text(&output.stdout), stdout, "{arguments:?}");
    assert_eq!(text(&output.stderr), stderr, "{arguments:?}");
    assert_eq!(output.status.code(), Some(status), "{arguments:?}");
}

#[test]
fn a_good_file_says_so_and_ends_with_0() {
    check(&["check", "tests/definitions/valid/smallest.xml"], 0, "checked 1 file: no problems\n", "");
}

#[test]
fn json_is_one_object_a_line_with_exact_places() {
    let file = "tests/definitions/invalid/P1018-twice.xml";
    let line = |message: &str, place: &str, related: &str| {
        format!(
            "{{\"kind\":\"diagnostic\",\"file\":\"{file}\",\"code\":\"P1018\",\"severity\":\"warning\",\"message\":\"{message}\",\
             {place},\"help\":null,\"related\":[{{\"message\":\"first given here\",{related}}}]}}\n"
        )
    };
    let place = |line: u32, column: u32, end: u32| {
        format!("\"line\":{line},\"column\":{column},\"endLine\":{line},\"endColumn\":{end}")
    };
    let expected = [
        line("`<Name>` is given twice: only the first counts", &place(6, 8, 12), &place(5, 8, 12)),
        line("`<Params>` is given twice: both are read as one", &place(11, 4, 10), &place(3, 4, 10)),
        "{\"kind\":\"summary\",\"files\":1,\"errors\":0,\"warnings\":2,\"notes\":0,\"skipped\":0}\n"
            .to_owned(),
    ];
    check(&["check", "--format", "json", file], 0, &expected.concat(), "");
}

#[test]
fn json_counts_columns_in_characters_and_not_the_byte_order_mark() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("a.xml");
    fs::write(&file, "\u{feff}<Protocol>\n<Name>測😀</Name><Wibble/></Protocol>").expect("file is writable");
    let output = backshell(&["check", "--format=json", file.to_str().expect("path is UTF-8")]);
    let stdout = text(&output.stdout);
    let first: serde_json::Value =
        serde_json::from_str(stdout.lines().next().expect("a line")).expect("JSON");
    assert_eq!(
        [&first["line"], &first["column"], &first["endLine"], &first["endColumn"]]
            .map(|number| number.as_u64()),
        [2, 17, 2, 23].map(Some)
    );
}

#[test]
fn a_dash_is_standard_input() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_backshell"))
        .args(["check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = program.stdin.take().expect("standard input is a pipe");
    stdin.write_all(b"<Protocol>\n<Nam/></Protocol>").expect("the program reads");
    drop(stdin);
    let output = program.wait_with_output().expect("the program ends");
    assert_eq!(
        text(&output.stdout),
        "warning[P1010]: unknown element `<Nam>` in `<Protocol>`\n --> <stdin>:2:2\n  |\n2 | <Nam/></Protocol>\n  |  ^^^\n  |\n  \
         = help: did you mean `<Name>`?\n\nchecked 1 file: 1 warning\n"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_file_cut_anywhere_has_one_error_with_its_place() {
    let whole = fs::read_to_string(root().join("tests/definitions/valid/websocket-handshake.xml"))
        .expect("definition is readable");
    let end = whole.trim_end().len();
    for cut in (0..end).filter(|cut| whole.is_char_boundary(*cut)) {
        let source = Source::new("a.xml", &whole[..cut]);
        let report = load::check(&source);
        let [problem] = report.diagnostics() else { panic!("{cut}: {:?}", report.diagnostics()) };
        assert_eq!((problem.code, problem.severity), (Code::Malformed, Severity::Error), "{cut}");
        assert!(problem.span.end as usize <= cut, "{cut}: {:?}", problem.span);
    }
    assert!(end > 1_000, "the definition is too short to tell anything");
}

#[test]
fn a_folder_is_walked_and_one_bad_file_does_not_stop_the_others() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("sub")).expect("folder can be made");
    fs::write(at("a.xml"), b"<Protocol>\xff</Protocol>").expect("file is writable");
    fs::write(at("sub/b.xml"), "<Protocol/>").expect("file is writable");
    fs::write(at("notes.txt"), "").expect("file is writable");
    let path = folder.path().to_str().expect("path is UTF-8");
    let output = backshell(&["check", path]);
    let stdout = text(&output.stdout);
    assert!(stdout.contains("error[P1005]: the file is not UTF-8: byte 0xFF at offset 10"), "{stdout}");
    assert!(stdout.ends_with("checked 2 files: 1 error (1 file without .xml left out)\n"), "{stdout}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().to_str().expect("path is UTF-8");
    check(&["check", path], 2, "", &format!("error: no .xml file in `{path}`\n"));
    check(
        &["check", "--explain", "P1O01"],
        2,
        "",
        "error: `P1O01` is no diagnostic code; did you mean `P1001`?\n",
    );
    for wrong in [&["check"][..], &["chek"], &["check", "--format", "xml", "a.xml"], &[]] {
        let output = backshell(wrong);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""), "{wrong:?}");
        assert!(!output.stderr.is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_its_own() {
    check(
        &["check", "no/such.xml", "tests/definitions/valid/smallest.xml"],
        1,
        "error[P1006]: cannot read the file: there is no such file\n--> no/such.xml\n\nchecked 2 files: 1 error\n",
        "",
    );
}

#[test]
fn explain_prints_meaning_and_examples() {
    check(
        &["check", "--explain", "p1014"],
        0,
        "warning[P1014]: text where only elements belong\n\n\
         The text is ignored. Often it is the rest of a tag that was removed by hand.\n\n\
         Wrong:\n\n    <Protocol><Params>x<Param id=\"1\"><Type>read</Type></Param></Params></Protocol>\n\n\
         Right:\n\n    <Protocol><Params><Param id=\"1\"><Type>read</Type></Param></Params></Protocol>\n",
        "",
    );
    for code in Code::ALL {
        assert_eq!(backshell(&["check", "--explain", code.name()]).status.code(), Some(0), "{code}");
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = backshell(&["completions", shell]);
        assert!(text(&output.stdout).contains("check"), "{shell}");
        assert_eq!(output.status.code(), Some(0), "{shell}");
    }
}

/// Asserts that every place is inside the text, on character borders, and that both renderings come out.
fn examine(source: &Source, diagnostics: &[Diagnostic]) {
    let inside = |span: Span| {
        let (start, end) = (span.start as usize, span.end as usize);
        let text = source.text();
        assert!(
            start <= end && text.is_char_boundary(start) && text.is_char_boundary(end),
            "{span:?} in {text:?}"
        );
    };
    for diagnostic in diagnostics {
        inside(diagnostic.span);
        for related in &diagnostic.related {
            inside(related.span);
        }
    }
    for diagnostic in diagnostics.iter().take(3) {
        assert!(render::human(source, diagnostic, Style::Plain).contains(diagnostic.code.name()));
        assert!(render::json(source, diagnostic).is_ok());
    }
}

fn load_bytes(bytes: Vec<u8>) {
    match load::decode("a.xml", bytes) {
        Ok(source) => {
            let report = script::load::check(&source, None);
            examine(&source, report.diagnostics());
            for entry in report.features_not_run() {
                assert!(entry.span.end as usize <= source.text().len());
            }
        }
        Err(refused) => examine(&refused.source, &[refused.problem]),
    }
}

/// One change to a text: where, how much is taken away, and what comes instead.
fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, Vec<u8>)>> {
    let pieces = prop::sample::select(vec![
        "<",
        ">",
        "/>",
        "\"",
        "'",
        "=",
        "&",
        "&#x0;",
        "]]>",
        "<![CDATA[",
        "<!--",
        "-->",
        "</",
        "<Param>",
        "bs:",
        " ",
        "\r\n",
        "\u{feff}",
        "ä",
        "😀",
        "\0",
        "<!DOCTYPE a>",
        "id=\"1\"",
        "xmlns=\"urn:x\"",
        "-1",
        ";",
        "999999999999",
    ]);
    let new = prop_oneof![
        3 => pieces.prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
        1 => Just(Vec::new()),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, new), 1..6)
}

proptest! {
    #[test]
    fn a_definition_with_damage_is_reported_and_never_breaks_the_loader(which in any::<prop::sample::Index>(), edits in edits()) {
        let definitions = definitions("valid", 8);
        let mut bytes = fs::read(&definitions[which.index(definitions.len())]).expect("definition is readable");
        for (place, taken, new) in edits {
            let start = place.index(bytes.len() + 1);
            let end = (start + taken).min(bytes.len());
            bytes.splice(start..end, new);
        }
        load_bytes(bytes);
    }

    #[test]
    fn any_bytes_are_reported_and_never_break_the_loader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        load_bytes(bytes);
    }

    #[test]
    fn any_mixture_of_markup_is_reported_and_never_breaks_the_loader(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "<Protocol>", "</Protocol>", "<Params>", "</Params>", "<Param id=\"1\">", "</Param>", "<Name>", "</Name>", "x",
            " ", "\n", "<!--", "-->", "<![CDATA[", "]]>", "&lt;", "&", "<", ">", "\"", "<?a?>", "<Type/>", "é", "/",
        ]), 0..40)
    ) {
        load_bytes(pieces.concat().into_bytes());
    }
}
