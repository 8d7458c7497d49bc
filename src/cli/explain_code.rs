//! `backshell check --explain`: what a diagnostic code means; checks nothing.

use std::io::{self, Write};

use super::{Status, complain, render};
use crate::language::diagnostic::Code;
use crate::language::schema::did_you_mean;

/// Prints the page of a code; an unknown code is a wrong use.
pub(super) fn run(name: &str, out: &mut dyn Write) -> io::Result<Status> {
    let Some(code) = Code::by_name(name) else {
        let names = Code::ALL.iter().map(|code| code.name());
        let hint = match did_you_mean(name, names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "the codes are listed in docs/definition-reference.md".to_owned(),
        };
        complain(&format!("`{}` is no diagnostic code; {hint}", render::printable(name)));
        return Ok(Status::Misuse);
    };
    let entry = code.entry();
    let severity = entry.severity.name();
    writeln!(out, "{severity}[{}]: {}\n\n{}", entry.name, entry.title, entry.explanation)?;
    for (heading, example) in [("Wrong", entry.bad), ("Right", entry.good)] {
        if !example.is_empty() {
            writeln!(out, "\n{heading}:\n")?;
            for line in example.lines() {
                writeln!(out, "    {line}")?;
            }
        }
    }
    Ok(Status::Good)
}
