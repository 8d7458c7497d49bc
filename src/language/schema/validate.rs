//! Walks a document beside the table and reports what does not fit; looks at one element at a time and resolves nothing.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::language::diagnostic::{Code, Diagnostic, Report, Severity};
use crate::language::source::Span;
use crate::language::xml::{self, Document, Namespace};

use super::check::{Fault, fault, features};
use super::{Attribute, Child, Count, Element, Item, Kind, Owner, PROTOCOL, Run, did_you_mean};

/// How many warnings the walk reports; a file with more is broken as a whole, and each one costs memory.
const MAX_WARNINGS: usize = 500;

/// How many errors; one would do to keep the file from loading.
const MAX_ERRORS: usize = 500;

/// Reports what does not fit the table: names, places, counts, simple values, ids that are missing; and what is not run.
///
/// A value that it reports counts as absent: later stages read values with [`super::value`] and stay silent about them.
pub fn validate(document: &Document, report: &mut Report) {
    let Some(root) = document.root() else { return };
    if !root.is(PROTOCOL.name) {
        let message = format!(
            "the file is no protocol definition: expected `<Protocol>`, found `<{}>`",
            root.full_name()
        );
        let problem = Diagnostic::new(Code::NotADefinition, root.name_span(), message);
        report.push(match did_you_mean(root.name(), [PROTOCOL.name]) {
            Some(name) => problem.with_help(format!("did you mean `<{name}>`?")),
            None => problem,
        });
        return;
    }
    let mut walker = Walker { report, warnings: 0, errors: 0, suggestions: HashMap::new() };
    for declaration in document.declarations().iter().filter(|declaration| declaration.adopted) {
        let message = format!("`{}` is not the namespace of the language", declaration.uri.trim());
        walker.push(
            Diagnostic::new(Code::ForeignNamespace, declaration.span, message)
                .with_help(format!("write `{}`, or leave it out", xml::ORIGINAL_NAMESPACE)),
        );
    }
    walker.element(root, &PROTOCOL, false);
}

/// A sentence of the table as a part of another one.
fn in_sentence(doc: &str) -> String {
    let mut rest = doc.trim_end_matches('.').chars();
    rest.next().map(|first| first.to_lowercase().chain(rest).collect()).unwrap_or_default()
}

/// The number that an id with a letter in place of a digit was meant to be.
fn id_meant(text: &str) -> Option<i32> {
    super::value::id(&text.replace(['O', 'o'], "0").replace(['l', 'I'], "1"))
}

/// Whether an element is the `Time` of a trigger on the communication: any text there is data that a connection reports.
fn is_communication_data(element: xml::Element<'_>) -> bool {
    let on = element.parent().filter(|_| element.is("Time")).and_then(|trigger| trigger.child("On"));
    on.is_some_and(|on| on.text().value.eq_ignore_ascii_case("communication"))
}

struct Walker<'r, 'd> {
    report: &'r mut Report,
    warnings: usize,
    errors: usize,
    // What was probably meant, by the element around and the name; looked for once each, since it is slow.
    suggestions: HashMap<(*const Element, &'d str), Option<(Owner, &'static str)>>,
}

impl<'d> Walker<'_, 'd> {
    fn push(&mut self, problem: Diagnostic) {
        let (count, most, what) = match problem.severity {
            Severity::Error => (&mut self.errors, MAX_ERRORS, "errors"),
            Severity::Warning | Severity::Note => (&mut self.warnings, MAX_WARNINGS, "warnings"),
        };
        *count += 1;
        if *count == most + 1 {
            let message = format!("more than {most} {what}: the rest is left out");
            let mut note = Diagnostic::new(Code::TooLarge, problem.span, message);
            note.severity = Severity::Note;
            self.report.push(note);
        } else if *count <= most {
            self.report.push(problem);
        }
    }

    /// Looks at an element that the table has here; `counted` if a feature around it stands in the portability report.
    fn element(&mut self, element: xml::Element<'d>, row: &'static Element, counted: bool) {
        let counted = counted
            || match row.run {
                Run::No(_) => self.not_run(row.run, element.name_span(), &element.text_if_plain()),
                Run::Yes | Run::Remark => false,
            };
        if matches!(row.kind, Kind::Opaque) {
            return;
        }
        self.attributes(element, row, counted);
        self.text(element, row, counted);
        let mut seen = Seen::default();
        for child in element.children() {
            match self.find_child(element, child, row) {
                Found::Known(index, entry) => {
                    self.count(element, child, entry, seen.add(index));
                    self.element(child, entry.element, counted);
                }
                Found::Misspelt(index) => seen.misspelt |= 1 << (index % 128),
                Found::Nothing => {}
            }
        }
        for (index, entry) in row.children.iter().enumerate() {
            if entry.required && !seen.has(index) {
                let name = entry.element.name;
                let message = format!("`<{}>` has no `<{name}>`", row.name);
                let help = format!("add `<{name}>`: {}", in_sentence(entry.element.doc));
                self.push(Diagnostic::new(Code::MissingPart, element.name_span(), message).with_help(help));
            }
        }
    }

    /// Notes a feature that is not run and is used; says whether it did.
    fn not_run(&mut self, run: Run, span: Span, value: &str) -> bool {
        match run {
            // Switched off is not used.
            Run::No(feature) if !value.trim().eq_ignore_ascii_case("false") => {
                self.report.not_run(feature, span);
                true
            }
            Run::No(_) => true,
            Run::Yes | Run::Remark => false,
        }
    }

    fn attributes(&mut self, element: xml::Element<'d>, row: &'static Element, counted: bool) {
        let mut misspelt = Vec::new();
        for attribute in element.attributes() {
            let owner = match attribute.namespace() {
                Namespace::Original => Owner::Original,
                Namespace::Ours => Owner::Ours,
                Namespace::Standard | Namespace::Undeclared => continue,
                Namespace::Foreign => {
                    let message = format!("attribute `{}` is of another namespace", attribute.full_name());
                    self.push(Diagnostic::new(Code::ForeignNamespace, attribute.name_span(), message));
                    continue;
                }
            };
            match row.attribute(owner, attribute.name()) {
                Some(known) => self.attribute(attribute, known, row, counted),
                None => misspelt.extend(self.unknown_attribute(attribute, row)),
            }
        }
        // A slip in the name of what must be there is told once.
        for known in row.attributes.iter().filter(|known| known.required && !misspelt.contains(&known.name)) {
            let given = element
                .attributes()
                .find(|attribute| owns(attribute.namespace(), known.owner) && attribute.name() == known.name);
            if given.is_none_or(|attribute| attribute.trimmed().value.is_empty()) {
                let place = given.map_or(element.name_span(), xml::Attribute::span);
                self.push(missing(row, known, place));
            }
        }
    }

    fn attribute(
        &mut self,
        attribute: xml::Attribute<'d>,
        known: &'static Attribute,
        row: &Element,
        counted: bool,
    ) {
        let value = attribute.trimmed();
        if value.value.is_empty() {
            return;
        }
        if !counted {
            self.not_run(known.run, attribute.name_span(), &value.value);
        }
        if let Some(fault) = fault(known.kind, &value.value) {
            let problem = match known.kind {
                Kind::Id(item) if item != Item::Local => {
                    let message = format!(
                        "the id of `<{}>` must be {}, found `{}`",
                        row.name, fault.expected, value.value
                    );
                    let problem = Diagnostic::new(Code::MissingId, value.span, message);
                    problem.with_help(match id_meant(&value.value) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => format!("write a number that no other `<{}>` has", row.name),
                    })
                }
                _ => bad_value(&format!("attribute `{}`", known.name), &value.value, value.span, &fault),
            };
            self.push(problem);
        } else if !counted {
            self.words(known.kind, &value.value, value.span);
        }
    }

    fn text(&mut self, element: xml::Element<'d>, row: &Element, counted: bool) {
        if matches!(row.kind, Kind::Nothing) {
            if element.has_text() {
                self.stray_text(element, row);
            }
            return;
        }
        if matches!(row.kind, Kind::Text) {
            return;
        }
        let value = element.text();
        if value.value.is_empty() {
            return;
        }
        if let Some(fault) = fault(row.kind, &value.value) {
            if is_communication_data(element) {
                return;
            }
            self.push(bad_value(&place_of(element, row), &value.value, value.span, &fault));
        } else if !counted {
            self.words(row.kind, &value.value, value.span);
        }
    }

    /// Notes the words of a good value that are not run.
    fn words(&mut self, kind: Kind, value: &str, span: Span) {
        for (feature, offset, length) in features(kind, value) {
            let start = span.start as usize + offset;
            let end = (start + length).min(span.end as usize);
            self.report.not_run(feature, Span::new(start, end));
        }
    }

    fn stray_text(&mut self, element: xml::Element<'d>, row: &Element) {
        let text = element.text();
        let shown: String = text.value.lines().next().unwrap_or_default().chars().take(40).collect();
        let message = format!("text `{}` in `<{}>`, which holds only elements", shown.trim(), row.name);
        let empty = row.children.is_empty();
        let problem = Diagnostic::new(Code::StrayText, text.span, message);
        self.push(if empty { problem } else { problem.with_help("remove it") });
    }

    fn count(&mut self, parent: xml::Element<'d>, child: xml::Element<'d>, entry: &Child, times: Times) {
        let what = match entry.count {
            Count::Many => return,
            Count::Once => "only the first counts",
            Count::Section => "both are read as one",
        };
        // The third and later ones are one story with the second.
        if times == Times::Second {
            let name = entry.element.name;
            let first = parent.children().find(|known| known.name() == child.name() && *known != child);
            let problem = Diagnostic::new(
                Code::GivenTwice,
                child.name_span(),
                format!("`<{name}>` is given twice: {what}"),
            );
            self.push(match first {
                Some(first) => problem.with_related(first.name_span(), "first given here"),
                None => problem,
            });
        }
    }

    /// What a child is; what the table does not have is reported, and nothing in it is looked at.
    fn find_child(
        &mut self,
        parent: xml::Element<'d>,
        child: xml::Element<'d>,
        row: &'static Element,
    ) -> Found {
        let owner = match child.namespace() {
            Namespace::Original => Owner::Original,
            Namespace::Ours => Owner::Ours,
            Namespace::Standard | Namespace::Undeclared => return Found::Nothing,
            Namespace::Foreign => {
                let message = format!("`<{}>` is of another namespace and is ignored", child.full_name());
                self.push(Diagnostic::new(Code::ForeignNamespace, child.name_span(), message));
                return Found::Nothing;
            }
        };
        let name = child.name();
        let known = row.children.iter().enumerate();
        let mut known = known.filter(|(_, entry)| entry.element.owner == owner);
        if let Some((index, entry)) = known.clone().find(|(_, entry)| entry.element.name == name) {
            return Found::Known(index, entry);
        }
        if let Some((index, entry)) = known.find(|(_, entry)| entry.element.old_names.contains(&name)) {
            let new = entry.element.name;
            let message = format!("`<{name}>` is an old or mistaken name of `<{new}>`");
            self.push(
                Diagnostic::new(Code::Renamed, child.name_span(), message)
                    .with_help(format!("write `<{new}>`")),
            );
            return Found::Known(index, entry);
        }
        let meant = self.unknown_element(parent, child, row, owner);
        let index = meant.and_then(|meant| row.children.iter().position(|entry| entry.element.name == meant));
        index.map_or(Found::Nothing, Found::Misspelt)
    }

    fn unknown_element(
        &mut self,
        parent: xml::Element<'d>,
        child: xml::Element<'d>,
        row: &'static Element,
        owner: Owner,
    ) -> Option<&'static str> {
        if self.warnings > MAX_WARNINGS {
            return None;
        }
        let mut meant = None;
        let (name, place) = (child.name(), child.name_span());
        let places = if owner == Owner::Original { places().get(name) } else { None };
        let problem = match places {
            Some(parents) => {
                // Real files have parameters beside `Params`; they are read all the same.
                let effect = if name == "Param" && parent.parent().is_none() {
                    "it is read as if it stood in `<Params>`"
                } else {
                    "it is ignored"
                };
                let message = format!("`<{name}>` does not belong in `<{}>`; {effect}", parent.full_name());
                let parents: Vec<String> = parents.iter().map(|parent| format!("`<{parent}>`")).collect();
                Diagnostic::new(Code::Misplaced, place, message)
                    .with_help(format!("it belongs in {}", parents.join(" or ")))
            }
            None => {
                let full = child.full_name();
                let message = format!("unknown element `<{full}>` in `<{}>`", parent.full_name());
                let problem = Diagnostic::new(Code::UnknownElement, place, message);
                let known = row.children.iter().map(|entry| (entry.element.owner, entry.element.name));
                meant = self.suggest(row, full, name, known);
                match meant {
                    Some((owner, meant)) => {
                        problem.with_help(format!("did you mean `<{}{meant}>`?", prefix(owner)))
                    }
                    None => problem,
                }
            }
        };
        self.push(problem);
        meant.map(|(_, name)| name)
    }

    /// Gives the name that was probably meant.
    fn unknown_attribute(
        &mut self,
        attribute: xml::Attribute<'d>,
        row: &'static Element,
    ) -> Option<&'static str> {
        if self.warnings > MAX_WARNINGS {
            return None;
        }
        let full = attribute.full_name();
        let message = format!("unknown attribute `{full}` on `<{}>`", row.name);
        let problem = Diagnostic::new(Code::UnknownAttribute, attribute.name_span(), message);
        let known = row.attributes.iter().map(|known| (known.owner, known.name));
        let meant = self.suggest(row, full, attribute.name(), known);
        self.push(match meant {
            Some((owner, meant)) => problem.with_help(format!("did you mean `{}{meant}`?", prefix(owner))),
            None => problem,
        });
        meant.map(|(_, name)| name)
    }

    fn suggest(
        &mut self,
        row: &'static Element,
        full: &'d str,
        name: &'d str,
        known: impl Iterator<Item = (Owner, &'static str)> + Clone,
    ) -> Option<(Owner, &'static str)> {
        let find = || {
            let meant = did_you_mean(name, known.clone().map(|(_, name)| name))?;
            known.clone().find(|(_, name)| *name == meant)
        };
        *self.suggestions.entry((std::ptr::from_ref(row), full)).or_insert_with(find)
    }
}

/// What a child is to its parent.
enum Found {
    /// An entry of the parent's list, and its index there.
    Known(usize, &'static Child),
    /// Reported, and probably meant as the entry with this index.
    Misspelt(usize),
    /// Reported, or of no concern.
    Nothing,
}

fn prefix(owner: Owner) -> &'static str {
    match owner {
        Owner::Original => "",
        Owner::Ours => "bs:",
    }
}

fn owns(namespace: Namespace, owner: Owner) -> bool {
    match namespace {
        Namespace::Original => owner == Owner::Original,
        Namespace::Ours => owner == Owner::Ours,
        Namespace::Standard | Namespace::Foreign | Namespace::Undeclared => false,
    }
}

fn missing(row: &Element, known: &Attribute, place: Span) -> Diagnostic {
    let what = format!("`<{}>` has no `{}`", row.name, known.name);
    match known.kind {
        Kind::Id(item) if item != Item::Local => {
            let message = format!("{what}, so nothing can refer to this {}", item.name());
            Diagnostic::new(Code::MissingId, place, message)
                .with_help("add `id=\"...\"` with a number that is free")
        }
        _ => Diagnostic::new(Code::MissingPart, place, what),
    }
}

fn bad_value(what: &str, value: &str, span: Span, fault: &Fault) -> Diagnostic {
    let part = value.get(fault.part.clone()).unwrap_or(value);
    let shown: String = part.chars().take(60).collect();
    let message = format!("expected {} in {what}, found `{shown}`", fault.expected);
    // A value with references in it is longer in the file; its own place is then near enough.
    let start = span.start as usize + fault.part.start;
    let exact = Span::new(start, start + part.len());
    let span = if span.end as usize - span.start as usize == value.len() { exact } else { span };
    let problem = Diagnostic::new(Code::BadValue, span, message);
    problem.with_help(
        fault.help.clone().unwrap_or_else(|| "as long as it does not fit, it counts as not there".to_owned()),
    )
}

/// `<DefaultValue>` and the like mean little without the element that they stand in.
fn place_of(element: xml::Element<'_>, row: &Element) -> String {
    match element.parent().filter(|_| matches!(row.name, "DefaultValue" | "Value" | "Low" | "High")) {
        Some(parent) => format!("`<{}>` of `<{}>`", row.name, parent.full_name()),
        None => format!("`<{}>`", row.name),
    }
}

/// How often an entry of a row's list was met.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    First,
    Second,
    More,
}

/// Which entries of a row's list were met; a row has fewer than 128, which a test asserts.
#[derive(Default)]
struct Seen {
    once: u128,
    twice: u128,
    // Names that were probably meant as these: not missing, but not there either.
    misspelt: u128,
}

impl Seen {
    fn add(&mut self, index: usize) -> Times {
        let bit = 1 << (index % 128);
        let times = match (self.once & bit != 0, self.twice & bit != 0) {
            (false, _) => Times::First,
            (true, false) => Times::Second,
            (true, true) => Times::More,
        };
        self.twice |= self.once & bit;
        self.once |= bit;
        times
    }

    fn has(&self, index: usize) -> bool {
        (self.once | self.misspelt) & (1 << (index % 128)) != 0
    }
}

/// In which elements each name of the original language stands.
fn places() -> &'static HashMap<&'static str, Vec<&'static str>> {
    static PLACES: OnceLock<HashMap<&'static str, Vec<&'static str>>> = OnceLock::new();
    PLACES.get_or_init(|| {
        let mut places: HashMap<&'static str, Vec<&'static str>> = HashMap::new();
        for (_, row) in super::elements() {
            for entry in row.children.iter().filter(|entry| entry.element.owner == Owner::Original) {
                let parents = places.entry(entry.element.name).or_default();
                if !parents.contains(&row.name) {
                    parents.push(row.name);
                }
            }
        }
        for (name, parents) in &mut places {
            // The list of the items first: `Param` belongs in `Params` before it belongs in a `Content`.
            parents.sort_by_key(|parent| !parent.starts_with(name));
        }
        places
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::load;
    use crate::language::source::Source;

    #[test]
    fn the_report_of_a_hopeless_file_has_a_limit() {
        let text = format!(
            "<Protocol>{}<Params>{}</Params></Protocol>",
            "<x/>".repeat(3_000),
            "<Param/>".repeat(2_000)
        );
        let report = load::check(&Source::new("a.xml", text));
        let count =
            |severity| report.diagnostics().iter().filter(|problem| problem.severity == severity).count();
        assert_eq!(
            [count(Severity::Note), count(Severity::Warning), count(Severity::Error)],
            [2, MAX_WARNINGS, MAX_ERRORS]
        );
    }

    #[test]
    fn a_feature_that_is_switched_off_is_not_used() {
        let text = "<Protocol><Params><Param id='1' trending='false'><Type>read</Type>\
                    <SNMP><Enabled>false</Enabled><TrapOID/></SNMP></Param></Params></Protocol>";
        let report = load::check(&Source::new("a.xml", text));
        let features: Vec<_> = report.features_not_run().iter().map(|entry| entry.feature.as_str()).collect();
        assert_eq!(features, ["SNMP"]);
        assert!(report.diagnostics().is_empty());
    }
}
