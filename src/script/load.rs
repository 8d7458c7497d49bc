//! Loads a definition with its scripts: reads their files, parses them, says what is wrong. Runs the statements of modules, as far as
//! it takes to find their functions, without an element; calls none of the functions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rquickjs::{Ctx, Module};

use crate::files;
use crate::language;
use crate::language::diagnostic::{Code, Diagnostic, Report, Severity};
use crate::language::model::Protocol;
use crate::language::model::id::{ParamId, TriggerId};
use crate::language::model::script::{Body, Dialect, File, Script};
use crate::language::schema::did_you_mean;
use crate::language::source::{Source, Span};
use crate::script::clock::Clock;
use crate::script::failure::{Map, Thrown, caught, module_name};
use crate::script::host::Limits;
use crate::script::machine;
use crate::script::methods::{METHODS, Refers};
use crate::script::names::{named, unknown};
use crate::script::numbered::refers as call_refers;
use crate::script::source::{self, Files, Found, Texts};

/// The largest file of a script.
pub const MAX_FILE: u64 = 1 << 20;

/// How many files the scripts of a definition have at most.
pub const MAX_FILES: usize = 256;

/// A definition that was loaded, or why not.
#[derive(Debug)]
pub struct Loaded {
    /// What it means; none if anything in it is wrong.
    pub protocol: Option<Arc<Protocol>>,
    /// All there is to say, in file order.
    pub report: Report,
    /// The files that its scripts name and import, also those that could not be read: when one changes, it is to be loaded anew.
    pub files: Vec<PathBuf>,
    /// What was read of each of these files, in their order; none of one that could not be read.
    pub contents: Vec<Option<Arc<[u8]>>>,
}

/// Loads a definition; `folder` is where it is, below which the files of its scripts are. Without one there are none.
///
/// Reads files, so it blocks. Bounded in time: each script has as long as one run.
pub fn whole(source: &Source, folder: Option<&Path>) -> Loaded {
    let (protocol, mut report) = language::load(source);
    let protocol = match protocol {
        Some(protocol) if !protocol.scripts.is_empty() => protocol,
        protocol => return Loaded { protocol, report, files: Vec::new(), contents: Vec::new() },
    };
    // It was made just now and is nobody else's.
    let Ok(mut protocol) = Arc::try_unwrap(protocol) else {
        return Loaded { protocol: None, report, files: Vec::new(), contents: Vec::new() };
    };
    let shelf = Arc::new(Mutex::new(Shelf::new(folder)));
    read_named(&protocol, &shelf, &mut report);
    let mut check = Check { protocol: &protocol, definition: source.name(), report: &mut report };
    let clock = Arc::new(Clock::new());
    let files = Files::new(Shared(Arc::clone(&shelf)), &protocol.scripts);
    match machine::context(&Limits::default(), &clock, files) {
        Ok(context) => context.with(|ctx| check.all(&ctx, &clock, &shelf)),
        Err(error) => {
            let message = format!("scripts cannot be parsed: {error}");
            check.report.push(Diagnostic::new(Code::BadScript, Span::default(), message));
        }
    }
    let shelf = std::mem::take(&mut *shelf.lock().unwrap_or_else(PoisonError::into_inner));
    check.names(&shelf.texts);
    report.finish();
    protocol.scripts.files = shelf.texts;
    protocol.scripts.definition = Arc::clone(source.name());
    let protocol = (!report.has_errors()).then(|| Arc::new(protocol));
    Loaded { protocol, report, files: shelf.paths, contents: shelf.contents }
}

/// All that loading a definition has to say, its scripts included.
pub fn check(source: &Source, folder: Option<&Path>) -> Report {
    whole(source, folder).report
}

/// The files of scripts, read once each.
#[derive(Debug, Default)]
struct Shelf {
    /// The definition's folder, and what it is in the end if links lead there.
    folder: Option<(PathBuf, PathBuf)>,
    texts: BTreeMap<Arc<str>, Arc<str>>,
    troubles: BTreeMap<Arc<str>, String>,
    paths: Vec<PathBuf>,
    /// What was read of each of `paths`.
    contents: Vec<Option<Arc<[u8]>>>,
}

impl Shelf {
    fn new(folder: Option<&Path>) -> Self {
        let folder = folder.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let folder = folder.and_then(|folder| Some((folder.to_owned(), fs::canonicalize(folder).ok()?)));
        Self { folder, ..Self::default() }
    }

    fn text(&mut self, path: &str) -> Result<Arc<str>, String> {
        if let Some(text) = self.texts.get(path) {
            return Ok(Arc::clone(text));
        }
        if let Some(trouble) = self.troubles.get(path) {
            return Err(trouble.clone());
        }
        let read = if self.paths.len() >= MAX_FILES {
            Err(format!("`{path}` was left out: scripts have at most {MAX_FILES} files"))
        } else {
            self.read(path)
        };
        match &read {
            Ok(text) => _ = self.texts.insert(path.into(), Arc::clone(text)),
            Err(trouble) => _ = self.troubles.insert(path.into(), trouble.clone()),
        }
        read
    }

    fn read(&mut self, path: &str) -> Result<Arc<str>, String> {
        let Some((folder, real)) = &self.folder else {
            return Err(format!("cannot read `{path}`: the definition is in no folder"));
        };
        let full = folder.join(path);
        let read = content(&full);
        self.paths.push(full.clone());
        self.contents.push(read.as_ref().ok().cloned());
        let failed = |error: io::Error| format!("cannot read `{path}`: {error}");
        let target = fs::canonicalize(&full).map_err(failed)?;
        if !target.starts_with(real) {
            return Err(format!(
                "cannot read `{path}`: a link on its way leads out of the definition's folder"
            ));
        }
        let read = read.map_err(failed)?;
        if read.len() as u64 > MAX_FILE {
            return Err(format!("cannot read `{path}`: it is larger than {} MiB", MAX_FILE >> 20));
        }
        let text = std::str::from_utf8(&read).map_err(|error| format!("cannot read `{path}`: {error}"))?;
        Ok(text.trim_start_matches('\u{feff}').into())
    }
}

/// What is in the file of a script; one byte more than [`MAX_FILE`] of one that is larger.
///
/// # Errors
///
/// It cannot be read, or is no file.
pub fn content(path: &Path) -> io::Result<Arc<[u8]>> {
    let mut content = Vec::new();
    files::open(path)?.take(MAX_FILE + 1).read_to_end(&mut content)?;
    Ok(content.into())
}

struct Shared(Arc<Mutex<Shelf>>);

impl Texts for Shared {
    fn text(&mut self, path: &str) -> Result<Arc<str>, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).text(path)
    }
}

/// Reads the files that the definition itself names.
fn read_named(protocol: &Protocol, shelf: &Mutex<Shelf>, report: &mut Report) {
    for script in &protocol.scripts.list {
        let body = match &script.body {
            Body::File(file) => Some(file),
            Body::Inline { .. } => None,
        };
        for File { path, span } in body.into_iter().chain(&script.includes) {
            if let Err(trouble) = shelf.lock().unwrap_or_else(PoisonError::into_inner).text(path) {
                report.push(Diagnostic::new(
                    Code::ScriptFile,
                    *span,
                    format!("script {}: {trouble}", script.id),
                ));
            }
        }
    }
}

/// What is wrong with the scripts of a definition.
struct Check<'a> {
    protocol: &'a Protocol,
    definition: &'a Arc<str>,
    report: &'a mut Report,
}

/// Where a script stands in the definition.
fn place(script: &Script) -> Span {
    match &script.body {
        Body::File(file) => file.span,
        Body::Inline { text, places } => {
            let first = text.len() - text.trim_start().len();
            let (start, _) = places.at(text, first);
            Span { start, end: start.saturating_add(1) }
        }
    }
}

impl Check<'_> {
    /// Parses the files of `include`, those that are not the text of a script themselves.
    fn includes(&mut self, ctx: &Ctx<'_>, clock: &Clock, shelf: &Mutex<Shelf>) {
        let scripts = &self.protocol.scripts.list;
        let mut parsed: BTreeSet<&str> = BTreeSet::new();
        for script in scripts {
            if let (Body::File(file), Dialect::Classic) = (&script.body, script.dialect) {
                parsed.insert(&file.path);
            }
        }
        for (script, file) in
            scripts.iter().flat_map(|script| script.includes.iter().map(move |file| (script, file)))
        {
            if !parsed.insert(&file.path) {
                continue;
            }
            // What cannot be read has been said.
            let text = shelf.lock().unwrap_or_else(PoisonError::into_inner).text(&file.path);
            let Ok(text) = text else { continue };
            let outer = clock.begin(Limits::default().time);
            if let Err(mut thrown) = caught(ctx, source::parse_include(ctx, &file.path, &text)) {
                thrown.unwrap_classic(&file.path);
                self.bad_at(script, file.span, Severity::Error, "", thrown);
            }
            clock.end(outer);
        }
    }

    fn all(&mut self, ctx: &Ctx<'_>, clock: &Clock, shelf: &Mutex<Shelf>) {
        for script in &self.protocol.scripts.list {
            let text = match &script.body {
                Body::Inline { text, .. } => Some(Arc::clone(text)),
                // What cannot be read has been said.
                Body::File(file) => {
                    shelf.lock().unwrap_or_else(PoisonError::into_inner).text(&file.path).ok()
                }
            };
            let Some(text) = text else { continue };
            let outer = clock.begin(Limits::default().time);
            match script.dialect {
                Dialect::Module => self.module(ctx, script),
                Dialect::Classic => {
                    let compiled = source::classic(ctx, script, &text);
                    if let Err(thrown) = caught(ctx, compiled) {
                        self.bad(script, Severity::Error, "", thrown);
                    }
                }
            }
            clock.end(outer);
        }
        self.includes(ctx, clock, shelf);
    }

    fn module(&mut self, ctx: &Ctx<'_>, script: &Script) {
        let declared = Module::declare(ctx.clone(), module_name(script), source::module(script));
        if let Err(thrown) = caught(ctx, declared) {
            self.bad(script, Severity::Error, "", thrown);
            return;
        }
        if script.triggers.is_empty() {
            return;
        }
        let found = match caught(ctx, Found::load(ctx, script)) {
            Ok(found) => found,
            Err(thrown) => {
                self.bad(script, Severity::Warning, "loading it fails: ", thrown);
                return;
            }
        };
        let mut missing: Vec<&str> = Vec::new();
        for at in 0..script.triggers.len() {
            let name = script.entry(at);
            if !missing.contains(&name) && !matches!(caught(ctx, found.entry(ctx, name)), Ok(Some(_))) {
                missing.push(name);
            }
        }
        for name in missing {
            let message = format!("script {} has no function `{name}`, which its triggers call", script.id);
            let help =
                format!("add `function {name}(protocol) {{ ... }}`, or name another one in `entryPoint`");
            self.report.push(Diagnostic::new(Code::NoEntryPoint, place(script), message).with_help(help));
        }
    }

    fn bad(&mut self, script: &Script, severity: Severity, what: &str, thrown: Thrown) {
        self.bad_at(script, place(script), severity, what, thrown);
    }

    /// Something is wrong with a script; `span` is the place in the definition if that itself is in another file.
    fn bad_at(&mut self, script: &Script, span: Span, severity: Severity, what: &str, thrown: Thrown) {
        let map = Map { definition: self.definition, scripts: &self.protocol.scripts };
        let at = thrown.calls.iter().find_map(|(_, place)| place.as_ref());
        let (span, file) = match at.map(|place| (place, map.in_definition(place))) {
            Some((_, Some((offset, _)))) => {
                (Span { start: offset, end: offset.saturating_add(1) }, String::new())
            }
            Some((at, None)) => (span, format!("{}: ", map.words(at))),
            None => (span, String::new()),
        };
        let message = format!("script {}: {what}{file}{}", script.id, thrown.text);
        let mut diagnostic = Diagnostic::new(Code::BadScript, span, message);
        diagnostic.severity = severity;
        self.report.push(diagnostic);
    }

    /// Looks for numbers in the texts that are nobody's, and for methods that `protocol` does not have.
    fn names(&mut self, files: &BTreeMap<Arc<str>, Arc<str>>) {
        for script in &self.protocol.scripts.list {
            if let Body::Inline { text, places } = &script.body {
                let span = |at: usize, length: usize| {
                    let (start, _) = places.at(text, at);
                    let (end, _) = places.at(text, at + length);
                    Span { start, end: end.max(start) }
                };
                for named in named(text) {
                    let what = format!("script {}: `{}`", script.id, named.method.name);
                    self.named(&what, span(named.at, named.length), named.id, named.refers);
                }
                for unknown in unknown(text) {
                    self.unknown(
                        &format!("script {}", script.id),
                        span(unknown.at, unknown.name.len()),
                        unknown.name,
                    );
                }
            }
        }
        let Some(first) = self.protocol.scripts.list.first().map(place) else { return };
        for (path, text) in files {
            let of = |script: &Script| match &script.body {
                Body::File(file) if file.path == *path => Some(file.span),
                Body::File(_) | Body::Inline { .. } => {
                    script.includes.iter().find(|file| file.path == *path).map(|file| file.span)
                }
            };
            let span = self.protocol.scripts.list.iter().find_map(of).unwrap_or(first);
            let source = Source::new(Arc::clone(path), Arc::clone(text));
            let at = |offset: usize| {
                let position = source.position(u32::try_from(offset).unwrap_or(u32::MAX));
                format!("{path}:{}:{}", position.line, position.column)
            };
            for named in named(text) {
                let what = format!("{}: `{}`", at(named.at), named.method.name);
                self.named(&what, span, named.id, named.refers);
            }
            for unknown in unknown(text) {
                self.unknown(&at(unknown.at), span, unknown.name);
            }
        }
    }

    fn unknown(&mut self, what: &str, span: Span, name: &str) {
        let known = || METHODS.iter().map(|method| method.name);
        let message = format!("{what}: `protocol` has no method `{name}`");
        let mut diagnostic = Diagnostic::new(Code::ScriptMethod, span, message);
        if let Some(meant) = did_you_mean(name, known()) {
            diagnostic = diagnostic.with_help(format!("did you mean `{meant}`?"));
        }
        self.report.push(diagnostic);
    }

    fn named(&mut self, what: &str, span: Span, id: i32, refers: Refers) {
        let param = self.protocol.param_by_id(ParamId(id));
        let missing = match refers {
            Refers::Nothing => return,
            Refers::Param if param.is_none() => format!("parameter {id}, which is not defined"),
            Refers::Table if param.is_none() => format!("table {id}, which is not defined"),
            Refers::Table if param.is_some_and(|param| self.protocol.param(param).table.is_none()) => {
                format!("parameter {id} as a table, which it is not")
            }
            Refers::Trigger if self.protocol.trigger_by_id(TriggerId(id)).is_none() => {
                format!("trigger {id}, which is not defined")
            }
            Refers::Call if call_refers(id).is_none() => format!("call {id}, which does not run here"),
            Refers::Param | Refers::Table | Refers::Trigger | Refers::Call => return,
        };
        self.report.push(Diagnostic::new(Code::ScriptReference, span, format!("{what} names {missing}")));
    }
}
