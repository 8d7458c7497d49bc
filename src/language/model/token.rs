//! Tokens that HTTP sessions fetch, and the sessions that run before a link opens, as the engine knows them; fetches nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::language::model::id::{GroupIx, ParamIx, SessionIx};
use crate::language::model::message::JsonPath;

/// `bs:Token`: what requests and links of some connections need before they go out.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// The session that fetches it: the answer of its last exchange has the token.
    pub session: SessionIx,
    /// A group of ours that runs the session, in a queue of ours.
    pub group: GroupIx,
    /// The parameter that holds the token, `prefix` in front.
    pub param: ParamIx,
    /// What stands before the token in the parameter, such as `Bearer `.
    pub prefix: Arc<str>,
    /// Where the token is in the answer.
    pub place: TokenPlace,
    /// How long it is good for.
    pub lifetime: Lifetime,
    /// How long before its end a new one is fetched; default 30 s.
    pub margin: Duration,
    /// The group that tells an open link of a new token; without one the link moves if it watches the parameter.
    pub renew: Option<GroupIx>,
}

/// Where a token is in an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenPlace {
    /// The whole body, without blanks around it, nor the quotes of a JSON string.
    Body,
    /// A part of a JSON body.
    Path(JsonPath),
    /// A header.
    Header(Arc<str>),
    /// The headers `Set-Cookie`: names and values, as a header `Cookie` gives them back.
    Cookies,
}

/// How long a token is good for.
#[derive(Clone, Debug, PartialEq)]
pub enum Lifetime {
    /// Nobody says: until a request is answered with 401.
    Unknown,
    /// So long from the answer on.
    Fixed(Duration),
    /// A part of the JSON body says how many seconds.
    Path(JsonPath),
    /// The claim `exp` of a JSON Web Token (RFC 7519, 4.1.4), read without checking the signature: it decides nothing but when
    /// to ask anew.
    Jwt,
}
