//! Makes empty values empty texts where a template makes a text of them; the library would write `None`, or `[]` for a part of one.

use std::fmt::Write as _;
use std::ops::Range;

use minijinja::machinery::{Token, tokenize};

use crate::language::model::template::{Inserted, TEXT_OF};

/// The template as it runs, each of these expressions with [`TEXT_OF`] around it, and what was put in.
pub(super) fn with_texts(text: &str, expressions: &[Range<usize>]) -> (String, Inserted) {
    let open = format!("{TEXT_OF}(");
    let mut words = Vec::with_capacity(expressions.len() * 2);
    for expression in expressions {
        let whole = with_brackets(text, expression.clone());
        words.extend([(whole.start, &*open), (whole.end, ")")]);
    }
    // Expressions lie in each other or apart: of two words at one place both are the same.
    words.sort_by_key(|(at, _)| *at);
    let (mut made, mut inserted, mut from) = (String::with_capacity(text.len()), Inserted::default(), 0);
    for (at, word) in words {
        made.push_str(text.get(from..at).unwrap_or_default());
        inserted.push(made.len(), word.len());
        let _ = made.write_str(word);
        from = at;
    }
    made.push_str(text.get(from..).unwrap_or_default());
    (made, inserted)
}

/// An expression with the brackets before it that end in it, as in `(a or b).c`.
fn with_brackets(text: &str, mut expression: Range<usize>) -> Range<usize> {
    let Some(inside) = text.get(expression.clone()) else { return expression };
    let (mut depth, mut missing) = (0_usize, 0);
    for (token, _) in tokenize(inside, true, Default::default()).map_while(Result::ok) {
        match token {
            Token::ParenOpen => depth += 1,
            Token::ParenClose if depth == 0 => missing += 1,
            Token::ParenClose => depth -= 1,
            _ => {}
        }
    }
    for _ in 0..missing {
        let before = text.get(..expression.start).unwrap_or_default().trim_end();
        let Some(before) = before.strip_suffix('(') else { break };
        expression.start = before.len();
    }
    expression
}
