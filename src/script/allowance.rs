//! What one call of a method may take of the memory that QuickJS does not count, and of the time; keeps nothing between calls.

use rquickjs::{Ctx, Exception, Result, Value as Js};

use crate::engine::logic::script::MAX_SET_BYTES;
use crate::script::{lent, values};
use crate::value::Value;

/// How many members an array has at most that a method takes.
const MAX_MEMBERS: u32 = 1 << 20;

/// How much a member or a cell counts by itself, in bytes, whatever it holds.
pub(super) const MEMBER: usize = size_of::<Option<Value>>();

/// After how many members it is looked at the clock.
const LOOK: usize = 1_000;

/// What is left of it for one call.
#[derive(Debug)]
pub(super) struct Allowance {
    bytes: usize,
    members: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { bytes: MAX_SET_BYTES, members: 0 }
    }
}

impl Allowance {
    /// Takes so many bytes.
    ///
    /// # Errors
    ///
    /// There are not as many left.
    pub(super) fn take(&mut self, ctx: &Ctx<'_>, bytes: usize) -> Result<()> {
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => {
                let why = format!("more than {} MiB in one call", MAX_SET_BYTES >> 20);
                Err(Exception::throw_range(ctx, &why))
            }
        }
    }

    /// Takes what a member counts by itself.
    ///
    /// # Errors
    ///
    /// There is not as much left, or the run has to stop.
    pub(super) fn member(&mut self, ctx: &Ctx<'_>) -> Result<()> {
        self.members += 1;
        if self.members.is_multiple_of(LOOK) {
            in_time(ctx)?;
        }
        self.take(ctx, MEMBER)
    }

    /// The members of an argument that has to be an array.
    ///
    /// # Errors
    ///
    /// It is none, or too much.
    pub(super) fn members<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        method: &str,
        argument: Option<&Js<'js>>,
    ) -> Result<Vec<Js<'js>>> {
        let Some(array) = argument.and_then(|argument| argument.as_array()) else {
            return Err(Exception::throw_type(ctx, &format!("{method}: an array is missing")));
        };
        // Neither `Array::len` nor `Array::iter`: they panic where the length is beyond 31 bits, or where a proxy says any.
        let length: f64 = array.as_object().get("length")?;
        if length > f64::from(MAX_MEMBERS) {
            let why = format!("{method}: an array has more than {MAX_MEMBERS} members");
            return Err(Exception::throw_range(ctx, &why));
        }
        let one = |at: u32| {
            self.member(ctx)?;
            array.as_object().get(at)
        };
        (0..MAX_MEMBERS).take_while(|at| f64::from(*at) < length).map(one).collect()
    }

    /// A value that a parameter or a cell takes, see [`values::from_js`].
    ///
    /// # Errors
    ///
    /// It takes no such value, or too much was taken.
    pub(super) fn value<'js>(&mut self, ctx: &Ctx<'js>, value: &Js<'js>) -> Result<Value> {
        let value = values::from_js(ctx, value)?;
        let bytes = match &value {
            Value::Empty | Value::Number(_) => 0,
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
        };
        self.take(ctx, bytes)?;
        Ok(value)
    }
}

/// Whether the run may go on: what is done outside JavaScript is not interrupted by itself.
///
/// # Errors
///
/// Its time is over.
pub(super) fn in_time(ctx: &Ctx<'_>) -> Result<()> {
    match lent::inside(|inside| inside.state().clock.is_over()) {
        Some(true) => Err(Exception::throw_message(ctx, "interrupted")),
        Some(false) | None => Ok(()),
    }
}
