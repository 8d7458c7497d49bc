//! Tests of addresses: each step of LANGUAGE 2.1, what is refused, and that nothing makes the reader panic.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(dynamic: &str, host: &str, port: Option<u16>, path: &str, expected: &str) {
    let got = target(Some(dynamic), Some(host), port, Some(path));
    let shown = match got {
        Ok(Some(target)) => target.to_string(),
        Ok(None) => "none".to_owned(),
        Err(error) => format!("error: {error}"),
    };
    assert_eq!(shown, expected);
}

#[test]
fn the_dynamic_address_goes_before_the_elements() {
    check("ws://a:1/x", "b", Some(2), "/y", "ws://a:1/x");
    check("wss://a/x?q=1", "", None, "", "wss://a/x?q=1");
    check("HTTPS://a/x", "", None, "", "wss://a/x");
    check("http://a/x", "", None, "", "ws://a/x");
    check(" a:8080 ", "b", Some(2), "y", "ws://a:8080/y");
    check("a", "b", Some(2), "y", "ws://a:2/y");
    check("a", "", None, "", "ws://a/");
    check("[::1]:90", "", Some(2), "y", "ws://[::1]:90/y");
    check("[::1]", "", Some(2), "y", "ws://[::1]:2/y");
    check("", "b", Some(2), "y", "ws://b:2/y");
    check("", "", Some(2), "y", "none");
    check("  ", " ", None, "", "none");
}

#[test]
fn a_prefix_decides_on_encryption_and_then_the_elements_port() {
    check("", "ws://10.4.2.8", Some(443), "", "ws://10.4.2.8:443/");
    check("", "wss://10.4.2.8", Some(80), "", "wss://10.4.2.8:80/");
    check("", "10.4.2.8", Some(443), "", "wss://10.4.2.8/");
    check("", "10.4.2.8", Some(444), "", "ws://10.4.2.8:444/");
    check("10.4.2.8:443", "", None, "", "ws://10.4.2.8:443/");
    check("wss://h", "", Some(8443), "", "wss://h:8443/");
}

#[test]
fn the_path_comes_with_or_without_a_slash_and_with_a_query() {
    check("", "h", None, "x-nmos/events/ws", "ws://h/x-nmos/events/ws");
    check("", "h", None, "/a b/ü?x=\"1\"&y=%20", "ws://h/a%20b/%C3%BC?x=%221%22&y=%20");
    check("", "h", None, "?token=1", "ws://h/?token=1");
    check("", "h", None, "/a?next=http://b/", "ws://h/a?next=http://b/");
    check("ws://d/", "", None, "p", "ws://d/p");
    check("d?q=1", "", Some(5), "p", "ws://d:5/?q=1");
    check("", "h/base", None, "", "ws://h/base");
    check("", "h/base", None, "own", "ws://h/own");
}

#[test]
fn user_names_become_credentials_and_are_never_shown() {
    let target = target(Some("wss://me:p%40ss@h/x"), None, None, None).unwrap().unwrap();
    assert_eq!(target.to_string(), "wss://h/x");
    let credentials = target.credentials().unwrap();
    assert_eq!((credentials.user.as_str(), credentials.password.expose().as_str()), ("me", "p@ss"));
    assert!(!format!("{target:?}").contains("p@ss"));
    let error = super::target(Some("ws://me:hunter2@h:x"), None, None, None).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn no_part_of_a_password_is_shown_where_an_address_is_cut_in_the_middle_of_it() {
    for address in [
        "ws://admin:hunter2/x@10.0.0.1",
        "ws://admin:hunter2?x@10.0.0.1",
        "wss://admin:hunter2\\x@10.0.0.1/path",
        "admin:hunter2/x@10.0.0.1:80",
        "ws://[hunter2/x@10.0.0.1",
        "ws://a:b:hunter2/x@10.0.0.1",
        "ws://hunter2 two/x@10.0.0.1",
        "hunter2://x@10.0.0.1",
    ] {
        for (dynamic, host) in [(Some(address), None), (None, Some(address))] {
            let error = target(dynamic, host, None, None).unwrap_err();
            assert!(matches!(error, TargetError::Unshown(_)), "{address}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{address}: {error}");
        }
    }
    // An `@` in a path alone hides nothing.
    check("h:port", "", None, "/a@b", "error: `port` is no port: a number from 1 to 65535 is expected");
}

#[test]
fn what_cannot_be_an_address_is_named() {
    check(
        "ftp://h",
        "",
        None,
        "",
        "error: the address begins with `ftp://`: only ws, wss, http and https are possible",
    );
    check("h:99999", "", None, "", "error: `99999` is no port: a number from 1 to 65535 is expected");
    check("h:0", "", None, "", "error: `0` is no port: a number from 1 to 65535 is expected");
    check("h:port", "", None, "", "error: `port` is no port: a number from 1 to 65535 is expected");
    check("::1", "", None, "", "error: the IPv6 address in `::1` must stand in brackets, as in `[::1]:8080`");
    check("", "::1", Some(5), "", "ws://[::1]:5/");
    check(
        "[::1",
        "",
        None,
        "",
        "error: the IPv6 address in `[::1` must stand in brackets, as in `[::1]:8080`",
    );
    check("a b", "", None, "", "error: `a b` is no host name and no IP address");
    check("ws://", "", None, "", "error: `` is no host name and no IP address");
    check("", "h", None, "/a\r\nX: y", "error: the path has a control character");
    check("h\0", "", None, "", "error: the address has a control character");
    check("ws://h/#x", "", None, "", &format!("error: {}", TargetError::Fragment));
    check("", "h", None, "a#b", &format!("error: {}", TargetError::Fragment));
    check("", "h", None, "ws://b/c", &format!("error: {}", TargetError::PathIsAddress));
    check("", "h", None, &"a".repeat(9000), "error: the path is longer than 8192 bytes");
}

#[test]
fn a_location_is_resolved_against_the_address() {
    let base = Target::parse("ws://h:81/a/b?c").unwrap();
    for (location, expected) in [
        ("/x", "ws://h:81/x"),
        ("x?y", "ws://h:81/a/x?y"),
        ("//other/x", "ws://other/x"),
        ("http://h:81/z#frag", "ws://h:81/z"),
        ("https://h/z", "wss://h/z"),
    ] {
        assert_eq!(base.join(location).unwrap().to_string(), expected);
    }
    assert!(base.join("ftp://h/").is_err());
    assert!(base.join("http://[").is_err());
}

proptest! {
    #[test]
    fn any_text_is_an_address_that_reads_back_or_an_error(
        dynamic in ".{0,60}", host in "(ws://|wss://)?[a-z0-9.:@/?#\\[\\]%-]{0,30}", port: Option<u16>, path in ".{0,60}",
    ) {
        for dynamic in [Some(dynamic.as_str()), None] {
            if let Ok(Some(target)) = target(dynamic, Some(&host), port, Some(&path)) {
                prop_assert!(target.path().starts_with('/'));
                prop_assert!(target.path().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
                prop_assert!(target.port() > 0);
                let again = Target::parse(&target.to_string()).unwrap();
                prop_assert_eq!(again.to_string(), target.to_string());
            }
        }
    }
}
