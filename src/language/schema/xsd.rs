//! Writes the table as XML schemas for editors; checks nothing itself.
//!
//! XSD 1.0 cannot say "in any order, this one once" beside lists, so every element's children are a choice that may repeat:
//! an editor completes and checks names, values and required attributes, and `check` counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::enumerations::Enumeration;
use super::{Attribute, Element, Kind, Owner, Run, elements};
use crate::language::xml::{ORIGINAL_NAMESPACE, OUR_NAMESPACE};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- Generated from the table in src/language/schema; UPDATE_GOLDEN=1 cargo test rewrites it. -->\n";

/// The schema for definitions without a namespace, which the namespaced one includes.
pub fn xsd() -> String {
    let mut writer = Writer::new(Owner::Original);
    writer.body();
    let mut out = String::from(HEAD);
    let _ = writeln!(
        out,
        "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns:bs=\"{OUR_NAMESPACE}\" elementFormDefault=\"qualified\">\n  \
         <xs:import namespace=\"{OUR_NAMESPACE}\" schemaLocation=\"backshell-extensions.xsd\"/>"
    );
    out.push_str(&writer.out);
    out.push_str("</xs:schema>\n");
    out
}

/// The schema for definitions in the original language's namespace.
pub fn xsd_namespaced() -> String {
    format!(
        "{HEAD}<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns=\"{ORIGINAL_NAMESPACE}\" \
         targetNamespace=\"{ORIGINAL_NAMESPACE}\" elementFormDefault=\"qualified\">\n  \
         <xs:include schemaLocation=\"backshell-protocol.xsd\"/>\n</xs:schema>\n"
    )
}

/// The schema for the names of our own, which both others import.
pub fn xsd_extensions() -> String {
    let mut writer = Writer::new(Owner::Ours);
    writer.body();
    let mut out = String::from(HEAD);
    let _ = writeln!(
        out,
        "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns=\"{OUR_NAMESPACE}\" \
         targetNamespace=\"{OUR_NAMESPACE}\" elementFormDefault=\"qualified\">"
    );
    out.push_str(&writer.out);
    out.push_str("</xs:schema>\n");
    out
}

/// Collects the declarations of one schema.
struct Writer {
    owner: Owner,
    out: String,
    // The simple types that were asked for, by name.
    types: BTreeMap<String, String>,
}

impl Writer {
    fn new(owner: Owner) -> Self {
        Self { owner, out: String::new(), types: BTreeMap::new() }
    }

    fn body(&mut self) {
        let all = elements();
        let owner = self.owner;
        let ours = all.iter().filter(|(_, element)| element.owner == owner);
        for (path, element) in ours {
            let name = type_name(path);
            if is_global(self.owner, path, &all) {
                let _ = writeln!(self.out, "  <xs:element name=\"{}\" type=\"{name}\"/>", element.name);
            }
            self.complex_type(&name, element, &all);
        }
        if self.owner == Owner::Ours {
            self.global_attributes(&all);
        }
        for declaration in std::mem::take(&mut self.types).into_values() {
            self.out.push_str(&declaration);
        }
    }

    fn complex_type(&mut self, name: &str, element: &'static Element, all: &[(String, &'static Element)]) {
        let opaque = matches!(element.kind, Kind::Opaque);
        let text = matches!(element.kind, Kind::Text) && !element.children.is_empty();
        let mixed = if opaque || text { " mixed=\"true\"" } else { "" };
        let _ = writeln!(self.out, "  <xs:complexType name=\"{name}\"{mixed}>");
        self.annotation("    ", element.doc, element.run, element.default);
        if opaque {
            self.out.push_str(
                "    <xs:sequence>\n      <xs:any minOccurs=\"0\" maxOccurs=\"unbounded\" processContents=\"skip\"/>\n    </xs:sequence>\n",
            );
            self.out.push_str("    <xs:anyAttribute processContents=\"skip\"/>\n");
        } else if element.children.is_empty() && !matches!(element.kind, Kind::Nothing) {
            let base = self.simple_type(element.kind);
            let _ = writeln!(self.out, "    <xs:simpleContent>\n      <xs:extension base=\"{base}\">");
            self.attributes("        ", element);
            self.out.push_str("      </xs:extension>\n    </xs:simpleContent>\n");
        } else {
            self.children(element, all);
            self.attributes("    ", element);
        }
        self.out.push_str("  </xs:complexType>\n");
    }

    fn children(&mut self, element: &'static Element, all: &[(String, &'static Element)]) {
        if element.children.is_empty() {
            return;
        }
        self.out.push_str("    <xs:choice minOccurs=\"0\" maxOccurs=\"unbounded\">\n");
        for child in element.children {
            let child = child.element;
            if child.owner == self.owner {
                let path =
                    all.iter().find(|(_, known)| std::ptr::eq(*known, child)).map_or("", |(path, _)| path);
                let _ = writeln!(
                    self.out,
                    "      <xs:element name=\"{}\" type=\"{}\"/>",
                    child.name,
                    type_name(path)
                );
            } else {
                let _ = writeln!(self.out, "      <xs:element ref=\"bs:{}\"/>", child.name);
            }
        }
        self.out.push_str("    </xs:choice>\n");
    }

    fn attributes(&mut self, indent: &str, element: &'static Element) {
        for attribute in element.attributes {
            // In a tag of our own, attributes stand without a prefix and are the original's by their form.
            if attribute.owner == Owner::Ours {
                let _ = writeln!(self.out, "{indent}<xs:attribute ref=\"bs:{}\"/>", attribute.name);
            } else {
                self.attribute(indent, attribute);
            }
        }
    }

    fn attribute(&mut self, indent: &str, attribute: &'static Attribute) {
        let base = self.simple_type(attribute.kind);
        let required = if attribute.required { " use=\"required\"" } else { "" };
        let _ = writeln!(
            self.out,
            "{indent}<xs:attribute name=\"{}\" type=\"{base}\"{required}>",
            attribute.name
        );
        self.annotation(&format!("{indent}  "), attribute.doc, attribute.run, attribute.default);
        let _ = writeln!(self.out, "{indent}</xs:attribute>");
    }

    /// The attributes of our own that stand on the original's elements.
    fn global_attributes(&mut self, all: &[(String, &'static Element)]) {
        let attributes = all.iter().flat_map(|(_, element)| element.attributes);
        let ours: BTreeMap<&str, &'static Attribute> = attributes
            .filter(|attribute| attribute.owner == Owner::Ours)
            .map(|attribute| (attribute.name, attribute))
            .collect();
        for attribute in ours.into_values() {
            let global = Attribute { required: false, ..*attribute };
            let base = self.simple_type(global.kind);
            let _ = writeln!(self.out, "  <xs:attribute name=\"{}\" type=\"{base}\">", global.name);
            self.annotation("    ", global.doc, global.run, global.default);
            self.out.push_str("  </xs:attribute>\n");
        }
    }

    fn annotation(&mut self, indent: &str, doc: &str, run: Run, default: &str) {
        let run = match run {
            Run::No(feature) => format!(" Not run: {feature}."),
            Run::Yes | Run::Remark => String::new(),
        };
        let default = if default.is_empty() { String::new() } else { format!(" Default: {default}.") };
        let text = escape(&format!("{doc}{run}{default}"));
        let _ = writeln!(
            self.out,
            "{indent}<xs:annotation><xs:documentation>{text}</xs:documentation></xs:annotation>"
        );
    }

    /// The name of the simple type for a kind; declares it on first use. Every type but text also takes nothing at all.
    fn simple_type(&mut self, kind: Kind) -> String {
        let (name, body) = match kind {
            Kind::Text | Kind::Options(_) | Kind::Nothing | Kind::Opaque => return "xs:string".to_owned(),
            Kind::Flag => {
                let words =
                    ["true", "false"].map(|word| format!("<xs:enumeration value=\"{word}\"/>")).concat();
                ("Flag".to_owned(), words_type(&words, &["true", "false"]))
            }
            Kind::Integer { min, max } => (
                format!("Integer.{min}.{max}").replace('-', "minus"),
                or_nothing(&format!(
                    "<xs:restriction base=\"xs:integer\"><xs:minInclusive value=\"{min}\"/><xs:maxInclusive value=\"{max}\"/></xs:restriction>"
                )),
            ),
            Kind::Milliseconds { min, max } => (
                format!("Milliseconds.{min}.{max}"),
                or_nothing(&format!(
                    "<xs:restriction base=\"xs:integer\"><xs:minInclusive value=\"{min}\"/><xs:maxInclusive value=\"{max}\"/></xs:restriction>"
                )),
            ),
            Kind::Decimal => ("Decimal".to_owned(), or_nothing("<xs:restriction base=\"xs:double\"/>")),
            Kind::Id(_) => ("Id".to_owned(), "<xs:restriction base=\"xs:int\"/>".to_owned()),
            Kind::Reference(_) => ("Reference".to_owned(), or_nothing("<xs:restriction base=\"xs:int\"/>")),
            Kind::References(_, separator) => (
                format!("References.{}", u32::from(separator)),
                format!(
                    "<xs:restriction base=\"xs:token\"><xs:pattern value=\"[0-9 \\-{separator}]*\"/></xs:restriction>"
                ),
            ),
            Kind::Enumeration(table) => (table.type_name.to_owned(), enumeration(table)),
        };
        let declaration = format!("  <xs:simpleType name=\"{name}\">\n    {body}\n  </xs:simpleType>\n");
        self.types.insert(name.clone(), declaration);
        name
    }
}

/// Whether an element is declared by itself: the root, and our elements that stand in the original's.
fn is_global(owner: Owner, path: &str, all: &[(String, &'static Element)]) -> bool {
    let Some((parent, _)) = path.rsplit_once('/') else { return true };
    owner == Owner::Ours
        && all.iter().any(|(known, element)| known == parent && element.owner == Owner::Original)
}

fn type_name(path: &str) -> String {
    path.strip_prefix("Protocol/").unwrap_or(path).replace('/', ".").replace("bs:", "")
}

/// A type that also takes an empty value, which counts as absent.
fn or_nothing(restriction: &str) -> String {
    format!(
        "<xs:union>\n      <xs:simpleType>{restriction}</xs:simpleType>\n      \
         <xs:simpleType><xs:restriction base=\"xs:token\"><xs:length value=\"0\"/></xs:restriction></xs:simpleType>\n    </xs:union>"
    )
}

fn enumeration(table: &'static Enumeration) -> String {
    let mut words = String::new();
    for word in table.values {
        let run = match word.run {
            Run::No(feature) => format!(" Not run: {feature}."),
            Run::Yes | Run::Remark => String::new(),
        };
        let _ = write!(
            words,
            "\n        <xs:enumeration value=\"{}\"><xs:annotation><xs:documentation>{}</xs:documentation></xs:annotation></xs:enumeration>",
            escape(word.name),
            escape(&format!("{}{run}", word.doc))
        );
    }
    words.push_str("\n      ");
    let names: Vec<&str> = table
        .values
        .iter()
        .flat_map(|word| std::iter::once(&word.name).chain(word.aliases))
        .copied()
        .collect();
    words_type(&words, &names)
}

/// The words as they are completed, and the same in any case, or nothing.
fn words_type(enumerations: &str, names: &[&str]) -> String {
    let patterns: Vec<String> = names.iter().map(|name| any_case(name)).collect();
    format!(
        "<xs:union>\n      <xs:simpleType><xs:restriction base=\"xs:token\">{enumerations}</xs:restriction></xs:simpleType>\n      \
         <xs:simpleType><xs:restriction base=\"xs:token\"><xs:pattern value=\"({})?\"/></xs:restriction></xs:simpleType>\n    </xs:union>",
        patterns.join("|")
    )
}

/// A pattern of XSD for a word in any case.
fn any_case(word: &str) -> String {
    let mut pattern = String::new();
    for letter in word.chars() {
        if letter.is_ascii_alphabetic() {
            let _ = write!(pattern, "[{}{}]", letter.to_ascii_uppercase(), letter.to_ascii_lowercase());
        } else if matches!(
            letter,
            '.' | '\\' | '?' | '*' | '+' | '{' | '}' | '(' | ')' | '[' | ']' | '|' | '^' | '-'
        ) {
            let _ = write!(pattern, "\\{letter}");
        } else {
            pattern.push(letter);
        }
    }
    pattern
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
