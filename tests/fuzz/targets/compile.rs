//! Any bytes through all of loading, and every problem through both renderers; nothing may panic.
#![no_main]

use backshell::cli::render::{self, Style};
use backshell::language::load;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (source, problems) = match load::decode("fuzz.xml", data.to_vec()) {
        Ok(source) => {
            let report = load::check(&source);
            for entry in report.features_not_run() {
                let _ = render::json_not_run(&source, entry);
            }
            (source, report.diagnostics().to_vec())
        }
        Err(refused) => (refused.source, vec![refused.problem]),
    };
    for problem in problems.iter().take(20) {
        let _ = render::human(&source, problem, Style::Plain);
        let _ = render::json(&source, problem);
    }
});
