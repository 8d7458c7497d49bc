//! What a script refers to, as far as its text shows: numbers written out in calls of `protocol`, and methods that it does not
//! have; runs nothing.

use std::collections::BTreeSet;

use crate::language::schema::did_you_mean;
use crate::script::methods::{METHODS, Method, Refers};
use crate::script::numbered;

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
///
/// Whatever has no other owner may be the element: an author calls the argument of a function as he likes.
pub(super) fn named(text: &str) -> Vec<Named> {
    let tokens = tokens(text);
    let own = own_names(&tokens);
    let mut found = Vec::new();
    for call in calls(&tokens) {
        let is_element = match call.on {
            On::Name(name) => !own.contains(name),
            On::OfThis(name) => is_protocol(name),
            On::Other => false,
        };
        let method = METHODS.iter().find(|method| method.name == call.method.text);
        if let Some(method) = method.filter(|_| is_element) {
            numbers(method, call.arguments, &mut found);
        }
    }
    found
}

/// The methods in a text that `protocol` does not have, in its order.
///
/// An author may call something else `protocol`, a part of an address, say: a name counts if it begins as the original's do,
/// or is near one of them.
pub(super) fn unknown(text: &str) -> Vec<Unknown<'_>> {
    let tokens = tokens(text);
    let own = own_names(&tokens);
    let known = || METHODS.iter().map(|method| method.name);
    let is_unknown = |call: &Call<'_, '_>| {
        let name = call.method.text;
        let is_element = matches!(call.on, On::Name(name) if is_protocol(name) && !own.contains(name));
        let is_meant = name.starts_with(|first: char| first.is_ascii_uppercase());
        is_element
            && known().all(|known| known != name)
            && (is_meant || did_you_mean(name, known()).is_some())
    };
    let found = calls(&tokens).filter(is_unknown);
    found.map(|call| Unknown { at: call.method.at, name: call.method.text }).collect()
}

fn is_protocol(name: &str) -> bool {
    matches!(name, "protocol" | "SLScript")
}

/// What a method is called on.
#[derive(Clone, Copy)]
enum On<'a> {
    /// A name by itself.
    Name(&'a str),
    /// A property of `this`, a private one too.
    OfThis(&'a str),
    /// Anything else.
    Other,
}

/// A call of a method.
struct Call<'a, 't> {
    on: On<'a>,
    method: Token<'a>,
    /// What follows its bracket.
    arguments: &'t [Token<'a>],
}

fn calls<'a, 't>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = Call<'a, 't>> {
    tokens.windows(3).enumerate().filter_map(|(at, window)| {
        let [dot, method, bracket] = window else { return None };
        if !dot.is_dot() || method.kind != Kind::Name || bracket.text != "(" {
            return None;
        }
        let arguments = tokens.get(at + 3..).unwrap_or_default();
        Some(Call { on: on(tokens.get(..at).unwrap_or_default()), method: *method, arguments })
    })
}

/// What stands in front of a dot.
fn on<'a>(before: &[Token<'a>]) -> On<'a> {
    let Some((name, before)) = before.split_last() else { return On::Other };
    if name.kind != Kind::Name || matches!(name.text, "this" | "super") {
        return On::Other;
    }
    let before = match before {
        [before @ .., mark] if mark.text == "#" => before,
        before => before,
    };
    match before {
        [.., holder, dot] if dot.is_dot() && holder.text == "this" => On::OfThis(name.text),
        [.., dot] if dot.is_dot() => On::Other,
        _ => On::Name(name.text),
    }
}

/// The numbers that a call of a method names.
fn numbers(method: &'static Method, arguments: &[Token<'_>], into: &mut Vec<Named>) {
    let mut take = |token: &Token<'_>, refers| {
        if let (Kind::Number, Ok(id)) = (token.kind, token.text.parse()) {
            into.push(Named { at: token.at, length: token.text.len(), id, method, refers });
        }
    };
    match (method.refers, arguments) {
        (Refers::Nothing, [open, list @ ..])
            if open.text == "[" && matches!(method.name, "GetParameters" | "SetParameters") =>
        {
            let end = list.iter().position(|token| matches!(token.text, "]" | "[" | "(" | "{"));
            let list = list.get(..end.unwrap_or(list.len())).unwrap_or_default();
            for member in list.split(|token| token.text == ",") {
                if let [alone] = member {
                    take(alone, Refers::Param);
                }
            }
        }
        (Refers::Nothing, _) => {}
        (Refers::Call, [number, comma, given @ ..]) if comma.text == "," => {
            take(number, Refers::Call);
            let refers = number.text.parse().ok().and_then(numbered::refers);
            let given = match given {
                [open, list @ ..] if open.text == "[" => list,
                given => given,
            };
            if let (Some(refers), [first, behind, ..]) = (refers, given)
                && matches!(behind.text, "," | ")" | "]")
            {
                take(first, refers);
            }
        }
        (Refers::Call, _) => {}
        (refers, [first, behind, ..]) if matches!(behind.text, "," | ")") => take(first, refers),
        (Refers::Param | Refers::Table | Refers::Trigger, _) => {}
    }
}

/// The names that a text gives to something of its own; arguments of functions are not among them.
fn own_names<'a>(tokens: &[Token<'a>]) -> BTreeSet<&'a str> {
    let mut own = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Name) {
        let after = tokens.get(at + 1..).unwrap_or_default();
        // A property may have any name.
        if at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(Token::is_dot) {
            continue;
        }
        match (token.text, after) {
            ("const" | "let" | "var", _) => declared(after, &mut own),
            // A call of `import`, `import.meta` and the import of a file for its effects name nothing.
            ("import", [next, ..]) if next.text == "(" || next.is_dot() || next.kind == Kind::Text => {}
            ("import", _) => {
                let names = after.iter().take_while(|token| !matches!(token.text, "from" | ";" | "import"));
                own.extend(names.filter(|token| token.kind == Kind::Name).map(|token| token.text));
            }
            ("catch", [open, name, ..]) if open.text == "(" && name.kind == Kind::Name => {
                own.insert(name.text);
            }
            ("function" | "class", [name, ..]) if name.kind == Kind::Name => {
                own.insert(name.text);
            }
            _ => {}
        }
    }
    own
}

/// The names that stand behind `const`, `let` or `var`.
fn declared<'a>(tokens: &[Token<'a>], into: &mut BTreeSet<&'a str>) {
    let (mut depth, mut is_value) = (0_usize, false);
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "{" | "[" | "(" => depth += 1,
            "}" | "]" | ")" => match depth.checked_sub(1) {
                Some(outer) => depth = outer,
                None => return,
            },
            "=" if depth == 0 => is_value = true,
            "," if depth == 0 => is_value = false,
            // At any depth: each piece of a text is looked at for one declaration only, however hostile it is.
            "const" | "let" | "var" => return,
            ";" | "of" | "in" | "return" | "if" | "for" | "while" if depth == 0 => return,
            // In `{ protocol: scheme }` the name is the second one.
            name if token.kind == Kind::Name
                && !is_value
                && tokens.get(at + 1).is_none_or(|next| next.text != ":") =>
            {
                into.insert(name);
                let goes_on =
                    tokens.get(at + 1).is_some_and(|next| matches!(next.text, "," | "=" | "of" | "in"));
                // A declaration without a value may end without a semicolon.
                if depth == 0 && !goes_on {
                    return;
                }
            }
            _ => {}
        }
    }
}

/// What a piece of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A name or a word of the language.
    Name,
    /// A number, however it is written.
    Number,
    /// A text, a piece of a template, or a regular expression.
    Text,
    /// Anything else.
    Mark,
}

/// A piece of a text.
#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    at: usize,
    text: &'a str,
    kind: Kind,
}

impl Token<'_> {
    fn is_dot(&self) -> bool {
        matches!(self.text, "." | "?.") && self.kind == Kind::Mark
    }
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

/// The pieces of a text, without its comments.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    // For each template whose hole the text is in: how many brackets are open in the hole.
    let mut holes: Vec<usize> = Vec::new();
    // Up to here nothing is a regular expression: one that its line does not end is none, and is looked for once in a line.
    let mut divided = 0;
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at).copied() {
        let rest = text.get(at..).unwrap_or_default();
        let while_part = || rest.bytes().take_while(|byte| is_part(*byte)).count();
        let (length, kind) = match byte {
            b'/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), None),
            b'/' if rest.starts_with("/*") => {
                let end = rest.get(2..).and_then(|rest| rest.find("*/"));
                (end.map_or(rest.len(), |end| end + 4), None)
            }
            b'/' if at >= divided && begins_value(tokens.last()) => match regular(rest) {
                Some(length) => (length, Some(Kind::Text)),
                None => {
                    divided = at + rest.find('\n').unwrap_or(rest.len());
                    (1, Some(Kind::Mark))
                }
            },
            b'"' | b'\'' => (quoted(rest, byte), Some(Kind::Text)),
            b'`' => (template(rest, &mut holes), Some(Kind::Text)),
            b'}' if holes.last() == Some(&0) => {
                holes.pop();
                (template(rest, &mut holes), Some(Kind::Text))
            }
            b'0'..=b'9' => {
                let length = rest.bytes().take_while(|byte| is_part(*byte) || *byte == b'.').count();
                (length, Some(Kind::Number))
            }
            _ if byte.is_ascii_whitespace() => (1, None),
            _ if is_part(byte) => (while_part(), Some(Kind::Name)),
            _ => {
                let open = holes.last_mut();
                match (byte, open) {
                    (b'{', Some(open)) => *open += 1,
                    (b'}', Some(open)) => *open -= 1,
                    (_, Some(_) | None) => {}
                }
                let long = ["...", "?.", "++", "--", "=>", "=="];
                let long = long.iter().find(|mark| rest.starts_with(**mark)).map_or(1, |mark| mark.len());
                (long, Some(Kind::Mark))
            }
        };
        if let (Some(kind), Some(text)) = (kind, rest.get(..length)) {
            tokens.push(Token { at, text, kind });
        }
        at += length.max(1);
    }
    tokens
}

/// Whether a value may follow, and so a regular expression; a sign of division otherwise.
fn begins_value(before: Option<&Token<'_>>) -> bool {
    const WORDS: &[&str] = &[
        "await",
        "case",
        "delete",
        "do",
        "else",
        "in",
        "instanceof",
        "new",
        "of",
        "return",
        "throw",
        "typeof",
        "void",
        "yield",
    ];
    before.is_none_or(|before| match before.kind {
        Kind::Name => WORDS.contains(&before.text),
        Kind::Number | Kind::Text => false,
        Kind::Mark => !matches!(before.text, ")" | "]" | "++" | "--"),
    })
}

/// How long the regular expression is that a text begins with; none if its line ends before it.
fn regular(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate().skip(1);
    let mut in_class = false;
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => _ = bytes.next(),
            b'\n' => return None,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'/' if !in_class => {
                let flags = text.bytes().skip(at + 1).take_while(u8::is_ascii_alphabetic).count();
                return Some(at + 1 + flags);
            }
            _ => {}
        }
    }
    None
}

/// How long a quoted text is; one that is not closed ends with its line.
fn quoted(text: &str, quote: u8) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => _ = bytes.next(),
            b'\n' => return at,
            byte if byte == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// How long a piece of a template is, up to its end or to a hole, which is noted.
fn template(text: &str, holes: &mut Vec<usize>) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1).peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => _ = bytes.next(),
            b'`' => return at + 1,
            b'$' if bytes.peek().is_some_and(|(_, next)| *next == b'{') => {
                holes.push(0);
                return at + 2;
            }
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_that_protocol_does_not_have_are_found_and_what_may_be_something_else_is_not() {
        for (text, expected) in [
            ("protocol.NotifyDataMiner(1)", vec![("NotifyDataMiner", 9)]),
            ("SLScript.SetParametr (1)", vec![("SetParametr", 9)]),
            ("protocol?.setParameter(1)", vec![("setParameter", 10)]),
            ("ü; protocol.Ünknown(1); protocol.Über(2)", vec![]),
            ("protocol.SetParameter(1); protocol.ElementName.Foo(2); protocol.Clear", vec![]),
            ("url.protocol.Foo(1); this.#protocol.Foo(1); myprotocol.Foo(1)", vec![]),
            ("protocol.startsWith('http'); protocol.length; protocol.trim()", vec![]),
            ("// protocol.Foo(1)\n'protocol.Foo(1)'; protocol.", vec![]),
            ("`${protocol.Foo(`${1}`)} protocol.Bar()`; protocol.Bar(2)", vec![("Foo", 12), ("Bar", 51)]),
            // Its quotes begin no text, and what is divided is no expression.
            ("/[/'\"]/.test(x); protocol.Foo(1) // '", vec![("Foo", 26)]),
            ("a = b / 2; protocol.Foo(1); c = n++ / 3 / 4", vec![("Foo", 20)]),
            ("const { protocol, host } = new URL(x); protocol.Foo(1)", vec![]),
            ("const { protocol: scheme } = new URL(x); protocol.Foo(1)", vec![("Foo", 50)]),
            ("let a = f(1, 2), protocol = a; protocol.Foo(1)", vec![]),
            ("let a = f(1, protocol)\nprotocol.Foo(1)", vec![("Foo", 32)]),
            ("import { protocol } from './a.js'; protocol.Foo(1)", vec![]),
            ("other\n  .protocol\n  .Foo(1); f().protocol.Foo(2); x['y'].Foo(3)", vec![]),
            ("[...protocol.Foo(1)]", vec![("Foo", 13)]),
            ("try { f() } catch { protocol.Foo(1) }", vec![("Foo", 29)]),
            ("try { f() } catch (protocol) { protocol.Foo(1) }", vec![]),
            ("let value\nprotocol.Foo(1)", vec![("Foo", 19)]),
            ("import './a.js'\nprotocol.Foo(1)", vec![("Foo", 25)]),
            ("await import('./a.js')\nprotocol.Foo(1)", vec![("Foo", 32)]),
            ("protocol.Foo(protocol.Bar())", vec![("Foo", 9), ("Bar", 22)]),
        ] {
            let found: Vec<(&str, usize)> = unknown(text).iter().map(|one| (one.name, one.at)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_hostile_text_takes_no_longer_than_its_length() {
        for piece in
            ["var[", "(/[", "import ", "`${", "p.GetParameters([", "(/", "protocol.", "const{a:", "'"]
        {
            let text = piece.repeat((1 << 18) / piece.len());
            let began = crate::script::pool::real_now();
            let found = (named(&text).len(), unknown(&text).len());
            let took = began.elapsed();
            assert!(took < std::time::Duration::from_secs(30), "{piece}: {took:?}, {found:?}");
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
            ("p . SetParameter ( 7 , x)", vec![of("SetParameter", 7)]),
            ("p.SetParameter ( 7 , x)", vec![of("SetParameter", 7)]),
            ("p.SetParameter(7 + n, x)", vec![]),
            ("p.SetParameter(70.5, x)", vec![]),
            ("// p.GetParameter(1)\np.CheckTrigger(2)", vec![of("CheckTrigger", 2)]),
            ("/* p.GetParameter(1) */ 'p.GetParameter(2)' `p.GetParameter(3)`", vec![]),
            ("\"\\\"p.GetParameter(2)\" + p.IsEmpty(4)", vec![of("IsEmpty", 4)]),
            (
                "p.GetParameters([1, 2 ,n, 3, 4 + 5])",
                vec![of("GetParameters", 1), of("GetParameters", 2), of("GetParameters", 3)],
            ),
            ("p.GetParameters([1, f(2), 3])", vec![of("GetParameters", 1)]),
            (
                "this.protocol.GetRow(1, 'a'); this.#protocol.GetRow(2, 'a')",
                vec![of("GetRow", 1), of("GetRow", 2)],
            ),
            ("other.protocol.GetRow(1); this.cache.Exists(2); f().Exists(3); 'x'.Exists(4)", vec![]),
            ("const cache = new Cache(); cache.Exists(1); protocol.Exists(2)", vec![of("Exists", 2)]),
            ("/'/.test(x); p.GetRow(1) // '", vec![of("GetRow", 1)]),
            (
                "class A { GetRow(n) { return super.GetRow(n) } Run() { this.GetRow(5); super.GetRow(6) } }",
                vec![],
            ),
            ("p.Log(8, -1, 'x'); p.GetInputParameter(0)", vec![]),
            (
                "protocol.NotifyProtocol(195 /* rows */, 1000, null)",
                vec![of("NotifyProtocol", 195), of("NotifyProtocol", 1000)],
            ),
            (
                "protocol.NotifyProtocol(220, [1000, 1002], [keys, values])",
                vec![of("NotifyProtocol", 220), of("NotifyProtocol", 1000)],
            ),
            ("protocol.NotifyProtocol(130, 1000, null)", vec![of("NotifyProtocol", 130)]),
            (
                "protocol.NotifyProtocol(195, table, null); protocol.NotifyProtocol(kind, 1)",
                vec![of("NotifyProtocol", 195)],
            ),
            ("p.GetParameter(", vec![]),
            ("p.GetParameter(1", vec![]),
            ("p.", vec![]),
            ("'", vec![]),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }
}
