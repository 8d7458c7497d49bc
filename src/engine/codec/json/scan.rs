//! Passes over the values of a JSON text and checks them; a stack of bits instead of recursion.

use crate::engine::codec::json::{JsonError, Kind, MAX_DEPTH, MAX_NOTES, Note, is_name, narrow, position};

/// Passes over a text, and notes what it passes.
pub(super) struct Scanner<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    pub(super) notes: Vec<Note>,
    pub(super) is_noting: bool,
    /// How many values and names were passed.
    pub(super) values: usize,
    /// How many arrays and objects were open at once.
    pub(super) deepest: usize,
}

impl<'a> Scanner<'a> {
    /// At the beginning of a text, without notes.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, notes: Vec::new(), is_noting: false, values: 0, deepest: 0 }
    }
}

impl Scanner<'_> {
    /// One value with nothing but blanks around it.
    pub(super) fn document(&mut self) -> Result<(), JsonError> {
        self.blanks();
        let start = self.at;
        let kind = self.value()?;
        if self.notes.is_empty() && self.is_noting {
            self.note_scalar(kind, start);
        }
        self.blanks();
        if self.at == self.text.len() { Ok(()) } else { Err(self.wrong("text after the value")) }
    }

    fn wrong(&self, what: &'static str) -> JsonError {
        JsonError { what, at: self.at.min(self.text.len()) }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    pub(super) fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Notes a value; `next` is what its note says comes after it.
    #[inline]
    fn note(&mut self, kind: Kind, start: usize, next: u32) {
        self.values += 1;
        if !self.is_noting {
            return;
        }
        if self.notes.len() == MAX_NOTES {
            self.is_noting = false;
            self.notes = Vec::new();
            return;
        }
        self.notes.push(Note { start: narrow(start), end: narrow(self.at), next, kind });
    }

    /// Notes a value that is complete.
    #[inline]
    fn note_scalar(&mut self, kind: Kind, start: usize) {
        self.note(kind, start, narrow(self.notes.len() + 1));
    }

    /// Completes the note of the innermost open container; answers the one around it.
    #[inline]
    fn close(&mut self, index: u32) -> u32 {
        let (end, next) = (narrow(self.at), narrow(self.notes.len()));
        match self.notes.get_mut(index as usize) {
            Some(note) if self.is_noting => {
                note.end = end;
                std::mem::replace(&mut note.next, next)
            }
            Some(_) | None => 0,
        }
    }

    /// One value that begins here, with all that is in it.
    pub(super) fn value(&mut self) -> Result<Kind, JsonError> {
        let first = self.begin()?;
        let start = self.at - 1;
        let mut kind = first;
        if !matches!(first, Kind::Object | Kind::Array) {
            return Ok(first);
        }
        // The open containers, innermost last: a bit of one for an object, and how many there are. While a container is open,
        // its note has that of the one around it in place of the next.
        let (mut objects, mut depth, mut top) = (0_u128, 0_usize, 0_u32);
        let mut opened_at = start;
        loop {
            if depth == MAX_DEPTH {
                return Err(self.wrong("nesting too deep"));
            }
            let is_object = kind == Kind::Object;
            let index = narrow(self.notes.len());
            self.note(kind, opened_at, top);
            (top, depth, objects) = (index, depth + 1, objects << 1 | u128::from(is_object));
            self.deepest = self.deepest.max(depth);
            self.blanks();
            let mut is_open = !self.is_closed_at_once(is_object);
            if is_open && is_object {
                self.key()?;
            }
            // Values until one is a container.
            loop {
                if is_open {
                    opened_at = self.at;
                    kind = self.begin()?;
                    if matches!(kind, Kind::Object | Kind::Array) {
                        break;
                    }
                    self.note_scalar(kind, opened_at);
                    self.blanks();
                    is_open = self.separator(objects & 1 == 1)?;
                } else {
                    top = self.close(top);
                    (depth, objects) = (depth - 1, objects >> 1);
                    if depth == 0 {
                        return Ok(first);
                    }
                    self.blanks();
                    is_open = self.separator(objects & 1 == 1)?;
                }
            }
        }
    }

    /// Passes a closing bracket right after the opening one.
    #[inline]
    pub(super) fn is_closed_at_once(&mut self, is_object: bool) -> bool {
        let closed = self.peek() == Some(if is_object { b'}' } else { b']' });
        if closed {
            self.at += 1;
        }
        closed
    }

    /// Passes what follows a value in a container, up to the next value (true) or after the closing bracket (false).
    #[inline]
    fn separator(&mut self, is_object: bool) -> Result<bool, JsonError> {
        match (self.peek(), is_object) {
            (Some(b','), _) => {
                self.at += 1;
                self.blanks();
                if is_object {
                    self.key()?;
                }
                Ok(true)
            }
            (Some(b'}'), true) | (Some(b']'), false) => {
                self.at += 1;
                Ok(false)
            }
            (Some(_), _) => Err(self.wrong("a comma or a closing bracket is missing")),
            (None, _) => Err(self.wrong("the text ends too early")),
        }
    }

    /// A member's name, noted, and the colon after it.
    #[inline]
    fn key(&mut self) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong("a member without a name"));
        }
        let start = self.at;
        let kind = self.string()?;
        self.note_scalar(kind, start);
        self.blanks();
        if self.peek() != Some(b':') {
            return Err(self.wrong("a colon is missing"));
        }
        self.at += 1;
        self.blanks();
        Ok(())
    }

    /// A scalar as a whole, or the opening bracket of a container.
    #[inline]
    fn begin(&mut self) -> Result<Kind, JsonError> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{') => {
                self.at += 1;
                Ok(Kind::Object)
            }
            Some(b'[') => {
                self.at += 1;
                Ok(Kind::Array)
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true", Kind::True),
            Some(b'f') => self.word(b"false", Kind::False),
            Some(b'n') => self.word(b"null", Kind::Null),
            Some(_) => Err(self.wrong("this begins no value")),
            None => Err(self.wrong("the text ends too early")),
        }
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind, JsonError> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            Ok(kind)
        } else {
            Err(self.wrong("this begins no value"))
        }
    }

    #[inline]
    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(self.wrong("a digit is missing")) }
    }

    fn number(&mut self) -> Result<Kind, JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.wrong("a number begins with a needless 0"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Kind::Number)
    }

    /// A string, quotes included.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Kind, JsonError> {
        self.at += 1;
        let mut kind = Kind::Text;
        loop {
            self.plain();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(kind);
                }
                Some(b'\\') => {
                    kind = Kind::EscapedText;
                    self.escape()?;
                }
                Some(_) => return Err(self.wrong("a control character in a string")),
                None => return Err(self.wrong("the text ends too early")),
            }
        }
    }

    /// Passes everything up to a quote, a backslash or a control character.
    #[inline]
    fn plain(&mut self) {
        /// Names and most texts are shorter than what the search below is worth.
        const SHORT: usize = 16;
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_special = |byte: u8| byte == b'"' || byte == b'\\' || byte < 0x20;
        if let Some(len) = rest.iter().take(SHORT).position(|byte| is_special(*byte)) {
            self.at += len;
            return;
        }
        let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        let plain = rest.get(..end).unwrap_or_default();
        // The least byte tells, with vector instructions, whether there is a control character at all.
        let has_control = plain.iter().fold(u8::MAX, |least, byte| least.min(*byte)) < 0x20;
        self.at += if has_control { plain.iter().position(|byte| *byte < 0x20).unwrap_or(end) } else { end };
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.text.get(self.at + 2..self.at + 6).unwrap_or_default();
                if digits.len() < 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(self.wrong("an escape without four digits"));
                }
                self.at += 6;
            }
            Some(_) => return Err(self.wrong("an unknown escape")),
            None => return Err(self.wrong("the text ends too early")),
        }
        Ok(())
    }

    /// Goes to the value of the last member with a name, of a checked object that begins here.
    pub(super) fn go_to_member(&mut self, name: &str) -> Option<()> {
        if self.peek() != Some(b'{') {
            return None;
        }
        self.at += 1;
        self.blanks();
        let mut found = None;
        if self.is_closed_at_once(true) {
            return None;
        }
        loop {
            let start = self.at;
            let kind = self.string().ok()?;
            let key = self.text.get(start..self.at)?;
            self.blanks();
            // The colon, which was checked.
            self.at += 1;
            self.blanks();
            if is_name(key, kind, name) {
                found = Some(self.at);
            }
            self.value().ok()?;
            self.blanks();
            let comma = self.peek() == Some(b',');
            self.at += 1;
            self.blanks();
            if !comma {
                break;
            }
        }
        self.at = found?;
        Some(())
    }

    /// Goes to an element of a checked array that begins here.
    pub(super) fn go_to_element(&mut self, index: i64) -> Option<()> {
        if self.peek() != Some(b'[') {
            return None;
        }
        self.at += 1;
        self.blanks();
        let start = self.at;
        let mut len = 0;
        let wanted = match usize::try_from(index) {
            Ok(index) => index,
            Err(_) => {
                while self.peek()? != b']' {
                    self.pass_element()?;
                    len += 1;
                }
                self.at = start;
                position(index, || len)?
            }
        };
        for _ in 0..wanted {
            if self.peek()? == b']' {
                return None;
            }
            self.pass_element()?;
        }
        (self.peek()? != b']').then_some(())
    }

    /// Passes an element and the comma after it.
    fn pass_element(&mut self) -> Option<()> {
        self.value().ok()?;
        self.blanks();
        if self.peek()? == b',' {
            self.at += 1;
            self.blanks();
        }
        Some(())
    }
}
