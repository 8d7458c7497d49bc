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

#[cfg(test)]
mod tests {
    use minijinja::context;
    use minijinja::machinery::parse;
    use proptest::prelude::*;

    use super::*;
    use crate::language::model::compile::template::walk::Walk;
    use crate::language::model::template::environment;

    /// The template as it runs.
    fn made(text: &str) -> (String, Inserted) {
        let tree = parse(text, "t", Default::default()).unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut walk = Walk::default();
        walk.statement(&tree);
        with_texts(text, &walk.texts)
    }

    #[test]
    fn what_a_text_is_made_of_is_wrapped_with_its_brackets() {
        for (text, expected) in [
            ("{{ a }}{{ a | json }}{{ 'a' | upper }}", "{{ a }}{{ a | json }}{{ 'a' | upper }}"),
            ("{{ a[1:] }}", "{{ T(a)[1:] }}"),
            ("{{ (a)[1:] }}", "{{ (T(a))[1:] }}"),
            ("{{ 'a' ~ none }}{{ None|upper }}", "{{ 'a' ~ T(none) }}{{ T(None)|upper }}"),
            ("{{ a.b.c[1:] }}", "{{ T(a.b.c)[1:] }}"),
            ("{{ (a or b).c ~ (')') }}", "{{ T((a or b).c) ~ (')') }}"),
            ("{{ ((a)|first)[1:] ~ b }}", "{{ (T((a)|first))[1:] ~ T(b) }}"),
            ("{{ a ~ b ~ c|lower|trim }}", "{{ T(a) ~ T(b) ~ T(c)|lower|trim }}"),
            (
                "{% for x in a[b[1:]:] %}{{ x.y[2:][3:] }}{% endfor %}",
                "{% for x in T(a)[T(b)[1:]:] %}{{ T(x.y)[2:][3:] }}{% endfor %}",
            ),
        ] {
            assert_eq!(made(text).0, expected.replace('T', TEXT_OF), "{text}");
        }
    }

    /// Expressions as people write them, and as they do not.
    fn expressions() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "a", "m.k", "m.m['k']", "l[0]", "l[-1].k", "5", "'é('", "(a)", "(m).k", "l",
        ]);
        leaf.prop_map(str::to_owned).prop_recursive(4, 24, 3, |inner| {
            let one = inner.clone();
            let two = (inner.clone(), inner.clone());
            let three = (inner.clone(), inner.clone(), inner);
            prop_oneof![
                one.clone().prop_map(|e| format!("({e})[1:]")),
                one.clone().prop_map(|e| format!("({e} | upper)")),
                one.clone().prop_map(|e| format!("{e}|trim|length")),
                one.clone().prop_map(|e| format!("(({e}).k | default(a))")),
                one.prop_map(|e| format!("[{e}, {{'k': {e}}}][1].k")),
                two.clone().prop_map(|(e, f)| format!("{e} ~ {f}")),
                two.clone().prop_map(|(e, f)| format!("({e}~ ( {f} ) )[:2]")),
                two.prop_map(|(e, f)| format!("({e} or {f}) [ 0 : ]")),
                three.prop_map(|(e, f, g)| format!("({e} if {f} else {g})")),
            ]
        })
    }

    proptest! {
        /// Of values that are all there, the same comes out; a place in what runs is one in what was written.
        #[test]
        fn without_empty_values_nothing_is_different(before in "é?", all in prop::collection::vec(expressions(), 1..3)) {
            let text: String = all.iter().map(|e| format!("{before}{{{{ {e} }}}}")).collect();
            let (runs, inserted) = made(&text);
            let (mut from, mut words) = (0, String::new());
            for (at, c) in runs.char_indices() {
                let written = inserted.written(at..at + c.len_utf8());
                if written.is_empty() {
                    words.push(c);
                    continue;
                }
                prop_assert_eq!(written.start, from);
                prop_assert_eq!(&text[written.clone()], &runs[at..at + c.len_utf8()], "{} in {}", at, runs);
                from = written.end;
            }
            prop_assert_eq!(from, text.len());
            let other = words.replace(TEXT_OF, "");
            prop_assert!(other.chars().all(|c| matches!(c, '(' | ')')), "{}", words);
            let values = context! { a => "xyz", l => vec![context! { k => "one" }], m => context! { k => "value", m => context! { k => 7 } } };
            let rendered = |text: &str| environment().render_str(text, &values).map_err(|error| error.kind());
            prop_assert_eq!(rendered(&runs), rendered(&text), "{} as {}", text, runs);
        }
    }
}
