//! `backshell new`: writes a definition to start from, with its settings; overwrites nothing and starts nothing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::render::printable;
use super::{Status, complain};
use crate::scenario::file::SUFFIX;

/// The longest name, in bytes: that of an element.
const MAX_NAME: usize = 64;

/// Names that some systems keep for devices, whatever ends them.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// What `new` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes NAME/protocol.xml, NAME/backshell.toml and, where there is something to test, NAME/NAME.scenario.toml.
A folder that has something in it is left alone.

Exit status: 0 if all are written, 1 if not, 2 for a wrong command line.")]
pub(super) struct Arguments {
    /// The name of the folder, of the definition and of the element: letters, digits, `.`, `_` and `-`
    #[arg(value_name = "NAME")]
    name: String,

    /// What to start from
    #[arg(long, value_enum, default_value_t = Template::Websocket)]
    template: Template,

    /// The folder in which the new one is made; it is made too if it is not there
    #[arg(long, value_name = "PATH", default_value = ".")]
    dir: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Template {
    /// JSON over a WebSocket: state that the device sends, a heartbeat, a value that people set
    Websocket,
    /// JSON over HTTP: a poll, and a value that is written and read back
    Http,
    /// A name and a version
    Empty,
}

impl Template {
    /// The files: their names and texts.
    fn files(self, name: &str) -> Vec<(String, &'static str)> {
        let (definition, settings, scenario) = match self {
            Self::Websocket => (
                include_str!("new/websocket.xml"),
                include_str!("new/websocket.toml"),
                Some(include_str!("new/websocket.scenario")),
            ),
            Self::Http => (
                include_str!("new/http.xml"),
                include_str!("new/http.toml"),
                Some(include_str!("new/http.scenario")),
            ),
            // There is nothing to test.
            Self::Empty => (include_str!("new/empty.xml"), include_str!("new/empty.toml"), None),
        };
        let mut files = vec![(DEFINITION.to_owned(), definition), (SETTINGS.to_owned(), settings)];
        files.extend(scenario.map(|text| (format!("{name}{SUFFIX}"), text)));
        files
    }

    /// What to try next, and what for.
    fn next(self, folder: &Path, name: &str) -> Vec<(String, &'static str)> {
        let definition = quoted(&folder.join(DEFINITION));
        let settings = quoted(&folder.join(SETTINGS));
        let check = (format!("backshell check --strict {definition}"), "every problem with its place");
        let eval = |message, options, what| {
            (format!("echo '{message}' | backshell eval {definition} {options}--message -"), what)
        };
        let run = (format!("backshell run --config {settings}"), "the daemon; Ctrl-C stops it");
        let test =
            (format!("backshell test {}", quoted(folder)), "the scenario: a simulated device, no waiting");
        let mock = |port: u16| {
            let scenario = quoted(&folder.join(format!("{name}{SUFFIX}")));
            let listen = format!("backshell mock {scenario} --listen 127.0.0.1:{port}");
            (listen, "the same device on a real port, for a daemon in a second terminal")
        };
        match self {
            Self::Websocket => {
                let message = r#"{"type":"state","temperature":21.5,"mode":"auto"}"#;
                vec![check, eval(message, "", "what a message does"), test, mock(9000), run]
            }
            Self::Http => {
                let body = r#"{"temperature":21.5,"target":22}"#;
                vec![check, eval(body, "--session State ", "what an answer does"), test, mock(9080), run]
            }
            Self::Empty => {
                vec![check, run, ("backshell elements".to_owned(), "what runs, in a second terminal")]
            }
        }
    }
}

const DEFINITION: &str = "protocol.xml";
const SETTINGS: &str = "backshell.toml";

pub(super) fn run(arguments: &Arguments) -> io::Result<Status> {
    if let Err(why) = check_name(&arguments.name) {
        complain(&why);
        return Ok(Status::Misuse);
    }
    let folder = match arguments.dir.as_os_str().is_empty() || arguments.dir == Path::new(".") {
        true => PathBuf::from(&arguments.name),
        false => arguments.dir.join(&arguments.name),
    };
    let files = arguments.template.files(&arguments.name).into_iter();
    let files: Vec<(String, String)> =
        files.map(|(name, text)| (name, filled_in(text, &arguments.name))).collect();
    if let Err(why) = write(&folder, &files) {
        complain(&why);
        return Ok(Status::Bad);
    }
    let mut out = io::stdout().lock();
    for (name, _) in &files {
        writeln!(out, "wrote {}", printable(&folder.join(name).display().to_string()))?;
    }
    writeln!(out, "\nNext:")?;
    for (command, what) in arguments.template.next(&folder, &arguments.name) {
        writeln!(out, "  {command}   # {what}")?;
    }
    Ok(Status::Good)
}

/// Puts the name where a template wants it.
fn filled_in(text: &str, name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let variable: String = upper.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    // A variable cannot begin with a digit.
    let variable =
        if variable.starts_with(|c: char| c.is_ascii_digit()) { format!("_{variable}") } else { variable };
    text.replace("@NAME@", name).replace("@VARIABLE@", &variable)
}

/// What a name may be: that of an element, and of a folder on every system.
fn check_name(name: &str) -> Result<(), String> {
    let shown = printable(name);
    if let Some((dir, last)) = name.rsplit_once(['/', '\\'])
        && is_name(last)
    {
        let dir = if dir.is_empty() { "/" } else { dir };
        let dir = quoted(Path::new(dir));
        return Err(format!("`{shown}` is a path, not a name\n  help: backshell new {last} --dir {dir}"));
    }
    if is_name(name) {
        return Ok(());
    }
    let why = match name {
        "" => "a name is needed".to_owned(),
        _ if name.len() > MAX_NAME => format!("`{shown}` is longer than {MAX_NAME} characters"),
        _ if is_device(name) => format!("`{shown}` is the name of a device on Windows"),
        _ => format!(
            "`{shown}` cannot be a name: it is made of letters (a-z), digits, `.`, `_` and `-`, begins with a letter or a digit, \
             and does not end with `.`"
        ),
    };
    let (dir, last) = name.rsplit_once(['/', '\\']).unwrap_or(("", name));
    let near = nearest(last);
    let place = if dir.is_empty() { String::new() } else { format!(" --dir {}", quoted(Path::new(dir))) };
    Err(if is_name(&near) { format!("{why}\n  help: backshell new {near}{place}") } else { why })
}

fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(inner)
        && !name.ends_with('.')
        && !is_device(name)
}

/// Whether a name is that of a device on Windows, which an extension does not change.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = ["com", "lpt"].iter().filter_map(|kind| stem.strip_prefix(kind));
    let mut numbered =
        numbered.filter(|rest| rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_digit()));
    DEVICES.contains(&stem.as_str()) || numbered.next().is_some()
}

/// A name that is one, of the parts of one that is none.
fn nearest(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '-' };
    let joined: String = name.trim().chars().map(plain).map(kept).collect();
    let parts: Vec<&str> = joined.split('-').filter(|part| !part.is_empty()).collect();
    let near = parts.join("-");
    let near = near.trim_start_matches(['.', '_']);
    let near = near.get(..near.len().min(MAX_NAME)).unwrap_or_default();
    near.trim_end_matches(['.', '-']).to_owned()
}

/// A letter without its mark, of those that western keyboards have.
fn plain(c: char) -> char {
    const MARKED: [(char, &str); 7] = [
        ('a', "\u{e0}\u{e1}\u{e2}\u{e3}\u{e4}\u{e5}\u{e6}"),
        ('c', "\u{e7}\u{10d}\u{107}"),
        ('e', "\u{e8}\u{e9}\u{ea}\u{eb}\u{11b}"),
        ('i', "\u{ec}\u{ed}\u{ee}\u{ef}"),
        ('n', "\u{f1}\u{144}"),
        ('o', "\u{f2}\u{f3}\u{f4}\u{f5}\u{f6}\u{f8}"),
        ('u', "\u{f9}\u{fa}\u{fb}\u{fc}"),
    ];
    let lower = c.to_lowercase().next().unwrap_or(c);
    let found = MARKED.iter().find(|(_, marked)| marked.contains(lower));
    match found {
        Some((letter, _)) if c.is_uppercase() => letter.to_ascii_uppercase(),
        Some((letter, _)) => *letter,
        None => c,
    }
}

/// Writes the files into a folder that is not there, or empty; what was written is taken back if not all could be.
fn write(folder: &Path, files: &[(String, String)]) -> Result<(), String> {
    let shown = printable(&folder.display().to_string());
    let made = match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(format!("cannot look at `{shown}`: {error}")),
        Ok(_) if !folder.is_dir() => {
            return Err(format!("`{shown}` is there already and is no folder; nothing was written"));
        }
        Ok(_) => {
            let mut entries =
                fs::read_dir(folder).map_err(|error| format!("cannot look into `{shown}`: {error}"))?;
            if entries.next().is_some() {
                return Err(format!(
                    "the folder `{shown}` has something in it already; nothing was written\n  \
                     help: take another name, or another place with --dir"
                ));
            }
            false
        }
    };
    fs::create_dir_all(folder).map_err(|error| format!("cannot make the folder `{shown}`: {error}"))?;
    let mut written: Vec<PathBuf> = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        // A file that has come into the folder meanwhile is not overwritten either.
        let result = File::create_new(&path).and_then(|mut file| {
            written.push(path.clone());
            file.write_all(text.as_bytes())
        });
        if let Err(error) = result {
            // What cannot be taken back stays: the error that matters is the first one.
            written.iter().for_each(|path| drop(fs::remove_file(path)));
            if made {
                let _ = fs::remove_dir(folder);
            }
            return Err(format!("cannot write `{}`: {error}", printable(&path.display().to_string())));
        }
    }
    Ok(())
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:\\@+=,~".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", printable(&text).replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_an_element_and_of_a_folder_everywhere() {
        for name in ["pump", "Studio-1", "a", "0", "x.y_z-", "console", "com10", "a.con"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        let cases = [
            ("", "a name is needed", None),
            (".", "cannot be a name", None),
            ("..", "cannot be a name", None),
            (".hidden", "cannot be a name", Some("hidden")),
            ("pump.", "cannot be a name", Some("pump")),
            ("my pump", "cannot be a name", Some("my-pump")),
            (" Pumpe \u{fc}ber 1 ", "cannot be a name", Some("Pumpe-uber-1")),
            ("\u{6d4b}", "cannot be a name", None),
            ("a\u{1b}[31m", "`a\\u{1b}[31m` cannot be a name", Some("a-31m")),
            ("-x", "cannot be a name", Some("x")),
            ("nul", "is the name of a device on Windows", None),
            ("CON.xml", "is the name of a device on Windows", None),
            ("lpt1", "is the name of a device on Windows", None),
            ("protocols/pump", "is a path, not a name", Some("pump --dir protocols")),
            ("/pump", "is a path, not a name", Some("pump --dir /")),
            ("a b/pump", "is a path, not a name", Some("pump --dir 'a b'")),
            ("../..", "cannot be a name", None),
            ("\u{dc}n\u{ef}", "cannot be a name", Some("Uni")),
            ("a/\u{dc}n\u{ef}", "cannot be a name", Some("Uni --dir a")),
            ("\u{dc}. ", "cannot be a name", Some("U")),
        ];
        for (name, why, help) in cases {
            let error = check_name(name).unwrap_err();
            assert!(error.contains(why), "{name}: {error}");
            let found = error.split_once("help: backshell new ").map(|(_, help)| help);
            assert_eq!(found, help, "{name}");
            assert!(found.is_none_or(|found| is_name(found.split(' ').next().unwrap())), "{name}");
        }
        // What is cut is a name still.
        let long = format!("{}. {}", "x".repeat(62), "y".repeat(10));
        let error = check_name(&long).unwrap_err();
        assert!(error.ends_with(&format!("help: backshell new {}", "x".repeat(62))), "{error}");
        assert!(check_name(&"x".repeat(64)).is_ok());
        let error = check_name(&"x".repeat(65)).unwrap_err();
        assert!(error.contains("is longer than 64 characters"), "{error}");
    }

    #[test]
    fn a_path_is_quoted_where_a_shell_would_take_it_apart() {
        for (path, expected) in
            [("a/b.xml", "a/b.xml"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("$x", "'$x'")]
        {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }

    #[test]
    fn what_was_written_is_taken_back_if_not_all_could_be() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("new");
        let files = [("a", "1"), ("none/b", "2")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        let error = write(&target, &files).unwrap_err();
        assert!(error.starts_with("cannot write `") && !target.exists(), "{error}");
    }
}
