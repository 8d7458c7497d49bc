//! The shape of the source tree: layers, module docs, bans; runs nothing of the runtime.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules in the order of layers: each may use only those before it.
const LAYERS: &[&str] = &[
    "value",
    "tasks",
    "files",
    "language::source",
    "language::diagnostic",
    "language::xml",
    "language::schema",
    "language::definition",
    "language::model",
    "language::load",
    "settings",
    "engine::param",
    "engine::target",
    "engine::codec",
    "engine::link",
    "engine::session",
    "engine::logic",
    "transport",
    "script",
    "store",
    "element",
    "endpoint",
    "daemon::roster",
    "daemon::plan",
    "daemon::watch",
    "daemon::assemble",
    "daemon::fleet",
    "scenario",
    "api",
    "cli",
];

/// Who may name a crate: the crate's path prefix and the modules that are allowed to.
const OWNERS: &[(&str, &[&str])] = &[
    ("quick_xml", &["language::xml"]),
    ("xpath_eval", &["language::model", "engine::codec"]),
    ("tokio_tungstenite", &["transport"]),
    ("reqwest", &["transport"]),
    ("axum", &["api", "endpoint"]),
    ("rusqlite", &["store"]),
    ("annotate_snippets", &["cli"]),
    ("crossterm", &["cli"]),
    ("anstream", &["cli"]),
    ("notify", &["daemon::watch"]),
    ("rquickjs", &["script"]),
    ("scoped_tls_hkt", &["script"]),
];

/// Modules that decide and never wait: no tokio, no clock, no file, no log.
const PURE: &[&str] = &["value", "language", "settings", "engine", "daemon::plan"];

fn files(root: &str, least: usize) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(root)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("folder is readable") {
            let path = entry.expect("entry is readable").path();
            if path.is_dir() {
                if !path.ends_with("fuzz/target") && !path.ends_with("node_modules") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("file is UTF-8");
                found.push((path, text));
            }
        }
    }
    assert!(found.len() >= least, "only {} files below {root}, expected at least {least}", found.len());
    found.sort();
    found
}

/// `src/engine/link/state.rs` is in the module `engine::link`: the longest entry of the table that fits.
fn layer_of(path: &Path) -> Option<usize> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let relative = path.strip_prefix(source).ok()?.with_extension("");
    let module = relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("::");
    layer_of_module(&module)
}

fn layer_of_module(module: &str) -> Option<usize> {
    LAYERS
        .iter()
        .enumerate()
        .filter(|(_, layer)| module == **layer || module.starts_with(&format!("{layer}::")))
        .max_by_key(|(_, layer)| layer.len())
        .map(|(index, _)| index)
}

/// The part of a file before its unit tests, which may reach further than the code.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or(text)
}

/// Whether a text names a crate by its path; `sd_notify::` does not name `notify`.
fn names(text: &str, library: &str) -> bool {
    let path = format!("{library}::");
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&path).any(|(at, _)| !text[..at].ends_with(is_word))
}

#[test]
fn every_file_belongs_to_a_layer_or_is_a_room() {
    let rooms = ["lib", "main", "language", "engine", "daemon"];
    for (path, _) in files("src", 5) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        assert!(layer_of(&path).is_some() || rooms.contains(&&*name), "{} has no layer", path.display());
    }
}

#[test]
fn every_file_says_what_it_is_for_on_its_first_line() {
    for (path, text) in files("src", 5).into_iter().chain(files("tests", 2)) {
        assert!(text.starts_with("//! "), "{} has no module doc on its first line", path.display());
    }
}

#[test]
fn modules_import_only_from_layers_above_them() {
    let mut imports = 0;
    for (path, text) in files("src", 5) {
        let Some(own) = layer_of(&path) else { continue };
        for (number, line) in code(&text).lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for part in line.split("crate::").skip(1) {
                let module: String =
                    part.chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
                let Some(used) = layer_of_module(module.trim_end_matches(':')) else { continue };
                imports += 1;
                assert!(
                    used <= own,
                    "{}:{}: `{}` is below `{}` in the order of layers",
                    path.display(),
                    number + 1,
                    LAYERS[used],
                    LAYERS[own]
                );
            }
        }
    }
    assert!(imports >= 2, "saw only {imports} imports");
}

#[test]
fn only_the_owning_module_names_a_library() {
    for (path, text) in files("src", 5) {
        let Some(own) = layer_of(&path) else { continue };
        for (library, owners) in OWNERS {
            let allowed = owners.iter().any(|owner| LAYERS[own].starts_with(owner));
            assert!(
                allowed || !names(code(&text), library),
                "{} names {library}, which belongs to {owners:?}",
                path.display()
            );
        }
    }
}

#[test]
fn pure_modules_neither_wait_nor_look_at_a_clock_nor_log() {
    for (path, text) in files("src", 5) {
        let Some(own) = layer_of(&path) else { continue };
        if !PURE.iter().any(|pure| LAYERS[own] == *pure || LAYERS[own].starts_with(&format!("{pure}::"))) {
            continue;
        }
        for banned in
            ["tokio::", "Instant::now", "SystemTime::now", "std::fs", "tracing::", "async fn", "println!"]
        {
            assert!(!code(&text).contains(banned), "{} is pure and has `{banned}`", path.display());
        }
    }
}

#[test]
fn tasks_are_spawned_in_one_place() {
    for (path, text) in files("src", 5) {
        let free =
            ["tokio::spawn", "spawn_local", "thread::spawn"].iter().any(|word| code(&text).contains(word));
        assert!(!free || path.ends_with("tasks.rs"), "{} spawns a task without an owner", path.display());
    }
}

#[test]
fn no_unfinished_words_are_left() {
    let words = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["todo", "!("].concat(),
        ["unimplemented", "!("].concat(),
    ];
    for (path, text) in files("src", 5).into_iter().chain(files("tests", 2)) {
        for word in &words {
            assert!(!text.contains(word.as_str()), "{} has `{word}`", path.display());
        }
    }
}
