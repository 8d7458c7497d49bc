//! `bs:Template`: parses it, finds what it reads and what it calls, and reports names that mean nothing; renders nothing.
//!
//! The environment is that of [`model::template`](crate::language::model::template), which says who gives what.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

use minijinja::machinery::{Span as Place, Token, ast, parse, tokenize};
use minijinja::value::Value;
use minijinja::{Environment, ErrorKind};

use crate::language::definition::Text;
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::scope::{Scope, Use, User};
use crate::language::model::compile::value::short;
use crate::language::model::id::ParamIx;
use crate::language::model::message::Template;
use crate::language::model::param::ParamKind;
use crate::language::model::template::{FILTERS, FUNCTIONS, environment};
use crate::language::schema::did_you_mean;
use crate::language::source::{Span, Spanned};

/// Longest template, in bytes.
const MAX_BYTES: usize = 256 << 10;

/// Most words between one pair of braces, and most pairs: the library recurses on both.
const MAX_WORDS: usize = 300;
const MAX_TAGS: usize = 300;

/// Compiles a template; reports what is wrong with it at its place.
pub(super) fn compile(scope: &mut Scope, text: &Text<'_>, user: User) -> Option<Template> {
    if let Some((at, why)) = beyond_limits(&text.value) {
        scope.say(Code::BadTemplate, text.part(at..at + 2), format!("the template of {user} {why}"));
        return None;
    }
    let mut environment = environment();
    let loaded = environment.add_template_owned(Template::NAME, text.value.clone().into_owned());
    let tree = parse(&text.value, Template::NAME, Default::default());
    let tree = match (loaded, tree) {
        (Ok(()), Ok(tree)) => tree,
        (Err(error), _) | (_, Err(error)) => {
            let range = whole_characters(&text.value, error.range().unwrap_or(0..text.value.len()));
            let why = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            let message = format!("the template of {user} cannot be read: {}", short(&why));
            scope.push(Diagnostic::new(Code::BadTemplate, text.part(range), message).with_help(
                "a value stands between `{{` and `}}`, such as `{{ Name }}` or `{{ param(12) }}`",
            ));
            return None;
        }
    };
    let mut walk = Walk::default();
    walk.statement(&tree);
    let params = resolve(scope, text, &walk, &environment, user)?;
    Some(Template { text: Arc::from(&*text.value), params, environment: Arc::new(environment) })
}

/// What of a template is more than the limits allow: where, and why.
fn beyond_limits(text: &str) -> Option<(usize, String)> {
    if text.len() > MAX_BYTES {
        return Some((0, format!("has more than {MAX_BYTES} bytes")));
    }
    let mut words = 0;
    let mut tags = 0;
    let tokens = tokenize(text, false, Default::default());
    for token in tokens {
        // What is wrong with a word is said by the parser.
        let Ok((token, place)) = token else { return None };
        match token {
            Token::TemplateData(_) => {}
            Token::VariableStart | Token::BlockStart => {
                tags += 1;
                words = 0;
            }
            _ => words += 1,
        }
        if words > MAX_WORDS {
            return Some((
                place.start_offset as usize,
                format!("has more than {MAX_WORDS} words between two braces"),
            ));
        }
        if tags > MAX_TAGS {
            return Some((place.start_offset as usize, format!("has more than {MAX_TAGS} pairs of braces")));
        }
    }
    None
}

/// What a template names, each with its place in it.
#[derive(Default)]
struct Walk<'t> {
    variables: Vec<(&'t str, Place)>,
    assigned: HashSet<&'t str>,
    functions: Vec<(&'t str, Place)>,
    filters: Vec<(&'t str, Place)>,
    tests: Vec<(&'t str, Place)>,
    // What can make a text of any length: joined to itself again and again, or kept instead of written.
    refused: Vec<(&'static str, Place)>,
    // The argument of each call of `param`; none if it is not one literal.
    params: Vec<(Option<Value>, Place)>,
}

impl<'t> Walk<'t> {
    /// Walks over a template; the tree is walked with a list, not by recursion.
    fn statement(&mut self, root: &ast::Stmt<'t>) {
        let mut statements = vec![root];
        let mut expressions = Vec::new();
        while let Some(statement) = statements.pop() {
            match statement {
                ast::Stmt::Template(node) => statements.extend(&node.children),
                ast::Stmt::EmitExpr(node) => expressions.push(&node.expr),
                ast::Stmt::EmitRaw(_) => {}
                ast::Stmt::ForLoop(node) => {
                    self.assigned.insert("loop");
                    self.target(&node.target);
                    expressions.push(&node.iter);
                    expressions.extend(&node.filter_expr);
                    statements.extend(node.body.iter().chain(&node.else_body));
                }
                ast::Stmt::IfCond(node) => {
                    expressions.push(&node.expr);
                    statements.extend(node.true_body.iter().chain(&node.false_body));
                }
                ast::Stmt::WithBlock(node) => {
                    self.refused.push(("{% with %}", node.span()));
                    for (target, value) in &node.assignments {
                        self.target(target);
                        expressions.push(value);
                    }
                    statements.extend(&node.body);
                }
                ast::Stmt::Set(node) => {
                    self.refused.push(("{% set %}", node.span()));
                    self.target(&node.target);
                    expressions.push(&node.expr);
                }
                ast::Stmt::SetBlock(node) => {
                    self.refused.push(("{% set %}", node.span()));
                    self.target(&node.target);
                    expressions.extend(&node.filter);
                    statements.extend(&node.body);
                }
                ast::Stmt::AutoEscape(node) => {
                    expressions.push(&node.enabled);
                    statements.extend(&node.body);
                }
                ast::Stmt::FilterBlock(node) => {
                    self.refused.push(("{% filter %}", node.span()));
                    expressions.push(&node.filter);
                    statements.extend(&node.body);
                }
                ast::Stmt::Do(node) => self.call(&node.call, node.call.span(), &mut expressions),
            }
            while let Some(expression) = expressions.pop() {
                self.expression(expression, &mut expressions);
            }
        }
    }

    fn target(&mut self, target: &ast::Expr<'t>) {
        match target {
            ast::Expr::Var(node) => {
                self.assigned.insert(node.id);
            }
            ast::Expr::List(node) => node.items.iter().for_each(|item| self.assign(item)),
            ast::Expr::Tuple(node) => node.items.iter().for_each(|item| self.assign(item)),
            _ => {}
        }
    }

    fn assign(&mut self, item: &ast::Expr<'t>) {
        if let ast::Expr::Var(node) = item {
            self.assigned.insert(node.id);
        }
    }

    fn expression<'e>(&mut self, expression: &'e ast::Expr<'t>, further: &mut Vec<&'e ast::Expr<'t>>) {
        match expression {
            ast::Expr::Var(node) => self.variables.push((node.id, node.span())),
            ast::Expr::Const(_) => {}
            ast::Expr::Slice(node) => {
                further.push(&node.expr);
                further.extend(node.start.iter().chain(&node.stop).chain(&node.step));
            }
            ast::Expr::UnaryOp(node) => further.push(&node.expr),
            ast::Expr::BinOp(node) => further.extend([&node.left, &node.right]),
            ast::Expr::Compare(node) => {
                further.push(&node.expr);
                further.extend(node.ops.iter().map(|op| &op.expr));
            }
            ast::Expr::IfExpr(node) => {
                further.extend([&node.test_expr, &node.true_expr]);
                further.extend(&node.false_expr);
            }
            ast::Expr::Filter(node) => {
                self.filters.push((node.name, node.span()));
                further.extend(&node.expr);
                arguments(&node.args, further);
            }
            ast::Expr::Test(node) => {
                self.tests.push((node.name, node.span()));
                further.push(&node.expr);
                arguments(&node.args, further);
            }
            ast::Expr::GetAttr(node) => further.push(&node.expr),
            ast::Expr::GetItem(node) => further.extend([&node.expr, &node.subscript_expr]),
            ast::Expr::Call(node) => self.call(node, node.span(), further),
            ast::Expr::List(node) => further.extend(&node.items),
            ast::Expr::Tuple(node) => further.extend(&node.items),
            ast::Expr::Map(node) => further.extend(node.keys.iter().chain(&node.values)),
        }
    }

    fn call<'e>(&mut self, call: &'e ast::Call<'t>, place: Place, further: &mut Vec<&'e ast::Expr<'t>>) {
        match &call.expr {
            ast::Expr::Var(name) => {
                self.functions.push((name.id, name.span()));
                if name.id == "param" {
                    let constant = match call.args.as_slice() {
                        [ast::CallArg::Pos(argument)] => argument.as_const(),
                        _ => None,
                    };
                    self.params.push((constant, place));
                }
            }
            other => further.push(other),
        }
        arguments(&call.args, further);
    }
}

fn arguments<'e, 't>(arguments: &'e [ast::CallArg<'t>], further: &mut Vec<&'e ast::Expr<'t>>) {
    for argument in arguments {
        match argument {
            ast::CallArg::Pos(value)
            | ast::CallArg::Kwarg(_, value)
            | ast::CallArg::PosSplat(value)
            | ast::CallArg::KwargSplat(value) => further.push(value),
        }
    }
}

/// Finds the parameters that a template reads, and reports names that mean nothing.
fn resolve(
    scope: &mut Scope,
    text: &Text<'_>,
    walk: &Walk<'_>,
    environment: &Environment<'_>,
    user: User,
) -> Option<Arc<[ParamIx]>> {
    let at = |place: Place| text.part(place.start_offset as usize..place.end_offset as usize);
    let mut found = BTreeSet::new();
    let mut sound = true;
    for (name, place) in &walk.variables {
        if walk.assigned.contains(name) || FUNCTIONS.contains(name) {
            continue;
        }
        match named(scope, name, &|| at(*place), user) {
            Some(param) => drop(found.insert(param)),
            None => sound = false,
        }
    }
    for (argument, place) in &walk.params {
        match parameter(scope, argument.as_ref(), &|| at(*place), user) {
            Some(param) => drop(found.insert(param)),
            None => sound = false,
        }
    }
    for (word, place) in &walk.refused {
        scope.push(
            Diagnostic::new(
                Code::BadTemplate,
                at(*place),
                format!("the template of {user} has `{word}`, which templates here do not have"),
            )
            .with_help("write the value where it is used, or work it out in a parameter"),
        );
        sound = false;
    }
    let globals: Vec<&str> = environment.globals().map(|(name, _)| name).collect();
    for (name, place) in &walk.functions {
        if !FUNCTIONS.contains(name) && !globals.contains(name) {
            unknown(scope, "function", name, at(*place), user, FUNCTIONS.iter().copied());
            sound = false;
        }
    }
    let mut state = environment.empty_state();
    for (name, place) in &walk.filters {
        let error = state.apply_filter(name, &[]).err();
        if error.is_some_and(|error| error.kind() == ErrorKind::UnknownFilter) {
            unknown(scope, "filter", name, at(*place), user, FILTERS);
            sound = false;
        }
    }
    for (name, place) in &walk.tests {
        let error = state.perform_test(name, &[]).err();
        if error.is_some_and(|error| error.kind() == ErrorKind::UnknownTest) {
            unknown(scope, "test", name, at(*place), user, ["none", "defined", "number", "string"]);
            sound = false;
        }
    }
    sound.then(|| found.into_iter().collect())
}

/// The argument of `param(...)`.
fn parameter(
    scope: &mut Scope,
    argument: Option<&Value>,
    place: &dyn Fn() -> Span,
    user: User,
) -> Option<ParamIx> {
    if let Some(name) = argument.and_then(Value::as_str) {
        return named(scope, name, place, user);
    }
    let id = argument.and_then(Value::as_i64).and_then(|id| i32::try_from(id).ok());
    if let Some(ix) = id.and_then(|id| scope.params.get(id)) {
        return readable(scope, ix, place, user);
    }
    match id {
        Some(id) => {
            // A message that misses a part is no message, so this is no mere warning.
            scope.say(
                Code::UndefinedName,
                place(),
                format!("the template of {user} reads parameter {id}, which is not defined"),
            );
            None
        }
        None => {
            scope.push(
                Diagnostic::new(Code::BadTemplate, place(), format!("`param` in the template of {user} takes one number or one text"))
                    .with_help("write the id or the name itself, `param(12)` or `param(\"Some name\")`, so that it can be checked"),
            );
            None
        }
    }
}

/// A parameter that is there, unless it is a table.
fn readable(scope: &mut Scope, ix: ParamIx, place: &dyn Fn() -> Span, user: User) -> Option<ParamIx> {
    let fact = scope.fact(ix)?;
    if fact.kind != ParamKind::Array {
        return Some(ix);
    }
    let id = Spanned::new(fact.id, place());
    scope.param_for(id, user, Use::Source)
}

/// A parameter by its name.
fn named(scope: &mut Scope, name: &str, place: &dyn Fn() -> Span, user: User) -> Option<ParamIx> {
    let entry = scope.names.get(name.to_lowercase().as_str()).copied();
    if let Some(ix) = entry.and_then(|entry| entry.read.or(entry.write)) {
        return readable(scope, ix, place, user);
    }
    let mut diagnostic = Diagnostic::new(
        Code::UndefinedName,
        place(),
        format!("the template of {user} uses `{}`, which is the name of no parameter", short(name)),
    );
    let searched = scope.searches_left.checked_sub(1);
    scope.searches_left = searched.unwrap_or(0);
    let known = searched.and_then(|_| did_you_mean(name, scope.names.keys().map(|name| &**name)));
    let entry = known.and_then(|known| scope.names.get(known));
    let fact = entry.and_then(|entry| entry.read).and_then(|ix| scope.fact(ix));
    diagnostic = diagnostic.with_help(match fact {
        Some(fact) => format!("did you mean `{}`, parameter {}?", fact.name, fact.id),
        None => "it is the `Name` of a parameter; `param(12)` names one by its id".to_owned(),
    });
    scope.push(diagnostic);
    None
}

fn unknown(
    scope: &mut Scope,
    what: &str,
    name: &str,
    place: Span,
    user: User,
    known: impl IntoIterator<Item = &'static str>,
) {
    let known: Vec<&str> = known.into_iter().collect();
    let mut diagnostic = Diagnostic::new(
        Code::UndefinedName,
        place,
        format!("the template of {user} uses the {what} `{}`, which does not exist", short(name)),
    );
    diagnostic = match did_you_mean(name, known.iter().copied()) {
        Some(near) => diagnostic.with_help(format!("did you mean `{near}`?")),
        None => diagnostic.with_help(format!(
            "there are {}",
            known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        )),
    };
    scope.push(diagnostic);
}

/// Widens a place to whole characters: the parser names one byte of a character that it does not expect.
fn whole_characters(text: &str, range: Range<usize>) -> Range<usize> {
    let start = (0..=range.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let end = (range.end.max(start)..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    start..end
}

#[cfg(test)]
mod tests {
    use crate::language::load;
    use crate::language::source::Source;

    fn report(template: &str) -> Vec<(String, String)> {
        let text = format!(
            "<Protocol xmlns:bs=\"urn:backshell:1\"><Params><Param id=\"12\"><Name>Volume</Name><Type>read</Type></Param>\
             <Param id=\"13\"><Name>Web socket URL</Name><Type>read</Type></Param></Params><Commands><Command id=\"1\">\
             <WebSocketMessageType>text</WebSocketMessageType><Content><bs:Template><![CDATA[\n  {template}\n]]></bs:Template></Content></Command></Commands></Protocol>"
        );
        let source = Source::new("test.xml", text);
        let report = load::check(&source);
        let told = |found: &crate::language::diagnostic::Diagnostic| {
            (source.slice(found.span).to_owned(), found.message.clone())
        };
        report.diagnostics().iter().map(told).collect()
    }

    #[test]
    fn a_character_that_is_not_expected_is_named_whole() {
        let found = report("{{ paräm(12) }}");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "ä", "{found:?}");
    }

    #[test]
    fn what_a_template_may_say_passes() {
        for template in [
            "plain",
            "{{ Volume }} {{ volume | json }} {{ param(12) }} {{ param(\"web socket url\") | upper }}",
            "{{ tai() }} {{ now() }} {{ uuid() }}",
            "{% if Volume is none %}a{% else %}b{% endif %}{% for x in [1, 2] %}{{ x }}{{ loop.index }}{% endfor %}",
            "{{ Volume | default(\"}}\") }}",
        ] {
            assert_eq!(report(template), [], "{template}");
        }
    }

    #[test]
    fn what_means_nothing_is_reported_at_its_place() {
        for (template, place, message) in [
            (
                "{{ Volum }}",
                "Volum",
                "the template of command 1 uses `Volum`, which is the name of no parameter",
            ),
            (
                "{{ param(14) }}",
                "param(14)",
                "the template of command 1 reads parameter 14, which is not defined",
            ),
            (
                "a {{ param(\"x\") }}",
                "param(\"x\")",
                "the template of command 1 uses `x`, which is the name of no parameter",
            ),
            (
                "{{ param(Volume) }}",
                "param(Volume)",
                "`param` in the template of command 1 takes one number or one text",
            ),
            ("{{ tia() }}", "tia", "the template of command 1 uses the function `tia`, which does not exist"),
            (
                "{{ Volume | jsn }}",
                "jsn",
                "the template of command 1 uses the filter `jsn`, which does not exist",
            ),
            (
                "{{ Volume is odd }}",
                "odd",
                "the template of command 1 uses the test `odd`, which does not exist",
            ),
            (
                "{% set a = 1 %}",
                "set a = 1",
                "the template of command 1 has `{% set %}`, which templates here do not have",
            ),
            (
                "{{ Volume",
                "Volume",
                "the template of command 1 cannot be read: unexpected end of input, expected end of variable block",
            ),
        ] {
            let found = report(template);
            let shown: Vec<(&str, &str)> =
                found.iter().map(|(at, said)| (at.as_str(), said.as_str())).collect();
            assert_eq!(shown, [(place, message)], "{template}");
        }
    }

    #[test]
    fn a_template_is_bounded() {
        let long = format!("{{{{ {}1 }}}}", "1 + ".repeat(5_000));
        let many = "{% if true %}".repeat(5_000);
        for template in [long, many] {
            assert!(report(&template)[0].1.contains("has more than"), "{}", report(&template)[0].1);
        }
    }
}
