//! The handshake that a connection would send, line by line, each with where its parts come from; sends nothing.

pub mod requests;

use crate::element::handle::ExplainedLine;
use crate::engine::codec::handshake::{self, Address, OpeningError};
use crate::engine::param::Params;
use crate::engine::target::request::Provenance;
use crate::language::model::Protocol;
use crate::language::model::connection::Source;
use crate::language::model::id::{ConnectionIx, ParamIx};
use crate::value::Context;

/// The lines of the request, after one that says where it connects to; secrets are masked.
///
/// # Errors
///
/// Why none would be sent: there is no address, or a value that cannot be sent.
pub fn lines(
    ctx: &mut Context,
    params: &Params,
    connection: ConnectionIx,
    address: Address<'_>,
) -> Result<Vec<ExplainedLine>, String> {
    let request = handshake::opening(ctx, params, connection, address)
        .map_err(|error| words(&error, params, connection))?
        .ok_or(
            "there is no address yet: neither a `dynamic ip` parameter nor the settings' host has a value",
        )?;
    let protocol = params.protocol();
    let named = |param: ParamIx| name_of(protocol, param);
    let dynamic = protocol.connection(connection).dynamic_ip.filter(|param| !params.get(*param).is_empty());
    let from = |provenance: Provenance| match (provenance, dynamic) {
        (Provenance::Runtime, _) => String::new(),
        (Provenance::Literal, _) => "definition".to_owned(),
        (Provenance::Settings, Some(param)) => named(param),
        (Provenance::Settings, None) => "settings".to_owned(),
        (Provenance::Param(id), _) => protocol.param_by_id(id).map_or_else(|| provenance.to_string(), named),
    };
    let place = format!("{} ({})", request.target().authority(), request.target().scheme().name());
    let address = ExplainedLine { line: format!("connect to {place}"), from: from(Provenance::Settings) };
    let parts = request.render().into_iter();
    // The last part is the empty line that ends the request.
    let lines = parts.filter(|part| !part.shown.is_empty());
    let lines = lines.map(|part| ExplainedLine { line: part.shown, from: from(part.from) });
    Ok(std::iter::once(address).chain(lines).collect())
}

/// Why there is no request, with the parameters that the address and the path come from.
pub(crate) fn words(error: &OpeningError, params: &Params, connection: ConnectionIx) -> String {
    let OpeningError::Target(reason) = error else { return error.to_string() };
    let protocol = params.protocol();
    let described = protocol.connection(connection);
    let session = described.handshake.map(|session| protocol.session(session));
    let path =
        session.and_then(|session| session.exchanges.first()).and_then(|exchange| match &exchange.url {
            Source::Param(param) => Some(*param),
            Source::Literal(_) => None,
        });
    let parts = [("address", described.dynamic_ip), ("path", path)];
    let filled = parts.into_iter().filter_map(|(part, param)| Some((part, param?)));
    let filled = filled.filter(|(_, param)| !params.get(*param).is_empty());
    let from: Vec<String> =
        filled.map(|(part, param)| format!("{part} from {}", name_of(protocol, param))).collect();
    if from.is_empty() { reason.to_string() } else { format!("{reason} ({})", from.join(", ")) }
}

fn name_of(protocol: &Protocol, param: ParamIx) -> String {
    let described = protocol.param(param);
    format!("parameter {} \"{}\"", described.id, described.name)
}
