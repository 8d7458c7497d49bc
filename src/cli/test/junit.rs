//! Writes results as JUnit XML, the form that build servers show; knows nothing of scenarios.

use std::fmt::Write as _;
use std::time::Duration;

/// One result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// The file.
    pub(super) file: String,
    /// What it shows.
    pub(super) title: String,
    /// How much real time it took.
    pub(super) took: Duration,
    /// Why it failed; in front of it the place in the file, such as `:7`, or nothing.
    pub(super) failure: Option<(String, String)>,
}

/// The whole document.
pub(super) fn report(cases: &[Case]) -> String {
    let failures = cases.iter().filter(|case| case.failure.is_some()).count();
    let took: Duration = cases.iter().map(|case| case.took).sum();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Nothing can go wrong when text is added to text.
    let _ = writeln!(
        text,
        "<testsuites>\n  <testsuite name=\"backshell test\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" time=\"{:.3}\">",
        cases.len(),
        took.as_secs_f64()
    );
    for case in cases {
        let name = if case.title.is_empty() { &case.file } else { &case.title };
        let _ = write!(
            text,
            "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" time=\"{:.3}\"",
            escaped(&case.file),
            escaped(name),
            escaped(&case.file),
            case.took.as_secs_f64()
        );
        match &case.failure {
            None => text.push_str("/>\n"),
            Some((place, message)) => {
                let first = message.lines().next().unwrap_or_default();
                let place = match place.as_str() {
                    "" => String::new(),
                    place => format!("{}{place}: ", case.file),
                };
                let _ = writeln!(
                    text,
                    ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                    escaped(first),
                    escaped(&format!("{place}{message}"))
                );
            }
        }
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// A text for an attribute or an element; what XML 1.0 cannot hold (2.2) is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_become_a_document_that_any_text_fits_into() {
        let case = |failure: Option<&str>| Case {
            file: "a&b.scenario.toml".into(),
            title: "says \"no\"\u{1}".into(),
            took: Duration::from_millis(1_500),
            failure: failure.map(|text| (":7".to_owned(), text.to_owned())),
        };
        let text = report(&[case(None), case(Some("1 < 2\n]]>"))]);
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"backshell test\" tests=\"2\" failures=\"1\" errors=\"0\" time=\"3.000\">\n    <testcase classname=\"a&amp;b.scenario.toml\" name=\"says &quot;no&quot;\u{fffd}\" file=\"a&amp;b.scenario.toml\" time=\"1.500\"/>\n    <testcase classname=\"a&amp;b.scenario.toml\" name=\"says &quot;no&quot;\u{fffd}\" file=\"a&amp;b.scenario.toml\" time=\"1.500\">\n      <failure message=\"1 &lt; 2\">a&amp;b.scenario.toml:7: 1 &lt; 2&#10;]]&gt;</failure>\n    </testcase>\n  </testsuite>\n</testsuites>\n";
        assert_eq!(text, expected);
        let parsed = crate::language::xml::parse(&crate::language::source::Source::new("junit.xml", text));
        assert!(parsed.1.is_empty(), "{:?}", parsed.1);
    }
}
