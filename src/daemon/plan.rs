//! Compares what runs with what should run and says what to do for each element; does none of it.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What an element is made of, as far as a change of it matters; equal means that nothing needs to be touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// A digest of its definition's text; `None` if the definition cannot be loaded and never could be.
    pub definition: Option<[u8; 32]>,
    /// A digest of its settings with every secret and file name resolved.
    pub settings: [u8; 32],
}

/// What to do with one element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is not touched.
    Keep,
    /// It is new.
    Start,
    /// It stops gracefully and starts with what is new.
    Restart(Reason),
    /// It is gone from the settings.
    Stop,
}

/// Why an element restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its definition changed.
    Definition,
    /// Its settings changed.
    Settings,
    /// Both changed.
    Both,
}

impl Reason {
    /// The reason in words, for a log line.
    pub fn words(self) -> &'static str {
        match self {
            Self::Definition => "its definition changed",
            Self::Settings => "its settings changed",
            Self::Both => "its definition and its settings changed",
        }
    }
}

/// What to do, by element name.
pub type Plan = BTreeMap<Arc<str>, Step>;

/// Says how to get from what runs to what should run.
pub fn plan(old: &BTreeMap<Arc<str>, Identity>, new: &BTreeMap<Arc<str>, Identity>) -> Plan {
    let gone = old.keys().filter(|name| !new.contains_key(*name)).map(|name| (name.clone(), Step::Stop));
    let wanted = new.iter().map(|(name, new)| {
        let step = match old.get(name) {
            None => Step::Start,
            Some(old) => match (old.definition == new.definition, old.settings == new.settings) {
                (true, true) => Step::Keep,
                (false, true) => Step::Restart(Reason::Definition),
                (true, false) => Step::Restart(Reason::Settings),
                (false, false) => Step::Restart(Reason::Both),
            },
        };
        (name.clone(), step)
    });
    gone.chain(wanted).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Fleet = BTreeMap<Arc<str>, Identity>;

    fn fleet() -> impl Strategy<Value = Fleet> {
        let identity = (proptest::option::of(0_u8..3), 0_u8..3).prop_map(|(definition, settings)| Identity {
            definition: definition.map(|d| [d; 32]),
            settings: [settings; 32],
        });
        proptest::collection::btree_map("[a-d]".prop_map(Arc::from), identity, 0..5)
    }

    fn apply(plan: &Plan, old: &Fleet, new: &Fleet) -> Fleet {
        plan.iter()
            .filter_map(|(name, step)| match step {
                Step::Keep => Some((name.clone(), old[name].clone())),
                Step::Start => (!old.contains_key(name)).then(|| (name.clone(), new[name].clone())),
                Step::Restart(_) => old.contains_key(name).then(|| (name.clone(), new[name].clone())),
                Step::Stop => None,
            })
            .collect()
    }

    proptest! {
        #[test]
        fn applying_the_plan_gives_what_should_run(old in fleet(), new in fleet()) {
            prop_assert_eq!(apply(&plan(&old, &new), &old, &new), new);
        }

        #[test]
        fn what_did_not_change_is_not_touched(fleet in fleet()) {
            prop_assert!(plan(&fleet, &fleet).values().all(|step| *step == Step::Keep));
        }
    }
}
