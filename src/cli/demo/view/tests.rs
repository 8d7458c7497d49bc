//! What the demo's view makes of the API's messages.

use std::time::Duration;

use super::*;

fn status(state: &str, opened: u64) -> String {
    let counters = format!(
        r#"{{"opened":{opened},"dropped":0,"stale":0,"messagesIn":0,"messagesOut":0,"bytesIn":0,"bytesOut":0,"unmatched":0,"pauses":0}}"#
    );
    format!(
        r#"{{"type":"status","element":"studio","status":{{"name":"studio","protocol":"p","version":"1","state":"running","timeout":false,
           "connections":[{{"index":0,"name":"","kind":"websocket","state":"{state}","target":"ws://127.0.0.1:1/a","epoch":{opened},
           "since":"T","attempts":0,"flapping":false,"extensions":"permessage-deflate","counters":{counters}}}]}}}}"#
    )
}

fn change(id: i32, value: &str) -> String {
    format!(
        r#"{{"type":"change","element":"studio","seq":1,"at":"T","param":{{"id":{id},"name":"Name","value":{value}}}}}"#
    )
}

#[tokio::test(start_paused = true)]
async fn the_block_shows_the_link_and_the_values() {
    let mut view = View::default();
    assert_eq!(
        view.take(&status("ready", 1), true),
        ["element running", "T  link 0 ready ws://127.0.0.1:1/a"]
    );
    assert_eq!(view.take(&change(41, "20.1"), true), Vec::<String>::new());
    assert_eq!(
        view.block(Instant::now() + Duration::from_secs(7)),
        [
            "",
            "  link     ready      ws://127.0.0.1:1/a   7 s",
            "           dial 1   permessage-deflate",
            "  boolean  (empty)",
            "  number   20.1",
            "  string   (empty)",
            "  enum     (empty)",
            "",
            "  d drops the link   r restarts the sender   s makes it hang   q quits",
        ]
    );
    assert!(view.was_ready());
    assert_eq!(view.summary(), "the link opened once; 1 changes of values");
}

#[tokio::test(start_paused = true)]
async fn without_a_block_changes_of_values_are_lines() {
    let mut view = View::default();
    assert_eq!(view.take(&change(41, "20.1"), false), ["T  41 Name = 20.1"]);
    // The times of the last messages are not.
    assert_eq!(view.take(&change(45, "\"1:2\""), false), Vec::<String>::new());
    assert_eq!(view.take("?", false), ["(a message of the API cannot be read)"]);
    assert!(!view.was_ready());
}
