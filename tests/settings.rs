//! Golden files of the settings: each file in `settings/invalid` raises its code, each in `settings/valid` has no error.
//!
//! `UPDATE_GOLDEN=1 cargo test --test tests settings` rewrites the expected reports; review the difference.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use backshell::language::diagnostic::{Code, Report};
use backshell::language::source::{Source, Span};
use backshell::settings;

/// The settings files of a folder; every other file must be the expected report of one.
fn files(folder: &str, least: usize) -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/settings").join(folder);
    let all: BTreeSet<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let of = |extension: &str| -> Vec<PathBuf> {
        all.iter().filter(|path| path.extension().is_some_and(|found| found == extension)).cloned().collect()
    };
    let found = of("toml");
    assert!(found.len() >= least, "only {} files in {}", found.len(), folder.display());
    for expected in of("expected") {
        assert!(found.contains(&expected.with_extension("toml")), "{} is of no use", expected.display());
    }
    assert_eq!(all.len(), found.len() + of("expected").len(), "a forgotten file in {}", folder.display());
    found
}

fn render(source: &Source, report: &Report) -> String {
    let place = |span: Span| {
        let (start, end) = (source.position(span.start), source.position(span.end));
        format!("{}:{}-{}:{}", start.line, start.column, end.line, end.column)
    };
    let mut text = String::new();
    for diagnostic in report.diagnostics() {
        let (severity, code) = (diagnostic.severity, diagnostic.code);
        writeln!(text, "{severity:?}[{code}] {}: {}", place(diagnostic.span), diagnostic.message).unwrap();
        writeln!(text, "  text: {}", source.slice(diagnostic.span).lines().next().unwrap_or("")).unwrap();
        for related in &diagnostic.related {
            writeln!(text, "  related {}: {}", place(related.span), related.message).unwrap();
        }
        if let Some(help) = &diagnostic.help {
            writeln!(text, "  help: {help}").unwrap();
        }
    }
    text
}

fn check(path: &Path) -> Report {
    let text = fs::read_to_string(path).unwrap();
    let source = Source::new(path.file_name().unwrap().to_string_lossy().into_owned(), text);
    let (settings, report) = settings::parse(&source, Path::new("/etc/backshell"));
    assert_eq!(settings.is_some(), !report.has_errors(), "{}", path.display());
    let rendered = render(&source, &report);
    let expected = path.with_extension("expected");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&expected, &rendered).unwrap();
    }
    let wanted = fs::read_to_string(&expected).unwrap_or_default();
    assert_eq!(rendered, wanted, "{}", path.display());
    report
}

#[test]
fn every_settings_code_is_raised_by_a_golden_file_that_is_named_after_it() {
    let mut raised = BTreeSet::new();
    for path in files("invalid", 14) {
        let report = check(&path);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let codes: BTreeSet<&str> =
            report.diagnostics().iter().map(|diagnostic| diagnostic.code.name()).collect();
        assert!(codes.contains(&name[..5]), "{name} raises {codes:?}");
        raised.extend(codes);
    }
    let all: BTreeSet<&str> =
        Code::ALL.iter().filter(|code| code.is_of_settings()).map(|code| code.name()).collect();
    assert!(all.len() >= 14);
    assert_eq!(raised, all);
}

#[test]
fn valid_settings_load_without_an_error() {
    for path in files("valid", 3) {
        assert!(!check(&path).has_errors(), "{}", path.display());
    }
}
