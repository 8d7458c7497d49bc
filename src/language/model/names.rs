//! Finds parameters by what people call them, and groups by what they send; changes nothing.

use crate::language::model::Protocol;
use crate::language::model::id::{GroupIx, ParamId, ParamIx, SessionIx};
use crate::language::model::logic::{Group, GroupSession};
use crate::language::schema::did_you_mean;

/// What is done with a parameter: a read and a write parameter may share a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is read: the one of type read is meant.
    Read,
    /// It is set: the one of type write is meant.
    Write,
}

/// What a parameter name stands for: a read and a write parameter may share one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameEntry {
    /// The parameter that a get by this name means.
    pub read: Option<ParamIx>,
    /// The parameter that a set by this name means.
    pub write: Option<ParamIx>,
}

impl NameEntry {
    /// The parameter that is meant; where there is only one, that one.
    pub fn meant(self, access: Access) -> Option<ParamIx> {
        match access {
            Access::Read => self.read.or(self.write),
            Access::Write => self.write.or(self.read),
        }
    }
}

impl Protocol {
    /// Finds the parameters with a name; upper and lower case are the same.
    pub fn params_by_name(&self, name: &str) -> NameEntry {
        self.names.get(name.to_lowercase().as_str()).copied().unwrap_or_default()
    }

    /// Finds a parameter by the author's id, or else by name.
    pub fn find_param(&self, id_or_name: &str, access: Access) -> Option<ParamIx> {
        let by_id = id_or_name.parse().ok().and_then(|id| self.param_by_id(ParamId(id)));
        by_id.or_else(|| self.params_by_name(id_or_name).meant(access))
    }

    /// The groups that send an exchange of an HTTP session, or any of its exchanges where none is given, each with its first
    /// item that does.
    pub fn senders(
        &self,
        session: SessionIx,
        exchange: Option<usize>,
    ) -> impl Iterator<Item = (GroupIx, &Group, GroupSession)> {
        let groups = self.groups.iter().enumerate();
        groups.filter_map(move |(at, group)| {
            let found = group.sessions().find(|item| item.session == session && item.sends(exchange))?;
            Some((GroupIx::new(at)?, group, found))
        })
    }

    /// Finds a parameter, or a cell written as `COLUMN[KEY]`; then with the key of its row.
    ///
    /// # Errors
    ///
    /// There is none: in words, with the nearest name.
    pub fn find_place<'a>(
        &self,
        place: &'a str,
        access: Access,
    ) -> Result<(ParamIx, Option<&'a str>), String> {
        // A name may have brackets too.
        if let Some(param) = self.find_param(place, access) {
            return Ok((param, None));
        }
        let cell = place.strip_suffix(']').and_then(|place| place.split_once('['));
        let (name, key) = cell.map_or((place, None), |(column, key)| (column, Some(key)));
        match self.find_param(name, access).filter(|_| key.is_some()) {
            Some(param) => Ok((param, key)),
            None => Err(self.no_param(name)),
        }
    }

    /// Says that there is no parameter of a name, with the nearest one.
    pub fn no_param(&self, name: &str) -> String {
        let near = did_you_mean(name, self.params.iter().map(|param| param.name.as_ref()));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        format!("the definition has no parameter `{name}`{hint}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::load;
    use crate::language::source::Source;

    #[test]
    fn an_id_a_name_and_a_cell_are_found_and_a_slip_is_told() {
        let text = r#"<Protocol><Params>
  <Param id="1"><Name>Level</Name><Type>read</Type></Param>
  <Param id="2"><Name>Level</Name><Type>write</Type></Param>
  <Param id="3"><Name>Odd[x]</Name><Type>read</Type></Param>
  <Param id="10"><Name>Rows</Name><Type>array</Type><ArrayOptions index="0"><ColumnOption idx="0" pid="11"/></ArrayOptions></Param>
  <Param id="11"><Name>Key</Name><Type>read</Type></Param>
</Params></Protocol>"#;
        let (protocol, report) = load::whole(&Source::new("names.xml", text));
        let protocol = protocol.unwrap_or_else(|| panic!("{report:?}"));
        let check = |place: &str, access, expected: Result<(i32, Option<&str>), &str>| {
            let found = protocol.find_place(place, access);
            let found = found.map(|(param, key)| (protocol.param(param).id.0, key));
            assert_eq!(
                found.as_ref().map_err(String::as_str),
                expected.as_ref().map_err(|text| *text),
                "{place}"
            );
        };
        check("1", Access::Write, Ok((1, None)));
        check("level", Access::Read, Ok((1, None)));
        check("Level", Access::Write, Ok((2, None)));
        check("odd[X]", Access::Read, Ok((3, None)));
        check("11[a[b]]", Access::Write, Ok((11, Some("a[b]"))));
        check("Key[]", Access::Read, Ok((11, Some(""))));
        check("99", Access::Read, Err("the definition has no parameter `99`"));
        check("Leve", Access::Read, Err("the definition has no parameter `Leve`; did you mean `Level`?"));
        check("Kex[a]", Access::Read, Err("the definition has no parameter `Kex`; did you mean `Key`?"));
    }
}
