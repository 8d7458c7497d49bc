//! Whose names the elements and attributes of a text are, by the prefixes that are declared around them.

use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::source::Span;

use super::super::decode::{self, Mode};
use super::super::tag::{self, Fatal, RawAttribute, malformed};
use super::super::{Declaration, Name, Namespace, OUR_NAMESPACE};
use super::{Builder, offset};

/// How many prefixes that are not declared are reported.
const MAX_PREFIX_PROBLEMS: usize = 20;

/// A prefix and its namespace while the element that declares it is open.
pub(super) struct Binding {
    // Empty for the default namespace.
    prefix: Span,
    namespace: Namespace,
}

/// Which kind of name it is.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Element,
    Attribute,
}

impl Builder<'_> {
    /// Notes the `xmlns` attributes of a tag.
    pub(super) fn declare(&mut self, raw: &[RawAttribute]) {
        for attribute in raw {
            let name = self.slice(attribute.name);
            if !is_declaration(name) {
                continue;
            }
            let prefix = match name.split_once(':') {
                Some((xmlns, _)) => {
                    Span { start: attribute.name.start + offset(xmlns.len()) + 1, ..attribute.name }
                }
                None => Span { start: attribute.name.end, end: attribute.name.end },
            };
            let uri = decode::decode(self.slice(attribute.value), Mode::Attribute).into_owned();
            let namespace = Namespace::of(&uri);
            let span = Span { start: attribute.name.start, end: attribute.value.end + 1 };
            self.bindings.push(Binding { prefix, namespace });
            self.document.declarations.push(Declaration { uri, namespace, adopted: false, span });
        }
    }

    /// Whose name it is; without a prefix an attribute has no namespace, an element the default one.
    pub(super) fn resolve(&mut self, span: Span, plain: Namespace, part: Part) -> Result<Name, Fatal> {
        let name = self.slice(span);
        let Some((prefix, local)) = name.split_once(':') else {
            let namespace = match part {
                Part::Attribute => plain,
                Part::Element => self.binding("").unwrap_or(plain),
            };
            return Ok(Name { span, prefix: 0, namespace });
        };
        // Fits: the name is no longer than `MAX_NAME_BYTES`.
        let length = u16::try_from(prefix.len() + 1).unwrap_or(u16::MAX);
        if prefix.is_empty() || !tag::is_name(local) || local.contains(':') {
            return Err(malformed(span, format!("`{name}` is not a name with a prefix")).into());
        }
        let namespace = match self.binding(prefix) {
            Some(namespace) => namespace,
            None if prefix == "xml" => Namespace::Standard,
            None => {
                let problem = undeclared(prefix, Span { end: span.start + u32::from(length) - 1, ..span });
                // One report for each prefix, not for each use of it; a text with many of them is no definition.
                if self.problems.len() < MAX_PREFIX_PROBLEMS
                    && !self.problems.iter().any(|known| known.message == problem.message)
                {
                    self.problems.push(problem);
                }
                Namespace::Undeclared
            }
        };
        Ok(Name { span, prefix: length, namespace })
    }

    /// Takes the foreign namespace of a root called `Protocol` as the original's: names are what counts.
    pub(super) fn adopt(&mut self, name: &mut Name) {
        if self.document.local(name) != "Protocol" {
            return;
        }
        let length = usize::from(name.prefix).saturating_sub(1);
        let full = self.text.get(name.span.start as usize..).unwrap_or_default();
        let prefix = full.get(..length).unwrap_or_default();
        let text = self.text;
        let slice = |span: Span| text.get(span.start as usize..span.end as usize).unwrap_or_default();
        for (binding, declaration) in self.bindings.iter_mut().zip(&mut self.document.declarations) {
            if slice(binding.prefix) == prefix {
                binding.namespace = Namespace::Original;
                declaration.namespace = Namespace::Original;
                declaration.adopted = true;
                name.namespace = Namespace::Original;
            }
        }
    }

    fn binding(&self, prefix: &str) -> Option<Namespace> {
        let bound = self.bindings.iter().rev().find(|binding| self.slice(binding.prefix) == prefix);
        bound.map(|binding| binding.namespace)
    }
}

pub(super) fn is_declaration(name: &str) -> bool {
    name.strip_prefix("xmlns").is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

fn undeclared(prefix: &str, span: Span) -> Diagnostic {
    let problem =
        Diagnostic::new(Code::UndeclaredPrefix, span, format!("the prefix `{prefix}` is not declared"));
    match prefix {
        "bs" => problem.with_help(format!("add `xmlns:bs=\"{}\"` to `<Protocol>`", OUR_NAMESPACE)),
        _ => problem.with_help(format!("add `xmlns:{prefix}=\"...\"` to `<Protocol>`, or remove the prefix")),
    }
}
