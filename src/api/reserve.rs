//! Descriptors kept in hand for the API, so that it still answers when links have taken all others; opens nothing of use.

use std::fs::File;

/// How many connections of the API can be taken when the process has no descriptor left.
const RESERVED: usize = 8;

const NULL: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

/// A few descriptors that can be given back to the system.
#[derive(Debug)]
pub(super) struct Reserve(Vec<File>);

impl Reserve {
    /// Takes as many as there are, up to the bound.
    pub(super) fn new() -> Self {
        let mut reserve = Self(Vec::with_capacity(RESERVED));
        reserve.fill();
        reserve
    }

    /// Takes back what was given; what is not to be had now is left for the next time.
    pub(super) fn fill(&mut self) {
        while self.0.len() < RESERVED {
            match File::open(NULL) {
                Ok(file) => self.0.push(file),
                Err(_) => return,
            }
        }
    }

    /// Gives one back to the system; `false` if none is left.
    pub(super) fn give(&mut self) -> bool {
        self.0.pop().is_some()
    }
}
