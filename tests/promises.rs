//! What the table promises is read, and what is read is used: no part of the language is accepted and then does nothing in silence.
//!
//! An entry of the table is *run*, *not run* (the report of `check` names it) or a *remark*; the reference page lists which.
//! Here a run entry must change what is lowered, and every part of the model must be read by something that runs.

use std::fs;
use std::path::{Path, PathBuf};

use backshell::language::definition;
use backshell::language::load;
use backshell::language::schema::{Attribute, Element, Item, Kind, Owner, PROTOCOL, Run};
use backshell::language::source::Source;
use backshell::settings::keys::{KEYS, Kind as SettingKind};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All of our own code below a folder or in a file, without its tests.
fn sources(path: &Path) -> String {
    if path.is_file() {
        let text = fs::read_to_string(path).expect("source is readable");
        return text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
    }
    let entries = fs::read_dir(path).expect("folder is readable").map(|entry| entry.expect("entry").path());
    let is_test = |path: &PathBuf| {
        let name = path.file_name().expect("an entry has a name").to_string_lossy();
        name == "tests" || name == "tests.rs" || name == "build.rs"
    };
    entries.filter(|path| !is_test(path)).map(|path| sources(&path)).collect()
}

/// A value that fits.
fn sample(kind: Kind) -> String {
    match kind {
        Kind::Nothing | Kind::Opaque => String::new(),
        Kind::Text => "7".to_owned(),
        Kind::Flag => "true".to_owned(),
        Kind::Integer { min, max } | Kind::Milliseconds { min, max } => 7.clamp(min, max).to_string(),
        Kind::Decimal | Kind::Id(_) | Kind::Reference(_) | Kind::References(..) => "7".to_owned(),
        Kind::Enumeration(table) => table.values[0].name.to_owned(),
        Kind::Options(choices) => {
            let run = choices.iter().find(|choice| choice.run == Run::Yes);
            run.unwrap_or(&choices[0]).name.to_owned()
        }
    }
}

fn full_name(owner: Owner, name: &str) -> String {
    match owner {
        Owner::Original => name.to_owned(),
        Owner::Ours => format!("bs:{name}"),
    }
}

/// The same name misspelt beyond recognition, as long as before so that nothing else moves.
fn misspelt(name: &str) -> String {
    let (prefix, rest) = name.split_once(':').map_or(("", name), |(_, rest)| ("bs:", rest));
    format!("{prefix}{}", "z".repeat(rest.len()))
}

/// A definition with one element below those that it stands in, each of them with what it needs.
fn document(path: &[&Element], attribute: Option<(&Attribute, String)>, last_name: &str) -> String {
    let (mut open, mut close) = (String::new(), String::new());
    for (at, element) in path.iter().enumerate() {
        let is_last = at + 1 == path.len();
        let name = if is_last { last_name.to_owned() } else { full_name(element.owner, element.name) };
        open.push_str(&format!("<{name}"));
        if at == 0 {
            open.push_str(" xmlns:bs=\"urn:backshell:1\"");
        }
        let needed = |known: &&Attribute| {
            known.required || matches!(known.kind, Kind::Id(item) if item != Item::Local)
        };
        for known in element.attributes.iter().filter(needed) {
            if !(is_last && attribute.as_ref().is_some_and(|(given, _)| given.name == known.name)) {
                open.push_str(&format!(" {}=\"{}\"", full_name(known.owner, known.name), sample(known.kind)));
            }
        }
        if let Some((given, name)) = attribute.as_ref().filter(|_| is_last) {
            open.push_str(&format!(" {name}=\"{}\"", sample(given.kind)));
        }
        open.push('>');
        if is_last {
            open.push_str(&sample(element.kind));
        }
        close.insert_str(0, &format!("</{name}>"));
    }
    open + &close
}

/// What is lowered of a definition, as text.
fn lowered(text: &str) -> String {
    let source = Source::new("a.xml", text);
    let (document, _) = load::read(&source);
    format!("{:#?}", definition::lower(&document).expect("the definition has a root"))
}

/// Goes through every element of the table in every place, without those below something that is not run as a whole.
fn walk<'t>(path: &mut Vec<&'t Element>, visit: &mut dyn FnMut(&[&'t Element])) {
    let element = *path.last().expect("there is a root");
    if matches!(element.run, Run::No(_) | Run::Remark) || matches!(element.kind, Kind::Opaque) {
        return;
    }
    visit(path);
    for child in element.children {
        path.push(child.element);
        walk(path, visit);
        path.pop();
    }
}

/// Whether something must become of an attribute: not of a number for people, nor of options that are all not run.
fn is_promised(attribute: &Attribute) -> bool {
    let has_run = match attribute.kind {
        Kind::Options(choices) => choices.iter().any(|choice| choice.run == Run::Yes),
        Kind::Id(item) => item != Item::Local,
        _ => true,
    };
    attribute.run == Run::Yes && has_run
}

/// Read through a list of all attributes, whose users are told by their sources.
const OF_LISTS: &[&str] = &["Session", "Type", "Time", "Reconnect", "KeepAlive", "Tls", "Limits", "Proxy"];

#[test]
fn every_part_that_the_table_calls_run_is_read() {
    let users = sources(&root().join("src/language/model/compile"))
        + &sources(&root().join("src/language/definition/lower"))
        + &sources(&root().join("src/language/definition/lower.rs"));
    let users_lower = users.to_lowercase();
    let (mut unread, mut seen) = (Vec::new(), 0);
    walk(&mut vec![&PROTOCOL], &mut |path| {
        let element = path[path.len() - 1];
        let place: Vec<&str> = path.iter().map(|element| element.name).collect();
        let place = place.join("/");
        let name = full_name(element.owner, element.name);
        if !matches!(element.kind, Kind::Nothing) && path.len() > 1 {
            seen += 1;
            if lowered(&document(path, None, &name)) == lowered(&document(path, None, &misspelt(&name))) {
                unread.push(place.clone());
            }
        }
        for attribute in element.attributes.iter().filter(|attribute| is_promised(attribute)) {
            seen += 1;
            let own = full_name(attribute.owner, attribute.name);
            let with = lowered(&document(path, Some((attribute, own.clone())), &name));
            let without = lowered(&document(path, Some((attribute, misspelt(&own))), &name));
            let literal = users.contains(&format!("\"{}\"", attribute.name));
            if with == without || OF_LISTS.contains(&element.name) && !literal {
                unread.push(format!("{place}@{own}"));
            }
            if let Kind::Options(choices) = attribute.kind {
                for choice in choices.iter().filter(|choice| choice.run == Run::Yes) {
                    let word = choice.name.trim_end_matches([':', '=']).to_lowercase();
                    if !users_lower.contains(&format!("\"{word}")) {
                        unread.push(format!("{place}@{own} `{word}`"));
                    }
                }
            }
        }
    });
    assert!(seen > 150, "only {seen} entries were looked at");
    assert!(unread.is_empty(), "run by the table and read by nobody: {unread:#?}");
}

#[test]
fn every_part_of_the_model_is_read_by_something_that_runs() {
    let running: String = ["engine", "element", "daemon", "transport", "api", "store", "cli"]
        .iter()
        .flat_map(|module| [root().join("src").join(module), root().join(format!("src/{module}.rs"))])
        .filter(|path| path.exists())
        .map(|path| sources(&path))
        .collect();
    let mut unread = Vec::new();
    for file in ["connection", "logic", "message", "param", "token"] {
        let text = sources(&root().join(format!("src/language/model/{file}.rs")));
        for line in text.lines() {
            let Some((field, _)) = line.trim().strip_prefix("pub ").and_then(|rest| rest.split_once(':'))
            else {
                continue;
            };
            let is_field = field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let is_read = [format!(".{field}"), format!(" {field},"), format!(" {field} }}")]
                .iter()
                .any(|pattern| running.contains(pattern.as_str()));
            if is_field && !is_read {
                unread.push(format!("{file}::{field}"));
            }
        }
    }
    assert_eq!(
        unread,
        Vec::<String>::new(),
        "a part of the model that nobody reads does nothing: report it in `check`, or take it out"
    );
}

/// The element at a path below the root.
fn element(path: &str) -> &'static Element {
    path.split('/').fold(&PROTOCOL, |element, name| {
        let child = element.children.iter().find(|child| child.element.name == name);
        child.unwrap_or_else(|| panic!("no `{name}` in `{}`", element.name)).element
    })
}

/// The name of a setting as the definition writes it: `initial_delay_ms` is `initialDelay`.
fn as_written(name: &str) -> String {
    let mut words = name.trim_end_matches("_ms").split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

#[test]
fn a_setting_has_the_range_of_its_counterpart_in_the_definition() {
    const OPTIONS: &str = "Connections/Connection/Http/CommunicationOptions";
    let user_settings =
        [("timeout_ms", "TimeoutTime"), ("element_timeout_ms", "TimeoutTimeElement"), ("retries", "Retries")];
    let mut compared = 0;
    for key in KEYS {
        let Some(rest) = key.path.strip_prefix("element.connection.N.") else { continue };
        let (SettingKind::Integer(least, most) | SettingKind::Millis(least, most)) = key.kind else {
            continue;
        };
        let kind = match rest.split_once('.') {
            Some((table, name)) => {
                let tag = as_written(table);
                let row = element(&format!("{OPTIONS}/{}{}", tag[..1].to_uppercase(), &tag[1..]));
                let attribute = row.attribute(Owner::Ours, &as_written(name));
                attribute
                    .or_else(|| row.attribute(Owner::Original, &as_written(name)))
                    .expect("attribute is there")
                    .kind
            }
            None => match user_settings.iter().find(|(name, _)| *name == rest) {
                Some((_, tag)) => {
                    element(&format!("Connections/Connection/UserSettings/{tag}/DefaultValue")).kind
                }
                // The definition may say that there is none.
                None => {
                    assert_eq!(rest, "port");
                    continue;
                }
            },
        };
        match kind {
            Kind::Integer { min, max } | Kind::Milliseconds { min, max } => {
                assert_eq!((least, most), (min, max), "{}", key.path);
                compared += 1;
            }
            // The pair of the heartbeat is an id.
            Kind::Reference(Item::Pair) => {}
            other => panic!("{}: {other:?}", key.path),
        }
    }
    assert_eq!(compared, 14);
}

#[test]
fn a_value_out_of_range_counts_as_absent_and_the_default_of_the_table_holds() {
    let options = element("Connections/Connection/Http/CommunicationOptions");
    let connection = |given: &str| {
        let text = format!(
            "<Protocol xmlns:bs=\"urn:backshell:1\"><Connections><Connection><Http><CommunicationOptions>\
             <WebSocket>true</WebSocket>{given}</CommunicationOptions></Http></Connection></Connections></Protocol>"
        );
        let (protocol, report) = load::whole(&Source::new("a.xml", text));
        let warnings = report.diagnostics().len();
        (protocol.expect("it loads").connections[0].clone(), warnings)
    };
    let (bare, none) = connection("");
    assert_eq!(none, 0);
    let mut tried = 0;
    // A token needs its session and its parameter; alone it does not load.
    let ours = |owner: Owner, name: &str| owner == Owner::Ours && name != "Token";
    for child in options.children.iter().filter(|child| ours(child.element.owner, child.element.name)) {
        let tag = child.element.name;
        for attribute in child.element.attributes {
            let (Kind::Integer { min, max } | Kind::Milliseconds { min, max }) = attribute.kind else {
                continue;
            };
            for wrong in [min - 1, max + 1] {
                let (found, warnings) = connection(&format!("<bs:{tag} {}=\"{wrong}\"/>", attribute.name));
                assert_eq!((&found, warnings), (&bare, 1), "{tag}@{} {wrong}", attribute.name);
            }
            let (found, warnings) =
                connection(&format!("<bs:{tag} {}=\"{}\"/>", attribute.name, attribute.default));
            assert_eq!((&found, warnings), (&bare, 0), "the default of {tag}@{} is another", attribute.name);
            tried += 1;
        }
    }
    assert_eq!(tried, 11);
}
