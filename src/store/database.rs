//! The SQLite file itself: opening, checking, migrating, reading and writing; knows no task and no queue.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, Transaction, params};

use crate::store::{Applied, Cell, Loaded, Write};
use crate::value::{Secret, Value};

/// The name of the file below `data_dir`.
const FILE: &str = "backshell.db";

/// Held while a process uses the store; the system releases it however the process ends.
const LOCK: &str = "backshell.lock";

/// Marks the file as ours in its header: "bshl".
const APPLICATION: i64 = 0x6273_686c;

/// How long another program, such as a database viewer, may hold the file before a write fails.
const BUSY: Duration = Duration::from_secs(2);

/// Each step takes the schema from its index to the next version; never change one that was released.
///
/// `ANY` in a strict table keeps a number a number, a text a text and bytes bytes.
const MIGRATIONS: &[&str] = &[
    "
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
",
    "
    CREATE TABLE saved_param_2 (
        element TEXT NOT NULL, param INTEGER NOT NULL, value ANY, -- NULL: saved as empty.
        PRIMARY KEY (element, param)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO saved_param_2 SELECT element, param, value FROM saved_param;
    DROP TABLE saved_param;
    ALTER TABLE saved_param_2 RENAME TO saved_param;
",
];

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("cannot create {}", path.display())]
    Create {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("{} is used by another process", path.display())]
    InUse { path: PathBuf },
    #[error("{} was written by a newer version (schema {found}, this one knows {})", path.display(), MIGRATIONS.len())]
    Newer { path: PathBuf, found: i64 },
    #[error("{} is a database of another program", path.display())]
    Foreign { path: PathBuf },
    #[error("{} is damaged", path.display())]
    Damaged { path: PathBuf },
    #[error("cannot set {} aside", path.display())]
    SetAside {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("no random numbers for the key of the store")]
    Random,
    /// The text and number of SQLite; its errors say the same thing twice, so they are no source.
    #[error("cannot use {}: {reason}", path.display())]
    Sqlite { path: PathBuf, reason: String },
}

/// An open store and the lock on it.
#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
    path: PathBuf,
    key: Arc<Secret<hmac::Key>>,
    _lock: File,
}

/// One thing to do inside a transaction.
#[derive(Debug)]
pub(crate) enum Work {
    Save { element: Arc<str>, writes: Vec<Write> },
    Load { element: Arc<str> },
}

impl Database {
    /// Opens, checks and migrates the file; makes it if it is not there.
    pub(crate) fn open(folder: &Path) -> Result<Self, DatabaseError> {
        let create = |path: &Path, error| DatabaseError::Create { path: path.to_owned(), error };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| create(folder, error))?;
        let lock = private_file(&folder.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DatabaseError::InUse { path: folder.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(create(&folder.join(LOCK), error)),
        }
        let path = folder.join(FILE);
        // Made by us, so that it and its `-wal` and `-shm`, which take over its mode, are never readable by others.
        private_file(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let at = |error| failed(&path, error);
        let mut connection = Connection::open_with_flags(&path, flags).map_err(at)?;
        connection.busy_timeout(BUSY).map_err(at)?;
        prepare(&mut connection, &path)?;
        let key = key(&mut connection, &path)?;
        // The names of new files must survive a power cut too. Some file systems cannot sync a folder; then they need not.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(Self { connection, path, key: Arc::new(Secret::new(key)), _lock: lock })
    }

    /// Reads the saved values of elements from a file that cannot be written: a full or read-only disk, a lock of another program.
    ///
    /// # Errors
    ///
    /// As for [`Database::open`]; also where the newest values stand in a log that cannot be read along with the file.
    pub(crate) fn read_only(folder: &Path, elements: &[Arc<str>]) -> Result<Vec<Loaded>, DatabaseError> {
        let path = folder.join(FILE);
        let at = |error| failed(&path, error);
        let mut connection = open_to_read(folder, &path)?;
        connection.busy_timeout(BUSY).map_err(at)?;
        check(&connection, &path)?;
        let mut run = || {
            let transaction = connection.transaction()?;
            let key: Vec<u8> =
                transaction.query_row("SELECT value FROM meta WHERE name = 'key'", [], |row| row.get(0))?;
            let key = Arc::new(Secret::new(hmac::Key::new(hmac::HMAC_SHA256, &key)));
            elements.iter().map(|element| load(&transaction, &key, element)).collect::<rusqlite::Result<_>>()
        };
        run().map_err(at)
    }

    /// Renames a damaged file and what belongs to it; returns the new name.
    pub(crate) fn set_aside(folder: &Path, mut seconds: u64) -> Result<PathBuf, DatabaseError> {
        let path = folder.join(FILE);
        // Two in one second must not replace one another.
        while folder.join(format!("{FILE}.damaged-{seconds}")).exists() {
            seconds += 1;
        }
        let aside = |suffix: &str| folder.join(format!("{FILE}.damaged-{seconds}{suffix}"));
        for suffix in ["-wal", "-shm", ""] {
            let from = folder.join(format!("{FILE}{suffix}"));
            match fs::rename(&from, aside(suffix)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(DatabaseError::SetAside { path, error }),
            }
        }
        Ok(aside(""))
    }

    /// Does everything in one transaction; the loads' results in the order of the loads. On an error nothing is done.
    ///
    /// When it returns, the data is on the disk: with `synchronous=FULL` a commit is synced, so that an acknowledged value
    /// survives `kill -9` as well as a power cut; the cost is shared by all that one transaction holds.
    pub(crate) fn perform(&mut self, work: &[Work]) -> Result<Vec<Loaded>, DatabaseError> {
        let (path, key) = (&self.path, &self.key);
        let mut run = || {
            let transaction = self.connection.transaction()?;
            let mut loaded = Vec::new();
            for item in work {
                match item {
                    Work::Save { element, writes } => {
                        for write in writes {
                            save(&transaction, key.expose(), element, write)?;
                        }
                    }
                    Work::Load { element } => loaded.push(load(&transaction, key, element)?),
                }
            }
            transaction.commit()?;
            Ok(loaded)
        };
        run().map_err(|error| failed(path, error))
    }
}

fn failed(path: &Path, error: rusqlite::Error) -> DatabaseError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => DatabaseError::Damaged { path },
        Some(_) | None => {
            let number = error.sqlite_error().map(|error| format!(" (SQLite {})", error.extended_code));
            DatabaseError::Sqlite { path, reason: format!("{error}{}", number.unwrap_or_default()) }
        }
    }
}

/// Opens a file that only its owner may read, and makes one that others may read private.
fn private_file(path: &Path) -> Result<File, DatabaseError> {
    let open = || {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
        Ok(file)
    };
    open().map_err(|error| DatabaseError::Create { path: path.to_owned(), error })
}

/// Opens a file without ever writing to it.
fn open_to_read(folder: &Path, path: &Path) -> Result<Connection, DatabaseError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
        Ok(connection)
    });
    let error = match opened {
        Ok(connection) => return Ok(connection),
        Err(error) => failed(path, error),
    };
    // Where even the shared memory of the log cannot be made, a file without a log can be taken as it is.
    let log = fs::metadata(folder.join(format!("{FILE}-wal"))).map_or(0, |log| log.len());
    let Ok(mut address) = url::Url::from_file_path(path) else { return Err(error) };
    if log > 0 {
        return Err(error);
    }
    address.set_query(Some("immutable=1"));
    Connection::open_with_flags(address.as_str(), flags | OpenFlags::SQLITE_OPEN_URI).map_err(|_| error)
}

/// Checks that a file is a sound store of this version or an older one; gives the version.
fn check(connection: &Connection, path: &Path) -> Result<usize, DatabaseError> {
    let at = |error| failed(path, error);
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let version = number("PRAGMA user_version").map_err(at)?;
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(at)?;
    let application = number("PRAGMA application_id").map_err(at)?;
    if tables > 0 && application != APPLICATION {
        return Err(DatabaseError::Foreign { path: path.to_owned() });
    }
    let known = match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => version,
        Ok(_) | Err(_) => return Err(DatabaseError::Newer { path: path.to_owned(), found: version }),
    };
    let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(at)?;
    if check != "ok" {
        return Err(DatabaseError::Damaged { path: path.to_owned() });
    }
    Ok(known)
}

fn prepare(connection: &mut Connection, path: &Path) -> Result<(), DatabaseError> {
    let at = |error| failed(path, error);
    let known = check(connection, path)?;
    let mut migrate = || {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        for (step, sql) in MIGRATIONS.iter().enumerate().skip(known) {
            let transaction = connection.transaction()?;
            transaction.execute_batch(sql)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", i64::try_from(step + 1).unwrap_or(i64::MAX))?;
            transaction.commit()?;
        }
        Ok(())
    };
    migrate().map_err(at)
}

/// Reads or makes the key of the hashes. Always writes, so that a disk that is full or read-only shows at once.
fn key(connection: &mut Connection, path: &Path) -> Result<hmac::Key, DatabaseError> {
    let mut fresh = [0_u8; 32];
    SystemRandom::new().fill(&mut fresh).map_err(|_| DatabaseError::Random)?;
    let mut read = || {
        let transaction = connection.transaction()?;
        transaction.execute(
            "INSERT INTO meta (name, value) VALUES ('opened', 1) ON CONFLICT DO UPDATE SET value = value + 1",
            [],
        )?;
        transaction.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('key', ?1)", [&fresh])?;
        let key: Vec<u8> =
            transaction.query_row("SELECT value FROM meta WHERE name = 'key'", [], |row| row.get(0))?;
        transaction.commit()?;
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
    };
    read().map_err(|error| failed(path, error))
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::ToSqlOutput::Borrowed;
        Ok(Borrowed(match self {
            Value::Empty => ValueRef::Null,
            Value::Number(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn value(sql: ValueRef<'_>) -> Value {
    match sql {
        ValueRef::Null => Value::Empty,
        // Only another program writes integers.
        #[allow(
            clippy::cast_precision_loss,
            reason = "a number of a person's making; beyond 2^53 it is rounded"
        )]
        ValueRef::Integer(number) => Value::number(number as f64),
        ValueRef::Real(number) => Value::number(number),
        ValueRef::Text(text) => Value::text(String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => Value::Bytes(bytes::Bytes::copy_from_slice(bytes)),
    }
}

fn save(
    transaction: &Transaction<'_>,
    key: &hmac::Key,
    element: &str,
    write: &Write,
) -> rusqlite::Result<()> {
    let run = |sql: &str, params: &[&dyn ToSql]| transaction.prepare_cached(sql)?.execute(params).map(drop);
    match write {
        Write::Set { cell: Cell { param, row: Some(row) }, value: Value::Empty } => run(
            "DELETE FROM saved_cell WHERE element = ?1 AND param = ?2 AND row = ?3",
            params![element, param, row.as_ref()],
        ),
        // An empty one too: where nothing is stored, a setting that was applied before would come back.
        Write::Set { cell: Cell { param, row: None }, value } => run(
            "INSERT INTO saved_param (element, param, value) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET value = excluded.value",
            params![element, param, value],
        ),
        Write::Set { cell: Cell { param, row: Some(row) }, value } => run(
            "INSERT INTO saved_cell (element, param, row, value) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET value = excluded.value",
            params![element, param, row.as_ref(), value],
        ),
        Write::Clear { param } => {
            run("DELETE FROM saved_param WHERE element = ?1 AND param = ?2", params![element, param])?;
            run("DELETE FROM saved_cell WHERE element = ?1 AND param = ?2", params![element, param])
        }
        Write::Applied { param, value } => {
            let hash = hash(key, element, *param, value.expose());
            run(
                "INSERT INTO applied_setting (element, param, hash) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET hash = excluded.hash",
                params![element, param, hash.as_ref()],
            )
        }
    }
}

fn load(
    transaction: &Transaction<'_>,
    key: &Arc<Secret<hmac::Key>>,
    element: &Arc<str>,
) -> rusqlite::Result<Loaded> {
    let mut loaded = Loaded { element: element.clone(), key: key.clone(), ..Loaded::default() };
    let mut params = transaction
        .prepare_cached("SELECT param, NULL, value FROM saved_param WHERE element = ?1 ORDER BY param")?;
    let mut cells = transaction
        .prepare_cached("SELECT param, row, value FROM saved_cell WHERE element = ?1 ORDER BY param, row")?;
    for statement in [&mut params, &mut cells] {
        let mut rows = statement.query([element.as_ref()])?;
        while let Some(row) = rows.next()? {
            let name: Option<String> = row.get(1)?;
            let cell = Cell { param: row.get(0)?, row: name.map(Arc::from) };
            loaded.values.push((cell, value(row.get_ref(2)?)));
        }
    }
    let mut applied =
        transaction.prepare_cached("SELECT param, hash FROM applied_setting WHERE element = ?1")?;
    let mut rows = applied.query([element.as_ref()])?;
    while let Some(row) = rows.next()? {
        loaded.applied.insert(row.get(0)?, row.get(1)?);
    }
    Ok(loaded)
}

/// The keyed hash of a setting; element and parameter go in, so that equal secrets do not have equal hashes.
pub(crate) fn hash(key: &hmac::Key, element: &str, param: u32, value: &Value) -> hmac::Tag {
    let (kind, bytes) = match value {
        Value::Empty => (0, value.to_bytes()),
        Value::Number(number) => (1, bytes::Bytes::copy_from_slice(&number.to_be_bytes())),
        Value::Text(_) => (2, value.to_bytes()),
        Value::Bytes(bytes) => (3, bytes.clone()),
    };
    let mut context = hmac::Context::with_key(key);
    context.update(element.as_bytes());
    // An element's name has no zero byte, and the rest up to the value has a fixed length.
    context.update(&[0]);
    context.update(&param.to_be_bytes());
    context.update(&[kind]);
    context.update(&bytes);
    context.sign()
}

impl Loaded {
    /// Whether a setting is the one that was last applied to this parameter.
    pub fn applied(&self, param: u32, setting: &Value) -> Applied {
        match self.applied.get(&param) {
            None => Applied::Never,
            Some(known) if known == hash(self.key.expose(), &self.element, param, setting).as_ref() => {
                Applied::Same
            }
            Some(_) => Applied::Differs,
        }
    }
}
