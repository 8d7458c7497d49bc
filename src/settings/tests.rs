//! The settings reader on small texts; the golden files are in `tests/settings`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use crate::language::diagnostic::{Code, Report};
use crate::language::source::Source;
use crate::settings::keys::{Fallback, KEYS, Kind};
use crate::settings::{
    Given, Handover, LogFormat, ParamKey, Reference, Script, Settings, parse, read, reference,
};
use crate::value::Value;

fn load(text: &str) -> (Option<Settings>, Report) {
    parse(&Source::new("backshell.toml", text), Path::new("/etc/backshell"))
}

fn good(text: &str) -> Settings {
    let (settings, report) = load(text);
    assert_eq!(report.diagnostics(), [], "{text}");
    settings.unwrap()
}

fn codes(text: &str) -> Vec<&'static str> {
    load(text).1.diagnostics().iter().map(|diagnostic| diagnostic.code.name()).collect()
}

const ELEMENT: &str = "[[element]]\nname = \"a\"\nprotocol = \"x.xml\"\n";

#[test]
fn every_key_reaches_the_settings() {
    let settings = good(
        r#"
        data_dir = "/var/lib/backshell"
        grace_ms = 20_000
        tai_offset_seconds = 38
        log = { format = "json", level = "debug" }
        dial = { per_second = 0, per_host_per_second = 5 }
        http.per_origin = 4
        script = { time_limit_ms = 250, memory_mib = 8, threads = 4 }
        api.listen = "[::1]:0"
        [[element]]
        name = "studio-1.tally_A"
        protocol = "protocols/nmos-events.xml"
        [element.connection.0]
        host = "ws://10.4.2.8"
        port = 8050
        timeout_ms = 2500
        retries = 0
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
        handover = "open-first"
        stop_on = [4001, 503, 503]
        [element.connection.0.keep_alive]
        ping_interval_ms = 0
        pong_timeout_ms = 500
        heartbeat = 12
        silence_ms = 60000
        [element.connection.0.limits]
        max_message_bytes = 65536
        send_queue = 7
        [element.connection.2]
        reconnect.stop_on = "1012; 429"
        [element.params]
        8 = "x-nmos/events/ws"
        Scale = -1.5
        Count = 1_000
        Token = { file = "secrets/token" }
        Other = { credential = "token" }
        "#,
    );
    assert_eq!(settings.data_dir, Path::new("/var/lib/backshell"));
    assert_eq!(settings.grace, Duration::from_secs(20));
    assert_eq!(settings.tai_offset_seconds, 38);
    assert_eq!((settings.log.format, settings.log.level.as_ref()), (LogFormat::Json, "debug"));
    assert_eq!((settings.dial.per_second, settings.dial.per_host_per_second), (0, 5));
    assert_eq!(settings.http.per_origin, 4);
    let script = Script { time_limit: Duration::from_millis(250), memory_mib: 8, threads: 4 };
    assert_eq!(settings.script, script);
    assert_eq!(settings.api.listen, "[::1]:0".parse().unwrap());
    let element = &settings.elements[0];
    assert_eq!(element.name.value.as_ref(), "studio-1.tally_A");
    assert_eq!(element.protocol.value, Path::new("/etc/backshell/protocols/nmos-events.xml"));
    assert_eq!(element.connections.keys().copied().collect::<Vec<_>>(), [0, 2]);
    let connection = &element.connections[&0];
    let literal = |text: &str| Given::Literal(Value::from(text));
    assert_eq!(connection.host.as_ref().unwrap().value, literal("ws://10.4.2.8"));
    assert_eq!((connection.port, connection.retries), (Some(8_050), Some(0)));
    assert_eq!(connection.timeout, Some(Duration::from_millis(2_500)));
    assert_eq!(connection.bus_address.as_deref(), Some("bypassProxy"));
    assert_eq!(connection.proxy.as_ref().unwrap().value, Given::Reference(Reference::Env("PROXY".into())));
    let tls = &connection.tls;
    assert_eq!(tls.ca.as_ref().unwrap().value, Path::new("/etc/backshell/ca.pem"));
    assert_eq!(tls.certificate.as_ref().unwrap().value, Path::new("/c.pem"));
    assert_eq!(tls.key.as_ref().unwrap().value, Path::new("/k.pem"));
    assert_eq!((tls.server_name.as_ref().unwrap().value.as_ref(), tls.verify), ("device", Some(false)));
    let reconnect = &connection.reconnect;
    let ms = |millis| Some(Duration::from_millis(millis));
    assert_eq!((reconnect.initial_delay, reconnect.max_delay, reconnect.settle), (ms(100), ms(1_000), ms(1)));
    assert_eq!(
        (reconnect.window, reconnect.close_timeout, reconnect.rejected_delay),
        (ms(0), ms(2), ms(3_000))
    );
    assert_eq!(reconnect.handover, Some(Handover::OpenFirst));
    assert_eq!(reconnect.stop_on, Some(vec![503, 4_001]));
    assert_eq!(element.connections[&2].reconnect.stop_on, Some(vec![429, 1_012]));
    let keep_alive = &connection.keep_alive;
    assert_eq!(
        (keep_alive.ping_interval, keep_alive.pong_timeout, keep_alive.silence),
        (ms(0), ms(500), ms(60_000))
    );
    assert_eq!(keep_alive.heartbeat.as_ref().unwrap().value, 12);
    assert_eq!((connection.limits.max_message_bytes, connection.limits.send_queue), (Some(65_536), Some(7)));
    let params: Vec<(ParamKey, Given)> =
        element.params.iter().map(|(key, given)| (key.value.clone(), given.value.clone())).collect();
    let name = |text: &str| ParamKey::Name(text.into());
    assert_eq!(
        params,
        [
            (ParamKey::Id(8), literal("x-nmos/events/ws")),
            (name("Count"), Given::Literal(Value::number(1_000.0))),
            (name("Other"), Given::Reference(Reference::Credential("token".into()))),
            (name("Scale"), Given::Literal(Value::number(-1.5))),
            (name("Token"), Given::Reference(Reference::File(PathBuf::from("/etc/backshell/secrets/token")))),
        ]
    );
}

#[test]
fn an_empty_file_has_the_defaults_of_the_table() {
    let (settings, report) = load("");
    assert_eq!(codes(""), ["P6014"]);
    assert!(!report.has_errors());
    let settings = settings.unwrap();
    assert_eq!(settings.data_dir, Path::new("/etc/backshell/data"));
    assert_eq!(settings.grace, Duration::from_secs(10));
    assert_eq!(settings.tai_offset_seconds, 37);
    assert_eq!((settings.dial.per_second, settings.dial.per_host_per_second), (200, 50));
    assert_eq!(settings.http.per_origin, 32);
    let script = Script { time_limit: Duration::from_secs(1), memory_mib: 32, threads: 64 };
    assert_eq!(settings.script, script);
    assert_eq!(settings.api.listen, "127.0.0.1:8780".parse().unwrap());
    assert_eq!((settings.log.format, settings.log.level.as_ref()), (LogFormat::Human, "info"));
}

#[test]
fn the_table_of_keys_is_sound() {
    let mut seen = BTreeSet::new();
    for key in KEYS {
        assert!(seen.insert(key.path), "{} stands twice", key.path);
        let table = key.table().trim_end_matches(".N");
        assert!(table.is_empty() || seen.contains(table), "{} stands before its table", key.path);
        assert!(key.doc.ends_with('.'), "{} has no sentence", key.path);
        let has_fallback = matches!(key.fallback, Fallback::Value(_));
        assert_eq!(
            has_fallback,
            read::fallback(key.path, Path::new("")).is_some(),
            "fallback of {}",
            key.path
        );
    }
    assert!(seen.len() > 40);
}

/// Each key is set to a value of its kind, alone; it must change the settings, or nobody reads it.
#[test]
fn no_key_is_read_and_then_forgotten() {
    let mut checked = 0;
    for key in KEYS {
        let value = match key.kind {
            Kind::Table | Kind::Tables | Kind::Numbered | Kind::Params | Kind::Name => continue,
            Kind::Text | Kind::Path | Kind::Given => "\"something\"".to_owned(),
            Kind::Integer(least, _) | Kind::Millis(least, _) => (least + 1).to_string(),
            Kind::Flag => "false".to_owned(),
            Kind::Choice(words) => format!("{:?}", words[1]),
            Kind::Address => "\"127.0.0.1:1\"".to_owned(),
            Kind::Codes => "\"4001\"".to_owned(),
            Kind::LogFilter => "\"info,backshell::transport=debug\"".to_owned(),
        };
        let line =
            |path: &str| format!("{} = {value}\n", path.trim_start_matches("element.").replace(".N.", ".0."));
        let plain = format!("{ELEMENT}[element.connection.0]\n");
        let text = match key.path {
            "element.protocol" => ELEMENT.replace("\"x.xml\"", &value) + "[element.connection.0]\n",
            path if path.starts_with("element.") => {
                let mut lines = line(path);
                // A certificate needs its key, and the reverse.
                if path.ends_with(".tls.certificate") {
                    lines += "connection.0.tls.key = \"k\"\n";
                } else if path.ends_with(".tls.key") {
                    lines += "connection.0.tls.certificate = \"c\"\n";
                }
                format!("{ELEMENT}{lines}")
            }
            path => format!("{}{plain}", line(path)),
        };
        assert_ne!(good(&text), good(&plain), "{} changes nothing", key.path);
        checked += 1;
    }
    assert!(checked > 30);
}

#[test]
fn every_settings_code_is_raised_by_its_bad_example_and_not_by_its_good_one() {
    let mut checked = 0;
    for code in Code::ALL.iter().filter(|code| code.is_of_settings()) {
        assert!(codes(code.entry().bad).contains(&code.name()), "{code} is not raised by its bad example");
        let left: Vec<_> = codes(code.entry().good).into_iter().filter(|name| *name != "P6014").collect();
        assert_eq!(left, Vec::<&str>::new(), "good example of {code}");
        checked += 1;
    }
    assert!(checked >= 14);
}

#[test]
fn several_problems_are_reported_in_one_run_in_file_order() {
    let text = "grace_ms = \"x\"\n[log]\nformat = \"xml\"\n[apy]\n[[element]]\nname = \"a b\"\n[[element]]\nname = \"c\"\nprotocol = 5\n";
    assert_eq!(codes(text), ["P6003", "P6008", "P6002", "P6005", "P6006", "P6003"]);
}

#[test]
fn a_misspelt_key_gets_the_nearest_one() {
    for (text, help) in [
        ("[dial]\nper_secnd = 1", "did you mean `per_second`?"),
        ("gracems = 1", "did you mean `grace_ms`?"),
        ("port = 80", "the key is `element.connection.N.port`"),
        ("elements = []", "did you mean `element`?"),
        (
            "[[element]]\nname=\"a\"\nprotocol=\"x\"\n[element.connection.0.reconnect]\ninitialDelay = 5",
            "did you mean `initial_delay_ms`?",
        ),
        ("[log]\nformat = \"jsn\"", "did you mean `json`?"),
    ] {
        let report = load(text).1;
        let found: Vec<_> =
            report.diagnostics().iter().filter_map(|diagnostic| diagnostic.help.as_deref()).collect();
        assert!(found.contains(&help), "{text}: {found:?}");
    }
}

#[test]
fn a_byte_order_mark_moves_no_place() {
    let source = Source::new("a", "\u{feff}grace_ms = true");
    let (_, report) = parse(&source, Path::new(""));
    let span =
        report.diagnostics().iter().find(|diagnostic| diagnostic.code == Code::SettingsType).unwrap().span;
    assert_eq!(source.slice(span), "true");
    assert_eq!(source.position(span.start).column, 12);
}

#[test]
fn moving_lines_is_no_change_and_a_value_is() {
    let a = good(&format!("grace_ms = 5\n{ELEMENT}[element.params]\nx = 1\ny = 2\n"));
    let b = good(&format!("# moved\n\ngrace_ms = 5\n\n{ELEMENT}[element.params]\ny = 2\n\nx = 1.0\n"));
    let c = good(&format!("grace_ms = 5\n{ELEMENT}[element.params]\nx = 1\ny = 3\n"));
    assert_eq!(a, b);
    assert_ne!(a, c);
}

#[test]
fn a_misspelt_log_level_does_not_silence_the_log() {
    for (level, sound) in [
        ("warn", true),
        ("INFO", true),
        ("info, backshell::transport=trace", true),
        ("inof", false),
        ("a=b", false),
        ("", false),
    ] {
        let text = format!("[log]\nlevel = {level:?}\n{ELEMENT}");
        assert_eq!(codes(&text).is_empty(), sound, "{level}");
    }
}

#[test]
fn element_names_are_checked() {
    let long = "x".repeat(65);
    for (name, sound) in [
        ("a", true),
        ("Studio-1_tally.main", true),
        (&long[..64], true),
        (&long, false),
        ("", false),
        ("a b", false),
        ("ä", false),
        ("a/b", false),
        (".", false),
        ("..", false),
    ] {
        let text = format!("[[element]]\nname = {name:?}\nprotocol = \"x\"\n");
        assert_eq!(codes(&text).is_empty(), sound, "{name}");
    }
}

#[test]
fn the_reference_names_every_key() {
    let text = reference();
    for key in KEYS {
        assert!(text.contains(&format!("| `{}` |", key.path)), "{}", key.path);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any soup of the file's own words is read without a panic, and there are settings exactly without errors.
    #[test]
    fn nothing_in_a_file_makes_the_reader_panic(
        parts in prop::collection::vec(prop::sample::select(vec![
            "[[element]]", "[element.connection.0]", "[element.params]", "[log]", "name", "protocol", "port", "=", " = ",
            "\"a\"", "5", "-1", "1e400", "99999999999999999999", "0xff", "true", "{", "}", "[", "]", ".", ",", "\n", "\n", "ä", "\u{feff}",
            "{ env = \"A\" }", "{ env = 5 }", "1979-05-27", "#", "'", "\"\"\"", "tls", "reconnect", "stop_on", "\0", "inf",
        ]), 0..40),
    ) {
        let text = parts.concat();
        let source = Source::new("a", text.as_str());
        let (settings, report) = parse(&source, Path::new("/"));
        prop_assert_eq!(settings.is_some(), !report.has_errors());
        for diagnostic in report.diagnostics() {
            prop_assert!(diagnostic.span.end as usize <= text.len());
        }
    }
}
