//! Messages into tables, from the definition to the rows.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::engine::param::fill::Filled;
use crate::language::load;
use crate::language::model::Protocol;
use crate::language::model::id::{ResponseIx, TableIx};
use crate::language::model::message::MessageKind;
use crate::language::source::Source;

/// A table of a key, a number and a text, filled by the `bs:Rows` given; `format` is of the response.
pub(crate) fn protocol(format: &str, rows: &str) -> Arc<Protocol> {
    let text = format!(
        r#"<Protocol xmlns:bs="urn:backshell:1">
  <Connections><Connection id="0"><Http><CommunicationOptions><WebSocket>true</WebSocket></CommunicationOptions></Http></Connection></Connections>
  <Params>
    <Param id="1000"><Name>Items</Name><Type>array</Type><ArrayOptions index="0">
      <ColumnOption idx="0" pid="1001"/><ColumnOption idx="1" pid="1002"/><ColumnOption idx="2" pid="1003"/>
    </ArrayOptions></Param>
    <Param id="1001"><Name>Key</Name><Type>read</Type><Interprete><Type>string</Type></Interprete></Param>
    <Param id="1002"><Name>Level</Name><Type>read</Type><Interprete><RawType>numeric text</RawType><Type>double</Type></Interprete></Param>
    <Param id="1003"><Name>Label</Name><Type>read</Type><Interprete><Type>string</Type></Interprete></Param>
  </Params>
  <Responses><Response id="1" {format}>{rows}</Response></Responses>
</Protocol>"#
    );
    let (protocol, report) = load::whole(&Source::new("rows.xml", text));
    assert!(!report.has_errors(), "{:#?}", report.diagnostics());
    protocol.expect("without an error there is a protocol")
}

/// What a message has, and what became of it.
pub(crate) fn take(params: &mut Params, message: &[u8]) -> (Gathered, Vec<Filled>) {
    let message = Message::new(MessageKind::Text, Bytes::copy_from_slice(message));
    let mut got = Gathered::default();
    let protocol = params.protocol().clone();
    let response = protocol.response(ResponseIx::new(0).expect("small"));
    message.map(&response.mapping, params, &mut got);
    let filled = got.fills.clone().into_iter().map(|fill| params.take_rows(fill)).collect();
    (got, filled)
}

/// `key:level:label` of each row.
pub(crate) fn table(params: &Params) -> String {
    let mut text = String::new();
    for row in params.rows(TableIx::new(0).expect("small")).iter() {
        let cells: Vec<_> = row.cells().iter().map(|cell| cell.to_text().to_string()).collect();
        let _ = write!(text, "{}{}", if text.is_empty() { "" } else { " " }, cells.join(":"));
    }
    text
}

/// Each message, and the rows after it.
fn check(rows: &str, steps: &[(&str, &str)]) -> Params {
    let mut params = Params::new(protocol("", rows));
    for (message, expected) in steps {
        take(&mut params, message.as_bytes());
        assert_eq!(table(&params), *expected, "after {message}");
    }
    params
}

const CELLS: &str = r#"<bs:Cell path="$.id" pid="1001"/><bs:Cell path="$.level" pid="1002"/><bs:Cell path="$.label" pid="1003"/>"#;

fn list(attributes: &str) -> String {
    format!(r#"<bs:Rows path="$.items[*]" table="1000" {attributes}>{CELLS}</bs:Rows>"#)
}

#[test]
fn a_list_replaces_the_rows_and_those_that_it_lacks_go() {
    check(
        &list(""),
        &[
            (
                r#"{"items":[{"id":"a","level":1,"label":"A"},{"id":"b","level":2.5,"label":"B"}]}"#,
                "a:1:A b:2.5:B",
            ),
            (r#"{"items":[{"id":"b","level":3},{"id":"c","level":"4"}]}"#, "b:3:B c:4:"),
            // No list is no empty list.
            (r#"{"error":"busy"}"#, "b:3:B c:4:"),
            (r#"{"items":null}"#, "b:3:B c:4:"),
            (r#"{"items":[]}"#, ""),
        ],
    );
    check(&list(r#"absent="empty""#), &[(r#"{"items":[{"id":1}]}"#, "1::"), ("{}", "")]);
}

#[test]
fn rows_are_merged_and_appended_up_to_a_limit() {
    check(
        &list(r#"mode="merge" limit="2""#),
        &[
            (r#"{"items":[{"id":"a","level":1},{"id":"b"}]}"#, "a:1: b::"),
            (r#"{"items":[{"id":"a","label":"x"}]}"#, "a:1:x b::"),
            (r#"{"items":[{"id":"c"}]}"#, "b:: c::"),
            (r#"{"items":[]}"#, "b:: c::"),
            (r#"{"items":[{"id":1},{"id":2},{"id":3}]}"#, "2:: 3::"),
        ],
    );
    let numbered = r#"<bs:Rows path="$[*]" table="1000" mode="append" limit="3"><bs:Cell path="$" pid="1003"/></bs:Rows>"#;
    check(
        numbered,
        &[
            (r#"["x","y"]"#, "1::x 2::y"),
            (r#"["x"]"#, "1::x 2::y 3::x"),
            (r#"["z","z"]"#, "3::x 4::z 5::z"),
            ("[]", "3::x 4::z 5::z"),
        ],
    );
    check(
        &list(r#"limit="2""#),
        &[
            (r#"{"items":[{"id":1},{"id":2},{"id":3}]}"#, "1:: 2::"),
            // Rows with one key are one, and take one place.
            (r#"{"items":[{"id":4},{"id":4},{"id":4},{"id":5},{"id":6},{"id":4,"level":7}]}"#, "4:7: 5::"),
        ],
    );
}

#[test]
fn keys_that_are_missing_empty_or_doubled_are_counted() {
    let mut params = Params::new(protocol("", &list("")));
    let text = r#"{"items":[{"id":"a","level":1},{},{"id":null},{"id":""},{"id":"a","level":2},7,null,[]]}"#;
    let (got, filled) = take(&mut params, text.as_bytes());
    assert_eq!((got.dropped, got.problem), (0, None));
    let [filled] = filled.as_slice() else { panic!("one table") };
    assert_eq!((filled.without_key, filled.doubled, filled.too_many), (6, 1, 0));
    assert_eq!((table(&params).as_str(), params.rejected()), ("a:2:", 7));
    // Numbers are keys as they are written, to the last digit.
    let big = r#"{"items":[{"id":9007199254740993},{"id":"9007199254740993"},{"id":1.0},{"id":true}]}"#;
    let (_, filled) = take(&mut params, big.as_bytes());
    assert_eq!((filled[0].doubled, table(&params).as_str()), (1, "9007199254740993:: 1.0:: true::"));
}

#[test]
fn members_of_an_object_are_rows_with_their_names_as_keys() {
    let rows = r#"<bs:Rows path="$.nodes.*" table="1000"><bs:Cell part="name" pid="1001"/><bs:Cell part="index" pid="1002"/><bs:Cell path="$.label" pid="1003"/></bs:Rows>"#;
    let text = r#"{"nodes":{"a\n":{"label":"A"},"b":{"label":"B"},"b":{}}}"#;
    check(rows, &[(text, "a\n:0:A b:2:B")]);
    let filter = rows.replace("$.nodes.*", "$.nodes[?@.label]");
    check(&filter, &[(text, "a\n:0:A")]);
}

#[test]
fn nested_lists_are_rows_of_one_table_with_what_is_around_them() {
    for path in ["$.groups[*].items[*]", "$.groups[?@.id].items[*]", "$..items[*]"] {
        let rows = format!(
            r#"<bs:Rows path="{path}" table="1000">
              <bs:Cell path="$.id" up="2" pid="1001"/><bs:Cell path="$" pid="1001" join="/"/>
              <bs:Cell path="$.level" up="2" pid="1002" scale="0.1"/>
              <bs:Cell path="$.name" up="4" pid="1003" default="none"/>
            </bs:Rows>"#
        );
        let text = r#"{"name":"N","groups":[{"id":"g","level":5,"items":["a","b"]},{"id":"h","items":[]},{"id":"i","items":["a"]}]}"#;
        check(&rows, &[(text, "g/a:0.5:N g/b:0.5:N i/a::N")]);
        let without = text.replace(r#""id":"g","#, "").replace(r#""b""#, "null");
        if path != "$.groups[?@.id].items[*]" {
            check(&rows, &[(&without, "/a:0.5:N i/a::N")]);
        }
        // There is nothing above the whole message.
        check(&rows.replace("up=\"4\"", "up=\"5\""), &[(text, "g/a:0.5:none g/b:0.5:none i/a::none")]);
    }
}

#[test]
fn cells_have_defaults_maps_types_and_policies_of_their_own() {
    let with = |cell: &str| {
        format!(r#"<bs:Rows path="$[*]" table="1000"><bs:Cell path="$.id" pid="1001"/>{cell}</bs:Rows>"#)
    };
    for (cell, message, expected, lost) in [
        (
            r#"<bs:Cell path="$.v" pid="1002" default="7"/>"#,
            r#"[{"id":1},{"id":2,"v":3},{"id":3,"v":null}]"#,
            "1:7: 2:3: 3:7:",
            0,
        ),
        (
            r#"<bs:Cell path="$.v" pid="1002" map="off=0;on=1"/>"#,
            r#"[{"id":1,"v":"on"},{"id":2,"v":"x"}]"#,
            "1:1: 2::",
            1,
        ),
        (
            r#"<bs:Cell path="$.v" pid="1002" type="flag" onError="keep"/>"#,
            r#"[{"id":1,"v":"yes"},{"id":2,"v":"x"}]"#,
            "1:1: 2::",
            0,
        ),
        (
            r#"<bs:Cell path="$.v" pid="1002" divisor="$.d"/>"#,
            r#"[{"id":1,"v":9,"d":2},{"id":2,"v":9,"d":0}]"#,
            "1:4.5: 2::",
            1,
        ),
        (r#"<bs:Cell path="$.v[*].w" pid="1003"/>"#, r#"[{"id":1,"v":[{},{"w":5}]}]"#, "1::5", 0),
        (r#"<bs:Cell path="$.v[?@ > 3]" pid="1003"/>"#, r#"[{"id":1,"v":[2,4,6]}]"#, "1::4", 0),
        (r#"<bs:Cell path="$.v" type="count" pid="1002"/>"#, r#"[{"id":1,"v":[2,4,6]}]"#, "1:3:", 0),
    ] {
        let mut params = Params::new(protocol("", &with(cell)));
        let (got, _) = take(&mut params, message.as_bytes());
        assert_eq!((table(&params).as_str(), got.dropped), (expected, lost), "{cell}");
    }
    // What its column does not take is found when it is set.
    let mut params = Params::new(protocol("", &with(r#"<bs:Cell path="$.v" pid="1002"/>"#)));
    let (_, filled) = take(&mut params, br#"[{"id":1,"v":"x"},{"id":2,"v":[]}]"#);
    assert_eq!((filled[0].cells, table(&params).as_str()), (2, "1:: 2::"));
    let clearing = with(r#"<bs:Cell path="$.v" pid="1002" onError="clear"/>"#);
    check(&clearing, &[(r#"[{"id":1,"v":5}]"#, "1:5:"), (r#"[{"id":1,"v":"x"}]"#, "1::")]);
}

#[test]
fn a_message_too_large_for_notes_gives_the_same_rows() {
    let rows = r#"<bs:Rows path="$.g[*].items[*]" table="1000" mode="merge">
      <bs:Cell path="$.g" up="2" pid="1001"/><bs:Cell path="$.id" pid="1001" join="/"/><bs:Cell path="$.level" pid="1002"/><bs:Cell path="$.tags[-1]" pid="1003"/></bs:Rows>"#;
    let small = r#"{"g":"x","items":[{"id":1,"level":2,"tags":["a","b"]},{"id":2}]}"#;
    let group = |count: usize| {
        // Many values that no path asks for.
        let ballast = vec!["0"; count].join(",");
        format!(r#"{{"ballast":[{ballast}],"g":[{small},{small}]}}"#)
    };
    let mut few = Params::new(protocol("", rows));
    take(&mut few, group(10).as_bytes());
    let mut many = Params::new(protocol("", rows));
    take(&mut many, group(300_000).as_bytes());
    assert_eq!(table(&few), "x/1:2:b x/2::");
    assert_eq!(table(&few), table(&many));
}

#[test]
fn rows_beyond_what_a_table_holds_are_counted_and_bounded() {
    let message = format!("[{}]", vec!["{}"; 105_000].join(","));
    let rows = r#"<bs:Rows path="$[*]" table="1000" mode="append"><bs:Cell path="$.x" pid="1003" default="d"/></bs:Rows>"#;
    let mut params = Params::new(protocol("", rows));
    let (got, _) = take(&mut params, message.as_bytes());
    assert_eq!((got.dropped, got.fills[0].cells.len()), (5_000, 100_000));
    assert_eq!(params.rows(TableIx::new(0).expect("small")).len(), 1_000);
    // A path that needs a tree refuses such a message.
    let message = format!("[{}0]", "0,".repeat(530_000));
    let general = rows.replace("$[*]", "$[?!@.x]");
    let mut params = Params::new(protocol("", &general));
    let (got, filled) = take(&mut params, message.as_bytes());
    assert_eq!((got.dropped, got.problem.map(|problem| problem.why)), (1, Some(Why::TooMuch)));
    assert_eq!(filled, []);
}

#[test]
fn a_path_that_a_deep_message_could_make_slow_is_refused() {
    let deep = format!("{}1{}", "{\"a\":".repeat(120), "}".repeat(120));
    let message = format!("[{}]", vec![deep.as_str(); 100].join(","));
    let rows = |path: &str| {
        format!(
            r#"<bs:Rows path="{path}" table="1000" mode="append"><bs:Cell path="$" pid="1003"/></bs:Rows>"#
        )
    };
    let mut params = Params::new(protocol("", &rows("$..a")));
    let (got, _) = take(&mut params, message.as_bytes());
    assert_eq!((got.problem, got.fills[0].cells.len()), (None, 12_000));
    for path in ["$..a..a..a", "$[?count($..*) > 1]"] {
        let mut params = Params::new(protocol("", &rows(path)));
        let (got, _) = take(&mut params, message.as_bytes());
        assert_eq!(got.problem.map(|problem| problem.why), Some(Why::TooMuch), "{path}");
    }
}

#[test]
fn what_is_no_json_fills_nothing() {
    for text in [&b"{\"items\":[{\"id\":1}"[..], b"NaN", b"{\"items\":[NaN]}", b"\xFF", b"", b"[}"] {
        let mut params = Params::new(protocol("", &list("absent=\"empty\"")));
        take(&mut params, br#"{"items":[{"id":1}]}"#);
        let (got, filled) = take(&mut params, text);
        assert_eq!((got.dropped, filled.len(), table(&params).as_str()), (1, 0, "1::"), "{text:?}");
    }
}

proptest! {
    /// Any lists in any mode: the table never has more than its limit, nor two rows of one key.
    #[test]
    fn keys_stay_unique_and_limits_hold(
        messages in prop::collection::vec(prop::collection::vec(0_u8..12, 0..8), 1..8),
        mode in prop::sample::select(vec!["replace", "merge", "append"]),
        limit in 1_usize..6,
    ) {
        let mut params = Params::new(protocol("", &list(&format!(r#"mode="{mode}" limit="{limit}""#))));
        for keys in messages {
            let items: Vec<_> = keys.iter().map(|key| format!(r#"{{"id":{key},"level":{key}}}"#)).collect();
            take(&mut params, format!(r#"{{"items":[{}]}}"#, items.join(",")).as_bytes());
            let rows = params.rows(TableIx::new(0).expect("small"));
            prop_assert!(rows.len() <= limit);
            for (position, row) in rows.iter().enumerate() {
                prop_assert_eq!(rows.position(row.key()), Some(position));
                prop_assert_eq!(rows.get(row.key()).map(|found| found.key()), Some(row.key()));
            }
            if mode == "replace" && keys.len() <= limit {
                prop_assert!(keys.iter().all(|key| rows.get(&key.to_string()).is_some()));
            }
        }
    }
}

#[test]
fn other_formats_fill_tables_too() {
    let cells = CELLS;
    let xml = r#"<bs:Rows path="/r/item" table="1000"><bs:Cell path="@id" pid="1001"/><bs:Cell path="level" pid="1002" default="9" divisor="../scale"/><bs:Cell path="concat(local-name(..), label)" pid="1003"/></bs:Rows>"#;
    let names = r#"<bs:Rows path="/r/*[@v]" table="1000"><bs:Cell part="name" pid="1001"/><bs:Cell part="index" pid="1002"/><bs:Cell path="@v" pid="1003"/></bs:Rows>"#;
    let list = format!(r#"<bs:Rows path="$[*]" table="1000">{cells}</bs:Rows>"#);
    let lists = r#"<bs:Rows path="$[*]" table="1000"><bs:Cell path="$[0]" pid="1001"/><bs:Cell path="$[1]" pid="1002"/><bs:Cell path="$[-1]" pid="1003"/></bs:Rows>"#;
    let members = r#"<bs:Rows path="$.*" table="1000"><bs:Cell part="name" pid="1001"/><bs:Cell path="$" pid="1003"/></bs:Rows>"#;
    let filter = format!(r#"<bs:Rows path="$[?@.level != '1']" table="1000">{cells}</bs:Rows>"#);
    for (format, rows, message, expected) in [
        (
            r#"bs:format="xml""#,
            xml,
            "<r><scale>2</scale><item id='a'><level>5</level><label>A</label></item><item id='b'/></r>",
            "a:2.5:rA b:9:r",
        ),
        (r#"bs:format="xml""#, names, "<r><x v='1'/><y/><z v='2'/></r>", "x:0:1 z:1:2"),
        (r#"bs:format="csv""#, &list, "id,level,label\na,1,A\nb,2.5,\"x, y\"\n", "a:1:A b:2.5:x, y"),
        (
            r#"bs:format="csv" bs:separator="tab" bs:headerRow="false""#,
            lists,
            "a\t1\tA\nb\t2\tB\n",
            "a:1:A b:2:B",
        ),
        (r#"bs:format="csv""#, &filter, "id,level\na,1\nb,2\n", "b:2:"),
        (r#"bs:format="keyvalue""#, members, "a=1\nb = two\n", "a::1 b::two"),
        (r#"bs:format="keyvalue" bs:separator="; ""#, members, "a=1; b=2", "a::1 b::2"),
    ] {
        let mut params = Params::new(protocol(format, rows));
        let (got, _) = take(&mut params, message.as_bytes());
        assert_eq!((table(&params).as_str(), got.dropped), (expected, 0), "{format} {message}");
    }
}

#[test]
fn an_xml_list_that_is_empty_empties_the_table_and_one_that_is_absent_does_not() {
    let rows = r#"<bs:Rows path="/r/list/item" table="1000"><bs:Cell path="@id" pid="1001"/></bs:Rows>"#;
    let mut params = Params::new(protocol(r#"bs:format="xml""#, rows));
    for (message, expected, dropped) in [
        ("<r><list><item id='1'/><item id='2'/></list></r>", "1:: 2::", 0),
        ("<r><error/></r>", "1:: 2::", 0),
        ("<r><list>", "1:: 2::", 1),
        ("<r><list/></r>", "", 0),
    ] {
        let (got, _) = take(&mut params, message.as_bytes());
        assert_eq!((table(&params).as_str(), got.dropped), (expected, dropped), "{message}");
    }
}
