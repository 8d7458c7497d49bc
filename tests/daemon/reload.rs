//! Reloads of a running daemon: what is broken, half written, swapped by links, removed, or applied only at the next start.

use std::time::Duration;

use serde_json::Value;

use super::{DEFINITION, Daemon, Stage, since, url};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_touches_only_what_changed_and_a_broken_file_changes_nothing() {
    let mut stage = Stage::new();
    let (peer, sender) = stage.sender().await;
    stage.write("a.xml", DEFINITION);
    stage.write("b.xml", DEFINITION);
    let config = stage.settings(&[("a", "a.xml", peer), ("b", "b.xml", peer)]);
    let daemon = Daemon::start(&config, &[]).await;
    let target = url(peer, "x-nmos/events/ws");
    let a = daemon.ready_at("a", &target).await;
    let b = daemon.ready_at("b", &target).await;

    // A changed definition restarts its own elements.
    stage.write("a.xml", &DEFINITION.replace("<Version>1.0.0.1<", "<Version>1.0.0.2<"));
    let fresh = daemon
        .until("a", "the new version", |element| {
            element["version"] == "1.0.0.2" && element["connections"][0]["state"] == "ready"
        })
        .await;
    assert_ne!(since(&fresh), since(&a));
    assert_eq!(since(&daemon.element("b").await), since(&b), "b was touched");

    // A broken definition, broken settings and settings that are gone leave what runs as it is.
    stage.write("a.xml", "<Protocol><Name>");
    daemon.until_logged("definition is not applied").await;
    stage.write("backshell.toml", "[[element]]\nnam = 1\n");
    daemon.until_logged("settings are not applied").await;
    std::fs::remove_file(&config).expect("it was there");
    daemon.until_logged("cannot read file").await;
    for (name, before) in [("a", &fresh), ("b", &b)] {
        assert_eq!(since(&daemon.element(name).await), since(before), "{name} was touched");
    }

    // An element that is removed closes in order, one that is added starts.
    stage.write("a.xml", DEFINITION);
    stage.settings(&[("b", "b.xml", peer), ("c", "b.xml", peer)]);
    daemon.signal("-HUP");
    daemon.ready_at("c", &target).await;
    daemon.until_logged("element removed").await;
    assert_eq!(since(&daemon.element("b").await), since(&b), "b was touched");
    let mut seen = sender.watch();
    let two_links =
        tokio::time::timeout(Duration::from_secs(10), seen.wait_for(|seen| seen.links == 2)).await;
    assert!(two_links.is_ok(), "{:?}", sender.seen());
}

fn version(number: u32) -> String {
    DEFINITION.replace("<Version>1.0.0.1<", &format!("<Version>1.0.0.{number}<"))
}

async fn until_version(daemon: &Daemon, name: &str, number: u32) -> Value {
    let wanted = format!("1.0.0.{number}");
    daemon
        .until(name, &wanted, |element| {
            element["version"] == wanted && element["connections"][0]["state"] == "ready"
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_that_is_saved_half_way_is_applied_when_it_is_whole() {
    let mut stage = Stage::new();
    let (peer, _sender) = stage.sender().await;
    stage.write("p.xml", DEFINITION);
    let config = stage.settings(&[("a", "p.xml", peer)]);
    let daemon = Daemon::start(&config, &[]).await;
    let before = daemon.ready_at("a", &url(peer, "x-nmos/events/ws")).await;
    // In place, as some editors do: cut off first, then longer, then whole.
    let text = version(2);
    std::fs::write(stage.path("p.xml"), &text[..text.len() / 2]).expect("it is written");
    daemon.until_logged("definition is not applied").await;
    assert_eq!(since(&daemon.element("a").await), since(&before), "it was touched");
    std::fs::write(stage.path("p.xml"), &text).expect("it is written");
    until_version(&daemon, "a", 2).await;

    // The same bytes once more, and back to what runs after something broken: nothing to do.
    let running = daemon.element("a").await;
    stage.write("p.xml", "<Protocol");
    daemon.until_logged("P1").await;
    stage.write("p.xml", &text);
    daemon.signal("-HUP");
    daemon.until_logged("have been read anew").await;
    assert_eq!(since(&daemon.element("a").await), since(&running), "it was touched");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_swapped_by_a_link_are_seen() {
    use std::os::unix::fs::symlink;
    let mut stage = Stage::new();
    let (peer, _sender) = stage.sender().await;
    // As Kubernetes mounts a ConfigMap: `p.xml -> ..data/p.xml`, `..data -> ..1`, and `..data` is renamed over.
    let fill = |folder: &str, number| {
        std::fs::create_dir(stage.path(folder)).expect("a folder");
        std::fs::write(stage.path(folder).join("p.xml"), version(number)).expect("it is written");
    };
    fill("..1", 1);
    symlink("..1", stage.path("..data")).expect("a link");
    symlink("..data/p.xml", stage.path("p.xml")).expect("a link");
    let config = stage.settings(&[("a", "p.xml", peer), ("b", "..data/p.xml", peer)]);
    let daemon = Daemon::start(&config, &[]).await;
    for name in ["a", "b"] {
        until_version(&daemon, name, 1).await;
    }
    for (old, new, number) in [("..1", "..2", 2), ("..2", "..3", 3)] {
        fill(new, number);
        symlink(new, stage.path("..tmp")).expect("a link");
        std::fs::rename(stage.path("..tmp"), stage.path("..data")).expect("it is renamed");
        std::fs::remove_dir_all(stage.path(old)).expect("it is removed");
        for name in ["a", "b"] {
            until_version(&daemon, name, number).await;
        }
    }
    // An edit of the file behind the link.
    std::fs::write(stage.path("..3/p.xml"), version(4)).expect("it is written");
    until_version(&daemon, "a", 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_a_new_start_is_said_and_the_rest_of_the_settings_applied() {
    let mut stage = Stage::new();
    let (peer, sender) = stage.sender().await;
    stage.write("p.xml", DEFINITION);
    let config = stage.settings(&[("a", "p.xml", peer), ("b", "p.xml", peer)]);
    let daemon = Daemon::start(&config, &[]).await;
    let target = url(peer, "x-nmos/events/ws");
    let a = daemon.ready_at("a", &target).await;
    daemon.ready_at("b", &target).await;
    let text = std::fs::read_to_string(&config).expect("it was written");
    let text = text.replace(
        "[api]\nlisten = \"127.0.0.1:0\"",
        "data_dir = \"elsewhere\"\n[log]\nlevel = \"warn\"\n[dial]\nper_second = 7\n[api]\nlisten = \"127.0.0.1:1\"",
    );
    stage.write("backshell.toml", text.split("[[element]]\nname = \"b\"").next().unwrap_or_default());
    daemon.until_logged("element removed").await;
    for setting in ["api.listen", "data_dir", "log"] {
        let said = daemon.lines().into_iter().any(|line| {
            line["level"] == "WARN"
                && line["setting"] == setting
                && line["message"] == "a change of this setting is applied at the next start"
        });
        assert!(said, "{setting}: {}", daemon.log());
    }
    assert!(!daemon.lines().iter().any(|line| line["setting"] == "dial"), "{}", daemon.log());
    assert!(!stage.path("elsewhere").exists());
    assert_eq!(since(&daemon.element("a").await), since(&a), "a was touched");
    let mut seen = sender.watch();
    let one_link = tokio::time::timeout(Duration::from_secs(10), seen.wait_for(|seen| seen.links == 1)).await;
    assert!(one_link.is_ok(), "{:?}", sender.seen());
    let closed = daemon.lines().into_iter().any(|line| line["element"] == "b" && line["to"] == "stopped");
    assert!(closed, "b was not closed in order: {}", daemon.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_and_definition_that_change_together_are_applied_together() {
    let mut stage = Stage::new();
    let (peer, _sender) = stage.sender().await;
    stage.write("p.xml", DEFINITION);
    let config = stage.settings(&[("a", "p.xml", peer)]);
    let daemon = Daemon::start(&config, &[]).await;
    daemon.ready_at("a", &url(peer, "x-nmos/events/ws")).await;
    // An element that would be invalid keeps the whole file out; what is mended is applied.
    stage.add("[element.params]\nNoSuchParam = 1");
    daemon.until_logged("settings are not applied").await;
    assert!(daemon.log().contains("the definition has no parameter `NoSuchParam`"), "{}", daemon.log());
    stage.write("new.xml", &version(7));
    stage.settings(&[("a", "p.xml", peer), ("c", "new.xml", peer)]);
    until_version(&daemon, "c", 7).await;
    // The definition that came with the settings is watched from then on.
    stage.write("new.xml", &version(8));
    until_version(&daemon, "c", 8).await;
}
