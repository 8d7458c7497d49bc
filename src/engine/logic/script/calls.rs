//! What a script asks of the element while it runs: sets, rows, triggers, lines of the log; runs no script itself.

use std::sync::Arc;

use crate::engine::logic::effect::{Code, Effect, Report, ScriptLine, Severity, Site};
use crate::engine::logic::script::{MAX_REPORT, Refused, Run, cut, without_secrets};
use crate::engine::logic::stack::{Fired, Frame};
use crate::engine::logic::trace::{RowsEdit, Step};
use crate::engine::logic::{Engine, TableEdit};
use crate::engine::param::change::{Event, Place};
use crate::engine::param::{Cells, Fill, NotTaken, Origin, Outcome, Rejected};
use crate::language::model::id::{ParamIx, ScriptIx, TableIx, TriggerIx};
use crate::language::model::logic::Item;
use crate::value::{Context, Value};

/// About how much a value weighs while it waits to be told to those who watch.
fn weight(value: &Value) -> usize {
    16 + match value {
        Value::Empty | Value::Number(_) => 0,
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    }
}

impl Engine {
    /// A script sets a parameter, or a cell of a row if it is a column; says whether it is another than before, whatever
    /// this causes.
    ///
    /// # Errors
    ///
    /// The value was not taken; nothing changed.
    pub fn script_set(
        &mut self,
        ctx: &mut Context,
        param: ParamIx,
        row: Option<&str>,
        value: Value,
    ) -> Result<bool, Refused> {
        self.spend(weight(&value))?;
        let told = self.is_traced().then(|| value.clone());
        let outcome = self.params.set_in(param, row, value, Origin::Script);
        if let Some(value) = told.filter(|_| outcome.is_taken()) {
            let row = row.map(Arc::from);
            self.note_script(|script| Step::ScriptSet { script, param, row, value });
        }
        let differs = matches!(&outcome, Outcome::Event(event) if event.differs);
        self.after_set(ctx, outcome)?;
        Ok(differs)
    }

    /// A script sets several parameters: all are set, then their events run in order. Gives what was not taken, by position.
    ///
    /// # Errors
    ///
    /// Too much was set; nothing changed.
    pub fn script_set_all(
        &mut self,
        ctx: &mut Context,
        values: Vec<(ParamIx, Value)>,
    ) -> Result<Vec<(usize, Rejected)>, Refused> {
        self.spend(values.iter().map(|(_, value)| weight(value)).sum())?;
        let (mut events, mut refused) = (Vec::new(), Vec::new());
        for (at, (param, value)) in values.into_iter().enumerate() {
            let told = self.is_traced().then(|| value.clone());
            let outcome = self.params.set(param, value, Origin::Script);
            if let Some(value) = told.filter(|_| outcome.is_taken()) {
                self.note_script(|script| Step::ScriptSet { script, param, row: None, value });
            }
            match outcome {
                Outcome::Event(event) => events.push(event),
                Outcome::Quiet => {}
                Outcome::Rejected(rejected) => refused.push((at, rejected)),
            }
        }
        self.stack.push(Frame::Events { rest: events.into_iter() });
        self.finish_nested(ctx);
        Ok(refused)
    }

    /// A script takes all rows of a table away.
    ///
    /// # Errors
    ///
    /// The input has caused too much already; nothing changed.
    pub fn script_clear(&mut self, ctx: &mut Context, table: TableIx) -> Result<(), Refused> {
        self.spend(0)?;
        let outcome = self.edited(table, TableEdit::Clear, Origin::Script);
        if outcome.is_taken() {
            self.note_script(|script| Step::ScriptRows { script, table, edit: RowsEdit::Cleared });
        }
        self.after_set(ctx, outcome)
    }

    /// A script fills a table, as far as it takes the rows; gives what it did not.
    ///
    /// # Errors
    ///
    /// Too much was set; nothing changed.
    pub fn script_fill(
        &mut self,
        ctx: &mut Context,
        table: TableIx,
        rows: Vec<Cells>,
        mode: Fill,
    ) -> Result<NotTaken, Refused> {
        self.spend(rows.iter().flatten().flatten().map(weight).sum())?;
        let given = rows.len();
        let (outcome, not_taken) = self.params.fill_as_far(table, rows, mode, Origin::Script);
        let filled = given.saturating_sub(usize::try_from(not_taken.rows).unwrap_or(usize::MAX));
        if outcome.is_taken() && filled > 0 {
            self.note_script(|script| Step::ScriptRows { script, table, edit: RowsEdit::Filled(filled) });
        }
        self.after_set(ctx, outcome)?;
        Ok(not_taken)
    }

    /// A script adds a row; gives its key.
    ///
    /// # Errors
    ///
    /// The row was not taken; nothing changed.
    pub fn script_add_row(
        &mut self,
        ctx: &mut Context,
        table: TableIx,
        cells: Cells,
    ) -> Result<Option<Arc<str>>, Refused> {
        self.spend(cells.iter().flatten().map(weight).sum())?;
        let outcome = self.params.add_row(table, cells, Origin::Script);
        let key = match &outcome {
            Outcome::Event(event) => event.row().cloned(),
            Outcome::Quiet | Outcome::Rejected(_) => None,
        };
        if let Some(key) = &key {
            let edit = || RowsEdit::Added(Arc::clone(key));
            self.note_script(|script| Step::ScriptRows { script, table, edit: edit() });
        }
        self.after_set(ctx, outcome)?;
        Ok(key)
    }

    /// A script sets the cells of a row; says which of them are others now, before what this causes has run.
    ///
    /// # Errors
    ///
    /// The row was not taken; nothing changed.
    pub fn script_set_row(
        &mut self,
        ctx: &mut Context,
        table: TableIx,
        key: &str,
        cells: Cells,
    ) -> Result<Vec<bool>, Refused> {
        self.spend(cells.iter().flatten().map(weight).sum())?;
        let outcome = self.params.set_row(table, key, cells, Origin::Script);
        let changed = match &outcome {
            Outcome::Event(Event { place: Place::Row { key, old, .. }, .. }) => {
                let cells = self.params.rows(table).get(key).map_or(&[][..], |row| row.cells());
                let before = |at: usize| old.as_ref().and_then(|old| old.get(at)).unwrap_or(&Value::Empty);
                cells.iter().enumerate().map(|(at, cell)| cell != before(at)).collect()
            }
            Outcome::Event(_) | Outcome::Quiet | Outcome::Rejected(_) => Vec::new(),
        };
        if outcome.is_taken() {
            self.note_script(|script| Step::ScriptRows { script, table, edit: RowsEdit::Set(key.into()) });
        }
        self.after_set(ctx, outcome)?;
        Ok(changed)
    }

    /// A script takes rows away: all of them, then their events run in order. Gives the keys that no row has.
    ///
    /// # Errors
    ///
    /// The input has caused too much already; nothing changed.
    pub fn script_delete_rows(
        &mut self,
        ctx: &mut Context,
        table: TableIx,
        keys: Vec<Arc<str>>,
    ) -> Result<Vec<Arc<str>>, Refused> {
        self.spend(0)?;
        let (events, missing) = self.params.delete_rows(table, keys, Origin::Script);
        if !events.is_empty() {
            let gone = || events.iter().filter_map(Event::row).cloned().collect();
            self.note_script(|script| Step::ScriptRows { script, table, edit: RowsEdit::Deleted(gone()) });
        }
        self.stack.push(Frame::Events { rest: events.into_iter() });
        self.finish_nested(ctx);
        Ok(missing)
    }

    /// A script runs a trigger, for the item that runs the script.
    ///
    /// # Errors
    ///
    /// The input has caused too much already.
    pub fn script_trigger(
        &mut self,
        ctx: &mut Context,
        trigger: TriggerIx,
        run: &Run,
    ) -> Result<(), Refused> {
        self.spend(0)?;
        let protocol = Arc::clone(&self.protocol);
        let on = protocol.script(run.script).triggers.get(usize::from(run.entry)).copied().flatten();
        let item = on.map_or(Item::Protocol, Item::from);
        let row = run.row.as_ref().map(|row| row.key.clone());
        self.stack.push(Frame::Call { trigger, fired: Fired { item, row } });
        self.finish_nested(ctx);
        Ok(())
    }

    /// A script writes a line into the element's log.
    pub fn script_log(&mut self, mut line: ScriptLine) {
        line.text = without_secrets(&self.mask(), line.text);
        self.effects.push(Effect::ScriptLog(Box::new(line)));
    }

    /// A script asked for something that is not there: told once in a while, with the beginning of a text that is long.
    pub fn script_report(&mut self, ctx: &Context, script: ScriptIx, text: impl FnOnce() -> String) {
        let site = Site::Script(script);
        let Some(suppressed) = self.throttle.pass(ctx.now, Code::Script, Some(site)) else { return };
        let text = cut(without_secrets(&self.mask(), text()), MAX_REPORT);
        let text = format!("{}: {text}", site.describe(&self.protocol));
        let (severity, code, sites) = (Severity::Warning, Code::Script, vec![site]);
        self.effects.push(Effect::Report(Report { severity, code, text, sites, suppressed }));
    }

    /// Takes a step and so many bytes from what the present input may do.
    fn spend(&mut self, bytes: usize) -> Result<(), Refused> {
        self.steps = self.steps.checked_sub(1).ok_or(Refused::Steps)?;
        let Some(scripting) = &mut self.scripting else { return Ok(()) };
        scripting.bytes_left = scripting.bytes_left.checked_sub(bytes).ok_or(Refused::Bytes)?;
        Ok(())
    }

    fn after_set(&mut self, ctx: &mut Context, outcome: Outcome) -> Result<(), Refused> {
        match outcome {
            Outcome::Quiet => Ok(()),
            Outcome::Rejected(rejected) => Err(Refused::Rejected(rejected)),
            Outcome::Event(event) => {
                self.raise(ctx, event);
                self.finish_nested(ctx);
                Ok(())
            }
        }
    }

    /// Runs what a call of a script has caused.
    fn finish_nested(&mut self, ctx: &mut Context) {
        let base = self.scripting.as_ref().map_or(0, |scripting| scripting.base);
        self.run_to(ctx, base);
    }
}
