//! Owned tasks: each has a name, a stop token and an owner that waits for it; decides nothing.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// How a task ended.
#[derive(Debug)]
pub enum Ended {
    /// It returned.
    Done,
    /// It panicked, with what the panic said.
    Panicked(String),
    /// Its owner aborted it.
    Aborted,
}

/// A set of tasks with one owner; dropping the set aborts what still runs.
#[derive(Debug, Default)]
pub struct Tasks {
    stop: CancellationToken,
    set: JoinSet<()>,
    names: HashMap<Id, (String, AbortHandle)>,
}

impl Tasks {
    /// An empty set that stops when `parent` is cancelled.
    pub fn new(parent: &CancellationToken) -> Self {
        Self { stop: parent.child_token(), set: JoinSet::new(), names: HashMap::new() }
    }

    /// The token that every task of this set is given.
    pub fn token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts a task; it must end soon after its token is cancelled.
    pub fn spawn<F, Fut>(&mut self, name: impl Into<String>, task: F) -> AbortHandle
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handle = self.set.spawn(task(self.stop.clone()));
        self.names.insert(handle.id(), (name.into(), handle.clone()));
        handle
    }

    /// Aborts the tasks of a name; they are still reported by [`Tasks::join_next`].
    pub fn abort(&mut self, name: &str) {
        for (_, handle) in self.names.values().filter(|(known, _)| known == name) {
            handle.abort();
        }
    }

    /// How many tasks have not been joined.
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether no task is left to join.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Waits for the next task to end; `None` when none is left.
    ///
    /// # Cancel safety
    ///
    /// Cancel-safe: a task that ended is reported by the next call.
    pub async fn join_next(&mut self) -> Option<(String, Ended)> {
        let (id, ended) = match self.set.join_next_with_id().await? {
            Ok((id, ())) => (id, Ended::Done),
            Err(error) => {
                let id = error.id();
                let ended = match error.try_into_panic() {
                    Ok(panic) => Ended::Panicked(panic_text(panic.as_ref())),
                    Err(_) => Ended::Aborted,
                };
                (id, ended)
            }
        };
        let name = self.names.remove(&id).map(|(name, _)| name);
        Some((name.unwrap_or_default(), ended))
    }

    /// Cancels the token, waits up to `grace`, aborts the rest and returns the names of what was aborted.
    pub async fn stop(&mut self, grace: Duration) -> Vec<String> {
        self.stop.cancel();
        let all_ended = async { while self.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all_ended).await.is_ok() {
            return Vec::new();
        }
        self.set.abort_all();
        let mut aborted = Vec::new();
        while let Some((name, ended)) = self.join_next().await {
            if matches!(ended, Ended::Aborted) {
                aborted.push(name);
            }
        }
        aborted.sort();
        aborted
    }
}

/// Runs work that blocks its thread (a database, a file) off the workers, and waits for it.
///
/// # Errors
///
/// [`Ended::Panicked`] if the work panicked, [`Ended::Aborted`] if the runtime went away before it started.
///
/// # Cancel safety
///
/// Not cancel-safe: if the future is dropped the work still runs to its end, and its result is lost.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Ended> {
    tokio::task::spawn_blocking(work).await.map_err(|error| match error.try_into_panic() {
        Ok(panic) => Ended::Panicked(panic_text(panic.as_ref())),
        Err(_) => Ended::Aborted,
    })
}

/// What a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a text".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ignores_its_token_is_aborted_and_named() {
        let mut tasks = Tasks::new(&CancellationToken::new());
        tasks.spawn("obedient", |stop| async move { stop.cancelled().await });
        tasks.spawn("deaf", |_| std::future::pending());
        assert_eq!(tasks.stop(Duration::from_secs(5)).await, ["deaf"]);
        assert!(tasks.is_empty());
    }

    #[tokio::test]
    async fn a_panic_is_an_event_with_the_name_of_its_task() {
        let mut tasks = Tasks::new(&CancellationToken::new());
        tasks.spawn("faulty", |_| async { panic!("broken {}", 1) });
        let (name, ended) = tasks.join_next().await.unwrap();
        assert_eq!(name, "faulty");
        assert!(matches!(ended, Ended::Panicked(text) if text == "broken 1"));
    }

    #[tokio::test]
    async fn blocking_work_gives_its_result_or_its_panic() {
        assert!(matches!(blocking(|| 5).await, Ok(5)));
        let ended = blocking(|| -> u32 { panic!("broken") }).await;
        assert!(matches!(ended, Err(Ended::Panicked(text)) if text == "broken"));
    }
}
