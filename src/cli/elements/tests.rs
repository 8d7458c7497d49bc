//! What `elements` prints.

use super::*;
use crate::api::tests::served;
use crate::cli::remote::tests::{arguments, control};

async fn printed(words: &[&str]) -> String {
    let served = served().await;
    let mut out = Vec::new();
    print(&control(served.port), &arguments(words), &mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn elements_are_printed_as_columns() {
    assert_eq!(
        printed(&[]).await,
        "ELEMENT  STATE    PROTOCOL  CONNECTION        LINK   TARGET\n\
         broken   invalid  -\n\
         one      running  test 1    0 websocket main  ready  ws://127.0.0.1:9001/a\n\
         broken: p.xml:3:1: `Pair` has no id\n"
    );
}

#[tokio::test]
async fn elements_are_printed_as_json() {
    let json: serde_json::Value = serde_json::from_str(&printed(&["--json"]).await).unwrap();
    assert_eq!(json[1]["connections"][0]["state"], "ready");
}
