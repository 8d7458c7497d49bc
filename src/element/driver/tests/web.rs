//! HTTP sessions of an element over real loopback servers of the test: values, tokens, what runs before a link, the stop.
//!
//! Connection 0 is a socket whose address session 2 brings, over connection 1, which needs the token that session 1 fetches;
//! connection 2 needs none. The button 50: `status` polls over connection 2, `two` does it twice, `data` asks with the token,
//! `all` does it in three queues at once, `report` sends the token in a header and in a body. `say so` in 19 polls before the stop.

mod shown;

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::*;
use crate::language::load;
use crate::transport::http::instead::{Respond, Unanswered};
use crate::transport::http::peer;

/// How long a test may take on the clock of the machine; it only ends one that hangs.
const BOUND: Duration = Duration::from_secs(60);
const WEB: &str = include_str!("web.xml");
/// What the first token is; also what no output may contain.
const TOKEN: &str = "t0ken-of-the-first-hour";

/// Servers of the test: every request waits until the test answers it.
struct Web {
    port: u16,
    asked: mpsc::UnboundedReceiver<Asked>,
    _tasks: Tasks,
}

/// One request.
struct Asked {
    /// Its head and body.
    text: String,
    /// Closed when the client has gone.
    reply: oneshot::Sender<Vec<u8>>,
    /// Of an upgrade: the connection, which is the test's from now on.
    socket: Option<TcpStream>,
}

impl Web {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (asked_in, asked) = mpsc::unbounded_channel();
        let mut tasks = Tasks::new(&CancellationToken::new());
        tasks.spawn("web", |_| async move {
            let mut tasks = Tasks::new(&CancellationToken::new());
            loop {
                let (socket, _) = listener.accept().await.expect("it is open");
                tasks.spawn("connection", |_| serve(socket, asked_in.clone()));
            }
        });
        Self { port, asked, _tasks: tasks }
    }

    async fn next(&mut self) -> Asked {
        self.asked.recv().await.expect("the servers live as long as the test")
    }

    /// The next request, which must be this one.
    async fn expect(&mut self, line: &str) -> Asked {
        let asked = self.next().await;
        assert_eq!(asked.line(), line);
        asked
    }

    /// Nothing has been asked that the test has not seen, after the element has had time for it.
    async fn nothing_more(&mut self) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if let Ok(asked) = self.asked.try_recv() {
            panic!("asked too much: {}", asked.text);
        }
    }

    /// Gives the next one who asks a token.
    async fn give_token(&mut self, token: &str) {
        self.expect("POST /token").await.ok(&format!(r#"{{"access_token":"{token}","expires_in":600}}"#));
    }

    /// Says where the socket is to the next one who asks.
    async fn give_address(&mut self, path: &str) {
        let url = format!(r#"{{"url":"ws://127.0.0.1:{}{path}"}}"#, self.port);
        self.expect("POST /sessions").await.ok(&url);
    }

    /// Token, address and upgrade: the whole chain, to this path.
    async fn chain(&mut self, path: &str) -> Peer {
        self.give_address(path).await;
        self.expect(&format!("GET {path}")).await.upgrade().await
    }
}

async fn serve(mut socket: TcpStream, asked: mpsc::UnboundedSender<Asked>) {
    while let Some(text) = peer::read(&mut socket).await {
        let (reply, answer) = oneshot::channel();
        if text.contains("\r\nUpgrade: websocket") {
            let _ = asked.send(Asked { text, reply, socket: Some(socket) });
            return;
        }
        if asked.send(Asked { text, reply, socket: None }).is_err() {
            return;
        }
        let mut byte = [0];
        let answer = tokio::select! {
            answer = answer => answer,
            // The client has gone, or sends what no one asked for.
            _ = socket.read(&mut byte) => return,
        };
        // The test drops a request to close the connection without an answer.
        let Ok(answer) = answer else { return };
        if socket.write_all(&answer).await.is_err() {
            return;
        }
    }
}

impl Asked {
    /// Verb and path.
    fn line(&self) -> &str {
        let line = self.text.lines().next().unwrap_or_default();
        line.strip_suffix(" HTTP/1.1").unwrap_or(line)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let fields = self.text.lines().filter_map(|line| line.split_once(": "));
        { fields }.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn answer(self, status: &str, headers: &str, body: &str) {
        let text = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
        // Who has gone away wants no answer.
        let _ = self.reply.send(text.into_bytes());
    }

    fn ok(self, body: &str) {
        self.answer("200 OK", "", body);
    }

    /// Waits until the client has given it up.
    async fn given_up(mut self) {
        self.reply.closed().await;
    }

    async fn upgrade(self) -> Peer {
        let mut socket = self.socket.expect("an upgrade");
        let address = socket.local_addr().expect("connected");
        let key = self.text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
        let text = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            accept_key(key)
        );
        socket.write_all(text.as_bytes()).await.expect("it is read");
        Peer::new(address, self.text, socket)
    }
}

/// An element with the definition of these tests, which asks the servers.
fn rig(web: &Web) -> Rig {
    rig_of(web, WEB, &[])
}

fn rig_of(web: &Web, definition: &str, params: &[(i32, &str)]) -> Rig {
    rig_over(Http::default(), web.port, definition, params)
}

/// An element whose requests go through this sender.
fn rig_over(http: Http, port: u16, definition: &str, params: &[(i32, &str)]) -> Rig {
    let source = Source::new("web.xml", definition.to_owned());
    let (protocol, report) = load::whole(&source);
    let protocol = protocol.unwrap_or_else(|| panic!("{:#?}", report.diagnostics()));
    let params = [&[(10, SECRET)], params].concat();
    let mut spec = spec(&protocol, "127.0.0.1", &params);
    for connection in &mut spec.connections {
        connection.port = Some(port);
    }
    // Only the session before it says where it is.
    spec.connections[0].host = None;
    let mut tasks = Tasks::new(&CancellationToken::new());
    let gate = Gate::new(Budget { per_second: None, per_host_per_second: None });
    let run = gate.clone();
    tasks.spawn("gate", |stop| run.run(stop));
    let dials = Environment { system_proxy: System::read(|_| None), ..Environment::of_process() };
    let clock = Clock::at(Wall(EPOCH), 1);
    let stop = CancellationToken::new();
    let services = Services {
        gate: gate.clone(),
        store: None,
        dials,
        http,
        scripts: Default::default(),
        clock,
        witness: None,
    };
    let handle = start(Arc::new(spec), services, &mut tasks, stop.clone());
    let (_, calls) = mpsc::unbounded_channel();
    Rig { calls, protocol, handle, gate, tasks, stop }
}

async fn bounded<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, test).await.expect("it ends")
}

#[tokio::test]
async fn the_values_of_an_answer_are_there_before_the_group_goes_on() {
    bounded(async {
        let mut web = Web::start().await;
        let rig = rig(&web);
        let waiting = web.expect("POST /token").await;
        rig.set(50, "status").await;
        let asked = web.expect("GET /status").await;
        assert_eq!(rig.text(17).await, "", "the group waits for the answer");
        asked.answer("200 Fine", "X-Model: M1\r\n", "all well");
        rig.until_text(17, "HTTP/1.1 200 FineM1all well").await;
        drop(waiting);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_comes_while_a_script_runs_is_in_time() {
    bounded(async {
        let mut web = Web::start().await;
        let plain = r#"<Connection id="2" name="Plain">"#;
        let (before, behind) = WEB.split_once(plain).expect("a third connection");
        let behind = behind.replacen("<DefaultValue>5000<", "<DefaultValue>2000<", 1);
        let busy = "function Run() { const end = Date.now() + 2500; while (Date.now() < end); }";
        let script = format!(
            r#"<QActions><QAction id="1" encoding="javascript" triggers="16"><![CDATA[{busy}]]></QAction></QActions></Protocol>"#
        );
        let definition = format!("{before}{plain}{behind}").replace("</Protocol>", &script);
        let rig = rig_of(&web, &definition, &[]);
        let _waiting = web.expect("POST /token").await;
        rig.set(50, "status").await;
        let asked = web.expect("GET /status").await;
        let answered = async {
            tokio::task::yield_now().await;
            // Somebody has to follow it while the script runs.
            asked.answer("302 Found", "Location: /moved\r\n", "");
            web.expect("GET /moved").await.ok("in time");
        };
        tokio::join!(rig.set(16, "busy"), answered);
        rig.until_text(15, "in time").await;
        assert_eq!(rig.text(18).await, "0", "no time-out was counted");
    })
    .await;
}

/// Stands in for a sender with a mistake: the first request panics, the others are answered.
#[derive(Debug, Default)]
struct Faulty(AtomicBool);

impl Respond for Faulty {
    fn respond(
        &self,
        _request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, Unanswered>> {
        Box::pin(async {
            assert!(self.0.swap(true, Ordering::Relaxed), "the first one");
            Ok(http::Response::new(Bytes::new()))
        })
    }
}

#[tokio::test]
async fn a_request_that_panics_has_no_answer_and_the_element_goes_on() {
    bounded(async {
        let http = Http::simulated(Arc::new(Faulty::default()));
        let definition = WEB.replace(r#"<bs:Reconnect before="2""#, r#"<bs:Reconnect"#);
        let definition = definition.replace(r#"beforeConnection="1""#, "");
        let rig = rig_over(http, 1, &definition, &[]);
        rig.set(50, "status").await;
        let mut status = rig.handle.watch_status();
        let failure = |status: &Arc<Status>| {
            let http = status.connections[2].http.as_ref().expect("it carries requests");
            http.last_failure.as_ref().map(|failure| failure.summary.clone())
        };
        drop(status.wait_for(|status| failure(status).is_some()).await.expect("it runs"));
        assert_eq!(failure(&rig.handle.status()).as_deref(), Some("the request failed inside backshell"));
        rig.set(50, "status").await;
        drop(status.wait_for(|status| failure(status).is_none()).await.expect("it runs"));
        assert_eq!(rig.text(14).await, "HTTP/1.1 200 OK");
    })
    .await;
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew_and_the_request_repeated_once() {
    bounded(async {
        let mut web = Web::start().await;
        let rig = rig(&web);
        web.give_token(TOKEN).await;
        let _peer = web.chain("/socket").await;
        rig.set(50, "data").await;
        let asked = web.expect("GET /data").await;
        assert_eq!(asked.header("authorization"), Some(&*format!("Bearer {TOKEN}")));
        asked.answer("401 Unauthorized", "", "");
        web.give_token("second").await;
        let asked = web.expect("GET /data").await;
        assert_eq!(asked.header("authorization"), Some("Bearer second"));
        asked.answer("401 Unauthorized", "", "");
        // Refused again: that is the answer.
        rig.until_text(14, "HTTP/1.1 401 Unauthorized").await;
        web.nothing_more().await;
        assert_eq!(rig.handle.fresh_status().await.counters.refusals, 1);
    })
    .await;
}

#[tokio::test]
async fn many_requests_and_a_link_cause_one_fetch_of_a_token() {
    bounded(async {
        let mut web = Web::start().await;
        let rig = rig(&web);
        // The link has asked for it already.
        let token = web.expect("POST /token").await;
        assert!(token.text.ends_with(&format!(r#"{{"secret": "{SECRET}"}}"#)), "{}", token.text);
        rig.set(50, "all").await;
        web.nothing_more().await;
        token.ok(&format!(r#"{{"access_token":"{TOKEN}","expires_in":600}}"#));
        let mut lines = Vec::new();
        for _ in 0..4 {
            let asked = web.next().await;
            assert_eq!(asked.header("authorization"), Some(&*format!("Bearer {TOKEN}")));
            lines.push(asked.line().to_owned());
            asked.ok("{}");
        }
        lines.sort();
        assert_eq!(lines, ["GET /data", "GET /data", "GET /data", "POST /sessions"]);
    })
    .await;
}

#[tokio::test]
async fn a_socket_opens_where_the_session_before_it_says_at_each_dial() {
    bounded(async {
        let mut web = Web::start().await;
        let rig = rig(&web);
        web.give_token(TOKEN).await;
        let mut peer = web.chain("/s/1").await;
        assert!(peer.head.contains(&format!("\r\nAuthorization: Bearer {TOKEN}\r\n")), "{}", peer.head);
        let link = rig.until_state("ready").await;
        assert_eq!(link.target.as_deref(), Some(&*format!("ws://127.0.0.1:{}/s/1", web.port)));
        // After a drop, with the same token.
        peer.close(1012, "restart");
        let mut peer = web.chain("/s/2").await;
        rig.until(|link| link.state == "ready" && link.epoch == 2).await;
        // After a button.
        rig.set(50, "reconnect").await;
        let _third = web.chain("/s/3").await;
        assert_eq!(peer.close_code().await, 1000);
        let link = rig.until(|link| link.state == "ready" && link.epoch == 3).await;
        assert!(link.target.is_some_and(|target| target.ends_with("/s/3")));
        web.nothing_more().await;
    })
    .await;
}

#[tokio::test]
async fn a_chain_that_fails_is_begun_anew_after_a_pause() {
    bounded(async {
        let mut web = Web::start().await;
        let rig = rig(&web);
        web.give_token(TOKEN).await;
        web.expect("POST /sessions").await.answer("503 Service Unavailable", "", "");
        let link = rig.until(|link| link.last_failure.is_some()).await;
        let failure = link.last_failure.expect("it failed");
        assert!(failure.summary.contains("could not be fetched"), "{failure:?}");
        // No answer at all.
        drop(web.expect("POST /sessions").await);
        // An answer without an address.
        web.expect("POST /sessions").await.ok("{}");
        let wanted = "the session before the link gave no address";
        rig.until(|link| link.last_failure.as_ref().is_some_and(|failure| failure.summary == wanted)).await;
        let _peer = web.chain("/s/4").await;
        let link = rig.until_state("ready").await;
        assert_eq!(link.last_failure, None);
        assert_eq!(link.epoch, 4);
    })
    .await;
}

#[tokio::test]
async fn a_stop_gives_requests_up_at_once_and_still_does_its_own_work() {
    bounded(async {
        for (at_stop, from) in [("", "status"), ("", "two"), ("say so", "two")] {
            let mut web = Web::start().await;
            let mut rig = rig_of(&web, WEB, &[(19, at_stop)]);
            // A token, a poll and what comes before the link, all of them under way.
            let token = web.expect("POST /token").await;
            rig.set(50, from).await;
            let status = web.expect("GET /status").await;
            let began = Moment::now();
            rig.stop.cancel();
            token.given_up().await;
            status.given_up().await;
            if !at_stop.is_empty() {
                web.expect("GET /status").await.ok("bye");
            }
            rig.ended().await;
            assert!(began.elapsed() < STOP_WORK, "{:?}", began.elapsed());
            web.nothing_more().await;
            let status = rig.handle.status();
            let states: Vec<_> = status.connections.iter().filter_map(|one| one.http.as_ref()).collect();
            assert!(states.iter().all(|http| http.state == "stopped"), "{states:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn work_of_a_stop_that_gets_no_answer_is_given_up_in_time() {
    bounded(async {
        let mut web = Web::start().await;
        let mut rig = rig_of(&web, WEB, &[(19, "say so")]);
        drop(web.expect("POST /token").await);
        rig.stop.cancel();
        let began = Moment::now();
        let asked = web.expect("GET /status").await;
        asked.given_up().await;
        rig.ended().await;
        // Nothing waits for it after its time.
        assert!((STOP_WORK..STOP_WORK + LAST_SAVES).contains(&began.elapsed()), "{:?}", began.elapsed());
    })
    .await;
}

#[tokio::test]
async fn an_element_that_is_started_anew_begins_its_chain_anew() {
    bounded(async {
        let mut web = Web::start().await;
        let mut old = rig(&web);
        web.give_token(TOKEN).await;
        let waiting = web.expect("POST /sessions").await;
        old.stop.cancel();
        let definition = WEB.replace("/sessions", "/v2/sessions");
        let new = rig_of(&web, &definition, &[]);
        waiting.given_up().await;
        old.ended().await;
        web.give_token("second").await;
        let asked = web.expect("POST /v2/sessions").await;
        assert_eq!(asked.header("authorization"), Some("Bearer second"));
        asked.ok(&format!(r#"{{"url":"ws://127.0.0.1:{}/v2"}}"#, web.port));
        let _peer = web.expect("GET /v2").await.upgrade().await;
        new.until_state("ready").await;
        web.nothing_more().await;
    })
    .await;
}
