//! Requests to servers of the test over loopback, which say exactly what a case needs.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::engine::target::Credentials;
use crate::engine::target::Target;
use crate::engine::target::exchange::Part;
use crate::engine::target::request::{Header, Provenance};
use crate::transport::proxy::System;
use crate::transport::tls::tests::Authority;
use crate::value::Secret;

/// A server that answers each request of a connection with the next text; an empty one closes instead.
struct Server {
    port: u16,
    /// Heads and bodies as they came, one for each request.
    seen: mpsc::UnboundedReceiver<String>,
    /// One for each connection.
    accepted: mpsc::UnboundedReceiver<()>,
}

async fn server(answers: Vec<Vec<u8>>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (seen_in, seen) = mpsc::unbounded_channel();
    let (accepted_in, accepted) = mpsc::unbounded_channel();
    tokio::task::spawn(async move {
        let mut answers = answers.into_iter();
        'connections: loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            accepted_in.send(()).unwrap();
            while let Some(request) = peer::read(&mut socket).await {
                seen_in.send(request).unwrap();
                let Some(answer) = answers.next() else { return };
                if answer.is_empty() {
                    continue 'connections;
                }
                socket.write_all(&answer).await.unwrap();
            }
        }
    });
    Server { port, seen, accepted }
}

fn plain(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn get(url: &str) -> HttpRequest {
    made(http::Method::GET, url, Vec::new(), Content::None, None)
}

fn made(
    method: http::Method,
    url: &str,
    headers: Vec<Header>,
    content: Content,
    login: Option<Credentials>,
) -> HttpRequest {
    HttpRequest::new(method, Target::parse(url).unwrap(), headers, content, login).unwrap()
}

fn login() -> Option<Credentials> {
    Some(Credentials { user: "Mufasa".to_owned(), password: Secret::new("Circle of Life".to_owned()) })
}

fn plan(request: HttpRequest) -> Plan {
    let address = Arc::new(Address::of(request.target()));
    Plan {
        request,
        address,
        timeout: Duration::from_secs(10),
        tls: tls::Settings::default(),
        proxy: proxy::Choice::Direct,
        max_bytes: 1 << 20,
        redirects: Redirects::Follow,
        connection_after: After::Keep,
    }
}

async fn send_with(http: &Http, plan: Plan) -> Result<Answer, Fault> {
    let environment = Environment { system_proxy: System::default(), ..Environment::of_process() };
    http.send(&plan, &environment).await
}

async fn send(plan: Plan) -> Result<Answer, Fault> {
    send_with(&Http::default(), plan).await
}

#[tokio::test]
async fn an_answer_has_its_status_line_headers_and_body_and_the_connection_is_kept() {
    let mut server = server(vec![
        plain("200 Fine with me", "X-A: 1\r\nX-A: 2\r\n", "{}"),
        plain("404 Not Found", "", "nothing"),
    ])
    .await;
    let http = Http::default();
    let url = format!("http://127.0.0.1:{}/a?b=c", server.port);
    let headers = vec![Header::new("x-api-key", "k", Provenance::Literal)];
    let request = made(http::Method::GET, &url, headers, Content::None, None);
    let answer = send_with(&http, plan(request)).await.unwrap();
    assert_eq!((answer.status, answer.status_line.as_str()), (200, "HTTP/1.1 200 Fine with me"));
    let named = |name: &str| {
        let found = answer.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    assert_eq!((named("X-A"), &answer.body[..]), (vec!["1".to_owned(), "2".to_owned()], &b"{}"[..]));
    let answer = send_with(&http, plan(get(&url))).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (404, &b"nothing"[..]));
    let first = server.seen.recv().await.unwrap();
    assert!(first.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{first}");
    assert!(first.contains("\r\nX-Api-Key: k\r\n"), "{first}");
    assert!(first.contains(&format!("\r\nHost: 127.0.0.1:{}\r\n", server.port)), "{first}");
    server.accepted.recv().await.unwrap();
    assert!(server.accepted.try_recv().is_err(), "both went over one connection");
}

#[tokio::test]
async fn redirects_are_followed_with_the_verb_that_belongs_to_them_or_left_alone() {
    let found = || plain("302 Found", "Location: /next\r\n", "");
    let mut server = server(vec![found(), plain("200 OK", "", "there"), found()]).await;
    let url = format!("http://127.0.0.1:{}/", server.port);
    let content = Content::Bytes(Secret::new(Bytes::from_static(b"data")));
    let request = || made(http::Method::POST, &url, Vec::new(), content.clone(), None);
    let answer = send(plan(request())).await.unwrap();
    assert_eq!((&answer.body[..], answer.redirects.len()), (&b"there"[..], 1));
    assert!(server.seen.recv().await.unwrap().ends_with("\r\n\r\ndata"));
    assert!(server.seen.recv().await.unwrap().starts_with("GET /next "));
    let left = send(Plan { redirects: Redirects::Leave, ..plan(request()) }).await.unwrap();
    assert_eq!((left.status, left.redirects.len()), (302, 0));
}

#[tokio::test]
async fn what_a_server_has_had_before_it_redirected_counts_as_written() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let answer = plain("303 See Other", &format!("Location: http://127.0.0.1:{closed}/\r\n"), "");
    let server = server(vec![answer]).await;
    let url = format!("http://127.0.0.1:{}/jobs", server.port);
    let request = made(http::Method::POST, &url, Vec::new(), Content::None, None);
    let fault = send(plan(request)).await.unwrap_err();
    assert_eq!((fault.failure.kind, fault.written), (FailureKind::ConnectionRefused, true));
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let circle = plain("301 Moved Permanently", "Location: /\r\n", "");
    let server = server(vec![circle; 10]).await;
    let fault = send(plan(get(&format!("http://127.0.0.1:{}/", server.port)))).await.unwrap_err();
    assert_eq!(fault.failure.kind, FailureKind::Redirect);
    assert!(fault.failure.advice.contains("circle"), "{}", fault.failure);
}

#[tokio::test]
async fn basic_goes_at_once_and_digest_when_it_is_asked_for_and_ever_after() {
    // The challenge of RFC 7616, 3.9.1.
    let challenge = "WWW-Authenticate: Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
        algorithm=SHA-256, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
        opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"\r\n";
    let mut server = server(vec![
        plain("401 Unauthorized", challenge, "no"),
        plain("200 OK", "", "in"),
        plain("200 OK", "", "again"),
        plain("401 Unauthorized", challenge, "stale"),
        plain("401 Unauthorized", challenge, "wrong"),
    ])
    .await;
    let http = Http::default();
    let url = format!("http://127.0.0.1:{}/dir/index.html", server.port);
    let request = || made(http::Method::GET, &url, Vec::new(), Content::None, login());
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let answer = send_with(&http, plan(request())).await.unwrap();
        bodies.push((answer.status, String::from_utf8(answer.body.to_vec()).unwrap()));
    }
    let body = |status, text: &str| (status, text.to_owned());
    assert_eq!(bodies, [body(200, "in"), body(200, "again"), body(401, "wrong")]);
    let mut sent = Vec::new();
    for _ in 0..5 {
        let head = server.seen.recv().await.unwrap();
        let line = head.lines().find(|line| line.starts_with("Authorization: ")).unwrap().to_owned();
        sent.push(line);
    }
    assert!(sent[0].starts_with("Authorization: Basic "), "{}", sent[0]);
    assert!(sent[1..].iter().all(|line| line.starts_with("Authorization: Digest username=\"Mufasa\"")));
    assert!(sent[1].contains("nc=00000001") && sent[2].contains("nc=00000002"), "{sent:?}");
    assert!(sent[1].contains("uri=\"/dir/index.html\"") && sent[1].contains("algorithm=SHA-256"), "{sent:?}");
}

#[tokio::test]
async fn a_header_of_the_definition_goes_before_the_login_and_wrong_basic_is_not_repeated() {
    let refusal = || plain("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "");
    let mut server = server(vec![refusal(), refusal()]).await;
    let url = format!("http://127.0.0.1:{}/", server.port);
    let own = vec![Header::new("Authorization", "Bearer t", Provenance::Literal)];
    for headers in [own, Vec::new()] {
        let request = made(http::Method::GET, &url, headers, Content::None, login());
        assert_eq!(send(plan(request)).await.unwrap().status, 401);
    }
    assert!(server.seen.recv().await.unwrap().contains("\r\nAuthorization: Bearer t\r\n"));
    assert!(server.seen.recv().await.unwrap().contains("\r\nAuthorization: Basic "));
    assert!(server.seen.try_recv().is_err());
}

#[tokio::test]
async fn a_form_is_multipart_with_a_boundary_of_its_own() {
    let mut server = server(vec![plain("200 OK", "", "")]).await;
    let part = |name: &str, file: Option<&str>, content: &'static [u8]| Part {
        name: name.to_owned(),
        file: file.map(str::to_owned),
        media_type: file.map(|_| "application/octet-stream".to_owned()),
        content: Secret::new(Bytes::from_static(content)),
    };
    let form = Content::Form(vec![part("id", None, b"7"), part("input", Some("a.mps"), b"NAME\nROWS")]);
    let url = format!("http://127.0.0.1:{}/jobs", server.port);
    send(plan(made(http::Method::POST, &url, Vec::new(), form, None))).await.unwrap();
    let seen = server.seen.recv().await.unwrap();
    let boundary = seen.split_once("multipart/form-data; boundary=").unwrap().1.lines().next().unwrap();
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n7\r\n--{boundary}\r\n\
         Content-Disposition: form-data; name=\"input\"; filename=\"a.mps\"\r\n\
         Content-Type: application/octet-stream\r\n\r\nNAME\nROWS\r\n--{boundary}--\r\n"
    );
    assert!(seen.ends_with(&expected), "{seen}");
}

#[tokio::test]
async fn a_body_is_bounded_also_after_decompression() {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b'a'; 3 << 20]).unwrap();
    let packed = encoder.finish().unwrap();
    assert!(packed.len() < 20_000);
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len())
            .into_bytes();
    answer.extend_from_slice(&packed);
    let server = server(vec![answer.clone(), Vec::new(), answer]).await;
    let url = format!("http://127.0.0.1:{}/", server.port);
    let fault = send(plan(get(&url))).await.unwrap_err();
    assert_eq!(fault.failure.kind, FailureKind::Content);
    assert_eq!(fault.failure.to_string(), "body: the body of the answer is longer than 1048576 bytes");
}

#[tokio::test]
async fn what_goes_wrong_is_said_and_whether_the_request_was_written() {
    let check = async |answer: &[u8], kind: FailureKind| {
        let server = server(vec![answer.to_vec(), Vec::new(), Vec::new()]).await;
        let fault = send(plan(get(&format!("http://127.0.0.1:{}/", server.port)))).await.unwrap_err();
        assert_eq!((fault.failure.kind, fault.written), (kind, true), "{}", fault.failure);
        assert!(!fault.failure.advice.is_empty());
    };
    check(b"220 ftp.example ready\r\n\r\n", FailureKind::NotHttp).await;
    check(b"", FailureKind::Closed).await;
    check(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nxxxx",
        FailureKind::Content,
    )
    .await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let fault = send(plan(get(&format!("http://127.0.0.1:{closed}/")))).await.unwrap_err();
    assert_eq!((fault.failure.kind, fault.written), (FailureKind::ConnectionRefused, false));
    let fault = send(plan(get("http://no-such-host.invalid/"))).await.unwrap_err();
    assert_eq!((fault.failure.kind, fault.written), (FailureKind::Name, false), "{}", fault.failure);
}

#[tokio::test]
async fn a_body_that_is_cut_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::task::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        peer::read(&mut socket).await.unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
    });
    let fault = send(plan(get(&format!("http://127.0.0.1:{port}/")))).await.unwrap_err();
    assert_eq!((fault.failure.kind, fault.written), (FailureKind::Closed, true), "{}", fault.failure);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let timeout = Duration::from_millis(50);
    let fault = send(Plan { timeout, ..plan(get(&format!("http://127.0.0.1:{port}/"))) }).await.unwrap_err();
    assert_eq!(fault.failure.kind, FailureKind::Deadline);
    assert!(fault.failure.to_string().starts_with("http: no answer within 50 ms"), "{}", fault.failure);
    assert!(fault.written);
    drop(listener);
}

#[tokio::test]
async fn what_never_got_a_connection_in_time_was_not_written() {
    // Takes connections and says nothing: neither TLS nor a proxy answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let timeout = Duration::from_millis(200);
    // Needs no roots of the system, which take their time.
    let tls = tls::Settings { verification: tls::Verification::None, ..tls::Settings::default() };
    let silent = proxy::Choice::Url(Secret::new(format!("socks5://{place}")));
    for (url, proxy, words) in [
        (
            format!("https://{place}/"),
            proxy::Choice::Direct,
            format!("tcp: no answer within 200 ms, while connecting to {place}, TLS included"),
        ),
        (
            "http://127.0.0.1:1/".to_owned(),
            silent.clone(),
            format!(
                "proxy: no answer within 200 ms, while connecting to 127.0.0.1:1 through the proxy socks5://{place}"
            ),
        ),
        (
            "https://127.0.0.1:1/".to_owned(),
            silent,
            format!(
                "proxy: no answer within 200 ms, while connecting to 127.0.0.1:1 through the proxy socks5://{place}"
            ),
        ),
    ] {
        let request = made(http::Method::POST, &url, Vec::new(), Content::None, None);
        let fault = send(Plan { timeout, proxy, tls: tls.clone(), ..plan(request) }).await.unwrap_err();
        assert_eq!((fault.failure.kind, fault.written), (FailureKind::Deadline, false), "{url}");
        assert_eq!(fault.failure.to_string(), words);
    }
    // What a server has had before it redirected there counts.
    let answer = plain("303 See Other", &format!("Location: https://{place}/\r\n"), "");
    let server = server(vec![answer]).await;
    let url = format!("http://127.0.0.1:{}/jobs", server.port);
    let request = made(http::Method::POST, &url, Vec::new(), Content::None, None);
    let fault = send(Plan { timeout: Duration::from_millis(500), tls, ..plan(request) }).await.unwrap_err();
    assert_eq!((fault.failure.kind, fault.written), (FailureKind::Deadline, true), "{}", fault.failure);
    drop(listener);
}

#[tokio::test]
async fn a_request_that_takes_over_an_idle_connection_counts_as_written() {
    // Speaks TLS on the first connection only; the second one is never made.
    let authority = Authority::new("own");
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let config = authority.identity(&["localhost"]).config();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let (seen_in, mut seen) = mpsc::unbounded_channel();
    tokio::task::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut first = tokio_rustls::TlsAcceptor::from(config).accept(socket).await.unwrap();
        seen_in.send(peer::read(&mut first).await.unwrap()).unwrap();
        let (_second, _) = listener.accept().await.unwrap();
        // The second request waits for its own connection by now, and gets this one.
        first.write_all(&plain("200 OK", "", "first")).await.unwrap();
        seen_in.send(peer::read(&mut first).await.unwrap()).unwrap();
        std::future::pending::<()>().await;
    });
    let http = Http::default();
    let tls = tls::Settings { ca: Some(ca), ..tls::Settings::default() };
    let request = |timeout| Plan {
        timeout: Duration::from_millis(timeout),
        tls: tls.clone(),
        ..plan(made(http::Method::POST, &url, Vec::new(), Content::None, None))
    };
    let first = tokio::task::spawn({
        let (http, plan) = (http.clone(), request(10_000));
        async move { send_with(&http, plan).await }
    });
    assert!(seen.recv().await.is_some());
    let second = send_with(&http, request(500)).await;
    assert_eq!(&first.await.unwrap().unwrap().body[..], b"first");
    let fault = second.unwrap_err();
    assert!(seen.recv().await.is_some(), "it came over the first connection");
    assert_eq!((fault.failure.kind, fault.written), (FailureKind::Deadline, true), "{}", fault.failure);
    assert!(fault.failure.to_string().starts_with("http: "), "{}", fault.failure);
}

/// The value of a parameter in the `Authorization: Digest` of a request.
fn given<'a>(head: &'a str, name: &str) -> &'a str {
    let line = head.lines().find_map(|line| line.strip_prefix("Authorization: Digest ")).unwrap();
    let found = line.split(", ").find_map(|one| one.strip_prefix(name)?.strip_prefix('='));
    found.unwrap().trim_matches('"')
}

/// A server with any number of connections, which answers each request by its head.
async fn answering(answer: impl Fn(&str) -> Vec<u8> + Clone + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (seen_in, seen) = mpsc::unbounded_channel();
    let (accepted_in, accepted) = mpsc::unbounded_channel();
    tokio::task::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            accepted_in.send(()).unwrap();
            let (seen_in, answer) = (seen_in.clone(), answer.clone());
            tokio::task::spawn(async move {
                while let Some(request) = peer::read(&mut socket).await {
                    let text = answer(&request);
                    let _ = seen_in.send(request);
                    // All are under way before the first is answered.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    socket.write_all(&text).await.unwrap();
                }
            });
        }
    });
    Server { port, seen, accepted }
}

fn challenge(realm: &str, nonce: &str, more: &str) -> Vec<u8> {
    let asks = format!(
        "WWW-Authenticate: Digest realm=\"{realm}\", qop=\"auth\", nonce=\"{nonce}\", algorithm=SHA-256{more}\r\n"
    );
    plain("401 Unauthorized", &asks, "")
}

#[tokio::test]
async fn requests_that_share_a_nonce_never_share_a_count() {
    // As servers have it that make nonces from the time: all who ask in the same second get the same one.
    let mut server = answering(|head| match head.contains("Digest ") {
        true => plain("200 OK", "", ""),
        false => challenge("one", "same", ""),
    })
    .await;
    let http = Http::default();
    let url = format!("http://127.0.0.1:{}/", server.port);
    let ask = || async {
        let request = made(http::Method::GET, &url, Vec::new(), Content::None, login());
        assert_eq!(send_with(&http, plan(request)).await.unwrap().status, 200);
    };
    futures_util::future::join_all((0..12).map(|_| ask())).await;
    futures_util::future::join_all((0..4).map(|_| ask())).await;
    let mut counts = Vec::new();
    while let Ok(head) = server.seen.try_recv() {
        if head.contains("Digest ") {
            counts.push(u32::from_str_radix(given(&head, "nc"), 16).unwrap());
        }
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=16).collect::<Vec<u32>>());
}

#[tokio::test]
async fn each_request_answers_the_challenge_that_it_was_given() {
    // Two realms on one origin, asked at the same time.
    let mut server = answering(|head| {
        let realm = if head.starts_with("GET /a ") { "a" } else { "b" };
        match head.contains(&format!("Digest username=\"Mufasa\", realm=\"{realm}\"")) {
            true => plain("200 OK", "", ""),
            false => challenge(realm, &format!("of-{realm}"), ""),
        }
    })
    .await;
    let http = Http::default();
    let port = server.port;
    let ask = |path: &'static str| {
        let http = http.clone();
        async move {
            let url = format!("http://127.0.0.1:{port}{path}");
            let request = made(http::Method::GET, &url, Vec::new(), Content::None, login());
            assert_eq!(send_with(&http, plan(request)).await.unwrap().status, 200, "{path}");
        }
    };
    let paths = ["/a", "/b"].into_iter().cycle().take(12);
    futures_util::future::join_all(paths.map(ask)).await;
    let mut used = std::collections::HashSet::new();
    while let Ok(head) = server.seen.try_recv() {
        if head.contains("Digest ") {
            assert!(used.insert((given(&head, "nonce").to_owned(), given(&head, "nc").to_owned())), "{head}");
        }
    }
}

#[tokio::test]
async fn a_stale_nonce_is_replaced_a_few_times_and_a_refusal_only_once() {
    for (more, tries) in [(", stale=true", 5), ("", 2)] {
        let mut server = answering(move |_| challenge("one", &rand::random::<u32>().to_string(), more)).await;
        let url = format!("http://127.0.0.1:{}/", server.port);
        let request = made(http::Method::GET, &url, Vec::new(), Content::None, login());
        assert_eq!(send(plan(request)).await.unwrap().status, 401);
        let mut seen = 0;
        while server.seen.try_recv().is_ok() {
            seen += 1;
        }
        assert_eq!(seen, tries, "{more}");
    }
}
