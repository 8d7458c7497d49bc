//! Conditions on values of all kinds.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::engine::param::Origin;
use crate::language::model::build::{self, Build};
use crate::language::model::id::ParamIx;
use crate::language::model::param::{ColumnKind, ParamKind, ValueType};

use Expression::{Empty, EmptyString};
use Operator::{
    Add, And, BitAnd, BitOr, BitXor, Divide, Equal, Greater, GreaterEqual, Less, LessEqual, Multiply,
    NotEqual, Or, Subtract,
};

fn n(number: f64) -> Expression {
    Expression::Number(number)
}

fn t(text: &str) -> Expression {
    Expression::Text(text.into())
}

fn op(left: Expression, operator: Operator, right: Expression) -> Expression {
    Expression::Binary(operator, Box::new(left), Box::new(right))
}

/// Parameters `number` = 5, `text` = "abc", `digits` = "12", `nothing` and `blank` = "".
fn params() -> (Params, [Expression; 5]) {
    let mut build = Build::new();
    let all = [
        build.number("number"),
        build.text("text"),
        build.text("digits"),
        build.text("nothing"),
        build.text("blank"),
    ];
    let mut params = Params::new(build.done());
    for (param, value) in all.iter().zip([5.0.into(), "abc".into(), "12".into(), Value::Empty, "".into()]) {
        let _ = params.set(*param, value, Origin::Script);
    }
    (params, all.map(Expression::Param))
}

#[test]
fn comparisons_convert_and_unknown_values_do_not_hold() {
    let (params, [number, text, digits, nothing, blank]) = params();
    let (number, text, digits) = (|| number.clone(), || text.clone(), || digits.clone());
    let (nothing, blank) = (|| nothing.clone(), || blank.clone());
    for (expression, expected) in [
        (op(number(), Equal, n(5.0)), true),
        (op(number(), Equal, t("5")), true),
        (op(number(), Equal, t("five")), false),
        (op(number(), NotEqual, t("five")), true),
        (op(text(), Equal, t("abc")), true),
        (op(text(), Equal, t("ABC")), false),
        (op(digits(), Equal, n(12.0)), true),
        (op(digits(), Equal, t("12.0")), false),
        (op(digits(), Greater, n(5.0)), true),
        (op(digits(), Less, t("5")), true),
        (op(text(), Greater, n(1.0)), false),
        (op(text(), LessEqual, n(1.0)), false),
        (op(number(), GreaterEqual, n(5.0)), true),
        (op(number(), Less, n(5.0)), false),
        // Empty.
        (op(nothing(), Equal, Empty), true),
        (op(nothing(), Equal, EmptyString), true),
        (op(nothing(), Equal, t("")), false),
        (op(nothing(), Equal, n(0.0)), false),
        (op(nothing(), NotEqual, n(0.0)), true),
        (op(nothing(), Less, n(1.0)), false),
        (op(blank(), Equal, Empty), false),
        (op(blank(), Equal, EmptyString), true),
        (op(EmptyString, Equal, blank()), true),
        (op(blank(), NotEqual, EmptyString), false),
        (op(blank(), Equal, t("")), true),
        (op(n(0.0), Equal, Empty), false),
        (op(n(0.0), Equal, EmptyString), false),
        // Arithmetic.
        (op(op(number(), Add, n(1.0)), Equal, n(6.0)), true),
        (op(op(number(), Add, digits()), Equal, n(17.0)), true),
        (op(op(digits(), Add, t("3")), Equal, t("123")), true),
        (op(op(number(), Add, t("x")), Equal, t("5x")), true),
        (op(op(nothing(), Add, t("x")), Equal, t("x")), true),
        (op(op(nothing(), Add, n(1.0)), Equal, Empty), true),
        (op(op(number(), Subtract, t("2")), Equal, n(3.0)), true),
        (op(op(number(), Multiply, n(2.0)), Equal, n(10.0)), true),
        (op(op(number(), Divide, n(2.0)), Equal, n(2.5)), true),
        (op(op(number(), Divide, n(0.0)), Equal, Empty), true),
        (op(op(number(), Divide, n(0.0)), Greater, n(0.0)), false),
        (op(op(text(), Multiply, n(2.0)), Equal, Empty), true),
        // Bits, of the whole number below.
        (op(op(n(6.9), BitAnd, n(3.2)), Equal, n(2.0)), true),
        (op(op(n(6.0), BitOr, n(1.0)), Equal, n(7.0)), true),
        (op(op(n(6.0), BitXor, n(3.0)), Equal, n(5.0)), true),
        (op(op(n(-1.0), BitAnd, n(255.0)), Equal, n(255.0)), true),
        (op(op(n(1e300), BitAnd, n(1.0)), Equal, Empty), true),
        // Truth.
        (op(number(), And, text()), true),
        (op(number(), And, blank()), false),
        (op(nothing(), Or, n(0.0)), false),
        (op(n(0.0), Or, t("x")), true),
        (number(), true),
        (nothing(), false),
    ] {
        assert_eq!(holds(&build::condition(expression.clone()), &params, None), expected, "{expression:?}");
    }
    assert!(allows(None, &params, None));
}

#[test]
fn bytes_are_compared_as_what_they_spell() {
    let mut build = Build::new();
    let param = build.param("p", ParamKind::Fixed, ValueType::String, |param| {
        param.fixed = Some(Bytes::from_static(b"\r\n"));
    });
    let params = Params::new(build.done());
    let compare = |text| op(Expression::Param(param), Equal, t(text));
    assert!(holds(&build::condition(compare("\r\n")), &params, None));
    assert!(!holds(&build::condition(compare("\n")), &params, None));
}

#[test]
fn a_column_means_the_cell_of_the_row() {
    let mut build = Build::new();
    let columns =
        [("key", ValueType::String, ColumnKind::Retrieved), ("v", ValueType::Double, ColumnKind::Retrieved)];
    let table = build.table("t", &columns, |table| table.auto_add = true);
    let column = build.tables[0].columns[1].param;
    let mut params = Params::new(build.done());
    let _ = params.set_cell(table, "a", 1, 5.0.into(), Origin::Script);
    let condition = build::condition(op(Expression::Param(column), Equal, n(5.0)));
    assert!(holds(&condition, &params, Some("a")));
    assert!(!holds(&condition, &params, Some("b")));
    assert!(!holds(&condition, &params, None));
}

#[test]
fn too_deep_a_condition_is_cut_and_does_not_overflow() {
    let deep = (0..5_000).fold(n(1.0), |inner, _| op(inner, Add, n(1.0)));
    let (params, _) = params();
    assert!(!holds(&build::condition(op(deep, Equal, n(5_001.0))), &params, None));
}

fn expressions() -> impl Strategy<Value = Expression> {
    let leaf = prop_oneof![
        (0..5_usize).prop_map(|ix| Expression::Param(ParamIx::new(ix).expect("small"))),
        any::<f64>().prop_map(Expression::Number),
        ".{0,4}".prop_map(|text| Expression::Text(text.into())),
        Just(Empty),
        Just(EmptyString),
    ];
    let operators = [
        Add,
        Subtract,
        Multiply,
        Divide,
        BitAnd,
        BitXor,
        BitOr,
        Equal,
        NotEqual,
        Less,
        LessEqual,
        Greater,
        GreaterEqual,
        And,
        Or,
    ];
    leaf.prop_recursive(5, 30, 2, move |inner| {
        (inner.clone(), prop::sample::select(operators.to_vec()), inner)
            .prop_map(|(left, operator, right)| op(left, operator, right))
    })
}

proptest! {
    #[test]
    fn any_condition_has_a_result_and_unequal_is_the_opposite_of_equal(
        left in expressions(), right in expressions(), value in any::<f64>(),
    ) {
        let (mut params, _) = params();
        let first = ParamIx::new(0).expect("small");
        let _ = params.set(first, Value::number(value), Origin::Engine);
        let holds = |expression| holds(&build::condition(expression), &params, None);
        let equal = holds(op(left.clone(), Equal, right.clone()));
        prop_assert_eq!(holds(op(left.clone(), NotEqual, right.clone())), !equal);
        prop_assert_eq!(holds(op(right, Equal, left)), equal);
    }
}
