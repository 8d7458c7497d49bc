//! What `get` prints.

use super::*;
use crate::api::tests::served;
use crate::cli::remote::tests::{arguments, control};

async fn printed(words: &[&str]) -> Result<String, String> {
    let served = served().await;
    let mut out = Vec::new();
    let printed = print(&control(served.port), &arguments(words), &mut out).await;
    printed.map(|()| String::from_utf8(out).unwrap()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn all_parameters_are_printed_as_columns() {
    assert_eq!(
        printed(&["one"]).await.unwrap(),
        "ID  NAME    KIND   VALUE\n\
         1   Path    read   \"/a\"\n\
         2   Path    write  (empty)\n\
         3   Level   read   -12.5 (quiet) dB\n\
         4   Marker  fixed  (empty)\n\
         5   Token   read   ***\n\
         6   Rows    array  1 row\n\
         9   a/b é   read   (empty)\n\
         10  Data    read   (empty)\n"
    );
}

#[tokio::test]
async fn one_parameter_is_printed_bare_for_a_program() {
    for (param, expected) in [
        ("path", "/a\n"),
        ("3", "-12.5\n"),
        ("Data", "\n"),
        ("Token", "***\n"),
        ("a/b é", "\n"),
        ("Rows", "KEY  LABEL\na    first\n"),
    ] {
        assert_eq!(printed(&["one", param]).await.unwrap(), expected, "{param}");
    }
    let json = printed(&["one", "Token", "--json"]).await.unwrap();
    assert!(json.contains("\"secret\": true") && !json.contains("hunter2"), "{json}");
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_was_meant() {
    assert_eq!(printed(&["on"]).await.unwrap_err(), "no element `on`; did you mean `one`?");
    assert_eq!(
        printed(&["one", "Pat"]).await.unwrap_err(),
        "no parameter `Pat` in `test`; did you mean `Path`?"
    );
    assert_eq!(printed(&["..", "Pat"]).await.unwrap_err(), "nothing is called `..`");
}
