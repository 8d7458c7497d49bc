//! Makes a driver and brings an element to life: saved values, first values, links; after that the driver's loop runs.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::element::driver::lend::Lending;
use crate::element::driver::slot::{Life, Slot};
use crate::element::driver::{Driver, Services, saved};
use crate::element::handle::Request;
use crate::element::spec::Spec;
use crate::element::status::{ElementState, Status};
use crate::engine::link::cause::Origin as LinkOrigin;
use crate::engine::link::policy::Policy;
use crate::engine::link::{Input, Link};
use crate::engine::logic::{Engine, First};
use crate::language::model::Protocol;
use crate::language::model::connection::ConnectionKind;
use crate::language::model::id::ConnectionIx;
use crate::store::Loaded;
use crate::tasks::Tasks;

impl Driver {
    pub(super) fn new(spec: Arc<Spec>, services: Services, requests: mpsc::Receiver<Request>) -> Self {
        let ctx = services.clock.context(services.clock.seed());
        let slots = (0..spec.protocol.connections.len())
            .filter_map(ConnectionIx::new)
            .map(|connection| {
                let is_link = spec.protocol.connection(connection).kind == ConnectionKind::WebSocket;
                let settings = spec.connections.get(connection.index()).filter(|_| is_link);
                let life = settings.map(|settings| {
                    Box::new(Life {
                        link: Link::new(&ctx, Policy::of(&settings.reconnect, settings.timeout)),
                        ticket: None,
                        preparing: None,
                        dial: None,
                        // Mostly one at a time.
                        sockets: Vec::with_capacity(1),
                        epoch: 0,
                        target: None,
                        peer: None,
                        last_close: None,
                        last_failure: None,
                        past: Default::default(),
                        last_unsent: None,
                    })
                });
                Slot { connection, life, web: None, web_state: "idle" }
            })
            .collect();
        let status = Status {
            name: spec.name.clone(),
            protocol: spec.protocol.name.clone(),
            version: spec.protocol.version.clone(),
            state: ElementState::Running,
            timeout: false,
            counters: Default::default(),
            connections: Vec::new(),
            scripts: None,
        };
        let mut engine = Engine::new(spec.protocol.clone(), spec.options());
        if services.witness.is_some() {
            engine.report_each();
        }
        let tasks = Tasks::new(&CancellationToken::new());
        let scripts = Lending::of(&spec, &services, &mut engine, tasks.token());
        let mut driver = Self {
            spec,
            services,
            ctx,
            engine,
            slots,
            link_inputs: Default::default(),
            engine_effects: Vec::new(),
            link_effects: Vec::new(),
            first: 0,
            requests,
            waiting: Default::default(),
            asking: None,
            reading: None,
            files: Default::default(),
            by: LinkOrigin::Engine,
            acks: Vec::new(),
            unsaved: false,
            outside: None,
            status: watch::Sender::new(Arc::new(status)),
            status_is_old: true,
            state: ElementState::Running,
            subscribers: Vec::new(),
            taps: Vec::new(),
            tasks,
            stopping: None,
            scripts,
        };
        driver.publish();
        driver
    }

    pub(super) fn protocol(&self) -> &Arc<Protocol> {
        self.engine.protocol()
    }

    /// The values to start with.
    pub(super) async fn first(&mut self) -> First {
        let loaded = saved::load(self.services.store.clone(), self.spec.name.clone()).await;
        let first = saved::first(&self.spec, loaded.as_ref());
        if let (true, Some(store)) = (first.unread, &self.services.store) {
            self.reading = Some(Box::pin(saved::read_again(store.clone(), self.spec.name.clone())));
        }
        first
    }

    /// Everything else before the first wait of the loop.
    pub(super) fn begin(&mut self, first: First) {
        self.services.clock.refresh(&mut self.ctx);
        self.engine.start(&mut self.ctx, first);
        self.settle();
        for index in 0..self.slots.len() {
            let Some(connection) = ConnectionIx::new(index) else { continue };
            if self.slots[index].life.is_some()
                && self.spec.connections.get(index).is_some_and(|c| !c.tls.verify)
            {
                tracing::warn!(
                    element = %self.spec.name, connection = index,
                    "certificates are not checked (verify=\"false\"): anyone on the way can read and change what is sent"
                );
            }
            let target = self.target_of(connection);
            self.step_link(connection, Input::Target(target));
        }
        self.settle();
        self.status_is_old = true;
        self.publish();
    }

    /// What was saved could be read at last.
    pub(super) fn saved_came(&mut self, loaded: Loaded) {
        self.reading = None;
        tracing::info!(element = %self.spec.name, "saved values have been read");
        let first = saved::first(&self.spec, Some(&loaded));
        self.engine.restore(&mut self.ctx, first);
    }
}
