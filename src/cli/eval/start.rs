//! Starts an element for a trial as the daemon would: settings, first values, open links; nothing of it leaves the process.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::render::{self, printable};
use crate::cli::{Status, complain};
use crate::daemon::assemble::{self, System};
use crate::daemon::fleet::load_settings;
use crate::element::clock::Clock;
use crate::element::driver;
use crate::element::spec::Spec;
use crate::engine::logic::effect::{Effect, Severity};
use crate::engine::logic::link::LinkChange;
use crate::engine::logic::{Engine, First, Options, OwnAddress};
use crate::language::model::Protocol;
use crate::language::model::connection::{Connection, ConnectionKind};
use crate::language::model::id::ConnectionIx;
use crate::script::host::{Host, Limits, Plan};
use crate::script::pool;
use crate::settings::{self, Settings};
use crate::value::Context;

/// Where requests would go whose address only the settings know (RFC 2606).
const STAND_IN: &str = "device.example";

/// What the element starts with.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The element")]
pub(super) struct Element {
    /// Start with the values that a settings file gives to an element, and with its limits
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,

    /// Which element of the settings [default: the only one that uses the definition]
    #[arg(long, value_name = "NAME", requires = "settings")]
    element: Option<String>,

    /// Set a parameter by id or name, or a cell by COLUMN[KEY], as a person would: before the first message, or, without a message, to see what that does; may be given several times
    #[arg(long = "set", value_name = "PARAM=VALUE")]
    pub(super) sets: Vec<String>,
}

/// A started element.
pub(super) struct Started {
    pub(super) engine: Engine,
    pub(super) ctx: Context,
    /// The longest message of each connection, in bytes.
    pub(super) longest: Vec<usize>,
}

impl Element {
    /// Starts the element with its links open, on a thread whose stack is [`pool::STACK`] long, without what it is to set; what
    /// was wrong has been told on standard error.
    pub(super) fn start(
        &self,
        protocol: Arc<Protocol>,
        definition: &Path,
    ) -> io::Result<Result<Started, Status>> {
        let (spec, limits) = match &self.settings {
            None => (None, Limits::default()),
            Some(path) => match self.spec(path, &protocol, definition)? {
                Some((spec, limits)) => (Some(spec), limits),
                None => return Ok(Err(Status::Bad)),
            },
        };
        let (options, first, longest) = match &spec {
            Some(spec) => {
                let longest = spec.connections.iter().map(|one| one.limits.max_message_bytes).collect();
                (spec.options(), driver::first_values(spec), longest)
            }
            None => {
                let longest = protocol.connections.iter().map(|one| one.limits.max_message_bytes).collect();
                let addresses = protocol.connections.iter().map(own_address).collect();
                (Options { addresses, ..Options::default() }, First::default(), longest)
            }
        };
        let mut ctx = Clock::start().context(0);
        let mut engine = Engine::new(protocol.clone(), options);
        if !protocol.scripts.is_empty() {
            let limits = Limits { thread: pool::STACK, ..limits };
            let element = spec.as_ref().map_or_else(|| "eval".into(), |spec| Arc::clone(&spec.name));
            engine.set_scripts(Box::new(Host::new(Plan {
                protocol: Arc::clone(&protocol),
                element,
                limits,
            })));
        }
        engine.start(&mut ctx, first);
        tell_reports(&mut engine)?;
        for connection in (0..protocol.connections.len()).filter_map(ConnectionIx::new) {
            if protocol.connection(connection).kind == ConnectionKind::WebSocket {
                engine.link(&mut ctx, connection, LinkChange::Ready, None);
            }
        }
        Ok(Ok(Started { engine, ctx, longest }))
    }

    /// The element that the settings describe, and what its scripts may take.
    fn spec(
        &self,
        path: &Path,
        protocol: &Arc<Protocol>,
        definition: &Path,
    ) -> io::Result<Option<(Spec, Limits)>> {
        let loaded = match load_settings(path) {
            Ok(loaded) => loaded,
            Err(trouble) => {
                match &trouble.report {
                    Some((source, report)) if io::stderr().is_terminal() => {
                        render::print_report(source, report)?
                    }
                    Some((source, report)) => render::print_places(source, report)?,
                    None => complain(&trouble.summary()),
                }
                return Ok(None);
            }
        };
        let element = match self.element(&loaded.settings, definition) {
            Ok(element) => element,
            Err(why) => {
                complain(&format!("{}: {why}", printable(&path.display().to_string())));
                return Ok(None);
            }
        };
        match assemble::assemble(element, &loaded.settings, protocol, &System) {
            Ok(spec) => Ok(Some((spec, assemble::limits(loaded.settings.script)))),
            Err(problems) => {
                problems.iter().for_each(|problem| complain(&printable(problem)));
                Ok(None)
            }
        }
    }

    /// The element that is meant.
    fn element<'a>(
        &self,
        settings: &'a Settings,
        definition: &Path,
    ) -> Result<&'a settings::Element, String> {
        let names = || -> String {
            let names: Vec<&str> = settings.elements.iter().map(|element| &*element.name.value).collect();
            if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) }
        };
        if let Some(name) = &self.element {
            let found = settings.elements.iter().find(|element| *element.name.value == **name);
            return found.ok_or_else(|| format!("there is no element `{}`: {}", printable(name), names()));
        }
        if let [only] = &settings.elements[..] {
            return Ok(only);
        }
        let real = fs::canonicalize(definition).ok();
        let uses = |element: &&settings::Element| {
            real.is_some() && fs::canonicalize(&element.protocol.value).ok() == real
        };
        let mut using = settings.elements.iter().filter(uses);
        match (using.next(), using.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => {
                Err(format!("no element uses this definition; name one with --element: {}", names()))
            }
            (Some(_), Some(_)) => {
                Err(format!("several elements use this definition; name one with --element: {}", names()))
            }
        }
    }
}

/// The address of a connection where no settings give one.
fn own_address(connection: &Connection) -> OwnAddress {
    let host = connection.defaults.host.clone().unwrap_or_else(|| STAND_IN.into());
    OwnAddress { host: Some(host), port: connection.defaults.port }
}

/// Tells what the start found wrong with the first values.
fn tell_reports(engine: &mut Engine) -> io::Result<()> {
    let mut out = anstream::stderr().lock();
    for effect in engine.effects() {
        if let Effect::Report(report) = effect
            && report.severity > Severity::Note
        {
            writeln!(out, "warning: at the start: {}", printable(&report.text))?;
        }
    }
    Ok(())
}
