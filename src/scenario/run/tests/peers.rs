//! What simulated peers do and when: rules of the clock, peers that are away, and which of them is meant.

use super::*;

#[test]
fn rules_of_the_clock_heed_their_times_their_delay_and_their_count() {
    passes(
        r#"
[[peer]]
[[peer.on]]
every = "5s"
after = "2s"
times = 2
send = { state = "{{ count }}" }
[[step]]
states = { 0 = "ready" }
[[step]]
wait = "6s"
[[step]]
params = { Value = "" }
within = "0s"
[[step]]
params = { Value = 1 }
within = "2s"
[[step]]
params = { Value = 2 }
within = "6s"
[[step]]
wait = "1m"
[[step]]
params = { Value = 2 }
within = "0s"
"#,
    );
}

#[test]
fn a_peer_that_is_away_says_nothing_over_its_links_and_hears_nothing() {
    passes(
        r#"
[[peer]]
[[peer.on]]
every = "1s"
send = { state = "{{ count }}" }
[[peer.on]]
request = "GET /status"
answer = { body = { level = 5 } }
[[step]]
params = { Value = 1, Level = 5 }
[[step]]
reachable = false
[[step]]
wait = "30s"
[[step]]
params = { Value = 1 }
within = "0s"
[[step]]
seen = { requests = 2 }
[[step]]
timeout = true
[[step]]
reachable = true
[[step]]
params = { Value = "{match: [1-9]|1[0-9]}" }
within = "2s"
[[step]]
timeout = false
"#,
    );
    fails(
        "\n[[peer]]\n[[step]]\nstates = { 0 = \"ready\" }\n[[step]]\nreachable = false\n[[step]]\nsend = \"x\"",
        "peer 0 is not reachable now: only `drop` can happen to its links",
    );
}

#[test]
fn a_peer_that_sends_while_its_link_closes_is_not_wrong() {
    passes(
        r#"
[[peer]]
[[peer.on]]
every = "1ms"
send = { state = 1 }
[[step]]
params = { Value = 1 }
[[step]]
close = 1001
[[step]]
seen = { handshakes = 2 }
"#,
    );
}

#[test]
fn the_peer_that_names_host_and_port_goes_before_the_one_that_names_the_host() {
    passes(
        r#"
[[peer]]
[[peer]]
host = "device"
[[peer]]
host = "DEVICE:80"
[[step]]
seen = { handshakes = 1 }
peer = 2
[[step]]
seen = { handshakes = 0, requests = 0 }
peer = 1
[[step]]
seen = { handshakes = 0, requests = 0 }
"#,
    );
}
