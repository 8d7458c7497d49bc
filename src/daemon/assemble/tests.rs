//! Elements that are put together: every setting of a connection over its counterpart in the definition, references, places.

use super::*;
use crate::language::load;
use crate::language::source::Source;

const DEFINITION: &str = include_str!("../../../tests/definitions/valid/additions.xml");

/// Resolves `env` of known names only, and nothing else.
struct Fake;

impl Resolve for Fake {
    fn resolve(&self, reference: &Reference) -> Result<String, String> {
        match reference {
            Reference::Env(name) if name.as_ref() == "PROXY" => Ok("http://me:secret@proxy:3128".to_owned()),
            Reference::Env(_) | Reference::File(_) | Reference::Credential(_) => {
                Err("it is not there".to_owned())
            }
        }
    }
}

/// The element of these settings, which follow its name and definition.
fn element(settings: &str) -> Result<Spec, Vec<String>> {
    let text = format!("[[element]]\nname = \"a\"\nprotocol = \"definitions/p.xml\"\n{settings}");
    let (settings, report) =
        settings::parse(&Source::new("backshell.toml", text), Path::new("/etc/backshell"));
    let settings = settings.unwrap_or_else(|| panic!("{:?}", report.diagnostics()));
    let (protocol, report) = load::whole(&Source::new("p.xml", DEFINITION));
    let protocol = protocol.unwrap_or_else(|| panic!("{:?}", report.diagnostics()));
    assemble(&settings.elements[0], &settings, &protocol, &Fake)
}

fn only(spec: Result<Spec, Vec<String>>) -> ConnectionSpec {
    spec.unwrap().connections.remove(0)
}

#[test]
fn what_the_settings_do_not_say_is_what_the_definition_says() {
    let link = only(element(""));
    assert_eq!((link.host, link.port, link.bypass_proxy), (None, None, false));
    assert_eq!((link.timeout, link.retries), (Duration::from_millis(1_500), 2));
    assert_eq!(link.proxy.unwrap().expose().as_ref(), "socks5://127.0.0.1:1080");
    let expected = Reconnect {
        initial_delay: Duration::from_millis(250),
        max_delay: Duration::from_secs(10),
        settle: Duration::from_secs(3),
        window: Duration::from_millis(20),
        close_timeout: Duration::from_millis(500),
        rejected_delay: Duration::from_secs(60),
        handover: Handover::OpenFirst,
        stop_on: link.reconnect.stop_on.clone(),
    };
    assert_eq!(link.reconnect, expected);
    assert_eq!(*link.reconnect.stop_on, [402, 4001]);
    assert_eq!(link.keep_alive.ping_interval, Duration::from_secs(10));
    assert_eq!(link.keep_alive.pong_timeout, Duration::from_secs(5));
    assert_eq!(link.keep_alive.silence, Duration::from_secs(60));
    assert!(link.keep_alive.heartbeat.is_some());
    assert_eq!(link.tls.server_name.as_deref(), Some("events.example"));
    assert!(link.tls.verify);
    assert_eq!((link.limits.max_message_bytes, link.limits.send_queue), (1_048_576, 16));
}

#[test]
fn every_setting_of_a_connection_goes_before_the_definition() {
    let link = only(element(
        r#"
        [element.connection.0]
        host = "ws://10.4.2.8"
        port = 8051
        timeout_ms = 2500
        retries = 7
        element_timeout_ms = 12000
        bus_address = "bypassProxy"
        proxy = { env = "PROXY" }
        tls = { ca = "ca.pem", certificate = "/c.pem", key = "/k.pem", server_name = "device", verify = false }
        [element.connection.0.reconnect]
        initial_delay_ms = 100
        max_delay_ms = 1000
        settle_ms = 1
        window_ms = 0
        close_timeout_ms = 2
        rejected_delay_ms = 3000
        handover = "close-first"
        stop_on = [4002]
        [element.connection.0.keep_alive]
        ping_interval_ms = 0
        pong_timeout_ms = 500
        heartbeat = 0
        silence_ms = 1000
        [element.connection.0.limits]
        max_message_bytes = 65536
        send_queue = 0
        "#,
    ));
    let millis = Duration::from_millis;
    assert_eq!((link.host.as_deref(), link.port), (Some("ws://10.4.2.8"), Some(8051)));
    assert_eq!((link.timeout, link.retries, link.bypass_proxy), (millis(2_500), 7, true));
    assert_eq!(link.bus_address.as_deref(), Some("bypassProxy"));
    assert_eq!(link.element_timeout, millis(12_000));
    assert_eq!(link.proxy.unwrap().expose().as_ref(), "http://me:secret@proxy:3128");
    let tls = &link.tls;
    // Files of the settings are relative to the settings, and not to the definition.
    assert_eq!(tls.ca.as_deref(), Some("/etc/backshell/ca.pem"));
    assert_eq!((tls.certificate.as_deref(), tls.key.as_deref()), (Some("/c.pem"), Some("/k.pem")));
    assert_eq!((tls.server_name.as_deref(), tls.verify), (Some("device"), false));
    let expected = Reconnect {
        initial_delay: millis(100),
        max_delay: millis(1_000),
        settle: millis(1),
        window: Duration::ZERO,
        close_timeout: millis(2),
        rejected_delay: millis(3_000),
        handover: Handover::CloseFirst,
        stop_on: link.reconnect.stop_on.clone(),
    };
    assert_eq!(link.reconnect, expected);
    assert_eq!(*link.reconnect.stop_on, [4002]);
    let alive = &link.keep_alive;
    assert_eq!((alive.ping_interval, alive.pong_timeout), (Duration::ZERO, millis(500)));
    assert_eq!((alive.heartbeat, alive.silence), (None, millis(1_000)));
    assert_eq!((link.limits.max_message_bytes, link.limits.send_queue), (65_536, 0));
}

#[test]
fn what_does_not_fit_is_named() {
    for (settings, expected) in [
        (
            "[element.connection.1]\nport = 1",
            "backshell.toml:4: `connection.1` is set, and the definition has connections 0 to 0",
        ),
        (
            "[element.connection.0]\nkeep_alive = { heartbeat = 99 }",
            "backshell.toml:5: `keep_alive.heartbeat` names pair 99, which the definition does not have",
        ),
        ("[element.connection.0]\nhost = { env = \"NONE\" }", "backshell.toml:5: it is not there"),
        ("[element.params]\nToken = { env = \"NONE\" }", "backshell.toml:5: it is not there"),
        (
            "[element.params]\nPaht = 1",
            "backshell.toml:5: the definition has no parameter `Paht`; did you mean `Path`?",
        ),
        ("[element.params]\n77 = 1", "no parameter 77"),
        (
            "[element.params]\nPath = 1\n2 = 1",
            "backshell.toml:2: parameter 2 is set twice, by id and by name",
        ),
        ("[element.params]\nSources = 1", "cannot be set here"),
        (
            "[element.params]\nToken = \"t\"\nState = \"abc\"",
            "backshell.toml:6: the value of parameter 1 (`State`) does not fit it: not a number",
        ),
        (
            "[element.params]\n1 = { env = \"PROXY\" }",
            "backshell.toml:5: the value of parameter 1 (`State`) does",
        ),
    ] {
        let problems = element(settings).err().unwrap_or_else(|| panic!("{settings} fits"));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
        assert!(!problems[0].contains("secret") && !problems[0].contains("abc"), "{problems:?}");
    }
    // A number is a text too, and the text of a number is one.
    assert_eq!(element("").unwrap().files, None);
    let files = element("files_dir = \"files\"").unwrap().files;
    assert_eq!(files.as_deref(), Some(Path::new("/etc/backshell/files")));
    element("[element.params]\nPath = 12\nState = \"12\"").unwrap();
}

#[test]
fn a_secret_changes_the_digest_and_is_in_no_text() {
    let with = |value: &str| element(&format!("[element.params]\nToken = \"{value}\"")).unwrap();
    let (one, same, other) = (with("hush-1"), with("hush-1"), with("hush-2"));
    assert_eq!(digest(&one), digest(&same));
    assert_ne!(digest(&one), digest(&other));
    assert!(!format!("{one:?}").contains("hush"));
}
