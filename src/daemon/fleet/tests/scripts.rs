//! Scripts in files beside a definition: each change of one is a reload of the definition, and a broken one changes nothing.

use super::*;
use crate::element::handle::Readable;
use crate::script::pool::Patience;

const WITH_FILE: &str = r#"<Protocol xmlns:bs="urn:backshell:1"><Name>scripted</Name><Version>1.0.0.1</Version><Type>virtual</Type>
<Params>
  <Param id="1"><Name>Go</Name><Type>write</Type><Interprete><Type>string</Type></Interprete></Param>
  <Param id="2"><Name>Said</Name><Type>read</Type><Interprete><Type>string</Type></Interprete></Param>
</Params>
<QActions><QAction id="1" encoding="javascript" triggers="1" bs:src="lib/run.js"/></QActions></Protocol>"#;

fn run(word: &str) -> String {
    format!(
        "import {{ end }} from './end.js';\nexport function Run(protocol) {{ protocol.SetParameter(2, '{word}' + end); }}"
    )
}

/// Presses the button; whether the element was there until the end.
async fn press(handle: &Handle, value: &str) -> bool {
    let go = handle.protocol().params_by_name("Go").write.unwrap();
    handle.set(go, NewValue::Scalar(value.into()), PATIENCE).await.is_ok()
}

/// Presses the button, and gives what the script said.
async fn said(running: &Running) -> String {
    let handle = running.handle("a");
    assert!(press(&handle, "x").await);
    match handle.get(param(&handle, "Said")).await.unwrap().value {
        Readable::Scalar(value) => value.to_text().to_string(),
        Readable::Table(_) => panic!("it is no table"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_script_or_of_what_it_imports_is_applied_and_a_broken_one_is_not() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("lib")).unwrap();
    stage.write("p.xml", WITH_FILE);
    stage.write("q.xml", DEFINITION);
    stage.write("lib/run.js", &run("hello"));
    stage.write("lib/end.js", "export const end = '.';");
    stage.settings(&[("a", "p.xml", ""), ("b", "q.xml", "")]);
    let fleet = stage.fleet(None).await;
    let watched = fleet.units.files();
    assert!(
        ["lib/run.js", "lib/end.js"].iter().all(|file| watched.contains(&stage.path(file))),
        "{watched:?}"
    );
    let running = Running::of(fleet);
    assert_eq!(said(&running).await, "hello.");
    let (one, other) = (running.handle("a"), running.handle("b"));

    running.reload().await;
    assert!(lives(&one).await, "nothing has changed");
    stage.write("lib/end.js", "export const end = '!';");
    running.reload().await;
    assert_eq!(said(&running).await, "hello!");
    assert!(lives(&other).await, "another definition was touched");

    let before = running.handle("a");
    stage.write("lib/run.js", "export function Run(protocol) {");
    running.reload().await;
    assert!(lives(&before).await);
    assert_eq!(said(&running).await, "hello!");
    std::fs::remove_file(stage.path("lib/run.js")).unwrap();
    running.reload().await;
    assert_eq!(said(&running).await, "hello!");
    stage.write("lib/run.js", &run("back"));
    running.reload().await;
    assert_eq!(said(&running).await, "back!");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_element_whose_script_is_missing_runs_when_it_has_come() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("lib")).unwrap();
    stage.write("p.xml", WITH_FILE);
    stage.settings(&[("a", "p.xml", "")]);
    let mut running = Running::of(stage.fleet(None).await);
    let reason = running.reason("a");
    assert!(reason.contains("P5018 script 1: cannot read `lib/run.js`"), "{reason}");
    // Without being asked: the files are watched although they are not there.
    stage.write("lib/end.js", "export const end = '.';");
    stage.write("lib/run.js", &run("at last"));
    running.until("the start", |roster| handle(roster, "a").is_some()).await;
    assert_eq!(said(&running).await, "at last.");
    running.stop().await;
}

/// What the script said when it failed last, and where.
async fn failed_at(handle: &Handle) -> (String, String) {
    let status = handle.fresh_status().await;
    let failure =
        status.scripts.as_ref().and_then(|scripts| scripts.last_failure.clone()).expect("it failed");
    (failure.text.clone(), failure.place.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_by_where_its_script_stands_also_after_a_comment_has_moved_it() {
    let stage = Stage::new();
    let inline = r#"encoding="javascript" triggers="1"><![CDATA[function Run() { none(); }]]></QAction>"#;
    let definition = WITH_FILE.replace(r#"encoding="javascript" triggers="1" bs:src="lib/run.js"/>"#, inline);
    let line = definition.lines().count();
    stage.write("p.xml", &definition);
    stage.settings(&[("a", "p.xml", "")]);
    let running = Running::of(stage.fleet(None).await);
    let before = running.handle("a");
    assert!(press(&before, "x").await);
    let (_, place) = failed_at(&before).await;
    assert!(place.contains(&format!("p.xml:{line}:")), "{place}");

    stage.write("p.xml", &definition.replace("<Params>", "<!-- one\ntwo -->\n<Params>"));
    running.reload().await;
    assert!(lives(&before).await, "a comment restarts nothing");
    // Equal failures are told once in a minute.
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert!(press(&before, "y").await);
    let (_, place) = failed_at(&before).await;
    assert!(place.contains(&format!("p.xml:{}:", line + 2)), "{place}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_element_that_has_lost_too_many_threads_runs_without_scripts_until_its_definition_changes() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("lib")).unwrap();
    stage.write("p.xml", WITH_FILE);
    stage.write("lib/run.js", &run("hello"));
    stage.write("lib/end.js", "export const end = '.';");
    stage.settings(&[("a", "p.xml", "")]);
    let pool = Pool::default();
    let mut running = Running::of(stage.fleet_with(None, pool.clone()).await);
    assert_eq!(said(&running).await, "hello.");
    let first = running.handle("a");
    let lose = |_| pool.losses().add(&"a".into(), first.protocol(), &Default::default());
    let lost: Vec<_> = (0..3).map(lose).collect();
    panic(&first).await;
    running.until("the failure", |roster| handle(roster, "a").is_none()).await;
    running.until("the restart", |roster| handle(roster, "a").is_some()).await;
    assert!(press(&running.handle("a"), "x").await, "it runs");
    let (text, _) = failed_at(&running.handle("a")).await;
    let expected = "scripts are switched off: 3 runs of the element could not be stopped";
    assert!(text.starts_with(expected), "{text}");

    stage.write("lib/end.js", "export const end = '!';");
    running.reload().await;
    assert_eq!(said(&running).await, "hello!");
    drop(lost);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_element_that_is_stuck_in_place_is_started_again() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("lib")).unwrap();
    stage.write("p.xml", WITH_FILE);
    // The search is none that QuickJS interrupts.
    let body = "export function Run(protocol) {
        if (protocol.GetParameter(1) === 'stick') 'x'.repeat(1e6).indexOf('x'.repeat(190) + 'y');
        protocol.SetParameter(2, 'hello');
    }";
    stage.write("lib/run.js", body);
    stage.settings(&[("a", "p.xml", "")]);
    let settings = std::fs::read_to_string(stage.path("backshell.toml")).unwrap();
    stage.write("backshell.toml", &format!("[script]\ntime_limit_ms = 60\n{settings}"));
    let patience = Patience { look: Duration::from_millis(2), lost: Duration::from_millis(300) };
    let pool = Pool::default().with_patience(patience);
    let mut running = Running::of(stage.fleet_with(None, pool.clone()).await);
    let lost = running.handle("a");
    let mut down = None;
    for turn in 0.. {
        assert!(turn < 1_000, "it is never stuck in place");
        let before = pool.turns_in_place();
        assert!(press(&lost, "x").await);
        // On a busy machine also a short turn may take its time, and the limit may be over before the search.
        if pool.turns_in_place() == before {
            continue;
        }
        let failed = running.until("the failure", |roster| handle(roster, "a").is_none());
        down = tokio::select! {
            biased;
            down = failed => Some(down),
            _ = press(&lost, "stick") => None,
        };
        if down.is_some() {
            break;
        }
    }
    let down = down.expect("it has failed");
    let ElementState::Restarting { reason, .. } = &down.elements["a"].status().state else {
        panic!("{:?}", down.elements["a"].status());
    };
    assert!(reason.starts_with("it panicked: a script of a cannot be stopped"), "{reason}");
    running.until("the restart", |roster| handle(roster, "a").is_some()).await;
    assert_eq!(said(&running).await, "hello");
    running.stop().await;
}
