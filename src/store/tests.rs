//! The store against kills, damage, disks that refuse, other processes and newer versions; needs no link.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::store::database::Database;
use crate::store::keeper::PACE;
use crate::store::{
    Applied, BOUNDS, Bounds, Cell, Health, Store, StoreError, StoreStatus, Write, acknowledged,
};
use crate::tasks::Tasks;
use crate::value::{Secret, Value, Wall};

/// The folder that the child of the kill test saves into.
const CHILD: &str = "BACKSHELL_TEST_STORE_CHILD";

fn start(folder: &Path) -> (Tasks, Store) {
    let mut tasks = Tasks::new(&CancellationToken::new());
    let store = Store::start(&mut tasks, folder, Wall(1_700_000_000_000_000_000));
    (tasks, store)
}

async fn stop(mut tasks: Tasks) {
    assert_eq!(tasks.stop(Duration::from_secs(20)).await, Vec::<String>::new());
}

async fn wait(store: &Store, wanted: impl Fn(&StoreStatus) -> bool) -> StoreStatus {
    let mut status = store.status();
    let found = tokio::time::timeout(Duration::from_secs(20), status.wait_for(wanted)).await;
    found.expect("in time").expect("the store is there").clone()
}

fn element(name: &str) -> Arc<str> {
    Arc::from(name)
}

async fn save(store: &Store, name: &str, writes: Vec<Write>) -> Result<(), StoreError> {
    acknowledged(store.save(&element(name), writes)).await
}

async fn values(store: &Store, name: &str) -> Vec<(u32, Option<String>, Value)> {
    let loaded = store.load(&element(name)).await.unwrap();
    let plain = |(cell, value): (Cell, Value)| (cell.param, cell.row.map(|row| row.to_string()), value);
    loaded.values.into_iter().map(plain).collect()
}

#[tokio::test(start_paused = true)]
async fn values_come_back_with_their_types_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (tasks, store) = start(folder.path());
    let set = vec![
        Write::param(1, Value::number(12.0)),
        Write::param(2, "12".into()),
        Write::param(3, Value::Bytes(Bytes::from_static(&[0, 255]))),
        Write::param(4, "gone".into()),
        Write::param(5, "".into()),
        Write::cell(1001, "b", "two".into()),
        Write::cell(1001, "a", Value::number(0.1)),
        Write::cell(1001, "", "the empty key is a key".into()),
        Write::cell(1002, "a", "cleared".into()),
    ];
    save(&store, "one", set).await.unwrap();
    save(&store, "two", vec![Write::param(1, "other".into())]).await.unwrap();
    save(&store, "one", vec![Write::param(4, Value::Empty), Write::Clear { param: 1002 }]).await.unwrap();
    let expected = vec![
        (1, None, Value::number(12.0)),
        (2, None, "12".into()),
        (3, None, Value::Bytes(Bytes::from_static(&[0, 255]))),
        // Emptied by somebody, which is not the same as never saved.
        (4, None, Value::Empty),
        (5, None, "".into()),
        (1001, Some(String::new()), "the empty key is a key".into()),
        (1001, Some("a".into()), Value::number(0.1)),
        (1001, Some("b".into()), "two".into()),
    ];
    assert_eq!(values(&store, "one").await, expected);
    stop(tasks).await;
    assert_eq!(save(&store, "one", vec![]).await, Err(StoreError::Stopped));

    let (tasks, store) = start(folder.path());
    assert_eq!(values(&store, "one").await, expected);
    assert_eq!(values(&store, "two").await, [(1, None, "other".into())]);
    stop(tasks).await;
}

#[tokio::test]
async fn what_was_handed_over_before_the_stop_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (tasks, store) = start(folder.path());
    let acks: Vec<_> = (0..2_000)
        .map(|param| store.save(&element("one"), vec![Write::param(param, f64::from(param).into())]))
        .collect();
    stop(tasks).await;
    for ack in acks {
        acknowledged(ack).await.unwrap();
    }
    let (tasks, store) = start(folder.path());
    assert_eq!(values(&store, "one").await.len(), 2_000);
    stop(tasks).await;
}

#[tokio::test(start_paused = true)]
async fn many_saves_share_one_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let (tasks, store) = start(folder.path());
    wait(&store, |status| status.health == Health::Ready).await;
    let acks: Vec<_> =
        (0..4_000).map(|param| store.save(&element("one"), vec![Write::param(param, "x".into())])).collect();
    for ack in acks {
        acknowledged(ack).await.unwrap();
    }
    assert!(store.status().borrow().commits < 100, "{:?}", store.status().borrow());
    stop(tasks).await;
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_a_load_waits() {
    // A save of a number weighs 136 bytes.
    for bounds in [Bounds { queue: 10, ..BOUNDS }, Bounds { bytes: 1_400, ..BOUNDS }] {
        let folder = tempfile::tempdir().unwrap();
        let mut tasks = Tasks::new(&CancellationToken::new());
        let store = Store::start_within(bounds, &mut tasks, folder.path(), Wall(0));
        // Nothing is taken from the queue before the first await.
        let one = element("one");
        let acks: Vec<_> =
            (0..11).map(|param| store.save(&one, vec![Write::param(param, 1.0.into())])).collect();
        assert_eq!(values(&store, "one").await.len(), 10);
        let mut results = Vec::new();
        for ack in acks {
            results.push(acknowledged(ack).await);
        }
        assert_eq!(results.pop(), Some(Err(StoreError::Full)));
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        save(&store, "one", vec![Write::param(1, "there is room again".into())]).await.unwrap();
        // Larger than the bound, but alone.
        save(&store, "one", vec![Write::param(1, "x".repeat(5_000).as_str().into())]).await.unwrap();
        stop(tasks).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_saves_is_paced_and_a_lone_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (tasks, store) = start(folder.path());
    let begin = tokio::time::Instant::now();
    // One after the other: each waits for the pace of the one before.
    for number in 0..4 {
        save(&store, "one", vec![Write::param(1, f64::from(number).into())]).await.unwrap();
    }
    assert!(begin.elapsed() >= PACE * 3, "{:?}", begin.elapsed());
    assert_eq!(store.status().borrow().commits, 4);
    stop(tasks).await;
}

#[tokio::test]
async fn the_last_applied_setting_is_known_by_its_hash_only() {
    let folder = tempfile::tempdir().unwrap();
    let (tasks, store) = start(folder.path());
    let applied = |param, text: &str| Write::Applied { param, value: Secret::new(text.into()) };
    save(&store, "one", vec![applied(1, "hunter2"), applied(2, "hunter2")]).await.unwrap();
    stop(tasks).await;
    let (tasks, store) = start(folder.path());
    let loaded = store.load(&element("one")).await.unwrap();
    assert_eq!(loaded.applied(1, &"hunter2".into()), Applied::Same);
    assert_eq!(loaded.applied(1, &"hunter3".into()), Applied::Differs);
    assert_eq!(loaded.applied(1, &Value::Bytes(Bytes::from_static(b"hunter2"))), Applied::Differs);
    assert_eq!(loaded.applied(3, &"hunter2".into()), Applied::Never);
    assert_ne!(loaded.applied.get(&1), loaded.applied.get(&2), "equal secrets have different hashes");
    assert!(!format!("{loaded:?}").contains("hunter"));
    stop(tasks).await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"));
    }
}

#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("backshell.db"), "").unwrap();
    std::fs::set_permissions(folder.path().join("backshell.db"), std::fs::Permissions::from_mode(0o644))
        .unwrap();
    let (tasks, store) = start(folder.path());
    save(&store, "one", vec![Write::param(1, "x".into())]).await.unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
        seen += 1;
    }
    assert!(seen >= 3, "the file, its log and the lock");
    stop(tasks).await;
}

/// Runs only as the child of the next test: saves and prints what was acknowledged, until it is killed.
#[tokio::test]
async fn child_that_saves_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let (_tasks, store) = start(Path::new(&folder));
    let one = element("one");
    for wave in 0..10_000_u32 {
        let numbers = wave * 20..(wave + 1) * 20;
        let acks: Vec<_> = numbers
            .map(|number| {
                (number, store.save(&one, vec![Write::param(number % 100, f64::from(number).into())]))
            })
            .collect();
        for (number, ack) in acks {
            acknowledged(ack).await.unwrap();
            println!("acknowledged {number}");
        }
    }
}

#[tokio::test]
async fn acknowledged_saves_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "store::tests::child_that_saves_until_it_is_killed"])
        .env(CHILD, folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = None;
    for line in lines {
        let line = line.unwrap();
        if let Some((_, number)) = line.split_once("acknowledged ") {
            last = number.parse::<u32>().ok();
        }
        if last == Some(250) {
            // SIGKILL; what the child printed until it died is read as well.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    let last = last.expect("the child saved");
    assert!(last >= 250);
    let (tasks, store) = start(folder.path());
    let values = values(&store, "one").await;
    for (param, _, value) in &values {
        let number = value.as_number().unwrap();
        let newest = (0..=last).rev().find(|number| number % 100 == *param).unwrap();
        assert!(number >= f64::from(newest), "parameter {param} is {number}, {newest} was acknowledged");
    }
    assert_eq!(values.len(), 100);
    stop(tasks).await;
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_a_new_one_started() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("backshell.db"), vec![b'x'; 8_192]).unwrap();
    let (tasks, store) = start(folder.path());
    save(&store, "one", vec![Write::param(1, "x".into())]).await.unwrap();
    let aside = store.status().borrow().set_aside.clone().unwrap();
    assert!(aside.to_string_lossy().contains("backshell.db.damaged-17"), "{}", aside.display());
    assert_eq!(std::fs::read(aside).unwrap(), vec![b'x'; 8_192]);
    stop(tasks).await;
}

#[tokio::test]
async fn damage_in_the_middle_of_a_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (tasks, store) = start(folder.path());
    let many = (0..5_000).map(|param| Write::param(param, "some text to fill pages".into())).collect();
    save(&store, "one", many).await.unwrap();
    stop(tasks).await;
    let path = folder.path().join("backshell.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4_096].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let (tasks, store) = start(folder.path());
    assert_eq!(values(&store, "one").await, []);
    assert!(store.status().borrow().set_aside.is_some());
    stop(tasks).await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_made_is_reported_and_mended_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    std::fs::write(&data_dir, "a file where the folder should be").unwrap();
    let (tasks, store) = start(&data_dir);
    let Err(StoreError::Down(reason)) = save(&store, "one", vec![Write::param(1, "x".into())]).await else {
        panic!("saved into a file");
    };
    assert!(reason.contains("data"), "{reason}");
    assert!(store.load(&element("one")).await.is_err());
    let status = store.status().borrow().clone();
    assert_eq!((status.health, status.refused), (Health::Down(reason), 2));
    std::fs::remove_file(&data_dir).unwrap();
    // Waits for the store's own retry, a second after the failure.
    wait(&store, |status| status.health == Health::Ready).await;
    save(&store, "one", vec![Write::param(1, "x".into())]).await.unwrap();
    stop(tasks).await;
}

#[tokio::test]
async fn a_folder_that_no_one_may_write_is_reported() {
    // Below /proc nobody makes folders, root included.
    let (tasks, store) = start(Path::new("/proc/backshell"));
    let saved = save(&store, "one", vec![Write::param(1, "x".into())]).await;
    assert!(matches!(saved, Err(StoreError::Down(_))), "{saved:?}");
    stop(tasks).await;
}

#[tokio::test]
async fn a_write_that_fails_is_refused_with_the_reason_and_leaves_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let (tasks, store) = start(folder.path());
    save(&store, "one", vec![Write::param(1, "before".into())]).await.unwrap();
    // The lock of another program stands for a disk that does not take the write: root may write everywhere else.
    let other = rusqlite::Connection::open(folder.path().join("backshell.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let saved = save(&store, "one", vec![Write::param(1, "after".into())]).await;
    assert!(matches!(&saved, Err(StoreError::Down(reason)) if reason.contains("locked")), "{saved:?}");
    assert_eq!(values(&store, "one").await, [(1, None, "before".into())], "it can be read all the same");
    other.execute_batch("ROLLBACK").unwrap();
    wait(&store, |status| status.health == Health::Ready).await;
    assert_eq!(values(&store, "one").await, [(1, None, "before".into())]);
    stop(tasks).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_process_is_told_that_the_store_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let (tasks, store) = start(folder.path());
    wait(&store, |status| status.health == Health::Ready).await;
    // The lock belongs to the open file, so a second store in this process meets it as another process does.
    let (second_tasks, second) = start(folder.path());
    let saved = save(&second, "one", vec![Write::param(1, "x".into())]).await;
    assert!(
        matches!(&saved, Err(StoreError::Down(reason)) if reason.contains("used by another process")),
        "{saved:?}"
    );
    save(&store, "one", vec![Write::param(1, "x".into())]).await.unwrap();
    assert_eq!(
        values(&second, "one").await,
        [(1, None, "x".into())],
        "what is saved can be read all the same"
    );
    stop(tasks).await;
    wait(&second, |status| status.health == Health::Ready).await;
    assert_eq!(values(&second, "one").await, [(1, None, "x".into())]);
    stop(second_tasks).await;
}

#[tokio::test]
async fn a_file_of_a_newer_version_or_of_another_program_is_left_alone() {
    for (sql, expected) in [
        (
            "PRAGMA application_id = 1651730540; CREATE TABLE t (a); PRAGMA user_version = 99",
            "newer version (schema 99",
        ),
        ("CREATE TABLE t (a)", "another program"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backshell.db");
        rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let before = std::fs::read(&path).unwrap();
        let (tasks, store) = start(folder.path());
        let status = wait(&store, |status| matches!(status.health, Health::Down(_))).await;
        assert!(matches!(&status.health, Health::Down(reason) if reason.contains(expected)), "{status:?}");
        stop(tasks).await;
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

/// The tables of the first version, as files in the field have them, and some values.
const FIRST_VERSION: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value ANY) STRICT, WITHOUT ROWID;
    CREATE TABLE saved_param (
        element TEXT NOT NULL, param INTEGER NOT NULL, value ANY NOT NULL,
        PRIMARY KEY (element, param)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE saved_cell (
        element TEXT NOT NULL, param INTEGER NOT NULL, row TEXT NOT NULL, value ANY NOT NULL,
        PRIMARY KEY (element, param, row)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE applied_setting (
        element TEXT NOT NULL, param INTEGER NOT NULL, hash BLOB NOT NULL,
        PRIMARY KEY (element, param)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('key', x'00112233');
    INSERT INTO saved_param VALUES ('one', 1, 12.0), ('one', 2, '12'), ('two', 1, x'00ff');
    INSERT INTO saved_cell VALUES ('one', 1001, 'a', 'cell');
    PRAGMA application_id = 1651730540; PRAGMA user_version = 1;
";

#[tokio::test]
async fn a_file_of_the_first_version_keeps_its_values_and_learns_to_save_an_empty_one() {
    let one = [
        (1, None, Value::number(12.0)),
        (2, None, "12".into()),
        (1001, Some("a".to_owned()), Value::from("cell")),
    ];
    let two = [(1, None, Value::Bytes(Bytes::from_static(&[0, 255])))];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backshell.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(FIRST_VERSION).unwrap();
    // As long as it cannot be migrated, it is read as it is.
    let elements = [element("one"), element("two")];
    let read = Database::read_only(folder.path(), &elements).unwrap();
    assert_eq!(read.iter().map(|loaded| loaded.values.len()).collect::<Vec<_>>(), [3, 1]);
    let (tasks, store) = start(folder.path());
    assert_eq!(values(&store, "one").await, one);
    assert_eq!(values(&store, "two").await, two);
    save(&store, "one", vec![Write::param(2, Value::Empty)]).await.unwrap();
    stop(tasks).await;
    let (tasks, store) = start(folder.path());
    let [first, _, cell] = one;
    assert_eq!(values(&store, "one").await, [first, (2, None, Value::Empty), cell]);
    assert_eq!(values(&store, "two").await, two);
    stop(tasks).await;
}

#[tokio::test]
async fn damage_that_shows_while_running_costs_no_acknowledged_save_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (tasks, store) = start(folder.path());
    let many = (0..5_000).map(|param| Write::param(param, "some text to fill pages".into())).collect();
    save(&store, "one", many).await.unwrap();
    let path = folder.path().join("backshell.db");
    // Another program's write makes the store read the file anew; then the file is spoilt behind its first page.
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("UPDATE meta SET value = 1 WHERE name = 'opened'; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 100_000);
    bytes[4_096..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    save(&store, "one", vec![Write::param(7, "after".into())]).await.unwrap();
    assert_eq!(values(&store, "one").await, [(7, None, "after".into())]);
    assert!(store.status().borrow().set_aside.as_ref().is_some_and(|path| path.exists()));
    assert_eq!(store.status().borrow().health, Health::Ready);
    stop(tasks).await;
    drop(other);
}
