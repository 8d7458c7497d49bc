//! Compiled conditions; `engine::codec` evaluates them.

use std::sync::Arc;

use crate::language::model::id::ParamIx;

/// A condition such as `id:12 == 1 AND (id:2 != "x" OR id:3 == empty)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The text as written, for messages.
    pub text: Arc<str>,
    /// What is evaluated.
    pub expression: Expression,
}

/// An expression of a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// The value of a parameter.
    Param(ParamIx),
    /// A number.
    Number(f64),
    /// A text.
    Text(Arc<str>),
    /// `empty`: not initialised.
    Empty,
    /// `emptystring`: an empty text; holds for an empty value too.
    EmptyString,
    /// Two expressions and what is between them.
    Binary(Operator, Box<Expression>, Box<Expression>),
}

/// What stands between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+`: adds numbers, joins texts.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `&` on whole numbers.
    BitAnd,
    /// `^` on whole numbers.
    BitXor,
    /// `|` on whole numbers.
    BitOr,
    /// `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterEqual,
    /// `AND`.
    And,
    /// `OR`.
    Or,
}
