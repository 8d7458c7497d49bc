//! Finds what a template names, by walking over its tree; judges none of it.

use std::collections::HashSet;

use minijinja::machinery::{Span as Place, ast};
use minijinja::value::Value;

/// What a template names, each with its place in it.
#[derive(Default)]
pub(super) struct Walk<'t> {
    pub(super) variables: Vec<(&'t str, Place)>,
    pub(super) assigned: HashSet<&'t str>,
    pub(super) functions: Vec<(&'t str, Place)>,
    pub(super) filters: Vec<(&'t str, Place)>,
    pub(super) tests: Vec<(&'t str, Place)>,
    // What can make a text of any length: joined to itself again and again, or kept instead of written.
    pub(super) refused: Vec<(&'static str, Place)>,
    // Each call of a function of ours: the literals among its arguments, by position.
    pub(super) calls: Vec<(&'t str, Vec<Option<Value>>, Place)>,
    // How many arguments each filter has.
    pub(super) filter_arguments: Vec<(&'t str, usize, Place)>,
}

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
                self.filter_arguments.push((node.name, node.args.len(), node.span()));
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
