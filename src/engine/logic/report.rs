//! What the engine says of itself to people, each thing at most once in a while; shows none of it.

use std::time::Instant;

use crate::engine::logic::Engine;
use crate::engine::logic::effect::{Code, Effect, Report, Severity, Site};
use crate::engine::param::Rejected;
use crate::language::model::Protocol;
use crate::language::model::id::{ParamIx, TimerIx};
use crate::language::model::logic::Item;
use crate::value::Context;

impl Engine {
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
        let site = Site::Item(Item::Param(param));
        if let Some(suppressed) = self.throttle.pass(now, Code::Dropped, Some(site)) {
            let report = Report { suppressed, ..dropped(&self.protocol, param, rejected) };
            self.effects.push(Effect::Report(report));
        }
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
