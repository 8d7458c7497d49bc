//! Which value a parameter starts with: what was saved, the settings, or the default; reads neither store nor settings.

use std::sync::Arc;

use crate::engine::param::{Origin, Rejected, fit};
use crate::language::model::Protocol;
use crate::language::model::id::ParamIx;
use crate::language::model::param::ParamKind;
use crate::value::Value;

/// A fingerprint of a setting's resolved value: a keyed hash, so that the store gives no secret away.
pub type Fingerprint = [u8; 16];

/// What the settings say about a parameter (`[element.params]`).
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The resolved value.
    pub value: Value,
    /// Where it comes from.
    pub source: Provenance,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
}

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Written in the settings.
    Literal,
    /// `{ env = ".." }` or `{ file = ".." }`.
    External,
}

/// What the store has of a parameter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// The value that was saved.
    pub value: Option<Value>,
    /// The fingerprint of the setting that was applied last.
    pub applied: Option<Fingerprint>,
}

/// The value to start with, and what the store has to remember of the choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The value; `None` leaves the parameter empty.
    pub value: Option<Value>,
    /// The setting is from outside: call [`Params::mark_external`](super::Params::mark_external).
    pub external: bool,
    /// The fingerprint that has to be stored as the one applied last; `None` if what is stored is right.
    pub remember: Option<Fingerprint>,
    /// The value of the setting replaces the one that was saved and has to be stored itself.
    pub store_value: bool,
}

/// What an element knows of itself, for the parameters whose type says that they hold it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The element's name.
    pub name: Arc<str>,
    /// Where its connections go by the settings, in order; none of those without a host.
    pub addresses: Vec<Address>,
    /// The bus addresses of its connections, in order; none of those without one.
    pub bus: Vec<Arc<str>>,
}

/// Where a connection goes by the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// The host, possibly with a scheme.
    pub host: Arc<str>,
    /// The port.
    pub port: Option<u16>,
}

impl Facts {
    /// A number that stands for the element wherever it runs: 31 bits of a hash of its name (FNV-1a), never 0.
    fn id(&self) -> Option<u32> {
        const BASIS: u32 = 0x811c_9dc5;
        const PRIME: u32 = 0x0100_0193;
        let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(PRIME);
        let hash = self.name.bytes().fold(BASIS, mix) & 0x7fff_ffff;
        (!self.name.is_empty()).then_some(hash.max(1))
    }

    /// The value of a parameter of a kind that holds one: `elementname`, `elementid`, `elementdmaid`, `ip` (`host:port`),
    /// `pollingip` (`host`) and `bus`, of several connections with `;` between them.
    pub fn of(&self, kind: ParamKind) -> Option<Value> {
        let bare = |address: &Address| {
            let host = address.host.split_once("://").map_or(&*address.host, |(_, host)| host);
            host.to_owned()
        };
        let listed = |text: &dyn Fn(&Address) -> String| {
            let all: Vec<String> = self.addresses.iter().map(text).collect();
            (!all.is_empty()).then(|| Value::text(all.join(";")))
        };
        match kind {
            ParamKind::ElementName => (!self.name.is_empty()).then(|| Value::Text(self.name.clone())),
            ParamKind::PollingIp => listed(&bare),
            ParamKind::Ip => listed(&|address| match address.port {
                Some(port) => format!("{}:{port}", bare(address)),
                None => bare(address),
            }),
            ParamKind::Bus => (!self.bus.is_empty()).then(|| Value::text(self.bus.join(";"))),
            ParamKind::ElementId => self.id().map(|id| Value::number(f64::from(id))),
            // There is one host only, so that it is always the first.
            ParamKind::ElementDmaId => self.id().map(|id| Value::text(format!("1/{id}"))),
            ParamKind::Read
            | ParamKind::Write
            | ParamKind::Dummy
            | ParamKind::Fixed
            | ParamKind::Header
            | ParamKind::Trailer
            | ParamKind::Array
            | ParamKind::Group
            | ParamKind::ReadBit
            | ParamKind::WriteBit
            | ParamKind::Length
            | ParamKind::Crc
            | ParamKind::DiscreetInfo
            | ParamKind::Response
            | ParamKind::Other => None,
        }
    }
}

/// Whether a standalone parameter takes a value at the start, where neither `Sequence` nor `Range` is looked at.
///
/// # Errors
///
/// Why it does not; the text never contains the value.
pub fn check(protocol: &Protocol, param: ParamIx, value: &Value) -> Result<(), Rejected> {
    let described = protocol.param(param);
    fit::fit(described, &described.sequence, value.clone(), Origin::Startup, &|_| None).map(drop)
}

/// Chooses by the rule of `LANGUAGE.md` 6, "Which value wins".
///
/// Without `save` the setting wins at every start. With it, what was saved is kept unless the setting's value is another
/// than the one applied last. A value from outside always wins and is never stored. The default fills what is still empty.
pub fn choose(save: bool, setting: Option<&Setting>, stored: &Stored, default: Option<&Value>) -> Start {
    let saved = stored.value.as_ref().filter(|value| save && !value.is_empty());
    let none = Start { value: None, external: false, remember: None, store_value: false };
    match setting {
        Some(setting) if setting.source == Provenance::External => {
            Start { value: Some(setting.value.clone()), external: true, ..none }
        }
        Some(setting) if !save => Start { value: Some(setting.value.clone()), ..none },
        Some(setting) if stored.applied.as_ref() != Some(&setting.fingerprint) => Start {
            value: Some(setting.value.clone()),
            remember: Some(setting.fingerprint),
            store_value: true,
            ..none
        },
        // The setting was applied before: what was saved since then stands, also where it was saved as empty.
        Some(setting) if stored.value.is_none() => Start { value: Some(setting.value.clone()), ..none },
        Some(_) | None => Start { value: saved.or(default).cloned(), ..none },
    }
}
