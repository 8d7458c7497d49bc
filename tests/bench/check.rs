//! What `check` costs beside quick-xml only reading the same text, for 20,000 and 200,000 elements.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use backshell::language::load;
use backshell::language::source::Source;
use backshell::language::xml;
use quick_xml::Reader;
use quick_xml::events::Event;

/// A definition like the real ones, with about this many elements.
fn definition(elements: usize) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Protocol xmlns=\"http://www.skyline.be/protocol\">\n",
    );
    text.push_str("\t<Name>Generated</Name>\n\t<Params>\n");
    // Each parameter has 20 elements, and what refers to it 4 more.
    let count = elements / 24;
    for id in 1..=count {
        let _ = write!(
            text,
            "\t\t<Param id=\"{id}\" trending=\"false\" save=\"true\">\n\
             \t\t\t<Name>Generated_{id}</Name>\n\t\t\t<Description>Generated {id}</Description>\n\t\t\t<Type>read</Type>\n\
             \t\t\t<Information>\n\t\t\t\t<Subtext>The value number {id} of a device that does not exist.</Subtext>\n\t\t\t</Information>\n\
             \t\t\t<Interprete>\n\t\t\t\t<RawType>numeric text</RawType>\n\t\t\t\t<LengthType>next param</LengthType>\n\t\t\t\t<Type>double</Type>\n\t\t\t</Interprete>\n\
             \t\t\t<Display>\n\t\t\t\t<RTDisplay>true</RTDisplay>\n\t\t\t\t<Units>dBm</Units>\n\t\t\t\t<Positions>\n\t\t\t\t\t<Position>\n\
             \t\t\t\t\t\t<Page>General</Page>\n\t\t\t\t\t\t<Column>0</Column>\n\t\t\t\t\t\t<Row>{id}</Row>\n\t\t\t\t\t</Position>\n\t\t\t\t</Positions>\n\t\t\t</Display>\n\
             \t\t\t<Measurement>\n\t\t\t\t<Type>number</Type>\n\t\t\t</Measurement>\n\t\t</Param>\n"
        );
    }
    text.push_str("\t</Params>\n\t<Triggers>\n");
    for id in (1..=count).step_by(4) {
        let _ = write!(
            text,
            "\t\t<Trigger id=\"{id}\">\n\t\t\t<Name>Changed_{id}</Name>\n\t\t\t<On id=\"{id}\">parameter</On>\n\t\t\t<Time>change</Time>\n\
             \t\t\t<Type>action</Type>\n\t\t\t<Content>\n\t\t\t\t<Id>{id}</Id>\n\t\t\t</Content>\n\t\t</Trigger>\n"
        );
    }
    text.push_str("\t</Triggers>\n\t<Actions>\n");
    for id in (1..=count).step_by(4) {
        let _ = write!(
            text,
            "\t\t<Action id=\"{id}\">\n\t\t\t<Name>Copy_{id}</Name>\n\t\t\t<Condition>id:{id} &gt; 5 AND id:1 != empty</Condition>\n\
             \t\t\t<On id=\"{other}\">parameter</On>\n\t\t\t<Type id=\"{id}\">copy</Type>\n\t\t</Action>\n",
            other = count + 1 - id
        );
    }
    text.push_str("\t</Actions>\n</Protocol>\n");
    text
}

fn only_read(text: &str) -> usize {
    let mut reader = Reader::from_str(text);
    let mut events = 0;
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => return events,
            Ok(event) => {
                black_box(event);
                events += 1;
            }
            Err(error) => panic!("the generated text is well-formed: {error}"),
        }
    }
}

/// The shortest of several runs: the least disturbed one.
fn time<T>(runs: usize, mut work: impl FnMut() -> T) -> Duration {
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            black_box(work());
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

/// Prints the table.
pub(crate) fn run() {
    println!("check of a generated definition, shortest of 15 runs");
    let mut last = Duration::ZERO;
    for elements in [20_000, 200_000] {
        let text = definition(elements);
        let read = time(15, || only_read(&text));
        let source = time(15, || Source::new("a.xml", text.as_str()));
        let made = Source::new("a.xml", text.as_str());
        let parsed = time(15, || xml::parse(&made));
        let checked = time(15, || load::check(&Source::new("a.xml", text.as_str())));
        println!(
            "{elements:>7} elements, {:>6} KiB: quick-xml {read:>9.2?}, source {source:>9.2?}, parse {parsed:>9.2?}, check {checked:>9.2?} = {:.1} times quick-xml{}",
            text.len() >> 10,
            checked.as_secs_f64() / read.as_secs_f64(),
            if last.is_zero() {
                String::new()
            } else {
                format!(", {:.1} times the smaller", checked.as_secs_f64() / last.as_secs_f64())
            },
        );
        last = checked;
    }
}
