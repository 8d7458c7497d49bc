//! Reads the grammar of `Sec-WebSocket-Extensions` (RFC 6455, 9.1); knows no extension.

/// One element of the list: a name and its parameters as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    /// The extension's token.
    pub(crate) name: String,
    parameters: Vec<(String, Option<String>)>,
}

impl Extension {
    /// The parameters in order; an error if one occurs twice.
    pub(crate) fn parameters(&self) -> Result<impl Iterator<Item = (&str, Option<&str>)>, String> {
        for (index, (name, _)) in self.parameters.iter().enumerate() {
            if self.parameters.iter().take(index).any(|(earlier, _)| earlier == name) {
                return Err(format!("the parameter `{name}` twice"));
            }
        }
        Ok(self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_deref())))
    }
}

/// Splits a header value; empty list elements are skipped, as RFC 9110 5.6.1 asks of a recipient.
pub(crate) fn parse_list(header: &str) -> Result<Vec<Extension>, String> {
    let mut cursor = Cursor { rest: header };
    let mut list = Vec::new();
    loop {
        cursor.blanks();
        if cursor.take(',') {
            continue;
        }
        if cursor.rest.is_empty() {
            return Ok(list);
        }
        let name = cursor.token()?.to_ascii_lowercase();
        let mut parameters = Vec::new();
        loop {
            cursor.blanks();
            if !cursor.take(';') {
                break;
            }
            cursor.blanks();
            let key = cursor.token()?.to_ascii_lowercase();
            cursor.blanks();
            let value = if cursor.take('=') {
                cursor.blanks();
                Some(cursor.value()?)
            } else {
                None
            };
            parameters.push((key, value));
        }
        list.push(Extension { name, parameters });
        if !cursor.rest.is_empty() && !cursor.take(',') {
            return Err(format!("unexpected `{}`", cursor.rest));
        }
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn token(&mut self) -> Result<&'a str, String> {
        let end = self.rest.find(|c| !is_token(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        if token.is_empty() {
            return Err(match rest.chars().next() {
                Some(found) => format!("a name was expected, found `{found}`"),
                None => "a name was expected, found the end".to_owned(),
            });
        }
        self.rest = rest;
        Ok(token)
    }

    /// A token or a quoted string; what is inside the quotes must be a token too (RFC 6455, 9.1).
    fn value(&mut self) -> Result<String, String> {
        if !self.take('"') {
            return self.token().map(str::to_owned);
        }
        let mut value = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') => value.extend(chars.next()),
                Some(other) => value.push(other),
                None => return Err("a quoted value has no end".to_owned()),
            }
        }
        self.rest = chars.as_str();
        if value.is_empty() || !value.chars().all(is_token) {
            return Err(format!("the quoted value `{value}` is no token"));
        }
        Ok(value)
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}
