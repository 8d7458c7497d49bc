//! The fleet with elements that have no peer: panics, back-off, units of a reload, secrets, the store's trouble; in virtual time.

mod refused;
mod scripts;

use std::path::{Path, PathBuf};

use super::*;
use crate::daemon::roster::Entry;
use crate::element::clock::Clock;
use crate::element::gate::Gate;
use crate::element::handle::{Handle, NewValue};
use crate::element::status::ElementState;
use crate::engine::link::budget::Limits;
use crate::language::model::id::ParamIx;
use crate::script::pool::Pool;
use crate::transport::dial::Environment;
use crate::transport::http::Http;
use crate::value::Wall;

const DEFINITION: &str = include_str!("../../../protocols/nmos-is07-events/protocol.xml");

/// Much longer than anything that is waited for, and over at once in virtual time.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// A folder with settings and definitions.
struct Stage(tempfile::TempDir);

impl Stage {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Elements by name and definition, with what else their tables say.
    fn settings(&self, elements: &[(&str, &str, &str)]) {
        let table = |(name, definition, more): &(&str, &str, &str)| {
            format!("[[element]]\nname = \"{name}\"\nprotocol = \"{definition}\"\n{more}\n")
        };
        self.write("backshell.toml", &elements.iter().map(table).collect::<String>());
    }

    async fn fleet(&self, store: Option<Store>) -> Fleet {
        self.fleet_with(store, Pool::default()).await
    }

    async fn fleet_with(&self, store: Option<Store>, scripts: Pool) -> Fleet {
        let config = self.path("backshell.toml");
        let loaded = load_settings(&config).unwrap_or_else(|trouble| panic!("{}", trouble.summary()));
        let services = Services {
            gate: Gate::new(Limits { per_second: None, per_host_per_second: None }),
            store,
            dials: Environment::of_process(),
            http: Http::default(),
            scripts,
            clock: Clock::at(Wall(0), 1),
            witness: None,
        };
        let mut fleet = Fleet::new(config, loaded, services);
        fleet.start().await;
        fleet
    }
}

/// A fleet whose loop runs.
struct Running {
    roster: watch::Receiver<Arc<Roster>>,
    reloads: mpsc::Sender<Reload>,
    tasks: Tasks,
}

impl Running {
    fn of(fleet: Fleet) -> Self {
        let roster = fleet.roster();
        let (reloads, asked) = mpsc::channel(1);
        let mut tasks = Tasks::new(&CancellationToken::new());
        tasks.spawn("fleet", |stop| async move {
            assert_eq!(fleet.run(asked, stop, Duration::from_secs(60)).await, Vec::<String>::new());
        });
        Self { roster, reloads, tasks }
    }

    async fn until(&mut self, what: &str, fits: impl FnMut(&Arc<Roster>) -> bool) -> Arc<Roster> {
        let waited = tokio::time::timeout(PATIENCE, self.roster.wait_for(fits)).await;
        waited.unwrap_or_else(|_| panic!("{what} did not happen")).expect("the fleet is there").clone()
    }

    async fn reload(&self) {
        let (done, waiting) = oneshot::channel();
        self.reloads.send(done).await.unwrap();
        waiting.await.unwrap();
    }

    fn handle(&self, name: &str) -> Handle {
        handle(&self.roster.borrow(), name).unwrap_or_else(|| panic!("{name} does not run"))
    }

    fn state(&self, name: &str) -> ElementState {
        self.roster.borrow().elements[name].status().state.clone()
    }

    fn reason(&self, name: &str) -> String {
        match self.state(name) {
            ElementState::Invalid(reason) | ElementState::Restarting { reason, .. } => reason.to_string(),
            state @ (ElementState::Running | ElementState::Stopping | ElementState::Stopped) => {
                panic!("{name} is {state:?}")
            }
        }
    }

    async fn stop(mut self) {
        assert_eq!(self.tasks.stop(PATIENCE).await, Vec::<String>::new());
    }
}

fn handle(roster: &Roster, name: &str) -> Option<Handle> {
    match roster.elements.get(name) {
        Some(Entry::Running(handle)) => Some(handle.clone()),
        Some(Entry::Down(_)) | None => None,
    }
}

/// Whether a driver is the one that it was: it still answers.
async fn lives(handle: &Handle) -> bool {
    handle.snapshot().await.is_some()
}

fn param(handle: &Handle, name: &str) -> ParamIx {
    handle.protocol().params_by_name(name).read.unwrap()
}

/// Makes a driver panic: no parameter has this index, and only the API's look-up keeps such a one from a driver.
async fn panic(handle: &Handle) {
    assert_eq!(handle.get(ParamIx::new(1 << 20).unwrap()).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_element_that_panics_is_started_again_with_back_off_and_nobody_else_notices() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.settings(&[("a", "p.xml", ""), ("b", "p.xml", "")]);
    let mut running = Running::of(stage.fleet(None).await);
    let other = running.handle("b");
    let mut changes = other.subscribe().await.unwrap();
    let fail = async |running: &mut Running| {
        panic(&running.handle("a")).await;
        let failed = Instant::now();
        running.until("the failure", |roster| handle(roster, "a").is_none()).await;
        let reason = running.reason("a");
        assert!(reason.starts_with("it panicked: index out of bounds"), "{reason}");
        running.until("the restart", |roster| handle(roster, "a").is_some()).await;
        failed.elapsed().as_secs()
    };
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(fail(&mut running).await, pause);
        assert!(lives(&running.handle("a")).await);
    }
    // One that ran for long enough has recovered.
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(fail(&mut running).await, 1);

    assert!(lives(&other).await);
    let set = NewValue::Scalar("10.0.0.1".into());
    other.set(param(&other, "Address"), set, PATIENCE).await.unwrap();
    assert!(changes.next().await.is_some(), "the subscription to the other element has ended");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_element_that_waits_for_its_restart_starts_at_once_when_it_changes() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.settings(&[("a", "p.xml", "")]);
    let mut running = Running::of(stage.fleet(None).await);
    for _ in 0..6 {
        running.until("a start", |roster| handle(roster, "a").is_some()).await;
        panic(&running.handle("a")).await;
        running.until("the failure", |roster| handle(roster, "a").is_none()).await;
    }
    let before = Instant::now();
    stage.write("p.xml", &DEFINITION.replace("<Version>1.0.0.1<", "<Version>1.0.0.2<"));
    running.reload().await;
    assert!(lives(&running.handle("a")).await);
    assert!(before.elapsed() < Duration::from_secs(10));
    running.stop().await;
}

/// A task that never ends takes the place of a driver's.
async fn deafen(fleet: &mut Fleet, name: &str) {
    let Some(Member { life: Life::Running { stop, .. }, .. }) = fleet.members.get(name) else {
        panic!("it does not run")
    };
    stop.cancel();
    fleet.tasks.join_next().await.unwrap();
    fleet.tasks.spawn(driver::task_name(name), |_| std::future::pending());
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_reload() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.settings(&[("a", "p.xml", "")]);
    let mut fleet = stage.fleet(None).await;
    deafen(&mut fleet, "a").await;
    stage.write("p.xml", &DEFINITION.replace("<Version>1.0.0.1<", "<Version>1.0.0.2<"));
    let (reloads, asked) = mpsc::channel(1);
    let (done, _ended) = oneshot::channel();
    reloads.send(done).await.unwrap();
    let stop = CancellationToken::new();
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.cancel();
        Instant::now()
    };
    let (aborted, stopped) = tokio::join!(fleet.run(asked, stop.clone(), Duration::from_secs(2)), stopping);
    assert_eq!(aborted, ["element a"]);
    assert!(stopped.elapsed() < Duration::from_secs(3), "{:?}", stopped.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_element_that_does_not_stop_is_aborted_and_its_end_is_not_taken_for_its_successors() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.settings(&[("a", "p.xml", "")]);
    let mut fleet = stage.fleet(None).await;
    deafen(&mut fleet, "a").await;
    stage.write("p.xml", &DEFINITION.replace("<Version>1.0.0.1<", "<Version>1.0.0.2<"));
    fleet.reload(fleet.units.files()).await;
    assert_eq!(fleet.tasks.len(), 1, "the aborted task is still there");
    let running = Running::of(fleet);
    let fresh = running.handle("a");
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(running.state("a"), ElementState::Running);
    assert!(lives(&fresh).await, "the successor was replaced");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_stores_trouble_is_shown_and_goes_when_the_store_is_back() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.settings(&[("a", "p.xml", "")]);
    stage.write("data", "a file where the folder should be");
    let mut below = Tasks::new(&CancellationToken::new());
    let store = Store::start(&mut below, &stage.path("data"), Wall(0));
    let mut running = Running::of(stage.fleet(Some(store)).await);
    let down =
        |roster: &Arc<Roster>| roster.store_problem.as_ref().is_some_and(|why| why.contains("cannot create"));
    running.until("the store's trouble", down).await;
    let one = running.handle("a");
    let set = |text: &str| NewValue::Scalar(text.into());
    let done = one.set(param(&one, "WebsocketUrl"), set("/x"), PATIENCE).await.unwrap();
    assert!(done.not_saved.is_some_and(|why| why.contains("the store is down: cannot create")));

    // Damaged as well: the file is set aside, and that is shown.
    std::fs::remove_file(stage.path("data")).unwrap();
    std::fs::create_dir(stage.path("data")).unwrap();
    stage.write("data/backshell.db", &"x".repeat(8_192));
    let back = running.until("the store's recovery", |roster| roster.store_problem.is_none()).await;
    let aside = back.store_set_aside.as_ref().expect("it is set aside");
    assert!(aside.starts_with(stage.path("data")) && aside.exists(), "{}", aside.display());
    let done = one.set(param(&one, "WebsocketUrl"), set("/y"), PATIENCE).await.unwrap();
    assert_eq!(done.not_saved, None);
    assert!(lives(&one).await, "the element was touched");
    running.stop().await;
    below.stop(PATIENCE).await;
}

const TOKEN: &str = "[element.params]\nWebsocketUrl = { file = \"token\" }";

async fn url(running: &Running, name: &str) -> String {
    let handle = running.handle(name);
    let reading = handle.get(param(&handle, "WebsocketUrl")).await.unwrap();
    format!("{:?}", reading.value)
}

#[tokio::test(start_paused = true)]
async fn a_secret_file_that_changes_restarts_the_elements_that_use_it_and_no_other() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.write("token", "first\n");
    stage.settings(&[("a", "p.xml", TOKEN), ("b", "p.xml", "")]);
    let mut running = Running::of(stage.fleet(None).await);
    let (old, other) = (running.handle("a"), running.handle("b"));
    assert!(url(&running, "a").await.contains("first"));

    // Nobody asks for a reload: the file is watched.
    stage.write("token.new", "second");
    std::fs::rename(stage.path("token.new"), stage.path("token")).unwrap();
    running
        .until("the restart", |roster| {
            handle(roster, "a").is_some_and(|h| {
                h.watch_status().has_changed().is_ok() && !h.watch_status().same_channel(&old.watch_status())
            })
        })
        .await;
    assert!(url(&running, "a").await.contains("second"));

    // One that is gone, empty or no file leaves the element with what it has.
    let fresh = running.handle("a");
    let spoil: [(&str, fn(&Path)); 3] = [
        ("gone", |path| std::fs::remove_file(path).unwrap()),
        ("empty", |path| std::fs::write(path, "\n").unwrap()),
        ("a folder", |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        }),
    ];
    for (what, spoil) in spoil {
        spoil(&stage.path("token"));
        running.reload().await;
        assert!(lives(&fresh).await, "stopped by a secret that is {what}");
        assert_eq!(running.state("a"), ElementState::Running);
    }
    assert!(lives(&other).await, "the other element was touched");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_gone_is_no_obstacle_to_the_reload_of_what_does_not_use_it() {
    let stage = Stage::new();
    stage.write("a.xml", DEFINITION);
    stage.write("b.xml", DEFINITION);
    stage.write("token", "first");
    stage.settings(&[("a", "a.xml", TOKEN), ("b", "b.xml", "")]);
    let running = Running::of(stage.fleet(None).await);
    let keeps = running.handle("a");
    std::fs::remove_file(stage.path("token")).unwrap();
    stage.write("b.xml", &DEFINITION.replace("<Version>1.0.0.1<", "<Version>1.0.0.2<"));
    running.reload().await;
    assert_eq!(running.handle("b").protocol().version.as_ref(), "1.0.0.2");
    stage.settings(&[("a", "a.xml", TOKEN), ("c", "b.xml", "")]);
    running.reload().await;
    assert!(running.roster.borrow().elements.contains_key("c"));
    assert!(!running.roster.borrow().elements.contains_key("b"));
    assert!(lives(&keeps).await, "the element that uses the secret was touched");

    // Its own unit needs the secret.
    stage.write("a.xml", &DEFINITION.replace("<Version>1.0.0.1<", "<Version>1.0.0.3<"));
    running.reload().await;
    assert!(lives(&keeps).await, "half applied");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_missing_at_the_start_starts_its_element_when_it_comes() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.settings(&[("a", "p.xml", TOKEN), ("b", "later.xml", "")]);
    let mut running = Running::of(stage.fleet(None).await);
    assert!(running.reason("a").contains("cannot read"), "{}", running.reason("a"));
    assert!(running.reason("b").contains("later.xml"), "{}", running.reason("b"));
    stage.write("token", "there");
    running.until("the start of a", |roster| handle(roster, "a").is_some()).await;
    stage.write("later.xml", DEFINITION);
    running.until("the start of b", |roster| handle(roster, "b").is_some()).await;
    running.stop().await;
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_pipe_in_the_place_of_a_file_holds_up_nothing() {
    let stage = Stage::new();
    let pipe = |name: &str| {
        let made = std::process::Command::new("mkfifo").arg(stage.path(name)).status().unwrap();
        assert!(made.success());
    };
    pipe("token");
    pipe("p.xml");
    stage.write("good.xml", DEFINITION);
    stage.settings(&[("a", "good.xml", TOKEN), ("b", "p.xml", ""), ("c", "good.xml", "")]);
    let running = Running::of(stage.fleet(None).await);
    assert!(running.reason("a").contains("is no file"), "{}", running.reason("a"));
    assert!(running.reason("b").contains("it is no file"), "{}", running.reason("b"));
    assert!(lives(&running.handle("c")).await);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_dial_budget_holds_without_a_restart() {
    let stage = Stage::new();
    stage.write("p.xml", DEFINITION);
    stage.settings(&[("a", "p.xml", "")]);
    let fleet = stage.fleet(None).await;
    let gate = fleet.services.gate.clone();
    let mut tasks = Tasks::new(&CancellationToken::new());
    let run = gate.clone();
    tasks.spawn("gate", |stop| run.run(stop));
    let running = Running::of(fleet);
    let one = running.handle("a");
    let wait = async |first: usize| {
        let tickets: Vec<_> = (first..first + 100).map(|host| gate.ask(&format!("host-{host}"))).collect();
        tokio::time::sleep(Duration::from_secs(10)).await;
        (gate.waiting(), tickets)
    };
    assert_eq!(wait(0).await.0, 0);
    stage.settings(&[("a", "p.xml", "[dial]\nper_second = 1")]);
    running.reload().await;
    let (waiting, tickets) = wait(100).await;
    assert!((80..100).contains(&waiting), "{waiting} wait");
    // Those that wait are let through by a larger budget too.
    stage.settings(&[("a", "p.xml", "[dial]\nper_second = 0")]);
    running.reload().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(gate.waiting(), 0);
    drop(tickets);
    assert!(lives(&one).await, "the element was touched");
    running.stop().await;
    tasks.stop(PATIENCE).await;
}
