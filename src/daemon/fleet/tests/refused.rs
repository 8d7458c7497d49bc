//! Files that are not applied at once: halves of a change, files that are being written, files that the system refuses.

use super::*;

/// The definition with the parameter `WebsocketUrl` renamed.
fn renamed() -> String {
    DEFINITION.replace(">WebsocketUrl<", ">SocketUrl<")
}

fn version(number: u32) -> String {
    DEFINITION.replace("<Version>1.0.0.1<", &format!("<Version>1.0.0.{number}<"))
}

/// Settings of an element that set a parameter of this name.
fn sets(param: &str) -> String {
    format!("[element.params]\n{param} = \"/set\"")
}

/// Writes one half of a change after the other, with a reload after each, and expects that both are applied at the end.
async fn halves(what: &str, before: (&str, &str), steps: &[&[(&str, &str)]], value: &str) {
    let stage = Stage::new();
    let write = |name: &str, text: &str| match name {
        "settings" => stage.settings(&[("a", "p.xml", text)]),
        _ => stage.write(name, text),
    };
    write("p.xml", before.0);
    write("settings", before.1);
    let running = Running::of(stage.fleet(None).await);
    assert_eq!(running.state("a"), ElementState::Running, "{what}");
    for step in steps {
        for (name, text) in *step {
            write(name, text);
        }
        running.reload().await;
        assert_eq!(running.state("a"), ElementState::Running, "{what}");
    }
    let handle = running.handle("a");
    let param = handle.protocol().params_by_name("SocketUrl").read;
    let param = param.unwrap_or_else(|| panic!("{what}: the definition is not applied"));
    let reading = handle.get(param).await.unwrap();
    assert!(format!("{:?}", reading.value).contains(value), "{what}: {:?}", reading.value);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_half_that_is_refused_is_applied_when_the_other_half_comes() {
    let (old, new) = (DEFINITION, renamed());
    let (sets_old, sets_new) = (sets("WebsocketUrl"), sets("SocketUrl"));
    let (definition, settings) = (("p.xml", new.as_str()), ("settings", sets_new.as_str()));
    halves("both in one burst", (old, ""), &[&[definition, settings]], "/set").await;
    halves("settings first", (old, ""), &[&[settings], &[definition]], "/set").await;
    halves("a parameter goes, then its setting", (old, &sets_old), &[&[definition], &[("settings", "")]], "")
        .await;
    halves("a rename in one burst", (old, &sets_old), &[&[definition, settings]], "/set").await;
    halves("a rename, definition first", (old, &sets_old), &[&[definition], &[settings]], "/set").await;
    halves("a rename, settings first", (old, &sets_old), &[&[settings], &[definition]], "/set").await;
}

#[tokio::test(start_paused = true)]
async fn a_rename_is_applied_although_another_definition_does_not_fit() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.write("q.xml", DEFINITION);
    let old = sets("WebsocketUrl");
    stage.settings(&[("a", "p.xml", &old), ("b", "q.xml", &old)]);
    let running = Running::of(stage.fleet(None).await);
    let other = running.handle("b");
    // `b` still sets what its new definition does not have.
    stage.write("p.xml", &renamed());
    stage.write("q.xml", &renamed());
    stage.settings(&[("a", "p.xml", &sets("SocketUrl")), ("b", "q.xml", &old)]);
    running.reload().await;
    assert!(running.handle("a").protocol().params_by_name("SocketUrl").read.is_some());
    assert!(lives(&other).await, "half applied");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_definition_that_waited_for_a_secret_is_applied_when_the_secret_is_there() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.write("token", "first");
    stage.settings(&[("a", "p.xml", TOKEN)]);
    let mut running = Running::of(stage.fleet(None).await);
    std::fs::remove_file(stage.path("token")).unwrap();
    stage.write("p.xml", &version(2));
    running.reload().await;
    assert_eq!(running.handle("a").protocol().version.as_ref(), "1.0.0.1");
    // Until the watch has seen what was asked for already.
    tokio::time::sleep(Duration::from_secs(120)).await;
    // The same secret as before: only the definition is new.
    stage.write("token", "first");
    let is_new = |roster: &Arc<Roster>| {
        handle(roster, "a").is_some_and(|a| a.protocol().version.as_ref() == "1.0.0.2")
    };
    running.until("the new definition", is_new).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn settings_that_wait_for_a_new_definition_are_applied_when_it_comes() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.settings(&[("a", "p.xml", "")]);
    let mut running = Running::of(stage.fleet(None).await);
    let old = running.handle("a");
    // Not a file that is missing: that is tried again by itself.
    stage.write("later.xml", "<Protocol>");
    stage.settings(&[("a", "p.xml", ""), ("c", "later.xml", "")]);
    running.reload().await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(!running.roster.borrow().elements.contains_key("c"));
    // Nobody asks for a reload: the file is watched, although nothing that runs uses it.
    stage.write("later.xml", DEFINITION);
    running.until("the start of c", |roster| handle(roster, "c").is_some()).await;
    assert!(lives(&old).await, "a was touched");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_definition_that_is_only_written_differently_restarts_nothing() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.settings(&[("a", "p.xml", "")]);
    let running = Running::of(stage.fleet(None).await);
    let old = running.handle("a");
    let commented = DEFINITION.replace("<Version>", "<!-- counts up -->\n      <Version>");
    for text in [commented.as_str(), &DEFINITION.replace('\n', "\r\n"), &format!("{DEFINITION}\n\n")] {
        assert_ne!(text, DEFINITION);
        stage.write("p.xml", text);
        running.reload().await;
        assert!(lives(&old).await, "a was restarted");
    }
    // New settings are compared with what runs, and not with how it is written.
    stage.settings(&[("a", "p.xml", ""), ("b", "p.xml", "")]);
    running.reload().await;
    assert!(lives(&running.handle("b")).await);
    assert!(lives(&old).await, "a was restarted");
    stage.write("p.xml", &version(2));
    running.reload().await;
    assert!(!lives(&old).await, "a real change was not applied");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn settings_that_are_being_written_end_no_element() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.settings(&[("a", "p.xml", ""), ("b", "p.xml", "")]);
    let whole = std::fs::read_to_string(stage.path("backshell.toml")).unwrap();
    let mut running = Running::of(stage.fleet(None).await);
    let all = [running.handle("a"), running.handle("b")];
    for text in ["", "\n  \n"] {
        stage.write("backshell.toml", text);
        running.reload().await;
        // Much longer than any wait for the rest of the file.
        tokio::time::sleep(Duration::from_secs(600)).await;
        for one in &all {
            assert!(lives(one).await, "ended by {text:?}");
        }
    }

    // A prefix is sound TOML; the rest follows before it has been the same for long enough.
    let second = whole.rfind("[[element]]").unwrap();
    let (done, mut waiting) = oneshot::channel();
    stage.write("backshell.toml", &whole[..second]);
    running.reloads.send(done).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(waiting.try_recv().is_err(), "it was not looked at twice");
    stage.write("backshell.toml", &whole);
    waiting.await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    for one in &all {
        assert!(lives(one).await, "ended by the first half of the file");
    }

    // What stays as it is was meant; also a file with all elements commented out.
    stage.write("backshell.toml", &whole[..second]);
    running.until("the end of b", |roster| !roster.elements.contains_key("b")).await;
    assert!(lives(&all[0]).await, "a was touched");
    stage.write("backshell.toml", &whole.lines().map(|line| format!("# {line}\n")).collect::<String>());
    running.until("the end of a", |roster| roster.elements.is_empty()).await;
    running.stop().await;
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn settings_that_are_no_file_or_too_large_end_no_element_and_hold_up_nothing() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.settings(&[("a", "p.xml", "")]);
    let config = stage.path("backshell.toml");
    let running = Running::of(stage.fleet(None).await);
    let one = running.handle("a");
    let large = format!("{}\n", "#".repeat(1023)).repeat(16 << 10) + "#";
    let spoil: [(&str, &dyn Fn()); 3] = [
        ("it is no file", &|| std::fs::create_dir(&config).unwrap()),
        ("it is no file", &|| {
            std::fs::remove_dir(&config).unwrap();
            let made = std::process::Command::new("mkfifo").arg(&config).status().unwrap();
            assert!(made.success());
        }),
        ("it is larger than 16 MiB", &|| {
            std::fs::remove_file(&config).unwrap();
            stage.write("backshell.toml", &large);
        }),
    ];
    std::fs::remove_file(&config).unwrap();
    for (why, spoil) in spoil {
        spoil();
        let trouble = load_settings(&config).unwrap_err();
        assert!(trouble.summary().contains(why), "{}", trouble.summary());
        running.reload().await;
        assert!(lives(&one).await, "ended by settings of which {why}");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_system_refuses_is_tried_again_with_back_off() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.settings(&[("a", "p.xml", "")]);
    let mut fleet = stage.fleet(None).await;
    assert!(fleet.again.is_none());
    std::fs::remove_file(stage.path("p.xml")).unwrap();
    std::fs::create_dir(stage.path("p.xml")).unwrap();
    fleet.reload(fleet.units.files()).await;
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(fleet.again.map(|again| again.pause.as_secs()), Some(pause));
        fleet.try_again().await;
    }
    std::fs::remove_dir(stage.path("p.xml")).unwrap();
    // Content that is wrong stays so until the file changes.
    stage.write("p.xml", "<Protocol");
    fleet.try_again().await;
    assert!(fleet.again.is_none());

    // The loop of the fleet does it by itself. The watch is told that there is nothing to see.
    std::fs::remove_file(stage.path("p.xml")).unwrap();
    fleet.reload(fleet.units.files()).await;
    stage.write("p.xml", &version(2));
    fleet.watch = Watch::new();
    let mut running = Running::of(fleet);
    let is_new = |roster: &Arc<Roster>| {
        handle(roster, "a").is_some_and(|a| a.protocol().version.as_ref() == "1.0.0.2")
    };
    running.until("the new definition", is_new).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_value_that_its_parameter_does_not_take_is_refused_with_its_place() {
    let definition = DEFINITION.replacen(
        "<Params>",
        "<Params><Param id=\"7001\"><Name>Level</Name><Type>read</Type><Interprete><RawType>numeric text</RawType>\
         <LengthType>next param</LengthType><Type>double</Type></Interprete></Param>",
        1,
    );
    let stage = Stage::new();
    stage.write("p.xml", &definition);
    let level = |value: &str| format!("[element.params]\nLevel = {value}");
    stage.settings(&[("a", "p.xml", &level("1")), ("b", "p.xml", &level("\"loud\""))]);
    let running = Running::of(stage.fleet(None).await);
    let is_invalid = |running: &Running| matches!(running.state("b"), ElementState::Invalid(_));
    assert!(running.state("a") == ElementState::Running && is_invalid(&running));
    let reason = running.reason("b");
    assert!(
        reason.contains("backshell.toml:10: the value of parameter 7001 (`Level`) does not fit"),
        "{reason}"
    );
    let one = running.handle("a");
    // Settings that would take a running element away change nothing.
    stage.settings(&[("a", "p.xml", &level("\"low\"")), ("b", "p.xml", &level("2"))]);
    running.reload().await;
    assert!(lives(&one).await && is_invalid(&running));
    stage.settings(&[("a", "p.xml", &level("1")), ("b", "p.xml", &level("2"))]);
    running.reload().await;
    assert!(lives(&one).await);
    assert_eq!(running.state("b"), ElementState::Running);
    running.stop().await;
}
