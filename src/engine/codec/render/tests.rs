//! Templates with values.

use super::*;
use crate::engine::codec::clock;
use crate::engine::param::Origin;
use crate::language::load;
use crate::language::model::build::Build;
use crate::language::model::id::ParamIx;
use crate::language::model::message::CommandContent;
use crate::language::model::param::{ColumnKind, ValueType};
use crate::language::model::template;
use crate::language::source::Source;

fn template(text: &str, params: &[ParamIx]) -> Template {
    let mut environment = template::environment();
    environment.add_template_owned(Template::NAME, text.to_owned()).expect("a template");
    Template {
        text: text.into(),
        params: params.into(),
        tables: [].into(),
        environment: Arc::new(environment),
        inserted: Default::default(),
    }
}

fn context() -> Context {
    clock::context(Wall(1_600_000_000_123_456_789))
}

/// `Name` (a text with a quote), `Count` = 5, `Ratio` = 0.5, `Nothing`, and `Web socket URL`.
fn render_one(text: &str) -> Result<String, RenderError> {
    let mut build = Build::new();
    let all = [
        build.text("Name"),
        build.number("Count"),
        build.number("Ratio"),
        build.text("Nothing"),
        build.text("Web socket URL"),
    ];
    let mut params = Params::new(build.done());
    for (param, value) in
        all.iter().zip(["a \"b\"\n</é>".into(), 5.0.into(), 0.5.into(), Value::Empty, "ws://x".into()])
    {
        let _ = params.set(*param, value, Origin::Api);
    }
    let options = Options { max_bytes: 1_000, ..Options::default() };
    render(&mut context(), &params, &template(text, &all), &options)
}

fn check(text: &str, expected: &str) {
    assert_eq!(render_one(text).expect(text), expected, "{text}");
}

#[test]
fn values_are_escaped_as_the_inside_of_json_texts() {
    check(r#"{"n":"{{ Name }}"}"#, r#"{"n":"a \"b\"\n</é>"}"#);
    check("{{ name }}", r#"a \"b\"\n</é>"#);
    check("{{ Count }} {{ Ratio }} {{ Count / 2 }} {{ Count * 2 }}", "5 0.5 2.5 10");
    check("[{{ Nothing }}]", "[]");
    check(r#"{{ param(2) }} {{ param("Web socket URL") }} {{ param("web SOCKET url") }}"#, "5 ws://x ws://x");
    check("{% if Nothing is none %}none{% endif %}{% if Count > 4 %} many{% endif %}", "none many");
    check("{{ 1 == 1 }}", "true");
}

#[test]
fn the_filter_json_writes_the_whole_literal() {
    check(r#"{"n":{{ Name | json }}}"#, r#"{"n":"a \"b\"\n</é>"}"#);
    check("{{ Count | json }} {{ Ratio | json }} {{ Nothing | json }}", "5 0.5 null");
    check(r#"{{ [Count, "a\"", Nothing] | json }}"#, r#"[5,"a\"",null]"#);
    check(r#"{{ {"a": Ratio, "b": 4 / 2} | json }}"#, r#"{"a":0.5,"b":2.0}"#);
}

#[test]
fn functions_tell_time_and_make_ids() {
    // 37 seconds ahead of UTC.
    check("{{ tai() }}", "1600000037:123456789");
    check("{{ now() }}", "2020-09-13T12:26:40.123Z");
    let ids = render_one("{{ uuid() }} {{ uuid() }}").expect("two ids");
    let (first, second) = ids.split_once(' ').expect("two ids");
    assert_ne!(first, second);
    for id in [first, second] {
        let parts: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
        assert_eq!((id.as_bytes()[14], b"89ab".contains(&id.as_bytes()[19])), (b'4', true), "{id}");
    }
    assert_eq!(render_one("{{ uuid() }}").expect("an id"), first, "the same generator gives the same id");
}

#[test]
fn what_is_not_defined_is_an_error() {
    for text in [
        "{{ Nmae }}",
        "{{ Nmae | json }}",
        "{{ param(99) }}",
        "{{ param('x') }}",
        "{{ param() }}",
        "{{ tai(1) }}",
        "{{ Name.x }}",
        "{{ Name.x.y }}",
    ] {
        assert!(matches!(render_one(text), Err(RenderError::Template { .. })), "{text}");
    }
}

#[test]
fn neither_time_nor_memory_is_without_bound() {
    assert!(matches!(render_one("{{ 'x' * 2000 }}"), Err(RenderError::TooLong(1_000))));
    for text in [
        "{{ 'x' * 100000000000 }}",
        "{{ ('x' * 1000000) * 1000000 }}",
        "{% for a in range(1000000) %}{% endfor %}",
        "{% set l = [1,2,3,4,5,6,7,8,9,10] %}{% for a in l %}{% for b in l %}{% for c in l %}{% for d in l %}\
         {% for e in l %}{% for f in l %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}",
    ] {
        assert!(render_one(text).is_err(), "{text}");
    }
}

#[test]
fn bytes_that_are_no_text_are_an_error_and_those_that_are_are_text() {
    let mut build = Build::new();
    let (good, bad) = (build.fixed("good", b"a\"b"), build.fixed("bad", b"\xFF"));
    let params = Params::new(build.done());
    let render =
        |text: &str| render(&mut context(), &params, &template(text, &[good, bad]), &Options::default());
    assert_eq!(render("{{ good }}").expect("text"), r#"a\"b"#);
    assert!(render("{{ bad }}").is_err());
}

/// A table `Items` of a key, a number and a name, with the rows given.
fn render_table(text: &str, rows: &[(&str, f64)]) -> Result<String, RenderError> {
    let mut build = Build::new();
    let columns = [
        ("Key", ValueType::String, ColumnKind::Retrieved),
        ("The level", ValueType::Double, ColumnKind::Retrieved),
    ];
    let table = build.table("Items", &columns, |_| {});
    let mut params = Params::new(build.done());
    for (key, level) in rows {
        let _ = params.add_row(table, vec![Some((*key).into()), Some((*level).into())], Origin::Engine);
    }
    let with_table = Template { tables: [table].into(), ..template(text, &[]) };
    render(&mut context(), &params, &with_table, &Options { max_bytes: 1_000, ..Options::default() })
}

#[test]
fn tables_are_lists_of_rows_with_cells_by_name_and_id() {
    let rows = [("a\"", 1.0), ("b", 2.5)];
    for (text, expected) in [
        ("{% for row in table(1) %}{{ row.Key }}={{ row['the LEVEL'] }};{% endfor %}", r#"a\"=1;b=2.5;"#),
        ("{{ table('items') | length }} {{ table(1)[1][3] }} {{ (table(1) | first).key }}", r#"2 2.5 a\""#),
        ("{{ table(1) | json }}", r#"[{"Key":"a\"","The level":1},{"Key":"b","The level":2.5}]"#),
        ("{{ cell(3, 'b') }} {{ cell('The level', 'a\"') }} [{{ cell(3, 'none') }}]", "2.5 1 []"),
    ] {
        assert_eq!(render_table(text, &rows).expect(text), expected, "{text}");
    }
    assert_eq!(render_table("{{ table(1) | json }}", &[]).expect("no rows"), "[]");
    for text in ["{{ table(2) }}", "{{ cell(1, 'a') }}", "{{ (table(1) | first).nothing }}", "{{ table() }}"]
    {
        assert!(matches!(render_table(text, &rows), Err(RenderError::Template { .. })), "{text}");
    }
}

#[test]
fn texts_are_encoded_and_signed() {
    for (text, expected) in [
        ("{{ 'a b/ü?' | urlencode }}", "a%20b%2F%C3%BC%3F"),
        ("{{ 'hi?>' | base64 }} {{ 'hi?>' | base64url }} {{ 'hi' | hex }}", "aGk/Pg== aGk_Pg 6869"),
        ("{{ Count | base64 }} [{{ Nothing | base64 }}]", "NQ== []"),
        ("{{ 'abc' | sha256 }}", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        // RFC 4231, test case 2.
        (
            "{{ 'what do ya want for nothing?' | hmac_sha256('Jefe') }}",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            "{{ 'what do ya want for nothing?' | hmac_sha256('Jefe', 'base64') }}",
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=",
        ),
        ("{{ unix() }} {{ unix_ms() }}", "1600000000 1600000000123"),
    ] {
        check(text, expected);
    }
    assert!(render_one("{{ 'a' | hmac_sha256('b', 'rot13') }}").is_err());
    let again = format!("{{{{ 'x' * 900{} | length }}}}", " | base64 | base64 | base64".repeat(30));
    assert!(render_one(&again).is_err(), "a text that grows without end");
}

#[test]
fn an_error_says_where_it_is_and_no_value() {
    let error = render_one("{\n  \"a\": {{ Count }},\n  \"b\": {{ Name + Count }}\n}")
        .expect_err("a text and a number");
    assert_eq!(error.to_string(), "at line 3, `Name + Count`: invalid operation");
}

/// A template of a definition, as `check` lets it pass: `Name` is `a "b"`, `Nothing` is empty, row `k` of `Items` has an empty cell.
fn render_checked(text: &str) -> Result<String, RenderError> {
    let param = |id: i32, name: &str| {
        format!(
            "<Param id=\"{id}\"><Name>{name}</Name><Type>read</Type><Interprete><RawType>other</RawType><Type>string</Type></Interprete></Param>"
        )
    };
    let definition = format!(
        "<Protocol xmlns:bs=\"urn:backshell:1\"><Name>t</Name><Params>{}{}{}{}\
         <Param id=\"1000\"><Name>Items</Name><Type>array</Type><ArrayOptions index=\"0\">\
         <ColumnOption idx=\"0\" pid=\"1001\"/><ColumnOption idx=\"1\" pid=\"1002\"/></ArrayOptions></Param></Params>\
         <Commands><Command id=\"1\"><WebSocketMessageType>text</WebSocketMessageType>\
         <Content><bs:Template><![CDATA[{text}]]></bs:Template></Content></Command></Commands></Protocol>",
        param(1, "Name"),
        param(2, "Nothing"),
        param(1001, "Key"),
        param(1002, "Note"),
    );
    let (protocol, report) = load::whole(&Source::new("t.xml", definition));
    let protocol = protocol.unwrap_or_else(|| panic!("{text}: {:?}", report.diagnostics()));
    let CommandContent::Template(template) = &protocol.commands[0].content else { panic!("a template") };
    let template = template.clone();
    let mut params = Params::new(protocol);
    let name = params.protocol().params_by_name("Name").meant(Access::Read).expect("it is there");
    let _ = params.set(name, "a \"b\"".into(), Origin::Api);
    let _ = params.add_row(TableIx::FIRST, vec![Some("k".into()), None], Origin::Engine);
    render(&mut context(), &params, &template, &Options { max_bytes: 1_000, ..Options::default() })
}

#[test]
fn an_empty_value_is_an_empty_text_wherever_a_text_is_made_of_it() {
    for (text, expected) in [
        (r#"{"t":"{{ Nothing[7:] }}"}"#, r#"{"t":""}"#),
        ("[{{ Nothing[:2][1:] }}{{ (Nothing)[::2] }}{{ param(2)[1:] }}{{ param('Nothing')[:-1] }}]", "[]"),
        (r#"{{ Nothing[7:] | json }} {{ Nothing[7:] | base64 }}"#, r#""" "#),
        ("[{{ (Nothing or Nothing)[1:] }}{{ (Nothing if true else Name)[1:] }}]", "[]"),
        ("[{{ cell(1002, 'k')[1:] }}{{ cell('Note', 'none')[1:] }}]", "[]"),
        (
            "{% for row in table(1000) %}[{{ row.Note[1:] }}{{ (row).Note[1:] }}{{ row['Note'] ~ row.key }}]{% endfor %}",
            "[k]",
        ),
        ("{{ (table(1000) | first).Note ~ ((table(1000)|first).key) }}", "k"),
        ("{{ 'x' ~ Nothing ~ 'y' ~ (Nothing or Name)[0] }}", "xya"),
        ("{{ '(' ~ Nothing ~ ')' ~ Nothing }}", "()"),
        ("{{ 'a' ~ none }}[{{ none | upper }}{{ none[1:] }}]", "a[]"),
        (
            "[{{ Nothing | upper }}{{ Nothing | lower }}{{ Nothing | trim }}{{ Nothing | string }}{{ Nothing | safe }}]",
            "[]",
        ),
        ("{{ Nothing | length }} {{ Nothing | trim | upper | length }}", "0 0"),
        (
            "{{ Nothing | default('x') }}{{ Nothing | default }}{{ Name | default('x') | upper }}",
            r#"xA \"B\""#,
        ),
        ("{% if (Nothing ~ '') == '' and Nothing is none %}both{% endif %}", "both"),
        // What is there is as before.
        (r#"{"t":"{{ Name[2:] }}"}"#, r#"{"t":"\"b\""}"#),
        ("{{ Name[:1] ~ Name[0] | upper }} {{ Name | length }} {{ table(1000)[:5] | length }}", "aA 5 1"),
        ("{{ table(1000)[1:] }} {{ [] }} {{ [Nothing] | json }} {{ Nothing | json }}", "[] [] [null] null"),
        ("{{ \n  Nothing [ 1 : ] }}é{{ Nothing~'é'~Name }}", r#"ééa \"b\""#),
    ] {
        assert_eq!(render_checked(text).expect(text), expected, "{text}");
    }
}

#[test]
fn an_error_behind_what_was_made_a_text_says_what_was_written() {
    for (text, part) in [
        ("{{ Nothing[1:] }}{{ 'é' ~ Nothing ~ (Name + 1) }}", "Name + 1"),
        ("{{ Nothing[1:] }}{{ Nothing[0] }}", "Nothing[0]"),
        ("{{ 5[1:] ~ Nothing }}", "5[1:]"),
        ("{{ (Name | length)[1:] }}", "(Name | length)[1:]"),
    ] {
        let error = render_checked(text).expect_err(text).to_string();
        assert!(error.contains(&format!("`{part}`")), "{text}: {error}");
    }
}
