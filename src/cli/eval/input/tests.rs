//! Messages out of files.

use std::fs;

use super::*;

/// What comes of files with these contents, up to the first error.
fn check(form: Form, limit: usize, contents: &[&[u8]], expected: &[(&str, &str)], error: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c"];
    let files: Vec<PathBuf> = names.iter().zip(contents).map(|(name, _)| folder.path().join(name)).collect();
    for (file, content) in files.iter().zip(contents) {
        fs::write(file, content).unwrap();
    }
    let mut messages = Messages::new(&files, form, limit);
    let mut found = Vec::new();
    let mut failed = None;
    loop {
        match messages.next() {
            Ok(None) => break,
            Ok(Some(message)) => {
                let name = message.source.rsplit('/').next().unwrap_or_default().to_owned();
                found.push((name, String::from_utf8_lossy(&message.payload).into_owned()));
            }
            Err(why) => {
                failed = Some(why.replace(&format!("{}/", folder.path().display()), ""));
                break;
            }
        }
    }
    let expected: Vec<(String, String)> =
        expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    assert_eq!(found, expected);
    match (failed, error) {
        (None, None) => {}
        (Some(failed), Some(error)) => assert!(failed.contains(error), "{failed}"),
        (failed, error) => panic!("{failed:?}, and not {error:?}"),
    }
}

#[test]
fn a_file_is_a_message_without_the_line_break_of_an_editor() {
    check(Form::Text, 10, &[b"{}\r\n", b"a\n\n", b""], &[("a", "{}"), ("b", "a\n"), ("c", "")], None);
    check(Form::Binary, 10, &[b"{}\n"], &[("a", "{}\n")], None);
}

#[test]
fn each_line_is_a_message_where_that_is_wanted() {
    let files: [&[u8]; 2] = [b"{\"a\":1}\n\n  \n[2]", b"3\r\n"];
    check(Form::Lines, 10, &files, &[("a:1", "{\"a\":1}"), ("a:4", "[2]"), ("b:1", "3")], None);
    let error = "a:2` is longer than 4 bytes";
    check(Form::Lines, 4, &[b"1234\n12345\n6\n"], &[("a:1", "1234")], Some(error));
}

#[test]
fn a_message_is_as_long_as_the_connection_takes_and_not_longer() {
    check(Form::Text, 4, &[b"1234\r\n", b"12345"], &[("a", "1234")], Some("b` is longer than 4 bytes"));
    check(Form::Binary, 4, &[b"1234", b"1234\n"], &[("a", "1234")], Some("b` is longer than 4 bytes"));
    check(Form::Text, 4, &[&[b'x'; 1 << 20]], &[], Some("longer than 4 bytes"));
}

#[test]
fn a_text_has_to_be_one() {
    let error = "byte 0xFF at offset 2 is not UTF-8";
    check(Form::Text, 10, &[b"ab\xff"], &[], Some(error));
    check(Form::Lines, 10, &[b"ab\xff\n"], &[], Some(error));
    check(Form::Binary, 10, &[b"ab\xff"], &[("a", "ab\u{fffd}")], None);
}

#[test]
fn a_file_that_is_not_there_or_a_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (name, why) in [("none.json", "there is no such file"), ("", "it is a folder")] {
        let files = [folder.path().join(name)];
        let error = Messages::new(&files, Form::Text, 10).next().unwrap_err();
        assert!(error.starts_with("cannot read the message `") && error.ends_with(why), "{error}");
    }
}
