//! `backshell check`: loads definitions, prints what is wrong with them, and says what of them is not run.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use super::render::{self, Style};
use super::{Status, complain, explain_code, files};
use crate::language::diagnostic::{Diagnostic, NotRun, Severity};
use crate::language::source::{Position, Source};
use crate::script::load;

/// What `check` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 without errors, 1 with errors, 2 for a wrong command line.")]
pub(super) struct Arguments {
    /// Files, folders that are searched for *.xml (not in hidden ones, node_modules and the target of Cargo), or - for standard input
    #[arg(required_unless_present = "explain", value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// How the report is written; json is one object a line: diagnostics, then what is not run, then a summary
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    /// Count warnings as errors
    #[arg(long)]
    strict: bool,

    /// Say what a diagnostic code means, with an example
    #[arg(long, value_name = "CODE", conflicts_with_all = ["paths", "strict", "format"])]
    explain: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text with the source lines
    Human,
    /// One JSON object a line
    Json,
}

/// How many there are of each, over all files.
#[derive(Debug, Default, Serialize)]
struct Summary {
    kind: &'static str,
    files: usize,
    errors: usize,
    warnings: usize,
    notes: usize,
    skipped: usize,
}

/// A line of the portability report: a feature over all files.
struct Feature {
    name: String,
    count: u32,
    files: usize,
    first_file: String,
    first: Position,
}

pub(super) fn run(arguments: &Arguments) -> io::Result<Status> {
    let mut out = BufWriter::new(anstream::stdout().lock());
    if let Some(code) = &arguments.explain {
        let status = explain_code::run(code, &mut out)?;
        out.flush()?;
        return Ok(status);
    }
    let found = files::find(&arguments.paths, ".xml");
    if found.files.is_empty() && found.unreadable.is_empty() {
        let places: Vec<String> = arguments
            .paths
            .iter()
            .map(|path| format!("`{}`", render::printable(&path.to_string_lossy())))
            .collect();
        complain(&format!("no .xml file in {}", places.join(", ")));
        return Ok(Status::Misuse);
    }
    let mut check = Check {
        out: &mut out,
        format: arguments.format,
        promote: if arguments.strict { Severity::Warning } else { Severity::Error },
        summary: Summary { kind: "summary", skipped: found.skipped, ..Summary::default() },
        features: Vec::new(),
    };
    for (folder, error) in &found.unreadable {
        let refused = files::unreadable(folder, error);
        check.diagnostic(&refused.source, &refused.problem)?;
    }
    for file in &found.files {
        check.summary.files += 1;
        match files::read(file) {
            Ok(source) => check.source(&source, file.parent())?,
            Err(refused) => check.diagnostic(&refused.source, &refused.problem)?,
        }
    }
    let status = if check.summary.errors > 0 { Status::Bad } else { Status::Good };
    check.finish()?;
    out.flush()?;
    Ok(status)
}

struct Check<'w> {
    out: &'w mut dyn Write,
    format: Format,
    // This severity and those above it count as errors.
    promote: Severity,
    summary: Summary,
    features: Vec<Feature>,
}

impl Check<'_> {
    fn source(&mut self, source: &Source, folder: Option<&Path>) -> io::Result<()> {
        let report = load::check(source, folder);
        for diagnostic in report.diagnostics() {
            self.diagnostic(source, diagnostic)?;
        }
        for entry in report.features_not_run() {
            match self.format {
                Format::Human => self.feature(source, entry),
                Format::Json => writeln!(self.out, "{}", render::json_not_run(source, entry)?)?,
            }
        }
        Ok(())
    }

    fn diagnostic(&mut self, source: &Source, diagnostic: &Diagnostic) -> io::Result<()> {
        let mut diagnostic = diagnostic.clone();
        if diagnostic.severity >= self.promote {
            diagnostic.severity = Severity::Error;
        }
        match diagnostic.severity {
            Severity::Note => self.summary.notes += 1,
            Severity::Warning => self.summary.warnings += 1,
            Severity::Error => self.summary.errors += 1,
        }
        match self.format {
            // The writer takes the colours out where they are not wanted.
            Format::Human => writeln!(self.out, "{}", render::human(source, &diagnostic, Style::Coloured)),
            Format::Json => writeln!(self.out, "{}", render::json(source, &diagnostic)?),
        }
    }

    fn feature(&mut self, source: &Source, entry: &NotRun) {
        match self.features.iter_mut().find(|feature| feature.name == entry.feature) {
            Some(feature) => {
                feature.count = feature.count.saturating_add(entry.count);
                feature.files += 1;
            }
            None => self.features.push(Feature {
                name: entry.feature.clone(),
                count: entry.count,
                files: 1,
                first_file: render::printable(source.name()),
                first: source.position(entry.span.start),
            }),
        }
    }

    fn finish(mut self) -> io::Result<()> {
        match self.format {
            Format::Json => writeln!(self.out, "{}", serde_json::to_string(&self.summary)?),
            Format::Human => {
                self.portability()?;
                writeln!(self.out, "{}", self.summary.line())
            }
        }
    }

    fn portability(&mut self) -> io::Result<()> {
        if self.features.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "not run (accepted, without effect):")?;
        let width =
            self.features.iter().map(|feature| feature.name.chars().count()).max().unwrap_or_default();
        for feature in &self.features {
            let times = plural(feature.count as usize, "time", "times");
            let files =
                if feature.files > 1 { format!(" in {} files", feature.files) } else { String::new() };
            writeln!(
                self.out,
                "  {:width$}  {times}{files}, first at {}:{}:{}",
                feature.name, feature.first_file, feature.first.line, feature.first.column
            )?;
        }
        writeln!(self.out)
    }
}

impl Summary {
    fn line(&self) -> String {
        let counts = [
            (self.errors, "error", "errors"),
            (self.warnings, "warning", "warnings"),
            (self.notes, "note", "notes"),
        ];
        let found: Vec<String> = counts
            .iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, many)| plural(*count, one, many))
            .collect();
        let found = if found.is_empty() { "no problems".to_owned() } else { found.join(", ") };
        let skipped = match self.skipped {
            0 => String::new(),
            count => format!(" ({} without .xml left out)", plural(count, "file", "files")),
        };
        format!("checked {}: {found}{skipped}", plural(self.files, "file", "files"))
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
