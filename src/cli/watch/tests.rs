//! What `watch` prints.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::api::tests::{fake, served};
use crate::cli::remote::tests::{arguments, control};
use crate::element::handle::NewValue;
use crate::element::status::CloseStatus;
use crate::language::model::id::ParamIx;
use crate::value;

const PATIENCE: Duration = Duration::from_secs(20);

async fn watched(words: &[&str]) -> (String, String) {
    let mut served = served().await;
    let mut out = Vec::new();
    let (control, arguments) = (control(served.port), arguments(words));
    let events = async {
        served.one.listeners.wait_for(|count| *count == 1).await.unwrap();
        for (index, value) in
            [(2, NewValue::Scalar(value::Value::number(3.0))), (4, NewValue::Scalar("new".into()))]
        {
            served.one.handle.set(ParamIx::new(index).unwrap(), value, PATIENCE).await.unwrap();
        }
        let rows = NewValue::Table(vec![vec!["k".into(), "\u{1b}x".into()]]);
        served.one.handle.set(ParamIx::new(5).unwrap(), rows, PATIENCE).await.unwrap();
        served.one.status.send_modify(|status| {
            let link = Arc::make_mut(status).connections[0].link.as_mut().unwrap();
            (link.state, link.next_dial) = ("backoff", Some(fake::AT));
            link.last_close = Some(CloseStatus {
                code: 1006,
                reason: "".into(),
                by: "the connection ended".into(),
                at: fake::AT,
            });
        });
        // What the element told is on its way when the server stops; the order of both is the stream's.
        let mut seen = control.open(&["api", "v1", "stream"], &[("element", "one")]).await.unwrap();
        seen.next().await.unwrap();
        served.one.driver.stop(Duration::ZERO).await;
        served.roster.send_modify(|roster| drop(Arc::make_mut(roster).elements.remove("one")));
        loop {
            if seen.next().await.unwrap().contains("removed") {
                break;
            }
        }
        served.server.stop(PATIENCE).await;
    };
    let (ended, ()) = tokio::join!(follow(&control, &arguments, &mut out), events);
    (String::from_utf8(out).unwrap(), ended.unwrap_err().to_string())
}

#[tokio::test]
async fn changes_are_printed_as_lines() {
    let (printed, ended) = watched(&["one"]).await;
    let lines: Vec<_> = printed.lines().collect();
    let time = "2026-07-01T00:00:00.000Z";
    let target = "ws://127.0.0.1:9001/a";
    // The state may come before, between or after the changes: it is another channel.
    let (states, changes): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.contains("link 0"));
    assert_eq!(
        states,
        [
            format!("{time}  link 0 ready {target}, moved by parameter 2: \"/b\" -> \"/a\""),
            format!("{time}  link 0 backoff {target}: the connection ended (1006), next dial {time}"),
        ]
    );
    assert_eq!(
        changes,
        [
            "element running".to_owned(),
            format!("{time}  3 Level = 3 (quiet)"),
            format!("{time}  5 Token = ***"),
            format!("{time}  6 Rows = 1 row"),
            format!("{time}  6 Rows row: k | \\u{{1b}}x"),
            "the element is no longer configured".to_owned(),
        ]
    );
    assert_eq!(ended, "the daemon has gone: the peer closed: 1001 \"the daemon stops\"");
}

#[tokio::test]
async fn with_json_each_message_is_a_line() {
    let (printed, _) = watched(&["one", "--json"]).await;
    let kinds: Vec<_> = printed
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].as_str().unwrap().to_owned()
        })
        .filter(|kind| kind != "status")
        .collect();
    assert_eq!(kinds, ["snapshot", "change", "change", "change", "removed"]);
}

#[test]
fn a_gap_in_the_numbers_is_told() {
    let mut printer = Printer::default();
    let mut out = Vec::new();
    for seq in [5, 5, 25] {
        let snapshot = StreamMessage::Snapshot { element: "one".into(), seq, params: Vec::new() };
        printer.print(snapshot, &mut out).unwrap();
    }
    assert_eq!(String::from_utf8(out).unwrap(), "(20 changes were too fast to show)\n");
}
