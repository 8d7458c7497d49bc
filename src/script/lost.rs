//! The threads that are lost to runs which cannot be stopped: whose they are, and when an element runs no more scripts; stops none.
//!
//! A run counts once it is overdue; that of an element which is stopped or replaced before is in no account.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::language::model::Protocol;
use crate::script::pool::Place;

/// How many threads are lost at most whose places others get; elements that have lost one then run no more scripts.
///
/// Each of them may keep a core busy for ever.
pub const MAX_LOST: usize = 8;

/// How many an element loses at most before it runs no more scripts.
pub const MAX_LOST_OF_ONE: usize = 3;

/// The threads that are lost now.
#[derive(Clone, Debug, Default)]
pub struct Losses(Arc<Mutex<Vec<Loss>>>);

#[derive(Debug)]
struct Loss {
    element: Arc<str>,
    /// What the element ran: with another definition it begins anew.
    protocol: Weak<Protocol>,
    number: u64,
}

/// One lost thread, until its run has ended after all.
#[derive(Debug)]
pub struct Lost {
    of: Losses,
    number: u64,
    /// The place that nobody else gets meanwhile.
    _place: Place,
}

impl Losses {
    fn all(&self) -> MutexGuard<'_, Vec<Loss>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many threads are lost now.
    pub fn count(&self) -> usize {
        self.all().len()
    }

    /// An element has lost a thread, which others get another one for unless there are [`MAX_LOST`] already: what is lost
    /// beyond these takes its place with it, so that the daemon keeps threads for everything else.
    pub fn add(&self, element: &Arc<str>, protocol: &Arc<Protocol>, place: &Place) -> Lost {
        let mut all = self.all();
        let place = if all.len() < MAX_LOST { Place::default() } else { place.take() };
        let number = all.last().map_or(0, |last| last.number + 1);
        all.push(Loss { element: Arc::clone(element), protocol: Arc::downgrade(protocol), number });
        Lost { of: self.clone(), number, _place: place }
    }

    /// Why an element runs no more scripts; none if it does.
    pub fn verdict(&self, element: &str, protocol: &Arc<Protocol>) -> Option<String> {
        let all = self.all();
        let is_own = |loss: &&Loss| {
            *loss.element == *element && std::ptr::eq(loss.protocol.as_ptr(), Arc::as_ptr(protocol))
        };
        let (own, total) = (all.iter().filter(is_own).count(), all.len());
        let others = if own < MAX_LOST_OF_ONE { format!(", {total} of all elements") } else { String::new() };
        (own >= MAX_LOST_OF_ONE || (own > 0 && total >= MAX_LOST)).then(|| {
            format!(
                "scripts are switched off: {own} runs of the element could not be stopped and go on{others}; change the definition, or start backshell anew"
            )
        })
    }
}

impl Drop for Lost {
    fn drop(&mut self) {
        self.of.all().retain(|loss| loss.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::load;
    use crate::language::source::Source;

    fn protocol() -> Arc<Protocol> {
        let text = "<Protocol><Name>test</Name><Version>1.0.0.1</Version></Protocol>";
        load::whole(&Source::new("test.xml", text)).0.unwrap()
    }

    #[test]
    fn an_element_runs_no_more_scripts_after_three_losses_or_one_of_eight_until_they_end() {
        let (losses, protocol, place) = (Losses::default(), protocol(), Place::default());
        let names: Vec<Arc<str>> = ["a", "b", "c", "d"].map(Arc::from).to_vec();
        let off = |element: &str| losses.verdict(element, &protocol).is_some();
        let mut lost: Vec<Lost> = (0..2).map(|_| losses.add(&names[0], &protocol, &place)).collect();
        assert!(!off("a") && !off("b"));
        lost.push(losses.add(&names[0], &protocol, &place));
        assert!(off("a") && !off("b"));
        assert!(losses.verdict("a", &self::protocol()).is_none(), "another definition begins anew");
        lost.extend((0..2).map(|_| losses.add(&names[1], &protocol, &place)));
        lost.extend((0..2).map(|_| losses.add(&names[2], &protocol, &place)));
        assert!(!off("b") && !off("c"));
        lost.push(losses.add(&names[3], &protocol, &place));
        assert_eq!(losses.count(), MAX_LOST);
        assert!(off("b") && off("c") && off("d") && !off("e"));
        lost.remove(0);
        assert!(!off("a") && !off("b"), "a run has ended after all");
        drop(lost);
        assert_eq!(losses.count(), 0);
    }
}
