//! Values of parameters as JavaScript values and back; sets and gets none.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use rquickjs::context::EvalOptions;
use rquickjs::function::This;
use rquickjs::{
    Array, ArrayBuffer, Ctx, Error, Exception, FromJs, Function, Result, String as JsString, TypedArray,
    Value as Js,
};

use crate::language::model::param::{Param, ValueType};
use crate::script::failure::OURS;
use crate::value::{Value, format_number};

/// The value of a standalone parameter; an empty one is 0 of a number and the empty text of a text.
pub(super) fn of_param<'js>(ctx: &Ctx<'js>, param: &Param, value: &Value) -> Result<Js<'js>> {
    match (value, param.value_type) {
        (Value::Empty, ValueType::Double | ValueType::HighNibble) => Ok(Js::new_int(ctx.clone(), 0)),
        (Value::Empty, ValueType::String) => text(ctx, ""),
        (Value::Number(_) | Value::Text(_) | Value::Bytes(_), _) => to_js(ctx, value),
    }
}

/// A value; an empty one is null.
pub(super) fn to_js<'js>(ctx: &Ctx<'js>, value: &Value) -> Result<Js<'js>> {
    match value {
        Value::Empty => Ok(Js::new_null(ctx.clone())),
        Value::Number(number) => Ok(Js::new_number(ctx.clone(), *number)),
        Value::Text(of) => text(ctx, of),
        Value::Bytes(of) => bytes(ctx, of),
    }
}

pub(super) fn text<'js>(ctx: &Ctx<'js>, text: &str) -> Result<Js<'js>> {
    Ok(JsString::from_str(ctx.clone(), text)?.into_value())
}

pub(super) fn bytes<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Js<'js>> {
    Ok(TypedArray::<u8>::new_copy(ctx.clone(), bytes)?.into_value())
}

/// Cells as an array.
pub(super) fn row<'js>(ctx: &Ctx<'js>, cells: &[Value]) -> Result<Js<'js>> {
    let array = Array::new(ctx.clone())?;
    for (at, cell) in cells.iter().enumerate() {
        array.set(at, to_js(ctx, cell)?)?;
    }
    Ok(array.into_value())
}

/// What a parameter or a cell takes: a number, a text, bytes, true and false as 1 and 0, null and undefined as empty.
pub(super) fn from_js<'js>(ctx: &Ctx<'js>, value: &Js<'js>) -> Result<Value> {
    if value.is_null() || value.is_undefined() {
        return Ok(Value::Empty);
    }
    if let Some(flag) = value.as_bool() {
        return Ok(Value::Number(f64::from(u8::from(flag))));
    }
    if let Some(number) = value.as_number() {
        return Ok(Value::number(number));
    }
    if let Some(text) = value.as_string() {
        return Ok(Value::Text(string(text)?));
    }
    if value.is_big_int() {
        let spell: Function<'js> = own(ctx, "(number) => `${number}`")?;
        return Ok(Value::Text(string(&spell.call((value.clone(),))?)?));
    }
    if let Some(object) = value.as_object() {
        let array = match ArrayBuffer::from_object(object.clone()) {
            Some(buffer) => TypedArray::<u8>::from_arraybuffer(buffer).ok(),
            None => TypedArray::<u8>::from_object(object.clone()).ok(),
        };
        if let Some(array) = array {
            return Ok(Value::Bytes(octets(ctx, &array)?));
        }
    }
    let what = "a parameter takes a number, a text, a Uint8Array, true, false or null";
    Err(Exception::throw_type(ctx, what))
}

/// Runs a text of ours: its lines are left out where the calls of a script are told.
pub(super) fn own<'js, T: FromJs<'js>>(ctx: &Ctx<'js>, text: &str) -> Result<T> {
    let mut options = EvalOptions::default();
    options.filename = Some(OURS.to_owned());
    ctx.eval_with_options(text, options)
}

/// The bytes of an array. They come as base64, because looking into the engine's memory takes `unsafe`.
fn octets<'js>(ctx: &Ctx<'js>, array: &TypedArray<'js, u8>) -> Result<Bytes> {
    let spell: Function<'js> = array.as_object().get("toBase64")?;
    let text: JsString<'js> = spell.call((This(array.clone()),))?;
    let decoded = BASE64_STANDARD.decode(text.to_string()?);
    decoded.map(Bytes::from).map_err(|_| Exception::throw_type(ctx, "the bytes cannot be read"))
}

/// A text; what is no character (half of a surrogate pair) is replaced.
pub(super) fn string(text: &JsString<'_>) -> Result<Arc<str>> {
    match text.to_string() {
        Ok(text) => Ok(text.into()),
        Err(Error::Utf8(_)) => {
            let form: Function<'_> = own(text.ctx(), "(text) => text.toWellFormed()")?;
            let whole: JsString<'_> = form.call((text.clone(),))?;
            Ok(whole.to_string()?.into())
        }
        Err(error) => Err(error),
    }
}

/// A whole number out of a JavaScript value: a number, or a text that spells one.
pub(super) fn whole(value: Option<&Js<'_>>) -> Option<i32> {
    let value = value?;
    let number = match value.as_number() {
        Some(number) => number,
        None => crate::value::parse_number(&string(value.as_string()?).ok()?)?,
    };
    (number.fract() == 0.0).then(|| format_number(number).parse().ok()).flatten()
}

/// The text of a key: a text, or a number as people write it.
pub(super) fn key(value: Option<&Js<'_>>) -> Option<Arc<str>> {
    let value = value?;
    match value.as_number() {
        Some(number) => Some(format_number(number).into()),
        None => string(value.as_string()?).ok(),
    }
}
