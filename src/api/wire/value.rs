//! Values in JSON: a number, a string, null, `{"base64": ...}` or `{"rows": [...]}`; checks no parameter's type.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::de::Error;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value as the API says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`: not initialised.
    #[default]
    Empty,
    /// A number, written without a needless fraction.
    Number(f64),
    /// A string.
    Text(Arc<str>),
    /// `{"base64": "..."}`, standard alphabet with padding.
    Bytes(Bytes),
    /// `{"rows": [[cell, ...], ...]}`: cells in the order of the columns, none of them a table.
    Table(Vec<Vec<Value>>),
}

/// The integers that a number holds exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => serializer.serialize_unit(),
            #[expect(clippy::cast_possible_truncation, reason = "an integer within 2^53 fits")]
            Self::Number(number) if number.fract() == 0.0 && number.abs() <= EXACT => {
                serializer.serialize_i64(*number as i64)
            }
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &BASE64.encode(bytes))?;
                map.end()
            }
            Self::Table(rows) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("rows", rows)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(serde_json::Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Value {
    /// Reads a value from JSON.
    ///
    /// # Errors
    ///
    /// Says what is wrong and what would be right.
    pub fn from_json(json: serde_json::Value) -> Result<Self, String> {
        match json {
            serde_json::Value::Object(mut fields) if fields.len() == 1 => {
                if let Some(serde_json::Value::Array(rows)) = fields.get_mut("rows") {
                    return rows.drain(..).map(row).collect::<Result<_, _>>().map(Self::Table);
                }
                scalar(serde_json::Value::Object(fields))
            }
            other => scalar(other),
        }
    }
}

fn row(json: serde_json::Value) -> Result<Vec<Value>, String> {
    let serde_json::Value::Array(cells) = json else {
        return Err("a row is a list of cells in the order of the columns".to_owned());
    };
    cells.into_iter().map(scalar).collect()
}

fn scalar(json: serde_json::Value) -> Result<Value, String> {
    match json {
        serde_json::Value::Null => Ok(Value::Empty),
        serde_json::Value::Number(number) => match number.as_f64() {
            Some(number) if number.is_finite() => Ok(Value::Number(number)),
            Some(_) | None => Err(format!("the number {number} is too large")),
        },
        serde_json::Value::String(text) => Ok(Value::Text(text.into())),
        serde_json::Value::Object(fields) => match fields.get("base64") {
            Some(serde_json::Value::String(text)) if fields.len() == 1 => match BASE64.decode(text) {
                Ok(bytes) => Ok(Value::Bytes(bytes.into())),
                Err(error) => Err(format!("not base64: {error}")),
            },
            Some(_) | None => Err("an object is {\"base64\": \"...\"} or {\"rows\": [...]}".to_owned()),
        },
        serde_json::Value::Bool(flag) => {
            Err(format!("a value is never {flag}: use a number or a string, such as {}", u8::from(flag)))
        }
        serde_json::Value::Array(_) => Err("a list is no value; a table is {\"rows\": [...]}".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, value: &Value) {
        assert_eq!(serde_json::to_string(value).unwrap(), json);
        assert_eq!(&serde_json::from_str::<Value>(json).unwrap(), value);
    }

    #[test]
    fn values_are_written_and_read_back() {
        check("null", &Value::Empty);
        check("5", &Value::Number(5.0));
        check("-0.125", &Value::Number(-0.125));
        check("1e+300", &Value::Number(1e300));
        check("9007199254740992", &Value::Number(EXACT));
        check("\"\"", &Value::Text("".into()));
        check("\"5\"", &Value::Text("5".into()));
        check("{\"base64\":\"AP8=\"}", &Value::Bytes(Bytes::from_static(&[0, 255])));
        check("{\"rows\":[]}", &Value::Table(Vec::new()));
        check(
            "{\"rows\":[[\"a\",1],[\"b\",null]]}",
            &Value::Table(vec![
                vec![Value::Text("a".into()), Value::Number(1.0)],
                vec![Value::Text("b".into()), Value::Empty],
            ]),
        );
    }

    #[test]
    fn what_is_no_value_is_refused_with_a_reason() {
        for (json, reason) in [
            ("true", "a value is never true: use a number or a string, such as 1"),
            ("[1]", "a list is no value; a table is {\"rows\": [...]}"),
            ("{}", "an object is {\"base64\": \"...\"} or {\"rows\": [...]}"),
            ("{\"base64\":5}", "an object is {\"base64\": \"...\"} or {\"rows\": [...]}"),
            ("{\"base64\":\"AA==\",\"rows\":[]}", "an object is {\"base64\": \"...\"} or {\"rows\": [...]}"),
            ("{\"base64\":\"A\"}", "not base64: "),
            ("{\"rows\":[5]}", "a row is a list of cells in the order of the columns"),
            ("{\"rows\":[[{\"rows\":[]}]]}", "an object is {\"base64\": \"...\"} or {\"rows\": [...]}"),
        ] {
            let error = serde_json::from_str::<Value>(json).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{json}: {error}");
        }
    }
}
