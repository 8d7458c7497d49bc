//! Text of a condition to an expression, with the place of what is wrong inside it; evaluates nothing.
//!
//! Binding, strongest first: `* /`, `+ -`, `&`, `^`, `|`, `< <= > >=`, `== !=`, `AND`, `OR`; equals from the left.

use std::ops::Range;
use std::sync::Arc;

use crate::language::definition::Text;
use crate::language::diagnostic::{Code, Diagnostic};
use crate::language::model::compile::scope::{Scope, User};
use crate::language::model::condition::{Condition, Expression, Operator};
use crate::language::source::Spanned;
use crate::value::parse_number;

/// How many operators and brackets a condition may have: what evaluates and drops it recurses on its depth.
const MAX_OPERATORS: usize = 400;

/// A word of a condition.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Operator(Operator),
    Param(i32),
    Number(f64),
    Text(Arc<str>),
    Empty,
    EmptyString,
}

/// What is wrong, and where in the text.
#[derive(Debug, PartialEq)]
struct Wrong {
    at: Range<usize>,
    message: String,
    help: Option<&'static str>,
}

fn wrong<T>(at: Range<usize>, message: impl Into<String>, help: Option<&'static str>) -> Result<T, Wrong> {
    Err(Wrong { at, message: message.into(), help })
}

/// Compiles a condition; reports what is wrong with it, and ids in it that lead nowhere.
pub(super) fn compile(scope: &mut Scope, text: Option<&Text<'_>>, user: User) -> Option<Condition> {
    let text = text?;
    let parsed = tokens(&text.value).and_then(|tokens| {
        parse(&tokens, text.value.len(), |id, at| {
            match scope.params.get(id) {
                Some(param) => Expression::Param(param),
                // Nothing is ever known of a parameter that is not there.
                None => {
                    scope.params.missing(Spanned::new(id, text.part(at)), user);
                    Expression::Empty
                }
            }
        })
    });
    match parsed {
        Ok(expression) => Some(Condition { text: Arc::from(&*text.value), expression }),
        Err(wrong) => {
            let message = format!("the condition of {user} cannot be read: {}", wrong.message);
            let mut diagnostic = Diagnostic::new(Code::BadCondition, text.part(wrong.at), message);
            if let Some(help) = wrong.help {
                diagnostic = diagnostic.with_help(help);
            }
            scope.push(diagnostic);
            None
        }
    }
}

/// How strongly an operator binds.
fn strength(operator: Operator) -> u8 {
    match operator {
        Operator::Multiply | Operator::Divide => 9,
        Operator::Add | Operator::Subtract => 8,
        Operator::BitAnd => 7,
        Operator::BitXor => 6,
        Operator::BitOr => 5,
        Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => 4,
        Operator::Equal | Operator::NotEqual => 3,
        Operator::And => 2,
        Operator::Or => 1,
    }
}

/// The operators that are written with signs, the longer ones first.
const SIGNS: &[(&str, Operator)] = &[
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessEqual),
    (">=", Operator::GreaterEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("+", Operator::Add),
    ("-", Operator::Subtract),
    ("*", Operator::Multiply),
    ("/", Operator::Divide),
    ("&", Operator::BitAnd),
    ("^", Operator::BitXor),
    ("|", Operator::BitOr),
];

/// Cuts a condition into words.
fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, Wrong> {
    let mut tokens: Vec<(Token, Range<usize>)> = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let blank = rest.len() - rest.trim_start().len();
        if blank > 0 {
            at += blank;
            continue;
        }
        let operand_next = !matches!(
            tokens.last(),
            Some((Token::Close | Token::Param(_) | Token::Number(_) | Token::Text(_), _))
                | Some((Token::Empty | Token::EmptyString, _))
        );
        let (token, length) = token(rest, at, operand_next)?;
        tokens.push((token, at..at + length));
        at += length;
        // So many words hold too many operators or a mistake before them, and that is what `parse` says.
        if tokens.len() > 4 * MAX_OPERATORS {
            break;
        }
    }
    Ok(tokens)
}

/// The first word of a text that does not begin with a blank, and its length.
fn token(rest: &str, at: usize, operand_next: bool) -> Result<(Token, usize), Wrong> {
    if rest.starts_with('(') {
        return Ok((Token::Open, 1));
    }
    if rest.starts_with(')') {
        return Ok((Token::Close, 1));
    }
    if let Some(inner) = rest.strip_prefix('"') {
        return match inner.find('"') {
            Some(end) => Ok((Token::Text(Arc::from(inner.get(..end).unwrap_or_default())), end + 2)),
            None => wrong(at..at + rest.len(), "a text has no end", Some("close it with a double quote")),
        };
    }
    for twice in ["&&", "||"] {
        if rest.starts_with(twice) {
            let help = Some("write `AND` or `OR`; `&` and `|` work on the bits of numbers");
            return wrong(at..at + 2, format!("`{twice}` is no operator"), help);
        }
    }
    // A sign before a digit belongs to the number where no operator can stand.
    let signed = operand_next && rest.starts_with(['-', '+']);
    if !signed {
        for (sign, operator) in SIGNS {
            if rest.starts_with(sign) {
                return Ok((Token::Operator(*operator), sign.len()));
            }
        }
    }
    if rest.starts_with('=') {
        return wrong(at..at + 1, "`=` is no operator", Some("equality is `==`"));
    }
    word(rest, at)
}

/// A word: a parameter, a number, a name of the language.
fn word(rest: &str, at: usize) -> Result<(Token, usize), Wrong> {
    let ends = |c: char| c.is_whitespace() || "()\"=!<>*/&^|".contains(c);
    let mut length = 0;
    let mut before = ' ';
    for (offset, c) in rest.char_indices() {
        // A sign ends a word except at its start and in the exponent of a number.
        let sign = (c == '+' || c == '-') && offset > 0;
        let exponent =
            matches!(before, 'e' | 'E') && rest.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        if ends(c) || (sign && !exponent) {
            break;
        }
        length = offset + c.len_utf8();
        before = c;
    }
    if length == 0 {
        let sign = rest.chars().next().unwrap_or_default();
        return wrong(at..at + sign.len_utf8(), format!("`{sign}` has no meaning here"), None);
    }
    let word = rest.get(..length).unwrap_or_default();
    let place = at..at + length;
    let lower = word.to_ascii_lowercase();
    let token = match lower.as_str() {
        "and" => Token::Operator(Operator::And),
        "or" => Token::Operator(Operator::Or),
        "empty" => Token::Empty,
        "emptystring" => Token::EmptyString,
        _ => match (lower.strip_prefix("id:"), parse_number(word)) {
            (Some(id), _) => match id.parse() {
                Ok(id) => Token::Param(id),
                Err(_) => {
                    let help = Some("a parameter is `id:` and its number, without a blank: `id:12`");
                    return wrong(place, format!("`{word}` names no parameter"), help);
                }
            },
            (None, Some(number)) => Token::Number(number),
            (None, None) => {
                let help = Some("a text stands in double quotes, a parameter is `id:12`");
                return wrong(
                    place,
                    format!("`{word}` is neither a number nor a word of the language"),
                    help,
                );
            }
        },
    };
    Ok((token, length))
}

/// What waits for its right side.
enum Waiting {
    Open(Range<usize>),
    Operator(Operator),
}

/// Puts the words together; `param` makes the expression for a parameter.
fn parse(
    tokens: &[(Token, Range<usize>)],
    end: usize,
    mut param: impl FnMut(i32, Range<usize>) -> Expression,
) -> Result<Expression, Wrong> {
    let mut output: Vec<Expression> = Vec::new();
    let mut waiting: Vec<Waiting> = Vec::new();
    let mut operators = 0;
    let mut operand_next = true;
    for (token, place) in tokens {
        let is_operand = !matches!(token, Token::Close | Token::Operator(_));
        if is_operand != operand_next {
            let message =
                if operand_next { "a value is missing here" } else { "an operator is missing here" };
            return wrong(place.clone(), message, None);
        }
        if matches!(token, Token::Open | Token::Operator(_)) {
            operators += 1;
            if operators > MAX_OPERATORS {
                return wrong(place.clone(), format!("it has more than {MAX_OPERATORS} operators"), None);
            }
        }
        match token {
            Token::Open => waiting.push(Waiting::Open(place.clone())),
            Token::Close => loop {
                match waiting.pop() {
                    Some(Waiting::Operator(operator)) => join(&mut output, operator),
                    Some(Waiting::Open(_)) => break,
                    None => return wrong(place.clone(), "a bracket closes that was not opened", None),
                }
            },
            Token::Operator(operator) => {
                while let Some(Waiting::Operator(before)) = waiting.last() {
                    if strength(*before) < strength(*operator) {
                        break;
                    }
                    join(&mut output, *before);
                    waiting.pop();
                }
                waiting.push(Waiting::Operator(*operator));
            }
            Token::Param(id) => output.push(param(*id, place.clone())),
            Token::Number(number) => output.push(Expression::Number(*number)),
            Token::Text(text) => output.push(Expression::Text(text.clone())),
            Token::Empty => output.push(Expression::Empty),
            Token::EmptyString => output.push(Expression::EmptyString),
        }
        operand_next = matches!(token, Token::Open | Token::Operator(_));
    }
    if operand_next {
        let place = tokens.last().map_or(0..end, |(_, place)| place.clone());
        return wrong(place, "a value is missing at the end", None);
    }
    while let Some(waiting) = waiting.pop() {
        match waiting {
            Waiting::Operator(operator) => join(&mut output, operator),
            Waiting::Open(place) => {
                return wrong(place, "a bracket is not closed", Some("add `)` where it ends"));
            }
        }
    }
    output.pop().map_or_else(|| wrong(0..end, "it is empty", None), Ok)
}

/// Makes one expression of the last two and an operator.
fn join(output: &mut Vec<Expression>, operator: Operator) {
    // An operator is only taken between two operands, so both are there.
    if let (Some(right), Some(left)) = (output.pop(), output.pop()) {
        output.push(Expression::Binary(operator, Box::new(left), Box::new(right)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(expression: &Expression) -> String {
        match expression {
            Expression::Param(ix) => format!("p{}", ix.index()),
            Expression::Number(number) => number.to_string(),
            Expression::Text(text) => format!("{text:?}"),
            Expression::Empty => "empty".into(),
            Expression::EmptyString => "emptystring".into(),
            Expression::Binary(operator, left, right) => {
                format!("({} {operator:?} {})", show(left), show(right))
            }
        }
    }

    fn read(text: &str) -> Result<String, (String, String)> {
        use crate::language::model::id::ParamIx;
        let param = |id: i32, _| Expression::Param(ParamIx::new(id.unsigned_abs() as usize).expect("small"));
        tokens(text)
            .and_then(|tokens| parse(&tokens, text.len(), param))
            .map(|tree| show(&tree))
            .map_err(|wrong| (text.get(wrong.at).unwrap_or("?").to_owned(), wrong.message))
    }

    #[test]
    fn operators_bind_as_documented() {
        for (text, tree) in [
            ("id:1 == 1", "(p1 Equal 1)"),
            (
                "id:1==1 and id:2!=\"x y\" OR id:3 == empty",
                "(((p1 Equal 1) And (p2 NotEqual \"x y\")) Or (p3 Equal empty))",
            ),
            ("id:1 == 1 OR id:2 == 2 AND id:3 == 3", "((p1 Equal 1) Or ((p2 Equal 2) And (p3 Equal 3)))"),
            ("(id:1 == 1 OR id:2 == 2) AND id:3 == 3", "(((p1 Equal 1) Or (p2 Equal 2)) And (p3 Equal 3))"),
            ("id:1 & 4 == 4", "((p1 BitAnd 4) Equal 4)"),
            ("1 - 2 - 3", "((1 Subtract 2) Subtract 3)"),
            ("1 + 2 * 3 > 6", "((1 Add (2 Multiply 3)) Greater 6)"),
            ("id:1 > -5", "(p1 Greater -5)"),
            ("id:1 -5", "(p1 Subtract 5)"),
            ("id:1-5", "(p1 Subtract 5)"),
            ("1e-3 < 2E+2", "(0.001 Less 200)"),
            ("id:500 == EmptyString", "(p500 Equal emptystring)"),
            ("( (id:1) )", "p1"),
        ] {
            assert_eq!(read(text), Ok(tree.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_has_its_exact_place() {
        for (text, place, message) in [
            ("id:1 = 1", "=", "`=` is no operator"),
            ("id:1 == Active", "Active", "`Active` is neither a number nor a word of the language"),
            ("id:1 == \"x", "\"x", "a text has no end"),
            ("(id:1 == 1", "(", "a bracket is not closed"),
            ("id:1 == 1)", ")", "a bracket closes that was not opened"),
            ("id:1 id:2", "id:2", "an operator is missing here"),
            ("id:1 == == 2", "==", "a value is missing here"),
            ("id:1 AND", "AND", "a value is missing at the end"),
            ("id:1 && id:2", "&&", "`&&` is no operator"),
            ("id: 1 == 1", "id:", "`id:` names no parameter"),
            ("id:1 == #", "#", "`#` is neither a number nor a word of the language"),
            ("()", ")", "a value is missing here"),
            ("!id:1", "!", "`!` has no meaning here"),
        ] {
            let (at, said) = read(text).expect_err(text);
            assert_eq!((at.as_str(), said.as_str()), (place, message), "{text}");
        }
    }

    #[test]
    fn a_condition_is_bounded() {
        let long = vec!["id:1 == 1"; 1000].join(" OR ");
        assert!(read(&long).is_err());
        assert!(read(&vec!["id:1 == 1"; 100].join(" OR ")).is_ok());
        assert!(read(&"(".repeat(5000)).is_err());
    }
}
