//! What the engine says of itself to people, each thing at most once in a while; shows none of it.

use std::time::Instant;

use crate::engine::codec::Gathered;
use crate::engine::codec::mapping::{Problem, Why};
use crate::engine::logic::Engine;
use crate::engine::logic::effect::{Code, Effect, Report, Severity, Site};
use crate::engine::logic::trace::Step;
use crate::engine::param::Rejected;
use crate::engine::param::change::Event;
use crate::engine::param::fill::TableFill;
use crate::language::model::Protocol;
use crate::language::model::id::{ParamIx, TimerIx};
use crate::language::model::logic::Item;
use crate::value::Context;

impl Engine {
    /// Gives each report from now on, also one that repeats itself: for somebody who counts them.
    pub fn report_each(&mut self) {
        self.throttle.open = true;
    }

    /// Reports something, unless the same was reported a short time ago.
    pub(super) fn report(
        &mut self,
        now: Instant,
        severity: Severity,
        code: Code,
        sites: &[Site],
        text: impl FnOnce(&Protocol) -> String,
    ) {
        if let Some(suppressed) = self.throttle.pass(now, code, sites.first().copied()) {
            let text = text(&self.protocol);
            let sites = sites.to_vec();
            self.effects.push(Effect::Report(Report { severity, code, text, sites, suppressed }));
        }
    }

    pub(super) fn report_dropped(&mut self, now: Instant, param: ParamIx, rejected: &Rejected) {
        self.note(|| Step::Rejected { param, why: rejected.clone() });
        let site = Site::Item(Item::Param(param));
        if let Some(suppressed) = self.throttle.pass(now, Code::Dropped, Some(site)) {
            let report = Report { suppressed, ..dropped(&self.protocol, param, rejected) };
            self.effects.push(Effect::Report(report));
        }
    }

    /// Counts what of a message could not be worked out, and reports the first of it.
    pub(super) fn report_lost(&mut self, now: Instant, got: &Gathered, site: Site) {
        for _ in 0..got.dropped.saturating_add(got.unsaid) {
            let _counted = self.params.reject(Rejected::RawType);
        }
        let Some(problem) = &got.problem else { return };
        self.report(now, Severity::Warning, Code::Response, &[site], |protocol| {
            let others = got.dropped.saturating_sub(1);
            let more = if others > 0 { format!(", and {others} more") } else { String::new() };
            format!("{}: {}{more}", site.describe(protocol), problem.describe(protocol))
        });
    }

    /// Puts the rows of a message into their table, and reports what did not fit.
    pub(super) fn fill_table(&mut self, now: Instant, fill: TableFill, site: Site) -> Option<Event> {
        let (table, path) = (fill.table, fill.path.clone());
        let filled = self.params.take_rows(fill);
        let cell = filled.first.as_ref().map(|(column, _)| {
            let columns = &self.protocol.table(table).columns;
            columns.get(usize::from(column.column)).map(|column| column.param)
        });
        let problems = [
            (filled.cells, cell.flatten(), Why::Cells(filled.cells)),
            (filled.without_key, None, Why::NoKey(filled.without_key)),
            (filled.doubled, None, Why::DoubledKey(filled.doubled)),
            (filled.too_many, None, Why::TooMany(filled.too_many)),
        ];
        let mut found = problems.into_iter().filter(|(count, _, _)| *count > 0);
        if let Some((_, param, why)) = found.next() {
            let first = Problem { path: Some(path), param, table: Some(table), why };
            let others: String = found.map(|(_, _, why)| format!(", {why}")).collect();
            self.report(now, Severity::Warning, Code::Rows, &[site], |protocol| {
                format!("{}: {}{others}", site.describe(protocol), first.describe(protocol))
            });
        }
        filled.event
    }

    pub(super) fn report_cut_period(&mut self, ctx: &Context, timer: TimerIx) {
        let site = Site::Item(Item::Timer(timer));
        self.report(ctx.now, Severity::Warning, Code::PeriodCut, &[site], |protocol| {
            format!("{} has a period of more than 24 days, which is cut to that", site.describe(protocol))
        });
    }
}

/// A value that a parameter did not take.
pub(super) fn dropped(protocol: &Protocol, param: ParamIx, rejected: &Rejected) -> Report {
    let site = Site::Item(Item::Param(param));
    // The value itself may be a secret.
    let why = if protocol.param(param).secret { "does not fit".to_owned() } else { rejected.to_string() };
    Report {
        severity: Severity::Warning,
        code: Code::Dropped,
        text: format!("a value for {} was dropped: {why}", site.describe(protocol)),
        sites: vec![site],
        suppressed: 0,
    }
}
