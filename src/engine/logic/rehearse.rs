//! Puts an element where it waits for an answer, so that one that was captured can be tried; sends nothing.

use std::sync::Arc;

use crate::engine::logic::Engine;
use crate::engine::logic::effect::Site;
use crate::engine::logic::queue::{Answers, Phase, Run};
use crate::engine::session::requests::{Input, Requests, State};
use crate::language::model::id::{ConnectionIx, SessionIx};
use crate::language::model::logic::Item;

/// A request that an element waits for the answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its id, for [`Engine::answered`].
    pub id: u64,
    /// Over which connection it went.
    pub connection: ConnectionIx,
}

impl Engine {
    /// Makes the element wait for the answer to an exchange of an HTTP session, as if a group had just sent its request;
    /// [`Engine::answered`] takes the answer.
    ///
    /// The group is the first one that sends the exchange; the connection is its own if none is given. An element that waits
    /// for this very answer is left alone; one that waits for another request of the session waits for this one instead.
    /// None if no group sends the exchange.
    pub fn rehearse(
        &mut self,
        session: SessionIx,
        exchange: usize,
        connection: Option<ConnectionIx>,
    ) -> Option<Asked> {
        let protocol = Arc::clone(&self.protocol);
        protocol.sessions.get(session.index())?.exchanges.get(exchange)?;
        let (group, described, sends) = protocol.senders(session, Some(exchange)).next()?;
        self.serial += 1;
        let id = self.serial;
        for lane in &mut self.lanes {
            let Some(Run { phase: Phase::Requests(requests), .. }) = lane.queue.runs.last_mut() else {
                continue;
            };
            match requests.state {
                State::Waiting { id } if requests.session == session && requests.exchange == exchange => {
                    return Some(Asked { id, connection: requests.connection });
                }
                // It has gone on to another request: that one is never answered.
                State::Waiting { .. } if requests.session == session => {
                    (requests.exchange, requests.state) = (exchange, State::Waiting { id });
                    return Some(Asked { id, connection: requests.connection });
                }
                State::Waiting { .. } | State::Ready | State::Done(_) => {}
            }
        }
        let connection = connection.unwrap_or(described.connection);
        let overrides = self.options.connections.get(connection.index()).copied().unwrap_or_default();
        let mut requests = Requests::new(&protocol, session, sends.exchange, connection, overrides);
        requests.exchange = exchange;
        requests.step(Input::Sent { id });
        let entry = self.entry(group);
        let phase = Phase::Requests(requests);
        let run =
            Run { entry, connection, item: sends.item + 1, phase, stop: false, answers: Answers::Nothing };
        self.lane_of(group).queue.runs.push(run);
        Some(Asked { id, connection })
    }

    /// The pairs and HTTP sessions that wait for an answer, one for each queue at most: what is behind them waits too.
    pub fn awaited(&self) -> impl Iterator<Item = Site> {
        self.lanes.iter().filter_map(|lane| match &lane.queue.runs.last()?.phase {
            Phase::Exchange(exchange, _) if exchange.is_waiting() => {
                Some(Site::Item(Item::Pair(exchange.pair)))
            }
            Phase::Requests(requests) => match requests.state {
                State::Waiting { .. } => Some(Site::Item(Item::Session(requests.session))),
                State::Ready | State::Done(_) => None,
            },
            Phase::Exchange(..) | Phase::Begin | Phase::Item | Phase::End | Phase::Over => None,
        })
    }
}
