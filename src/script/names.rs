//! What a script refers to, as far as its text shows: numbers written out in calls of `protocol`, and methods that it does not
//! have; runs nothing.

use crate::language::schema::did_you_mean;
use crate::script::methods::{METHODS, Method, Refers};

/// A number that a script gives to a method.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    /// Where the number stands, in bytes.
    pub(super) at: usize,
    /// How long it is.
    pub(super) length: usize,
    /// The number.
    pub(super) id: i32,
    /// The method.
    pub(super) method: &'static Method,
    /// What it is the number of.
    pub(super) refers: Refers,
}

/// A method that `protocol` does not have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unknown<'a> {
    /// Where its name stands, in bytes.
    pub(super) at: usize,
    /// Its name.
    pub(super) name: &'a str,
}

/// The numbers in a text, in its order; comments and texts are left out.
pub(super) fn named(text: &str) -> Vec<Named> {
    let mut found = Vec::new();
    dots(text, |at| call(text.get(at..).unwrap_or_default(), at, &mut found));
    found
}

/// The methods in a text that `protocol` does not have, in its order.
///
/// An author may call something else `protocol`, a part of an address, say: a name counts if it begins as the original's do,
/// or is near one of them.
pub(super) fn unknown(text: &str) -> Vec<Unknown<'_>> {
    let mut found = Vec::new();
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii();
    dots(text, |dot| {
        let (before, after) = (text.get(..dot).unwrap_or_default(), text.get(dot + 1..).unwrap_or_default());
        let before = before.strip_suffix('?').unwrap_or(before);
        let holder = before.len() - before.bytes().rev().take_while(|byte| is_part(*byte)).count();
        let is_protocol = matches!(before.get(holder..), Some("protocol" | "SLScript"));
        let is_member = before.get(..holder).is_some_and(|before| before.ends_with(['.', '#']));
        let length = after.bytes().take_while(|byte| is_part(*byte)).count();
        let (name, rest) = after.split_at_checked(length).unwrap_or((after, ""));
        let is_call = rest.trim_start().starts_with('(');
        let known = || METHODS.iter().map(|method| method.name);
        if !is_protocol || is_member || !is_call || known().any(|known| known == name) {
            return;
        }
        if name.starts_with(|first: char| first.is_ascii_uppercase()) || did_you_mean(name, known()).is_some()
        {
            found.push(Unknown { at: dot + 1, name });
        }
    });
    found
}

/// Tells of each dot in a text; comments and texts are left out.
fn dots(text: &str, mut tell: impl FnMut(usize)) {
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        let rest = || text.get(at..).unwrap_or_default();
        at += match byte {
            b'/' if rest().starts_with("//") => rest().find('\n').unwrap_or(rest().len()),
            b'/' if rest().starts_with("/*") => {
                rest().get(2..).and_then(|rest| rest.find("*/")).map_or(rest().len(), |end| end + 4)
            }
            b'"' | b'\'' | b'`' => quoted(rest(), *byte),
            b'.' => {
                tell(at);
                1
            }
            _ => 1,
        };
    }
}

/// How long a quoted text is; one that is not closed ends with its line.
fn quoted(text: &str, quote: u8) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => _ = bytes.next(),
            b'\n' if quote != b'`' => return at,
            byte if byte == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A call whose dot stands at the start of a text.
fn call(text: &str, at: usize, into: &mut Vec<Named>) {
    let after = text.get(1..).unwrap_or_default();
    let name_length = after.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    let (name, rest) = after.split_at(name_length);
    let Some(method) = METHODS.iter().find(|method| method.name == name) else { return };
    let Some(arguments) = rest.trim_start().strip_prefix('(') else { return };
    let arguments = arguments.trim_start();
    let offset = |part: &str| at + text.len() - part.len();
    let mut take = |part: &str, refers| {
        let digits = part.trim_start();
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        let rest = digits.get(length..).unwrap_or_default();
        let alone = rest.trim_start().starts_with([',', ')', ']']);
        if let (true, Some(Ok(id))) = (alone, digits.get(..length).map(str::parse)) {
            into.push(Named { at: offset(digits), length, id, method, refers });
        }
        part.len() - rest.len()
    };
    match (method.refers, arguments.strip_prefix('[')) {
        (Refers::Nothing, Some(list)) if matches!(name, "GetParameters" | "SetParameters") => {
            let after = |part: &str, taken: usize| part.get(taken..).unwrap_or_default().trim_start().len();
            let mut left = after(list, take(list, Refers::Param));
            while let Some(next) = list.get(list.len() - left..).and_then(|rest| rest.strip_prefix(',')) {
                left = after(next, take(next, Refers::Param));
            }
        }
        (Refers::Nothing, _) => {}
        (refers, _) => _ = take(arguments, refers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_that_protocol_does_not_have_are_found_and_what_may_be_something_else_is_not() {
        for (text, expected) in [
            ("protocol.NotifyProtocol(1)", vec![("NotifyProtocol", 9)]),
            ("SLScript.SetParametr (1)", vec![("SetParametr", 9)]),
            ("protocol?.setParameter(1)", vec![("setParameter", 10)]),
            ("ü; protocol.Ünknown(1); protocol.Über(2)", vec![]),
            ("protocol.SetParameter(1); protocol.ElementName.Foo(2); protocol.Clear", vec![]),
            ("url.protocol.Foo(1); this.#protocol.Foo(1); myprotocol.Foo(1)", vec![]),
            ("protocol.startsWith('http'); protocol.length; protocol.trim()", vec![]),
            ("// protocol.Foo(1)\n'protocol.Foo(1)'; protocol.", vec![]),
            ("protocol.Foo(protocol.Bar())", vec![("Foo", 9), ("Bar", 22)]),
        ] {
            let found: Vec<(&str, usize)> = unknown(text).iter().map(|one| (one.name, one.at)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn numbers_in_calls_are_found_and_nothing_else() {
        let found = |text: &str| -> Vec<(String, i32)> {
            named(text)
                .iter()
                .map(|named| {
                    assert_eq!(&text[named.at..named.at + named.length], named.id.to_string(), "{text}");
                    (named.method.name.to_owned(), named.id)
                })
                .collect()
        };
        let of = |name: &str, id| (name.to_owned(), id);
        for (text, expected) in [
            ("protocol.GetParameter(12)", vec![of("GetParameter", 12)]),
            ("p . SetParameter ( 7 , x)", vec![]),
            ("p.SetParameter ( 7 , x)", vec![of("SetParameter", 7)]),
            ("p.SetParameter(7 + n, x)", vec![]),
            ("p.SetParameter(70.5, x)", vec![]),
            ("// p.GetParameter(1)\np.CheckTrigger(2)", vec![of("CheckTrigger", 2)]),
            ("/* p.GetParameter(1) */ 'p.GetParameter(2)' `p.GetParameter(3)`", vec![]),
            ("\"\\\"p.GetParameter(2)\" + p.IsEmpty(4)", vec![of("IsEmpty", 4)]),
            (
                "p.GetParameters([1, 2 ,n, 3])",
                vec![of("GetParameters", 1), of("GetParameters", 2), of("GetParameters", 3)],
            ),
            ("p.Log(8, -1, 'x'); p.GetInputParameter(0)", vec![]),
            ("p.GetParameter(", vec![]),
            ("p.GetParameter(1", vec![]),
            ("p.", vec![]),
            ("'", vec![]),
        ] {
            // In `1, 2 ,n, 3` the list ends where something stands that is no number.
            let got = found(text);
            let expected: Vec<_> = if text.contains(",n,") { expected[..2].to_vec() } else { expected };
            assert_eq!(got, expected, "{text}");
        }
    }
}
