//! What an element does with scripts: on threads of their own, stopped when they take too long, and never in the way of others.

use super::*;
use crate::script::host::Limits as ScriptLimits;
use crate::script::pool::Patience;
use crate::tasks::Ended;

fn script(id: u32, attributes: &str, body: &str) -> String {
    format!("<QAction id=\"{id}\" encoding=\"javascript\" {attributes}><![CDATA[{body}]]></QAction>")
}

fn pool(threads: usize, time: Duration) -> Pool {
    Pool::new(threads, ScriptLimits { time, ..ScriptLimits::default() })
}

#[tokio::test(start_paused = true)]
async fn a_script_maps_the_messages_of_a_link_and_each_one_is_in_its_order() {
    let body = "function Run(protocol) { protocol.SetParameter(12, protocol.GetParameter(12) + protocol.GetParameter(41)); }";
    let scripts = script(1, "triggers=\"41\"", body);
    let mut rig = Rig::start(Given { scripts: &scripts, ..Given::default() });
    let mut peer = rig.up().await;
    for letter in ["a", "b", "b", "c"] {
        peer.send(&format!(r#"{{"state":"{letter}"}}"#));
    }
    // The second `b` changes nothing, so that no script runs.
    rig.until_text(12, "abc").await;
    let status = rig.handle.fresh_status().await;
    let scripts = status.scripts.as_ref().expect("the definition has scripts");
    assert_eq!((scripts.counters.runs, scripts.counters.failures, &scripts.last_failure), (3, 0, &None));
}

#[tokio::test(start_paused = true)]
async fn a_set_is_answered_after_the_scripts_that_it_causes() {
    let scripts =
        script(1, "triggers=\"39\"", "function Run(protocol) { protocol.SetParameter(12, 'done'); }");
    let rig = Rig::start(Given { scripts: &scripts, ..Given::default() });
    rig.set(39, "go").await;
    assert_eq!(rig.text(12).await, "done");
}

#[tokio::test(start_paused = true)]
async fn a_script_that_sets_a_watched_parameter_moves_the_link_even_to_where_it_is() {
    let scripts = script(
        1,
        "triggers=\"37\"",
        "function Run(protocol) { protocol.SetParameter(8, protocol.GetParameter(37)); }",
    );
    let mut rig = Rig::start(Given { scripts: &scripts, ..Given::default() });
    let peer = rig.up().await;
    rig.set(37, "/b").await;
    let second = rig.up().await;
    assert_eq!(second.path(), "/b");
    drop(peer);
    rig.set(37, "/b").await;
    assert_eq!(rig.up().await.path(), "/b");
}

#[tokio::test(start_paused = true)]
async fn a_script_that_fails_is_shown_and_the_element_goes_on() {
    let body = "function Run(protocol) {\n  protocol.SetParameter(12, 'before');\n  throw new Error(protocol.GetParameter(11) + ' is no good');\n}";
    let scripts = script(7, "triggers=\"39\"", body);
    let rig = Rig::start(Given { scripts: &scripts, params: &[(11, "hunter2")], ..Given::default() });
    rig.set(39, "go").await;
    assert_eq!(rig.text(12).await, "before");
    let status = rig.handle.fresh_status().await;
    let scripts = status.scripts.clone().expect("the definition has scripts");
    assert_eq!((scripts.counters.runs, scripts.counters.failures), (1, 1));
    let failure = scripts.last_failure.expect("it failed");
    assert_eq!((failure.script, failure.text.as_str()), (7, "Error: *** is no good"));
    let line = DEFINITION.lines().count() + 2;
    assert!(failure.place.starts_with(&format!("protocol.xml:{line}:")), "{failure:?}");
    rig.set(12, "goes on").await;
}

#[tokio::test]
async fn an_endless_script_holds_up_neither_other_elements_nor_the_end() {
    let endless = script(1, "triggers=\"39\"", "function Run(protocol) { for (;;) {} }");
    let quick =
        script(1, "triggers=\"39\"", "function Run(protocol) { protocol.SetParameter(12, 'quick'); }");
    let threads = pool(4, Duration::from_millis(200));
    let mut slow: Vec<Rig> = Vec::new();
    for _ in 0..12 {
        slow.push(Rig::start(Given { scripts: &endless, pool: threads.clone(), ..Given::default() }));
    }
    let other = Rig::start(Given { scripts: &quick, pool: threads.clone(), ..Given::default() });
    let plain = Rig::new("");
    // After the first time they are known as slow.
    let presses = slow.iter().map(|rig| rig.handle.set(rig.ix(39), NewValue::Scalar("go".into()), PATIENCE));
    let mut presses = Box::pin(futures_util::future::join_all(presses));
    assert!(futures_util::poll!(&mut presses).is_pending());
    // An element without scripts is not on these threads at all.
    plain.set(12, "set").await;
    assert!(futures_util::poll!(&mut presses).is_pending());
    presses.await.into_iter().for_each(|done| assert!(done.is_ok()));
    let presses = slow.iter().map(|rig| rig.handle.set(rig.ix(39), NewValue::Scalar("go".into()), PATIENCE));
    let mut presses = Box::pin(futures_util::future::join_all(presses));
    assert!(futures_util::poll!(&mut presses).is_pending());
    other.set(39, "go").await;
    assert!(
        futures_util::poll!(&mut presses).is_pending(),
        "a quick one waited until all slow ones were done"
    );
    assert_eq!(other.text(12).await, "quick");
    drop(presses);
    slow.iter().for_each(|rig| rig.stop.cancel());
    for mut rig in slow {
        rig.ended().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_timer_and_the_start_run_scripts_too() {
    let scripts = script(
        1,
        "triggers=\"33\"",
        "function Run(protocol) { protocol.SetParameter(12, 'closed ' + protocol.GetParameter(33)); }",
    );
    let mut rig = Rig::start(Given { scripts: &scripts, ..Given::default() });
    let peer = rig.up().await;
    drop(peer);
    rig.until_text(12, "closed 1").await;
}

/// Goes, loops, or gets stuck in a search that QuickJS does not interrupt.
const AS_TOLD: &str = "function Run(protocol) {
    const what = protocol.GetParameter(39);
    if (what === 'loop') for (;;) {}
    if (what === 'stick') 'x'.repeat(1e6).indexOf('x'.repeat(190) + 'y');
    protocol.SetParameter(12, 'done ' + what);
}";

/// Goes until a turn has run in place; whether one has, before the element was given up.
async fn go_in_place(rig: &Rig, pool: &Pool) -> bool {
    for _ in 0..1_000 {
        // On a busy machine also a short one may take its time now and then.
        if rig.try_set(39, "go").await.is_err() || pool.turns_in_place() > 0 {
            break;
        }
    }
    pool.turns_in_place() > 0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_turns_run_in_place_until_one_takes_long() {
    let pool = pool(4, Duration::from_millis(200));
    let scripts = script(1, "triggers=\"39\"", AS_TOLD);
    let rig = Rig::start(Given { scripts: &scripts, pool: pool.clone(), ..Given::default() });
    assert!(go_in_place(&rig, &pool).await);
    rig.set(39, "loop").await;
    let before = pool.turns_in_place();
    for _ in 0..20 {
        rig.set(39, "go").await;
    }
    assert_eq!(pool.turns_in_place(), before, "it is known as slow");
    assert_eq!(rig.text(12).await, "done go");
    let status = rig.handle.fresh_status().await;
    assert_eq!(status.scripts.as_ref().expect("the definition has scripts").counters.failures, 1);
}

#[tokio::test]
async fn on_a_runtime_with_one_thread_no_turn_runs_in_place() {
    let pool = pool(4, Duration::from_secs(1));
    let scripts = script(1, "triggers=\"39\"", AS_TOLD);
    let rig = Rig::start(Given { scripts: &scripts, pool: pool.clone(), ..Given::default() });
    for _ in 0..20 {
        rig.set(39, "go").await;
    }
    assert_eq!((rig.text(12).await.as_str(), pool.turns_in_place()), ("done go", 0));
}

/// Gets stuck in place or on a thread, and tells how the element ended; none if a busy machine was late before the search.
async fn stuck(in_place: bool) -> Option<String> {
    let patience = Patience { look: Duration::from_millis(2), lost: Duration::from_millis(300) };
    let pool = pool(2, Duration::from_millis(60)).with_patience(patience);
    let scripts = script(1, "triggers=\"39\"", AS_TOLD);
    let mut rig = Rig::start(Given { scripts: &scripts, pool: pool.clone(), ..Given::default() });
    if in_place && !go_in_place(&rig, &pool).await {
        return None;
    }
    let before = pool.turns_in_place();
    let lost = rig.try_set(39, "stick").await.is_err();
    if !lost || (pool.turns_in_place() > before) != in_place {
        return None;
    }
    let name = task_name(&rig.handle.status().name);
    let mut told = None;
    while let Some((task, ended)) = rig.tasks.join_next().await {
        if let (true, Ended::Panicked(text)) = (task == name, ended) {
            told = Some(text);
            break;
        }
    }
    // The search takes seconds, and is over then.
    let given_back = async {
        while pool.losses().count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), given_back).await.expect("the thread is given back");
    told
}

#[tokio::test]
async fn others_get_their_turn_between_messages_whose_scripts_take_long() {
    const MESSAGES: usize = 30;
    let body = "function Run(protocol) {
        protocol.SetParameter(42, protocol.GetParameter(42) + '.');
        const end = Date.now() + 20;
        while (Date.now() < end);
    }";
    let scripts = script(1, "triggers=\"41\"", body);
    let mut rig = Rig::start(Given { scripts: &scripts, ..Given::default() });
    let mut peer = rig.up().await;
    for number in 0..MESSAGES {
        peer.send(&format!(r#"{{"state":"{number}"}}"#));
    }
    let mut seen = std::collections::BTreeSet::new();
    let all = async {
        while !seen.contains(&MESSAGES) {
            seen.insert(rig.text(42).await.len());
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("all come");
    // In one turn, or one after a first message, there would be three at most.
    assert!(seen.len() > 5, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_element_whose_script_cannot_be_stopped_is_given_up_wherever_it_runs() {
    for in_place in [false, true] {
        // A busy machine may need all of a short limit before the search begins.
        let mut text = None;
        for _ in 0..20 {
            text = stuck(in_place).await;
            if text.is_some() {
                break;
            }
        }
        let text = text.expect("it is lost");
        assert!(text.starts_with("a script of tested cannot be stopped"), "{text}");
    }
}
