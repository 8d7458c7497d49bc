//! Finds what a template names, by walking over its tree; judges none of it.

use std::collections::HashSet;
use std::ops::Range;

use minijinja::machinery::{Span as Place, ast};
use minijinja::value::Value;

use crate::language::model::template::TEXT_OF;

/// What a template names, each with its place in it.
#[derive(Default)]
pub(super) struct Walk<'t> {
    pub(super) variables: Vec<(&'t str, Place)>,
    pub(super) assigned: HashSet<&'t str>,
    pub(super) functions: Vec<(&'t str, Place)>,
    pub(super) filters: Vec<(&'t str, Place)>,
    pub(super) tests: Vec<(&'t str, Place)>,
    // What can make a text of any length, joined to itself again and again, or kept instead of written; and a name that is ours.
    pub(super) refused: Vec<(&'static str, Place)>,
    // Each call of a function of ours: the literals among its arguments, by position.
    pub(super) calls: Vec<(&'t str, Vec<Option<Value>>, Place)>,
    // How many arguments each filter has.
    pub(super) filter_arguments: Vec<(&'t str, usize, Place)>,
    // Expressions of whose value a text is made, each from its first word to its last; brackets around it may be missing.
    pub(super) texts: Vec<Range<usize>>,
}

/// The filters that make a text of a value.
const OF_TEXTS: [&str; 6] = ["upper", "lower", "trim", "string", "safe", "length"];

impl<'t> Walk<'t> {
    /// Walks over a template; the tree is walked with a list, not by recursion.
    pub(super) fn statement(&mut self, root: &ast::Stmt<'t>) {
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
            ast::Expr::Var(_) => self.assign(target),
            ast::Expr::List(node) => node.items.iter().for_each(|item| self.assign(item)),
            ast::Expr::Tuple(node) => node.items.iter().for_each(|item| self.assign(item)),
            _ => {}
        }
    }

    fn assign(&mut self, item: &ast::Expr<'t>) {
        if let ast::Expr::Var(node) = item {
            if node.id == TEXT_OF {
                self.refused.push((TEXT_OF, node.span()));
            }
            self.assigned.insert(node.id);
        }
    }

    fn expression<'e>(&mut self, expression: &'e ast::Expr<'t>, further: &mut Vec<&'e ast::Expr<'t>>) {
        match expression {
            ast::Expr::Var(node) if node.id == TEXT_OF => self.refused.push((TEXT_OF, node.span())),
            ast::Expr::Var(node) => self.variables.push((node.id, node.span())),
            ast::Expr::Const(_) => {}
            ast::Expr::Slice(node) => self.text(&node.expr),
            ast::Expr::BinOp(node) if matches!(node.op, ast::BinOpKind::Concat) => {
                self.text(&node.left);
                self.text(&node.right);
            }
            ast::Expr::Filter(node) => {
                self.filters.push((node.name, node.span()));
                self.filter_arguments.push((node.name, node.args.len(), node.span()));
                if let Some(expr) = node.expr.as_ref().filter(|_| OF_TEXTS.contains(&node.name)) {
                    self.text(expr);
                }
            }
            ast::Expr::Test(node) => self.tests.push((node.name, node.span())),
            ast::Expr::Call(node) => return self.call(node, node.span(), further),
            ast::Expr::UnaryOp(_)
            | ast::Expr::BinOp(_)
            | ast::Expr::Compare(_)
            | ast::Expr::IfExpr(_)
            | ast::Expr::GetAttr(_)
            | ast::Expr::GetItem(_)
            | ast::Expr::List(_)
            | ast::Expr::Tuple(_)
            | ast::Expr::Map(_) => {}
        }
        parts(expression, further);
    }

    /// Notes an expression of whose value a text is made, unless it gives one anyway.
    fn text(&mut self, expression: &ast::Expr<'t>) {
        let is_text = match expression {
            ast::Expr::Const(node) => !node.value.is_none(),
            ast::Expr::Slice(_) => true,
            ast::Expr::BinOp(node) => matches!(node.op, ast::BinOpKind::Concat),
            ast::Expr::Filter(node) => OF_TEXTS.contains(&node.name),
            ast::Expr::Var(_)
            | ast::Expr::UnaryOp(_)
            | ast::Expr::Compare(_)
            | ast::Expr::IfExpr(_)
            | ast::Expr::Test(_)
            | ast::Expr::GetAttr(_)
            | ast::Expr::GetItem(_)
            | ast::Expr::Call(_)
            | ast::Expr::List(_)
            | ast::Expr::Tuple(_)
            | ast::Expr::Map(_) => false,
        };
        if is_text {
            return;
        }
        // The library gives some places from the middle of an expression on.
        let place = expression.span();
        let mut extent = place.start_offset as usize..place.end_offset as usize;
        let mut all = vec![expression];
        while let Some(part) = all.pop() {
            let place = part.span();
            extent.start = extent.start.min(place.start_offset as usize);
            extent.end = extent.end.max(place.end_offset as usize);
            parts(part, &mut all);
        }
        self.texts.push(extent);
    }

    fn call<'e>(&mut self, call: &'e ast::Call<'t>, place: Place, further: &mut Vec<&'e ast::Expr<'t>>) {
        match &call.expr {
            ast::Expr::Var(name) => {
                self.functions.push((name.id, name.span()));
                let literal = |argument: &ast::CallArg<'t>| match argument {
                    ast::CallArg::Pos(value) => value.as_const(),
                    ast::CallArg::Kwarg(..) | ast::CallArg::PosSplat(_) | ast::CallArg::KwargSplat(_) => None,
                };
                self.calls.push((name.id, call.args.iter().map(literal).collect(), place));
            }
            other => further.push(other),
        }
        arguments(&call.args, further);
    }
}

/// What an expression is made of.
fn parts<'e, 't>(expression: &'e ast::Expr<'t>, parts: &mut Vec<&'e ast::Expr<'t>>) {
    match expression {
        ast::Expr::Var(_) | ast::Expr::Const(_) => {}
        ast::Expr::Slice(node) => {
            parts.push(&node.expr);
            parts.extend(node.start.iter().chain(&node.stop).chain(&node.step));
        }
        ast::Expr::UnaryOp(node) => parts.push(&node.expr),
        ast::Expr::BinOp(node) => parts.extend([&node.left, &node.right]),
        ast::Expr::Compare(node) => {
            parts.push(&node.expr);
            parts.extend(node.ops.iter().map(|op| &op.expr));
        }
        ast::Expr::IfExpr(node) => {
            parts.extend([&node.test_expr, &node.true_expr]);
            parts.extend(&node.false_expr);
        }
        ast::Expr::Filter(node) => {
            parts.extend(&node.expr);
            arguments(&node.args, parts);
        }
        ast::Expr::Test(node) => {
            parts.push(&node.expr);
            arguments(&node.args, parts);
        }
        ast::Expr::GetAttr(node) => parts.push(&node.expr),
        ast::Expr::GetItem(node) => parts.extend([&node.expr, &node.subscript_expr]),
        ast::Expr::Call(node) => {
            parts.push(&node.expr);
            arguments(&node.args, parts);
        }
        ast::Expr::List(node) => parts.extend(&node.items),
        ast::Expr::Tuple(node) => parts.extend(&node.items),
        ast::Expr::Map(node) => parts.extend(node.keys.iter().chain(&node.values)),
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
