//! Which parameters a command or a response is made of at present; the action `replace` changes that.

use crate::language::model::Protocol;
use crate::language::model::id::{CommandIx, ParamIx, ResponseIx};
use crate::language::model::message::CommandContent;

/// What the action `replace` has changed in one element; the rest is as in the definition.
#[derive(Debug, Default)]
pub struct Layouts {
    // Few, so lists. Invariant: as long as the definition's own list of the same item.
    commands: Vec<(CommandIx, Box<[ParamIx]>)>,
    responses: Vec<(ResponseIx, Box<[ParamIx]>)>,
}

impl Layouts {
    /// The parameters of a command; none for a template.
    pub fn command<'a>(&'a self, protocol: &'a Protocol, command: CommandIx) -> &'a [ParamIx] {
        if let Some((_, params)) = self.commands.iter().find(|(of, _)| *of == command) {
            return params;
        }
        match &protocol.command(command).content {
            CommandContent::Params(params) => params,
            CommandContent::Template(_) => &[],
        }
    }

    /// The fields of a response.
    pub fn response<'a>(&'a self, protocol: &'a Protocol, response: ResponseIx) -> &'a [ParamIx] {
        let replaced = self.responses.iter().find(|(of, _)| *of == response);
        replaced.map_or(&*protocol.response(response).fields, |(_, params)| params)
    }

    /// Puts another parameter at a position of a command, from 0; false if it has no such position.
    pub fn replace_in_command(
        &mut self,
        protocol: &Protocol,
        command: CommandIx,
        position: usize,
        by: ParamIx,
    ) -> bool {
        let mut params: Box<[ParamIx]> = self.command(protocol, command).into();
        let Some(at) = params.get_mut(position) else { return false };
        *at = by;
        self.commands.retain(|(of, _)| *of != command);
        self.commands.push((command, params));
        true
    }

    /// Puts another parameter at a position of a response, from 0; false if it has no such position.
    pub fn replace_in_response(
        &mut self,
        protocol: &Protocol,
        response: ResponseIx,
        position: usize,
        by: ParamIx,
    ) -> bool {
        let mut params: Box<[ParamIx]> = self.response(protocol, response).into();
        let Some(at) = params.get_mut(position) else { return false };
        *at = by;
        self.responses.retain(|(of, _)| *of != response);
        self.responses.push((response, params));
        true
    }
}
