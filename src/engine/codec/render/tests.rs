//! Templates with values.

use super::*;
use crate::engine::codec::clock;
use crate::engine::param::Origin;
use crate::language::model::build::Build;
use crate::language::model::id::ParamIx;
use crate::language::model::template;

fn template(text: &str, params: &[ParamIx]) -> Template {
    let mut environment = template::environment();
    environment.add_template_owned(Template::NAME, text.to_owned()).expect("a template");
    Template { text: text.into(), params: params.into(), environment: Arc::new(environment) }
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
        assert!(matches!(render_one(text), Err(RenderError::Template(_))), "{text}");
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

#[test]
fn the_names_that_a_template_reads_are_known() {
    let of = template(
        "{{ Name }}{% set x = 1 %}{{ x }}{{ param(5) }}{{ tai() }}{% for i in List %}{{ i }}{% endfor %}",
        &[],
    );
    let parsed = of.environment.get_template(Template::NAME).expect("a template");
    assert_eq!(template::names(&parsed), ["List", "Name", "param", "tai"]);
}
