//! What REST answers.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::{get, put, served};
use crate::daemon::roster::Phase;

#[tokio::test]
async fn elements_are_listed_and_shown_in_full() {
    let served = served().await;
    let list = get(served.port, "/api/v1/elements").await;
    assert_eq!(list.status, 200);
    assert_eq!(
        list.json(),
        json!([
            {"name": "broken", "protocol": "", "version": "", "state": "invalid",
             "reason": "p.xml:3:1: `Pair` has no id", "timeout": false, "connections": []},
            {"name": "one", "protocol": "test", "version": "1", "state": "running", "timeout": false,
             "connections": [{"index": 0, "name": "main", "kind": "websocket", "state": "ready",
                              "target": "ws://127.0.0.1:9001/a"}]},
        ])
    );
    let one = get(served.port, "/api/v1/elements/one").await.json();
    assert_eq!(
        one["counters"],
        json!({"unmatched": 0, "ignored": 0, "timeouts": 2, "notSent": 0, "requests": 0, "refusals": 0,
            "skippedCycles": 0, "queueFull": 0, "cutChains": 1, "droppedValues": 0})
    );
    let broken = get(served.port, "/api/v1/elements/broken").await.json();
    assert_eq!(broken.get("counters"), None);
    assert_eq!(
        one["connections"][0],
        json!({"index": 0, "name": "main", "kind": "websocket", "state": "ready",
            "target": "ws://127.0.0.1:9001/a", "epoch": 3, "since": "2026-07-01T00:00:00.000Z", "attempts": 0,
            "cause": "parameter 2: \"/b\" -> \"/a\"", "flapping": false, "extensions": "permessage-deflate",
            "counters": {"opened": 3, "dropped": 0, "stale": 0, "messagesIn": 0, "messagesOut": 0, "unsent": 0,
                         "bytesIn": 0, "bytesOut": 0, "unmatched": 0, "pauses": 0}})
    );
}

#[tokio::test]
async fn parameters_are_read_by_id_and_by_name() {
    let served = served().await;
    let all = get(served.port, "/api/v1/elements/one/params").await.json();
    let ids: Vec<_> = all.as_array().unwrap().iter().map(|param| param["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 9, 10]);
    for (path, expected) in [
        (
            "3",
            json!({"id": 3, "name": "Level", "value": -12.5, "display": "quiet", "description": "Output level",
                     "kind": "read", "type": "number", "settable": true, "save": false, "units": "dB"}),
        ),
        (
            "level",
            json!({"id": 3, "name": "Level", "value": -12.5, "display": "quiet", "description": "Output level",
                     "kind": "read", "type": "number", "settable": true, "save": false, "units": "dB"}),
        ),
        (
            "Path",
            json!({"id": 1, "name": "Path", "value": "/a", "kind": "read", "type": "text", "settable": true, "save": true}),
        ),
        (
            "2",
            json!({"id": 2, "name": "Path", "value": null, "kind": "write", "type": "text", "settable": true, "save": false}),
        ),
        (
            "Token",
            json!({"id": 5, "name": "Token", "value": null, "secret": true, "set": true, "kind": "read",
                     "type": "text", "settable": true, "save": false}),
        ),
        (
            "Rows",
            json!({"id": 6, "name": "Rows", "value": {"rows": [["a", "first"]]}, "kind": "array", "type": "table",
                     "settable": true, "save": false,
                     "columns": [{"id": 7, "name": "Key", "key": true}, {"id": 8, "name": "Label"}]}),
        ),
        (
            "Label",
            json!({"id": 8, "name": "Label", "value": {"rows": [["a", "first"]]}, "kind": "read", "type": "text",
                     "settable": true, "save": false,
                     "columns": [{"id": 7, "name": "Key", "key": true}, {"id": 8, "name": "Label"}]}),
        ),
        (
            "Key",
            json!({"id": 7, "name": "Key", "value": {"rows": [["a"]]}, "kind": "read", "type": "text",
                     "settable": true, "save": false, "columns": [{"id": 7, "name": "Key", "key": true}]}),
        ),
        (
            "a%2Fb%20%C3%A9",
            json!({"id": 9, "name": "a/b é", "value": null, "kind": "read", "type": "text",
                     "settable": true, "save": false}),
        ),
    ] {
        let answer = get(served.port, &format!("/api/v1/elements/one/params/{path}")).await;
        assert_eq!((answer.status, answer.json()), (200, expected), "{path}");
    }
}

#[tokio::test]
async fn a_put_by_name_sets_the_write_parameter_and_the_read_one_follows() {
    let served = served().await;
    let done = put(served.port, "/api/v1/elements/one/params/path", r#"{"value":"/b"}"#).await;
    assert_eq!((done.status, done.json()), (200, json!({"saved": true})));
    for id in ["1", "2"] {
        let read = get(served.port, &format!("/api/v1/elements/one/params/{id}")).await.json();
        assert_eq!(read["value"], "/b", "{id}");
    }
}

#[tokio::test]
async fn every_kind_of_value_is_set_and_read_back() {
    let served = served().await;
    for (param, value) in [
        ("Data", json!("text")),
        ("Data", json!("")),
        ("Data", json!(7)),
        ("Data", json!(null)),
        ("Data", json!({"base64": "AP8="})),
        ("Level", json!(-0.5)),
        ("Rows", json!({"rows": []})),
        ("Rows", json!({"rows": [["x", 1], ["y", null]]})),
    ] {
        let path = format!("/api/v1/elements/one/params/{param}");
        let done = put(served.port, &path, &json!({"value": value}).to_string()).await;
        assert_eq!(done.status, 200, "{param} {value}: {}", done.body);
        assert_eq!(get(served.port, &path).await.json()["value"], value, "{param}");
    }
    let done = put(served.port, "/api/v1/elements/one/params/8", r#"{"value":"new","row":"a"}"#).await;
    assert_eq!(done.status, 200);
    let rows = get(served.port, "/api/v1/elements/one/params/6").await.json();
    assert_eq!(rows["value"], json!({"rows": [["a", "new"]]}));
}

#[tokio::test]
async fn a_set_that_could_not_be_saved_says_why() {
    let served = served().await;
    let done = put(served.port, "/api/v1/elements/one/params/Data", r#"{"value":1}"#).await;
    assert_eq!((done.status, done.json()), (200, json!({"saved": false, "reason": "the disk is full"})));
}

#[tokio::test]
async fn what_cannot_be_set_is_refused_with_its_reason() {
    let served = served().await;
    for (path, body, status, detail) in [
        ("Marker", r#"{"value":1}"#, 409, "parameter 4 is fixed and cannot be set"),
        ("Level", r#"{"value":"loud"}"#, 422, "parameter 3 holds a number, not `loud`"),
        (
            "Level",
            r#"{"value":true}"#,
            422,
            "a value is never true: use a number or a string, such as 1 at line 1 column 14",
        ),
        ("Level", r#"{"value":{"rows":[]}}"#, 422, "parameter 3 is no table"),
        ("Rows", r#"{"value":1}"#, 422, "parameter 6 is a table: send {\"rows\": [...]}"),
        ("Level", r#"{"value":1,"row":"a"}"#, 422, "`row` is for a column of a table; parameter 3 is none"),
        ("8", r#"{"value":1}"#, 422, "parameter 8 is a column: say which `row`"),
        ("8", r#"{"value":1,"row":"q"}"#, 404, "there is no row `q`"),
        ("Level", r#"{}"#, 422, "missing field `value` at line 1 column 2"),
        (
            "Level",
            r#"{"value":1,"vlaue":2}"#,
            422,
            "unknown field `vlaue`, expected `value` or `row` at line 1 column 18",
        ),
        ("Level", r#"{"value":1"#, 400, "EOF while parsing an object at line 1 column 10"),
        ("Level", "", 400, "EOF while parsing a value at line 1 column 0"),
        ("Levle", r#"{"value":1}"#, 404, "no parameter `Levle` in `test`; did you mean `Level`?"),
        ("77", r#"{"value":1}"#, 404, "no parameter `77` in `test`"),
    ] {
        let answer = put(served.port, &format!("/api/v1/elements/one/params/{path}"), body).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.body);
        assert_eq!(answer.json()["detail"], detail, "{path} {body}");
        assert!(answer.head.contains("content-type: application/problem+json"), "{}", answer.head);
    }
    let level = get(served.port, "/api/v1/elements/one/params/Level").await.json();
    assert_eq!(level["value"], -12.5);
}

#[tokio::test]
async fn a_problem_says_what_where_and_what_was_meant() {
    let served = served().await;
    let answer = get(served.port, "/api/v1/elements/oen/params").await;
    assert_eq!(
        answer.json(),
        json!({"type": "urn:backshell:problem:not-found", "title": "Not found", "status": 404,
               "detail": "no element `oen`; did you mean `one`?", "instance": "/api/v1/elements/oen/params"})
    );
    for (path, status, detail) in [
        ("/api/v1/elements/broken/params", 503, "element `broken` is invalid: p.xml:3:1: `Pair` has no id"),
        ("/api/v1/elements/one/connections/1/explain", 404, "no connection `1`: `one` has 1"),
        ("/api/v1/elements/one/connections/x/explain", 404, "no connection `x`: `one` has 1"),
        ("/api/v2", 404, "no such page; the API is below /api/v1"),
    ] {
        let answer = get(served.port, path).await;
        assert_eq!((answer.status, answer.json()["detail"].as_str()), (status, Some(detail)), "{path}");
    }
    assert_eq!(put(served.port, "/api/v1/elements", "{}").await.status, 405);
}

#[tokio::test]
async fn the_handshake_is_explained_or_the_reason_why_there_is_none() {
    let served = served().await;
    let path = "/api/v1/elements/one/connections/0/explain";
    assert_eq!(
        get(served.port, path).await.json(),
        json!({"lines": [{"line": "GET /a HTTP/1.1", "from": "parameter 1 \"Path\""},
                         {"line": "Upgrade: websocket", "from": ""}]})
    );
    put(served.port, "/api/v1/elements/one/params/1", r#"{"value":null}"#).await;
    let none = get(served.port, path).await;
    assert_eq!((none.status, none.json()["detail"].as_str()), (409, Some("there is no address yet")));
}

#[tokio::test]
async fn an_element_that_stops_while_it_is_asked_is_unavailable() {
    let mut served = served().await;
    served.one.driver = crate::tasks::Tasks::default();
    let answer = get(served.port, "/api/v1/elements/one/params/1").await;
    assert_eq!((answer.status, answer.json()["detail"].as_str()), (503, Some("the element is not running")));
    assert!(answer.head.contains("retry-after: 5"));
    assert_eq!(put(served.port, "/api/v1/elements/one/params/1", r#"{"value":1}"#).await.status, 503);
}

#[tokio::test]
async fn readiness_and_the_stores_trouble_are_told() {
    let served = served().await;
    let ok = json!({"status": "ok", "version": env!("CARGO_PKG_VERSION"), "elements": 2, "store": "ok"});
    assert_eq!(get(served.port, "/healthz").await.json(), ok);
    assert_eq!(get(served.port, "/readyz").await.status, 200);
    served.roster.send_modify(|roster| {
        let roster = Arc::make_mut(roster);
        roster.phase = Phase::Starting;
        roster.store_problem = Some("the disk is full".into());
        roster.store_set_aside = Some(Arc::from(Path::new("/data/backshell.db.damaged-1")));
    });
    let ready = get(served.port, "/readyz").await;
    assert_eq!((ready.status, ready.json()["status"].as_str()), (503, Some("starting")));
    let health = get(served.port, "/healthz").await.json();
    assert_eq!(health["store"], "the disk is full");
    assert_eq!(health["storeSetAside"], "/data/backshell.db.damaged-1");
    for path in ["/api/v1/elements/one", "/api/v1/elements/broken"] {
        assert_eq!(get(served.port, path).await.json()["store"], "the disk is full");
    }
    assert_eq!(get(served.port, "/api/v1/elements").await.json()[1]["store"], "the disk is full");

    served.roster.send_modify(|roster| {
        let roster = Arc::make_mut(roster);
        roster.phase = Phase::Stopping;
        roster.store_problem = None;
    });
    let ready = get(served.port, "/readyz").await;
    assert_eq!((ready.status, ready.json()["status"].as_str()), (503, Some("stopping")));
    assert_eq!(get(served.port, "/healthz").await.json()["store"], "ok");
    assert!(get(served.port, "/api/v1/elements/one").await.json().get("store").is_none());
}
