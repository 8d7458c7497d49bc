//! Lends the element to a thread for scripts, with all its state, for a turn; an element without scripts never leaves its task.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::element::driver::sentry::Sentry;
use crate::element::driver::{Driver, Services, Turn};
use crate::element::handle::Request;
use crate::element::spec::Spec;
use crate::element::status::{ScriptFault, ScriptStatus};
use crate::engine::logic::Engine;
use crate::script::host::{Host, Off, Plan};
use crate::script::pool::Pace;
use crate::tasks::Ended;

/// What the driver of an element with scripts keeps of them.
#[derive(Debug)]
pub(super) struct Lending {
    pace: Pace,
    /// Watches the runs.
    pub(super) sentry: Arc<Sentry>,
    /// The last failure that was told.
    pub(super) last_failure: Option<Arc<ScriptFault>>,
}

impl Lending {
    /// Gives the engine who runs its scripts, if the definition has any; `work` ends the element's links and requests.
    pub(super) fn of(
        spec: &Spec,
        services: &Services,
        engine: &mut Engine,
        work: &CancellationToken,
    ) -> Option<Box<Self>> {
        if spec.protocol.scripts.is_empty() {
            return None;
        }
        let host = Host::new(Plan {
            protocol: Arc::clone(&spec.protocol),
            element: Arc::clone(&spec.name),
            limits: services.scripts.limits(),
        });
        let sentry = Arc::new(Sentry::new(host.watch(), &services.scripts, spec, work.clone()));
        match services.scripts.losses().verdict(&spec.name, &spec.protocol) {
            Some(why) => {
                tracing::error!(element = %spec.name, "{why}");
                engine.set_scripts(Box::new(Off(why)));
            }
            None => _ = engine.set_scripts(Box::new(host)),
        }
        Some(Box::new(Self { pace: Pace::default(), sentry, last_failure: None }))
    }
}

impl Driver {
    /// Does work that may run scripts: where the pool says if the element has any, here otherwise.
    pub(super) async fn lent(
        mut self: Box<Self>,
        work: impl FnOnce(&mut Self) + Send + 'static,
    ) -> Box<Self> {
        let Some(lending) = &self.scripts else {
            work(&mut self);
            return self;
        };
        let (pool, pace, sentry) = (self.services.scripts.clone(), lending.pace, Arc::clone(&lending.sentry));
        let _under_way = sentry.begin();
        let with_all = move || {
            work(&mut self);
            self
        };
        match pool.run(pace, &sentry.place, with_all).await {
            Ok((mut driver, pace)) => {
                if let Some(lending) = &mut driver.scripts {
                    lending.pace = pace;
                }
                driver
            }
            // The element is gone with the thread: its task fails as if this had happened in it.
            Err(Ended::Panicked(text)) => std::panic::resume_unwind(Box::new(text)),
            // The process ends.
            Err(Ended::Done | Ended::Aborted) => std::future::pending().await,
        }
    }

    /// Whether a turn may run scripts.
    pub(super) fn may_run_scripts(&self, turn: &Turn) -> bool {
        self.scripts.is_some()
            && match turn {
                Turn::Stop
                | Turn::Tick
                | Turn::Link(..)
                | Turn::Came(_)
                | Turn::Answered(_)
                | Turn::Loaded(_) => true,
                Turn::Request(request) => match request {
                    Request::Set(..) => true,
                    Request::Status(_)
                    | Request::Get(..)
                    | Request::Snapshot(_)
                    | Request::Subscribe(_)
                    | Request::Tap(_)
                    | Request::Explain(..)
                    | Request::ExplainRequests(..) => false,
                },
                Turn::TaskEnded => false,
            }
    }

    /// How the scripts are doing.
    pub(super) fn script_status(&self) -> Option<Box<ScriptStatus>> {
        let counters = self.engine.script_counters()?.clone();
        let last_failure = self.scripts.as_ref().and_then(|scripts| scripts.last_failure.clone());
        Some(Box::new(ScriptStatus { counters, last_failure }))
    }
}
