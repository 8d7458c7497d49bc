//! The files that are generated from the tables are up to date; UPDATE_GOLDEN=1 rewrites them.

use std::fs;
use std::path::Path;

use backshell::language::schema;
use backshell::script::declaration;
use backshell::settings;

/// Compares a file of the repository with what it should be, or rewrites it.
fn check(path: &str, wanted: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| !value.is_empty()) {
        fs::create_dir_all(file.parent().expect("the file has a folder")).expect("folder can be made");
        fs::write(&file, wanted).expect("file is writable");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(found == wanted, "{path} is out of date: run the tests with UPDATE_GOLDEN=1");
}

#[test]
fn the_schemas_are_up_to_date() {
    check("schemas/backshell-protocol.xsd", &schema::xsd());
    check("schemas/backshell-protocol-namespaced.xsd", &schema::xsd_namespaced());
    check("schemas/backshell-extensions.xsd", &schema::xsd_extensions());
}

#[test]
fn the_reference_is_up_to_date() {
    check("docs/definition-reference.md", &schema::reference_page(&settings::reference()));
}

#[test]
fn the_declaration_of_what_scripts_see_is_up_to_date() {
    check("schemas/backshell.d.ts", &declaration::declaration());
}
