//! Secrets of a running daemon: in no log, no answer and no file, wherever they come from.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{DEFINITION, Daemon, SECOND, Stage, url};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_in_no_log_no_answer_and_no_file() {
    const SECRET: &str = "hunter2-correct-horse";
    let mut stage = Stage::new();
    let (peer, _sender) = stage.sender().await;
    let header = "<Header key=\"Sec-WebSocket-Extensions\" pid=\"9\"/>";
    let token = "<Param id=\"90\" bs:secret=\"true\" save=\"true\"><Name>Token</Name><Type>read</Type><Interprete>\
                 <RawType>other</RawType><LengthType>next param</LengthType><Type>string</Type></Interprete></Param></Params>";
    let definition = DEFINITION
        .replace(header, &format!("{header}<Header key=\"Authorization\" pid=\"90\"/>"))
        .replace("</Params>", token);
    stage.write("p.xml", &definition);
    let config = stage.settings(&[("studio", "p.xml", peer)]);
    let mut text = std::fs::read_to_string(&config).expect("it was written");
    text.push_str("[element.params]\nToken = { env = \"STUDIO_TOKEN\" }\n");
    stage.write("backshell.toml", &text);
    let daemon = Daemon::start(&config, &[("STUDIO_TOKEN", SECRET)]).await;
    daemon.ready_at("studio", &url(peer, "x-nmos/events/ws")).await;
    let base = ["api", "v1", "elements", "studio"];
    let all: Value = daemon.control.get(&[&base[..], &["params"]].concat(), &[]).await.expect("an answer");
    let token =
        all.as_array().and_then(|params| params.iter().find(|param| param["id"] == 90)).expect("it is there");
    assert_eq!(
        (&token["value"], &token["secret"], &token["set"]),
        (&Value::Null, &json!(true), &json!(true))
    );
    let explained: Value = daemon
        .control
        .get(&[&base[..], &["connections", "0", "explain"]].concat(), &[])
        .await
        .expect("an answer");
    assert!(explained.to_string().contains("Authorization: ***"), "{explained:#}");
    daemon.set("studio", "WebsocketUrl", SECOND).await;
    let element = daemon.ready_at("studio", &url(peer, SECOND)).await;
    for (place, text) in [
        ("parameters", all.to_string()),
        ("explain", explained.to_string()),
        ("element", element.to_string()),
        ("log", daemon.log()),
    ] {
        assert!(!text.contains(SECRET), "the secret is in the {place}: {text}");
    }
    let mut files = 0;
    for entry in std::fs::read_dir(stage.path("data")).expect("the store's folder") {
        let content = std::fs::read(entry.expect("readable").path()).expect("readable");
        assert!(
            !content.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()),
            "the secret is in the store"
        );
        files += 1;
    }
    assert!(files >= 1);
}

/// A definition with secrets in a header, in the path and in a message that is sent when the link opens.
fn with_secrets() -> String {
    let param = |id: u32, name: &str| {
        format!(
            "<Param id=\"{id}\" bs:secret=\"true\" save=\"true\"><Name>{name}</Name><Type>read</Type><Interprete>\
             <RawType>other</RawType><LengthType>next param</LengthType><Type>string</Type></Interprete></Param>"
        )
    };
    let header = "<Header key=\"Sec-WebSocket-Extensions\" pid=\"9\"/>";
    let params: String = [(90, "Token"), (91, "Cookie")].map(|(id, name)| param(id, name)).concat();
    DEFINITION
        .replace(
            header,
            &format!(
                "{header}<Header key=\"Authorization\" pid=\"90\"/><Header key=\"X-Api-Key\" pid=\"91\"/>"
            ),
        )
        .replace("<Param id=\"8\" ", "<Param id=\"8\" bs:secret=\"true\" ")
        .replace("</Params>", &format!("{params}</Params>"))
}

/// A server that refuses everything and shows the request in its answer, as some do for debugging.
async fn echo(stage: &mut Stage) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    stage.tasks.spawn("echo", |_| async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match socket.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let mut answer = b"HTTP/1.1 403 refused ".to_vec();
            answer.extend(line);
            answer.extend(b"\r\nX-Was: ");
            answer.extend(line);
            answer.extend(format!("\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", head.len()).bytes());
            answer.extend(&head);
            // A client that has gone away does not want it.
            let _ = socket.write_all(&answer).await;
        }
    });
    address
}

/// A secret in every place where one can be, each with its own words, over links that work and links that fail; at the
/// level `trace`, for people and as JSON.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_place_that_a_secret_can_stand_in_shows_it() {
    // The last two are `user:mark-url` and `user:mark-proxy` as `Basic` sends them.
    let marks = [
        "mark-header",
        "mark-key",
        "mark-query",
        "mark-url",
        "mark-proxy",
        "mark-dynamic",
        "dXNlcjptYXJrLXVybA",
        "dXNlcjptYXJrLXByb3h5",
    ];
    for format in ["json", "human"] {
        let mut stage = Stage::new();
        let (peer, _sender) = stage.sender().await;
        stage.write("p.xml", &with_secrets());
        stage.write("plain.xml", DEFINITION);
        stage.write("key", "mark-key\n");
        let params = "[element.params]\nToken = { env = \"TOKEN\" }\nCookie = { file = \"key\" }\n\
                      WebsocketUrl = { env = \"QUERY\" }";
        let refused = "127.0.0.1:9";
        stage.settings(&[("works", "p.xml", peer)]);
        stage.add(params);
        let fails = |name: &str, definition: &str, host: &str, more: &str| {
            format!(
                "[[element]]\nname = \"{name}\"\nprotocol = \"{definition}\"\n[element.connection.0]\n\
                 host = \"{host}\"\nport = {}\n{more}\n",
                peer.port()
            )
        };
        stage.add(&fails("user", "p.xml", "ws://user:mark-url@127.0.0.1", params));
        for kind in ["http", "socks5"] {
            let proxy = format!("proxy = \"{kind}://user:mark-proxy@{refused}\"\n{params}");
            stage.add(&fails(kind, "p.xml", "ws://127.0.0.1", &proxy));
        }
        stage.add(&fails("wrong", "plain.xml", "ftp://user:mark-url@127.0.0.1", ""));
        stage.add(&fails("odd", "plain.xml", "ws://user:mark-url@127.0.0.1:x", ""));
        let proxy = "proxy = \"user:mark-proxy@127.0.0.1\"";
        stage.add(&fails("mixed", "plain.xml", "ws://127.0.0.1", proxy));
        stage.add(&fails("tls", "p.xml", "wss://user:mark-url@127.0.0.1", params));
        let echo = echo(&mut stage).await;
        let echoes = format!(
            "[[element]]\nname = \"echo\"\nprotocol = \"p.xml\"\n[element.connection.0]\nhost = \"ws://user:mark-url@127.0.0.1\"\n\
             port = {}\n{params}\n",
            echo.port()
        );
        stage.add(&echoes);
        let through = format!("proxy = \"http://user:mark-proxy@{echo}\"\n{params}");
        stage.add(&fails("echoing-proxy", "p.xml", "ws://127.0.0.1", &through));
        stage.add(&fails("dynamic", "plain.xml", "ws://127.0.0.1", ""));
        let env = [("TOKEN", "Bearer mark-header"), ("QUERY", "x-nmos/events/ws?token=mark-query")];
        let daemon = Daemon::launch(&[], format, &stage.path("backshell.toml"), &env).await;
        let names = [
            "works",
            "user",
            "http",
            "socks5",
            "wrong",
            "odd",
            "mixed",
            "tls",
            "dynamic",
            "echo",
            "echoing-proxy",
        ];
        let path = ["api", "v1", "elements", "dynamic", "params", "Address"];
        let dynamic = json!({ "value": format!("ws://user:mark-dynamic@{refused}") });
        let _: Value = daemon.control.put(&path, &dynamic).await.expect("it is set");
        let mut seen = Vec::new();
        for name in names {
            let settled = |element: &Value| {
                let link = &element["connections"][0];
                link["state"] == "ready" || link["lastFailure"].is_object() || link["state"] == "rejected"
            };
            let element = daemon.until(name, "an end of the dial", settled).await;
            seen.push((format!("the element {name}"), element.to_string()));
            for page in [&["params"][..], &["connections", "0", "explain"]] {
                let path = [&["api", "v1", "elements", name], page].concat();
                let answer = match daemon.control.get::<Value>(&path, &[]).await {
                    Ok(answer) => answer.to_string(),
                    Err(error) => error.to_string(),
                };
                seen.push((format!("{page:?} of {name}"), answer));
            }
        }
        seen.push(("the log".to_owned(), daemon.log()));
        let echoed = daemon.element("echo").await["connections"][0]["lastFailure"]["body"].to_string();
        assert!(echoed.contains("***"), "the refusal's body is not shown: {echoed}");
        for (place, text) in seen {
            for mark in marks {
                // A parameter that is not secret reads as it is set, be it by a peer that sends back what it was sent.
                let own =
                    place.starts_with("[\"params\"]") && (place.contains("echo") || mark == "mark-dynamic");
                assert!(own || !text.contains(mark), "{mark} is in {place} ({format}): {text}");
            }
        }
    }
}
