//! Ids as the author writes them and dense indices into the model; the two do not convert silently.

use std::fmt;

macro_rules! ids {
    ($($id:ident, $ix:ident, $what:literal;)*) => {
        $(
            #[doc = concat!("The author's number of a ", $what, "; negative numbers exist.")]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $id(pub i32);

            impl fmt::Display for $id {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{}", self.0)
                }
            }

            #[doc = concat!("The position of a ", $what, " in its list of the model.")]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $ix(u32);

            impl $ix {
                /// The first in its list.
                pub const FIRST: Self = Self(0);

                /// Makes an index; `None` beyond the range of 32 bits.
                pub fn new(index: usize) -> Option<Self> {
                    u32::try_from(index).ok().map(Self)
                }

                /// The position.
                pub fn index(self) -> usize {
                    self.0 as usize
                }
            }
        )*
    };
}

ids! {
    ConnectionId, ConnectionIx, "connection";
    ParamId, ParamIx, "parameter";
    TableId, TableIx, "table";
    CommandId, CommandIx, "command";
    ResponseId, ResponseIx, "response";
    PairId, PairIx, "pair";
    SessionId, SessionIx, "session";
    GroupId, GroupIx, "group";
    TriggerId, TriggerIx, "trigger";
    ActionId, ActionIx, "action";
    TimerId, TimerIx, "timer";
    ScriptId, ScriptIx, "script";
}
