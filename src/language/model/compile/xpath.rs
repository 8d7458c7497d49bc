//! Paths into XML (XPath 1.0): parsed, and checked for what could only fail later or take too long; evaluates none.

use std::sync::Arc;

use xpath_eval::{
    Axis, Expr, FilterExpr, FunctionCall, LocationPath, NodeTest, PathExpr, PrimaryExpr, parse,
};

use crate::language::definition::Text;
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::scope::{Scope, User};
use crate::language::model::compile::value::short;
use crate::language::model::message::XPath;
use crate::language::schema::did_you_mean;

/// Longest path, in bytes.
const MAX_PATH: usize = 1_000;

/// How deep brackets of a path may be nested, and how many signs may follow each other: the library that reads it recurses.
const MAX_DEPTH: usize = 16;

/// The functions of XPath 1.0, with the least and the greatest number of arguments.
const FUNCTIONS: [(&str, usize, usize); 27] = [
    ("boolean", 1, 1),
    ("ceiling", 1, 1),
    ("concat", 2, usize::MAX),
    ("contains", 2, 2),
    ("count", 1, 1),
    ("false", 0, 0),
    ("floor", 1, 1),
    ("id", 1, 1),
    ("lang", 1, 1),
    ("last", 0, 0),
    ("local-name", 0, 1),
    ("name", 0, 1),
    ("namespace-uri", 0, 1),
    ("normalize-space", 0, 1),
    ("not", 1, 1),
    ("number", 0, 1),
    ("position", 0, 0),
    ("round", 1, 1),
    ("starts-with", 2, 2),
    ("string", 0, 1),
    ("string-length", 0, 1),
    ("substring", 2, 3),
    ("substring-after", 2, 2),
    ("substring-before", 2, 2),
    ("sum", 1, 1),
    ("translate", 3, 3),
    ("true", 0, 0),
];

/// Compiles a path; reports what is wrong with it at its place.
pub(super) fn compile(scope: &mut Scope, text: &Text<'_>, user: User) -> Option<XPath> {
    let wrong = |scope: &mut Scope, why: String, help: String| {
        scope.push(
            Diagnostic::new(
                Code::BadPath,
                text.span,
                format!("the path `{}` of {user} cannot be read: {why}", short(&text.value)),
            )
            .with_help(help),
        );
    };
    let help = || "a path into XML is written in XPath 1.0, such as `/status/level` or `item/@id`".to_owned();
    if text.value.starts_with('$') {
        wrong(scope, "this is a path into JSON".to_owned(), help());
        return None;
    }
    if text.value.len() > MAX_PATH || depth(&text.value) > MAX_DEPTH {
        wrong(scope, "it is too long, or nested too deep".to_owned(), help());
        return None;
    }
    match parse(&text.value) {
        Ok(expression) => match mistake(&expression) {
            None => Some(XPath { text: Arc::from(&*text.value), expression: Arc::new(expression) }),
            Some((why, help)) => {
                wrong(scope, why, help);
                None
            }
        },
        Err(error) => {
            let at = text.part(error.position..text.value.len());
            let place = if at.start == at.end { text.span } else { at };
            let message =
                format!("the path `{}` of {user} cannot be read: {}", short(&text.value), error.message);
            scope.push(Diagnostic::new(Code::BadPath, place, message).with_help(help()));
            None
        }
    }
}

/// The deepest nesting of brackets, or the longest row of signs if that is longer.
fn depth(path: &str) -> usize {
    let (mut depth, mut deepest, mut signs) = (0_usize, 0, 0_usize);
    for byte in path.bytes() {
        match byte {
            b'[' | b'(' => depth += 1,
            b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        signs = match byte {
            b'-' => signs + 1,
            b' ' => signs,
            _ => 0,
        };
        deepest = deepest.max(depth).max(signs);
    }
    deepest
}

/// What of a path can never work, or has no bound; with what helps.
fn mistake(root: &Expr) -> Option<(String, String)> {
    let mut open = vec![root];
    while let Some(expression) = open.pop() {
        match expression {
            Expr::Equality(left, _, right) | Expr::Relational(left, _, right) => {
                if is_list(left) && is_list(right) {
                    return Some((
                        "it compares two lists with each other".to_owned(),
                        "compare with one value, such as `@id` or `../@id`: lists of any length would take any time"
                            .to_owned(),
                    ));
                }
                open.extend([&**left, &**right]);
            }
            Expr::Or(left, right)
            | Expr::And(left, right)
            | Expr::Additive(left, _, right)
            | Expr::Multiplicative(left, _, right)
            | Expr::Union(left, right) => open.extend([&**left, &**right]),
            Expr::Negate(inner) => open.push(inner),
            Expr::Path(PathExpr::Location(path)) => location(path, &mut open),
            Expr::Path(PathExpr::Filter(filter)) => {
                if let Some(found) = primary(filter, &mut open) {
                    return Some(found);
                }
            }
            Expr::Path(PathExpr::FilterLocation(filter, path)) => {
                location(path, &mut open);
                if let Some(found) = primary(filter, &mut open) {
                    return Some(found);
                }
            }
        }
    }
    None
}

fn location<'e>(path: &'e LocationPath, open: &mut Vec<&'e Expr>) {
    open.extend(path.steps.iter().flat_map(|step| &step.predicates));
}

fn primary<'e>(filter: &'e FilterExpr, open: &mut Vec<&'e Expr>) -> Option<(String, String)> {
    open.extend(&filter.predicates);
    match &filter.primary {
        PrimaryExpr::Variable(name) => Some((
            format!("`${}` is a variable, and there are none", name.local),
            "write the value itself".to_owned(),
        )),
        PrimaryExpr::Parenthesized(inner) => {
            open.push(inner);
            None
        }
        PrimaryExpr::Literal(_) | PrimaryExpr::Number(_) => None,
        PrimaryExpr::Function(call) => {
            open.extend(&call.args);
            function(call)
        }
    }
}

fn function(call: &FunctionCall) -> Option<(String, String)> {
    let name = &call.name.local;
    let known = FUNCTIONS.iter().find(|(known, _, _)| call.name.prefix.is_none() && known == name);
    let Some((_, least, most)) = known else {
        let near = did_you_mean(name, FUNCTIONS.iter().map(|(known, _, _)| *known));
        let help = near.map_or_else(
            || "XPath 1.0 has 27 functions".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return Some((format!("there is no function `{name}`"), help));
    };
    let given = call.args.len();
    if given < *least || given > *most {
        let wanted = if least == most { least.to_string() } else { format!("at least {least}") };
        return Some((
            format!("`{name}` takes {wanted} arguments and has {given}"),
            "see XPath 1.0, section 4".to_owned(),
        ));
    }
    let takes_list = matches!(name.as_str(), "count" | "sum");
    if takes_list && !call.args.first().is_some_and(may_be_nodes) {
        return Some((format!("`{name}` takes nodes, not a value"), "give it a path".to_owned()));
    }
    None
}

fn may_be_nodes(expression: &Expr) -> bool {
    match expression {
        Expr::Union(..) | Expr::Path(PathExpr::Location(_) | PathExpr::FilterLocation(..)) => true,
        Expr::Path(PathExpr::Filter(filter)) => match &filter.primary {
            PrimaryExpr::Parenthesized(inner) => may_be_nodes(inner),
            PrimaryExpr::Function(call) => call.name.local == "id",
            PrimaryExpr::Variable(_) | PrimaryExpr::Literal(_) | PrimaryExpr::Number(_) => false,
        },
        Expr::Or(..)
        | Expr::And(..)
        | Expr::Equality(..)
        | Expr::Relational(..)
        | Expr::Additive(..)
        | Expr::Multiplicative(..)
        | Expr::Negate(_) => false,
    }
}

/// Whether an expression can be more than one node.
fn is_list(expression: &Expr) -> bool {
    let one = |path: &LocationPath| {
        path.steps.iter().all(|step| match step.axis {
            Axis::SelfAxis | Axis::Parent => true,
            Axis::Attribute => matches!(step.node_test, NodeTest::QName(_)),
            Axis::Ancestor
            | Axis::AncestorOrSelf
            | Axis::Child
            | Axis::Descendant
            | Axis::DescendantOrSelf
            | Axis::Following
            | Axis::FollowingSibling
            | Axis::Namespace
            | Axis::Preceding
            | Axis::PrecedingSibling => false,
        })
    };
    match expression {
        Expr::Path(PathExpr::Location(path)) => !one(path),
        other => may_be_nodes(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_or_has_no_bound_is_found_before_it_runs() {
        for (path, expected) in [
            ("/a/b[@id = 'x']/text()", None),
            ("item[@ref = ../@id]", None),
            ("count(//item) > 3", None),
            ("concat(@a, '/', b[1])", None),
            ("(//a | //b)[last()]", None),
            ("//a = //b", Some("it compares two lists with each other")),
            ("a[b < ../c/d]", Some("it compares two lists with each other")),
            ("upper-case(a)", Some("there is no function `upper-case`")),
            ("substring(a)", Some("`substring` takes at least 2 arguments and has 1")),
            ("a[$x]", Some("`$x` is a variable, and there are none")),
            ("sum(3)", Some("`sum` takes nodes, not a value")),
        ] {
            let expression = parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(mistake(&expression).map(|(why, _)| why).as_deref(), expected, "{path}");
        }
        assert_eq!(depth("a[b(c)]"), 2);
        assert_eq!(depth("- - -1"), 3);
    }
}
