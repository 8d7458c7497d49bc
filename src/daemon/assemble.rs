//! Puts an element together: its protocol, its settings on top, secrets resolved; starts nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ring::digest;

use crate::element::spec::{ConnectionSpec, ParamSpec, Spec};
use crate::engine::param::startup;
use crate::files;
use crate::language::model::connection::{Connection, Handover, KeepAlive, Limits, Reconnect, Tls};
use crate::language::model::id::{PairId, ParamId, ParamIx};
use crate::language::model::{Access, Protocol};
use crate::language::source::{Span, Spanned};
use crate::script::host;
use crate::settings::{self, Given, Lines, ParamKey, Reference, Settings};
use crate::value::{Secret, Value};

/// The largest secret file.
const MAX_SECRET: u64 = 64 << 10;

/// Reads what the settings only refer to.
pub trait Resolve {
    /// The value that a reference stands for.
    ///
    /// # Errors
    ///
    /// Says what is missing, without the value.
    fn resolve(&self, reference: &Reference) -> Result<String, String>;
}

/// Resolves from the environment and the file system of the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Resolve for System {
    fn resolve(&self, reference: &Reference) -> Result<String, String> {
        match reference {
            Reference::Env(name) => std::env::var(name.as_ref()).map_err(|error| match error {
                std::env::VarError::NotPresent => format!("the environment variable `{name}` is not set"),
                std::env::VarError::NotUnicode(_) => {
                    format!("the environment variable `{name}` is not UTF-8")
                }
            }),
            Reference::File(path) => read_secret(path),
            Reference::Credential(name) => match credential(name) {
                Some(path) => read_secret(&path),
                None => Err(format!(
                    "the credential `{name}` needs `CREDENTIALS_DIRECTORY`, which systemd sets for `LoadCredential=`"
                )),
            },
        }
    }
}

/// The file of a credential; none if systemd gave no folder for them.
fn credential(name: &str) -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(name))
}

/// The files whose content an element's settings stand for: they are watched as the settings are.
pub fn secret_files(element: &settings::Element) -> Vec<PathBuf> {
    let connections = element.connections.values();
    let given = connections.flat_map(|connection| [&connection.host, &connection.proxy]).flatten();
    let params = element.params.iter().map(|(_, given)| given);
    let file = |given: &Given| match given {
        Given::Reference(Reference::File(path)) => Some(path.clone()),
        Given::Reference(Reference::Credential(name)) => credential(name),
        Given::Reference(Reference::Env(_)) | Given::Literal(_) => None,
    };
    given.chain(params).filter_map(|given| file(&given.value)).collect()
}

fn read_secret(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let mut text = files::text(path, MAX_SECRET).map_err(|why| format!("cannot read `{shown}`: {why}"))?;
    let end = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(end);
    if text.is_empty() {
        // Most likely it is being written just now.
        return Err(format!("`{shown}` is empty"));
    }
    Ok(text)
}

/// What is wrong with an element, each with its place in the settings.
struct Problems<'a> {
    lines: &'a Lines,
    list: Vec<String>,
}

impl Problems<'_> {
    fn add(&mut self, span: Span, problem: &str) {
        self.list.push(format!("{}: {problem}", self.lines.place(span)));
    }
}

/// Puts an element together; `definition` is the path of its definition, for the files that it names.
///
/// # Errors
///
/// Everything that does not fit, with its place: a parameter or a connection that is not there, a secret that cannot be read,
/// a value that its parameter does not take.
pub fn assemble(
    element: &settings::Element,
    settings: &Settings,
    protocol: &Arc<Protocol>,
    resolve: &dyn Resolve,
) -> Result<Spec, Vec<String>> {
    let mut problems = Problems { lines: &settings.lines, list: Vec::new() };
    let folder = element.protocol.value.parent().unwrap_or(Path::new("."));
    for (index, given) in &element.connections {
        if protocol.connections.get(*index as usize).is_none() {
            let last = protocol.connections.len().saturating_sub(1);
            let problem =
                format!("`connection.{index}` is set, and the definition has connections 0 to {last}");
            problems.add(given.index.span, &problem);
        }
    }
    let connections = (0_u32..)
        .zip(&protocol.connections)
        .map(|(index, defined)| {
            let given = element.connections.get(&index).map(Box::as_ref);
            connection(protocol, defined, given, folder, resolve, &mut problems)
        })
        .collect();
    let mut params: Vec<ParamSpec> = Vec::new();
    for (key, given) in &element.params {
        let spec = find(protocol, &key.value)
            .map_err(|problem| (key.span, problem))
            .and_then(|param| setting(protocol, param, given, resolve));
        match spec {
            Ok(spec) => params.push(spec),
            Err((span, problem)) => problems.add(span, &problem),
        }
    }
    params.sort_by_key(|setting| setting.param);
    if let Some(twice) = params.windows(2).find(|pair| pair[0].param == pair[1].param) {
        let id = protocol.param(twice[0].param).id;
        problems.add(element.name.span, &format!("parameter {id} is set twice, by id and by name"));
    }
    if !problems.list.is_empty() {
        return Err(problems.list);
    }
    Ok(Spec {
        name: element.name.value.clone(),
        protocol: protocol.clone(),
        connections,
        params,
        tai_offset: Duration::from_secs(settings.tai_offset_seconds.into()),
        files: element.files_dir.clone(),
    })
}

/// The parameter that a key of `[element.params]` means: a value to start with belongs to what is read.
fn find(protocol: &Protocol, key: &ParamKey) -> Result<ParamIx, String> {
    let found = match key {
        ParamKey::Id(id) => i32::try_from(*id).ok().and_then(|id| protocol.param_by_id(ParamId(id))),
        ParamKey::Name(name) => protocol.params_by_name(name).meant(Access::Read),
    };
    let param = found.ok_or_else(|| match key {
        ParamKey::Id(id) => format!("the definition has no parameter {id}"),
        ParamKey::Name(name) => protocol.no_param(name),
    })?;
    let described = protocol.param(param);
    if !described.is_settable() || described.table.is_some() || described.column.is_some() {
        return Err(format!(
            "parameter {} is fixed, a table or a column, and cannot be set here",
            described.id
        ));
    }
    Ok(param)
}

/// The value of a parameter, which has to be one that the parameter takes at the start; the message does not contain it.
fn setting(
    protocol: &Protocol,
    param: ParamIx,
    given: &Spanned<Given>,
    resolve: &dyn Resolve,
) -> Result<ParamSpec, (Span, String)> {
    let (value, external) = resolved(&given.value, resolve).map_err(|problem| (given.span, problem))?;
    startup::check(protocol, param, &value).map_err(|rejected| {
        let described = protocol.param(param);
        let (id, name) = (described.id, &described.name);
        (given.span, format!("the value of parameter {id} (`{name}`) does not fit it: {rejected}"))
    })?;
    Ok(ParamSpec { param, value: Secret::new(value), external })
}

fn resolved(given: &Given, resolve: &dyn Resolve) -> Result<(Value, bool), String> {
    match given {
        Given::Literal(value) => Ok((value.clone(), false)),
        Given::Reference(reference) => resolve.resolve(reference).map(|text| (Value::text(text), true)),
    }
}

fn connection(
    protocol: &Protocol,
    defined: &Connection,
    given: Option<&settings::Connection>,
    folder: &Path,
    resolve: &dyn Resolve,
    problems: &mut Problems<'_>,
) -> ConnectionSpec {
    let defaults = &defined.defaults;
    let fallback = settings::Connection::default();
    let given = given.unwrap_or(&fallback);
    let mut text = |given: &Spanned<Given>| match resolved(&given.value, resolve) {
        Ok((value, _)) => Some(value.to_text()),
        Err(problem) => {
            problems.add(given.span, &problem);
            None
        }
    };
    let host = given.host.as_ref().and_then(&mut text).or_else(|| defaults.host.clone());
    let proxy = given.proxy.as_ref().and_then(&mut text).or_else(|| defined.proxy.clone());
    let bypasses = |address: &Arc<str>| address.trim().eq_ignore_ascii_case("bypassProxy");
    let bound = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
    ConnectionSpec {
        host: host.filter(|host| !host.trim().is_empty()),
        port: given.port.or(defaults.port),
        timeout: given.timeout.unwrap_or(defaults.timeout),
        retries: given.retries.unwrap_or(defaults.retries),
        bus_address: given.bus_address.clone().or_else(|| defaults.bus_address.clone()),
        bypass_proxy: given.bus_address.as_ref().map_or(defaults.bypass_proxy, bypasses),
        proxy: proxy.filter(|proxy| !proxy.trim().is_empty()).map(Secret::new),
        element_timeout: given.element_timeout.unwrap_or(defaults.element_timeout),
        reconnect: reconnect(&defined.reconnect, &given.reconnect),
        keep_alive: keep_alive(protocol, &defined.keep_alive, &given.keep_alive, problems),
        tls: tls(&defined.tls, &given.tls, folder),
        limits: Limits {
            max_message_bytes: given.limits.max_message_bytes.map_or(defined.limits.max_message_bytes, bound),
            send_queue: given.limits.send_queue.map_or(defined.limits.send_queue, bound),
        },
    }
}

fn reconnect(defined: &Reconnect, given: &settings::Reconnect) -> Reconnect {
    Reconnect {
        initial_delay: given.initial_delay.unwrap_or(defined.initial_delay),
        max_delay: given.max_delay.unwrap_or(defined.max_delay),
        settle: given.settle.unwrap_or(defined.settle),
        window: given.window.unwrap_or(defined.window),
        close_timeout: given.close_timeout.unwrap_or(defined.close_timeout),
        rejected_delay: given.rejected_delay.unwrap_or(defined.rejected_delay),
        handover: given.handover.map_or(defined.handover, |handover| match handover {
            settings::Handover::CloseFirst => Handover::CloseFirst,
            settings::Handover::OpenFirst => Handover::OpenFirst,
        }),
        stop_on: given.stop_on.clone().unwrap_or_else(|| defined.stop_on.clone()),
    }
}

fn keep_alive(
    protocol: &Protocol,
    defined: &KeepAlive,
    given: &settings::KeepAlive,
    problems: &mut Problems<'_>,
) -> KeepAlive {
    let heartbeat = match given.heartbeat.as_ref().map(|pair| (pair.value, pair.span)) {
        None => defined.heartbeat,
        Some((0, _)) => None,
        Some((id, span)) => {
            let pair = i32::try_from(id).ok().and_then(|id| protocol.pair_by_id(PairId(id)));
            if pair.is_none() {
                problems.add(
                    span,
                    &format!("`keep_alive.heartbeat` names pair {id}, which the definition does not have"),
                );
            }
            pair
        }
    };
    KeepAlive {
        ping_interval: given.ping_interval.unwrap_or(defined.ping_interval),
        pong_timeout: given.pong_timeout.unwrap_or(defined.pong_timeout),
        heartbeat,
        silence: given.silence.unwrap_or(defined.silence),
    }
}

/// File names of the definition are relative to it; those of the settings are joined to the settings' folder already.
fn tls(defined: &Tls, given: &settings::Tls, folder: &Path) -> Tls {
    let file = |given: &Option<Spanned<PathBuf>>, defined: &Option<Arc<str>>| {
        let path = match (given, defined) {
            (Some(given), _) => Some(given.value.clone()),
            (None, Some(defined)) => Some(folder.join(defined.as_ref())),
            (None, None) => None,
        };
        path.map(|path| Arc::from(path.to_string_lossy()))
    };
    Tls {
        ca: file(&given.ca, &defined.ca),
        certificate: file(&given.certificate, &defined.certificate),
        key: file(&given.key, &defined.key),
        server_name: given
            .server_name
            .as_ref()
            .map(|name| name.value.clone())
            .or_else(|| defined.server_name.clone()),
        verify: given.verify.unwrap_or(defined.verify),
    }
}

/// What scripts may take by the settings.
pub fn limits(script: settings::Script) -> host::Limits {
    let memory = usize::try_from(script.memory_mib).unwrap_or(usize::MAX);
    host::Limits { time: script.time_limit, memory: memory.saturating_mul(1 << 20), ..Default::default() }
}

/// A digest of all that the settings say of an element, secrets included: equal means that nothing has to be restarted.
pub fn digest(spec: &Spec) -> [u8; 32] {
    use std::fmt::Write as _;
    let mut text = String::new();
    // `Debug` masks secrets, so they follow in the clear; the text is only digested.
    let _ = write!(text, "{:?}{:?}{:?}{:?}", spec.connections, spec.params, spec.tai_offset, spec.files);
    for connection in &spec.connections {
        let _ = write!(text, "\0{:?}", connection.proxy.as_ref().map(|proxy| proxy.expose().clone()));
    }
    for setting in &spec.params {
        let _ = write!(text, "\0{:?}", setting.value.expose());
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests;
