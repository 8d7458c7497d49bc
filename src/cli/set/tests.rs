//! What `set` sets.

use super::*;
use crate::api::tests::{Served, served};
use crate::cli::remote::tests::{arguments, control};

async fn run_on(served: &Served, words: &[&str], stdin: &str) -> Result<(), String> {
    let control = control(served.port);
    set(&control, &arguments(words), &mut stdin.as_bytes()).await.map_err(|error| error.to_string())
}

async fn value(served: &Served, param: &str) -> Value {
    let path = ["api", "v1", "elements", "one", "params", param];
    control(served.port).get::<Param>(&path, &[]).await.unwrap().reading.value
}

#[tokio::test]
async fn a_value_has_the_type_of_its_parameter() {
    let served = served().await;
    for (words, stdin, param, expected) in [
        (vec!["one", "Path", "/b c"], "", "1", Value::Text("/b c".into())),
        (vec!["one", "Path", "5"], "", "2", Value::Text("5".into())),
        (vec!["one", "Level", "-5"], "", "3", Value::Number(-5.0)),
        (vec!["one", "3", " 1.50 "], "", "3", Value::Number(1.5)),
        (vec!["one", "Level", "--empty"], "", "3", Value::Empty),
        (vec!["one", "Path", ""], "", "1", Value::Text("".into())),
        (vec!["one", "Path", "-"], "from a pipe\n", "1", Value::Text("from a pipe".into())),
        (vec!["one", "Path", "-"], "two\nlines\r\n", "1", Value::Text("two\nlines".into())),
        (vec!["one", "Path", "--json", "7"], "", "1", Value::Number(7.0)),
        (vec!["one", "Path", "--json", "{\"base64\":\"AA==\"}"], "", "1", Value::Bytes(vec![0].into())),
        (vec!["one", "Rows", "--json", "-"], "{\"rows\":[]}", "6", Value::Table(Vec::new())),
        (
            vec!["one", "8", "new", "--row", "a"],
            "",
            "6",
            Value::Table(vec![vec![Value::Text("a".into()), Value::Text("new".into())]]),
        ),
    ] {
        run_on(&served, &words, stdin).await.unwrap_or_else(|error| panic!("{words:?}: {error}"));
        assert_eq!(value(&served, param).await, expected, "{words:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_set_is_told() {
    let served = served().await;
    for (words, expected) in [
        (vec!["one", "Level", "loud"], "parameter 3 holds a number, not `loud`"),
        (vec!["one", "Marker", "x"], "parameter 4 is fixed and cannot be set"),
        (
            vec!["one", "Rows", "x"],
            "parameter 6 `Rows` is a table: give it as JSON, such as --json '{\"rows\": []}'",
        ),
        (vec!["one", "Path", "--json", "{"], "the value: EOF while parsing an object at line 1 column 1"),
        (
            vec!["one", "Path", "--json", "true"],
            "the value: a value is never true: use a number or a string, such as 1",
        ),
        (vec!["broken", "Path", "x"], "element `broken` is invalid: p.xml:3:1: `Pair` has no id"),
        (
            vec!["one", "Data", "x"],
            "the value is set, but it is not saved and will not survive a restart: the disk is full",
        ),
    ] {
        assert_eq!(run_on(&served, &words, "").await.unwrap_err(), expected, "{words:?}");
    }
}
