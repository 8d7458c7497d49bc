//! The one table of what a script sees of its element, and the methods about single parameters; tables have a file of their own.

use rquickjs::function::{Args, Rest};
use rquickjs::object::Property;
use rquickjs::{Array, Ctx, Exception, Function, Object, Result, Symbol, Value as Js};

use crate::engine::logic::effect::{ScriptLine, Severity};
use crate::engine::logic::script::{Input, Refused, Run, cut};
use crate::language::model::id::{ParamId, ParamIx, TriggerId};
use crate::language::model::{Access, Protocol};
use crate::script::allowance::{Allowance, in_time};
use crate::script::failure::NO_TEXT;
use crate::script::host::Plan;
use crate::script::lent::{self, Lent};
use crate::script::{tables, values};
use crate::value::Value;

/// How many lines a script may write into the log in a second; the rest is counted.
pub const MAX_LINES: u32 = 100;

/// How long a line in the log may be, in characters.
pub const MAX_LINE: usize = 4_000;

/// What the first argument of a method refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refers {
    /// Nothing that has a number.
    Nothing,
    /// A parameter.
    Param,
    /// A table.
    Table,
    /// A trigger.
    Trigger,
}

/// A method of `protocol`.
pub struct Method {
    /// Its name, the original's.
    pub name: &'static str,
    /// Its arguments and what it gives, as TypeScript writes them; several where it can be called in several ways.
    pub signatures: &'static [&'static str],
    /// What it does, in a sentence or two.
    pub doc: &'static str,
    /// What its first argument refers to.
    pub refers: Refers,
    pub(super) call: for<'a, 'js> fn(&'a Ctx<'js>, &'a [Js<'js>]) -> Result<Js<'js>>,
}

impl std::fmt::Debug for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Method").field("name", &self.name).finish_non_exhaustive()
    }
}

macro_rules! method {
    ($name:literal, $refers:ident, [$($signature:literal),+], $doc:literal, $call:expr) => {
        Method { name: $name, signatures: &[$($signature),+], doc: $doc, refers: Refers::$refers, call: $call }
    };
}

/// All methods of `protocol`.
pub static METHODS: &[Method] = &[
    method!(
        "GetParameter",
        Param,
        ["(pid: number): Cell"],
        "The value of a parameter; 0 of an empty one that holds a number, an empty text of one that holds text. Of a table its rows, of a column its cells.",
        get_parameter
    ),
    method!(
        "SetParameter",
        Param,
        ["(pid: number, value: Settable): number"],
        "Sets a parameter; all that this causes is done before it returns. 0, or -1 if the value was not taken.",
        set_parameter
    ),
    method!(
        "GetParameters",
        Nothing,
        ["(pids: readonly number[]): Cell[]"],
        "The values of several parameters, in order.",
        get_parameters
    ),
    method!(
        "SetParameters",
        Nothing,
        ["(pids: readonly number[], values: readonly Settable[]): number[]"],
        "Sets several parameters: all of them first, then what this causes runs in order. For each 0, or -1 if its value was not taken.",
        set_parameters
    ),
    method!(
        "GetParameterByName",
        Nothing,
        ["(name: string): Cell"],
        "The value of the parameter with a name that can be read.",
        get_parameter_by_name
    ),
    method!(
        "SetParameterByName",
        Nothing,
        ["(name: string, value: Settable): number"],
        "Sets the parameter with a name, the one for writing if there are two. 0, or -1 if the value was not taken.",
        set_parameter_by_name
    ),
    method!(
        "SetReadParameterByName",
        Nothing,
        ["(name: string, value: Settable): number"],
        "Sets the parameter with a name that can be read. 0, or -1 if the value was not taken.",
        set_read_parameter_by_name
    ),
    method!(
        "IsEmpty",
        Param,
        ["(pid: number): boolean"],
        "Whether a parameter has no value; an empty text is one.",
        is_empty
    ),
    method!(
        "GetInputParameter",
        Nothing,
        ["(index: number): any"],
        "An input parameter (`inputParameters`) as it was at the start of the run, counted from 0.",
        get_input_parameter
    ),
    method!(
        "GetTriggerParameter",
        Nothing,
        ["(): number"],
        "The id of the parameter, or of the group, that runs the script.",
        get_trigger_parameter
    ),
    method!(
        "CheckTrigger",
        Trigger,
        ["(id: number): number"],
        "Runs a trigger with its conditions; all that it causes is done before it returns. 0, or -1 if there is no such trigger.",
        check_trigger
    ),
    method!(
        "Log",
        Nothing,
        [
            "(message: string): void",
            "(message: string, level: LogLevel): void",
            "(message: string, type: LogType, level?: LogLevel): void",
            "(type: number, level: number, message: string): void"
        ],
        "Writes a line into the element's log.",
        log
    ),
    method!(
        "AddRow",
        Table,
        ["(table: number, row: readonly Settable[]): number", "(table: number, key: string): number"],
        "Adds a row, by its cells in the order of the columns, or by its key alone. Its place, from 1; 0 if it was not taken, because its key is there already, say.",
        tables::add_row
    ),
    method!(
        "AddRowReturnKey",
        Table,
        ["(table: number, row?: readonly Settable[]): string | null"],
        "Adds a row; its key, which an `autoincrement` column makes by itself. Null if it was not taken.",
        tables::add_row_return_key
    ),
    method!(
        "SetRow",
        Table,
        ["(table: number, key: string | number, row: readonly Settable[]): number[]"],
        "Sets the cells of a row, by its key or by its place from 0; null leaves a cell as it is, `protocol.Clear` empties it. For each cell 1 if it is another now.",
        tables::set_row
    ),
    method!(
        "GetRow",
        Table,
        ["(table: number, key: string | number): Cell[] | null"],
        "The cells of a row, by its key or by its place from 0; null if there is no such row.",
        tables::get_row
    ),
    method!(
        "DeleteRow",
        Table,
        ["(table: number, key: string | number | readonly string[]): number"],
        "Takes rows away: one by its key or by its place from 1, or several by their keys. How many rows are left.",
        tables::delete_row
    ),
    method!(
        "ClearAllKeys",
        Table,
        ["(table: number): void"],
        "Takes all rows of a table away.",
        tables::clear_all_keys
    ),
    method!(
        "Exists",
        Table,
        ["(table: number, key: string): boolean"],
        "Whether a table has a row with a key.",
        tables::exists
    ),
    method!("RowCount", Table, ["(table: number): number"], "How many rows a table has.", tables::row_count),
    method!(
        "GetKeys",
        Table,
        ["(table: number, type?: NotifyProtocol.KeyType): string[]"],
        "The primary keys of a table in the order of its rows, or its display keys.",
        tables::get_keys
    ),
    method!(
        "GetKeyPosition",
        Table,
        ["(table: number, key: string): number"],
        "The place of a row, from 1; 0 if there is no such row.",
        tables::get_key_position
    ),
    method!(
        "FillArray",
        Table,
        [
            "(table: number, columns: readonly (readonly Settable[])[]): boolean",
            "(table: number, rows: readonly (readonly Settable[])[], option: NotifyProtocol.SaveOption): boolean"
        ],
        "Fills a table: with columns, or with rows if an option is given. Rows that are not named go, unless it is `SaveOption.Partial`. Null empties a cell, undefined leaves it.",
        tables::fill_array
    ),
    method!(
        "FillArrayNoDelete",
        Table,
        ["(table: number, columns: readonly (readonly Settable[])[]): boolean"],
        "Fills a table with columns; rows that are not named stay.",
        tables::fill_array_no_delete
    ),
    method!(
        "FillArrayWithColumn",
        Table,
        ["(table: number, column: number, keys: readonly string[], values: readonly Settable[]): boolean"],
        "Fills one column, named by its parameter, of the rows with these keys; missing rows are added, others stay.",
        tables::fill_array_with_column
    ),
    method!(
        "GetParameterIndex",
        Table,
        ["(table: number, row: number, column: number): Cell"],
        "A cell by the places of its row and its column, both from 1; null if it is empty or not there.",
        tables::get_parameter_index
    ),
    method!(
        "SetParameterIndex",
        Table,
        ["(table: number, row: number, column: number, value: Settable): boolean"],
        "Sets a cell by the places of its row and its column, both from 1. Whether it is another now.",
        tables::set_parameter_index
    ),
    method!(
        "GetParameterIndexByKey",
        Table,
        ["(table: number, key: string, column: number): Cell"],
        "A cell by the key of its row and the place of its column from 1; null if it is empty or not there.",
        tables::get_parameter_index_by_key
    ),
    method!(
        "SetParameterIndexByKey",
        Table,
        ["(table: number, key: string, column: number, value: Settable): boolean"],
        "Sets a cell by the key of its row and the place of its column from 1. Whether it is another now.",
        tables::set_parameter_index_by_key
    ),
    method!(
        "RowKey",
        Nothing,
        ["(): string | null"],
        "With `row=\"true\"`: the key of the row that runs the script.",
        tables::row_key
    ),
    method!(
        "RowIndex",
        Nothing,
        ["(): number"],
        "With `row=\"true\"`: the place of that row, from 1; 0 if it is gone, or if there is none.",
        tables::row_index
    ),
    method!(
        "OldRow",
        Nothing,
        ["(): Cell[] | null"],
        "With `row=\"true\"`: the cells of that row before the change; null of a new row.",
        tables::old_row
    ),
    method!(
        "NewRow",
        Nothing,
        ["(): Cell[] | null"],
        "With `row=\"true\"`: the cells of that row after the change; null of one that is gone.",
        tables::new_row
    ),
];

/// What `protocol` has besides methods: name, type, what it is.
pub static PROPERTIES: &[(&str, &str, &str)] = &[
    ("ElementName", "string", "The name of the element."),
    ("ProtocolName", "string", "The name of the definition."),
    ("ProtocolVersion", "string", "The version of the definition."),
    ("QActionID", "number", "The id of the script that runs."),
    ("IsActive", "boolean", "Whether the element runs: true."),
    ("Clear", "symbol", "As a cell of `SetRow` or `FillArray`: empties it."),
    ("Leave", "symbol", "As a cell of `SetRow` or `FillArray`: leaves it as it is."),
];

/// Names of the original's enumerations, with their members.
pub static ENUMERATIONS: &[(&str, &[(&str, i32)])] = &[
    ("LogType", &[("Error", 1), ("DebugInfo", 2), ("Information", 4), ("Allways", 8)]),
    (
        "LogLevel",
        &[
            ("NoLogging", -1),
            ("DevelopmentLogging", 0),
            ("Level1", 1),
            ("Level2", 2),
            ("Level3", 3),
            ("Level4", 4),
            ("Level5", 5),
            ("LogEverything", 6),
        ],
    ),
    ("NotifyProtocol.SaveOption", &[("Full", 0), ("Partial", 1)]),
    ("NotifyProtocol.KeyType", &[("Index", 0), ("DisplayKey", 1)]),
];

/// Makes `protocol` and the names of the original, and takes away what scripts must not have; gives `protocol`.
pub(super) fn install<'js>(ctx: &Ctx<'js>, plan: &Plan) -> Result<Object<'js>> {
    let protocol = Object::new(ctx.clone())?;
    for method in METHODS {
        let call = method.call;
        let function = Function::new(ctx.clone(), move |ctx: Ctx<'js>, arguments: Rest<Js<'js>>| {
            call(&ctx, &arguments.0)
        })?;
        function.set_name(method.name)?;
        protocol.set(method.name, function)?;
    }
    protocol.set("ElementName", &*plan.element)?;
    protocol.set("ProtocolName", &*plan.protocol.name)?;
    protocol.set("ProtocolVersion", &*plan.protocol.version)?;
    protocol.set("IsActive", true)?;
    protocol.set("Clear", Symbol::with_description(ctx.clone(), "Clear")?)?;
    protocol.set("Leave", Symbol::with_description(ctx.clone(), "Leave")?)?;
    let id = |ctx: Ctx<'js>| lent::with(&ctx, |lent| Ok(lent.engine.protocol().script(lent.run.script).id.0));
    protocol.prop("QActionID", rquickjs::object::Accessor::new_get(id).enumerable())?;
    let globals = ctx.globals();
    let freeze: Function<'js> = globals.get::<_, Object<'js>>("Object")?.get("freeze")?;
    for (name, members) in ENUMERATIONS {
        let object = Object::new(ctx.clone())?;
        for (member, value) in *members {
            object.set(*member, *value)?;
        }
        let frozen: Object<'js> = freeze.call((object,))?;
        match name.split_once('.') {
            None => globals.prop(*name, Property::from(frozen))?,
            Some((holder, name)) => {
                if !globals.contains_key(holder)? {
                    globals.prop(holder, Property::from(Object::new(ctx.clone())?))?;
                }
                globals.get::<_, Object<'js>>(holder)?.set(name, frozen)?;
            }
        }
    }
    let console = Object::new(ctx.clone())?;
    for (name, severity) in [
        ("debug", Severity::Note),
        ("log", Severity::Note),
        ("info", Severity::Note),
        ("warn", Severity::Warning),
        ("error", Severity::Warning),
    ] {
        let write = move |ctx: Ctx<'js>, parts: Rest<Js<'js>>| -> Result<()> {
            write_line(&ctx, severity, line_of(&ctx, &parts.0)?)
        };
        console.set(name, Function::new(ctx.clone(), write)?)?;
    }
    globals.set("console", console)?;
    freeze.call::<_, Object<'js>>((protocol,))
}

/// The arguments of an entry point: `protocol`, then the input parameters.
pub(super) fn inputs<'js>(ctx: &Ctx<'js>, plan: &Plan, run: &Run, protocol: Js<'js>) -> Result<Args<'js>> {
    let mut arguments = Args::new(ctx.clone(), 1 + run.inputs.len());
    arguments.push_arg(protocol)?;
    for input in &run.inputs {
        arguments.push_arg(input_value(ctx, plan.protocol.as_ref(), run, input)?)?;
    }
    Ok(arguments)
}

fn input_value<'js>(ctx: &Ctx<'js>, protocol: &Protocol, run: &Run, input: &Input) -> Result<Js<'js>> {
    let binary = protocol.script(run.script).binary;
    match input {
        Input::Missing => Ok(Js::new_null(ctx.clone())),
        Input::Value(_, value) if binary => values::bytes(ctx, &value.to_bytes()),
        Input::Value(param, value) => values::of_param(ctx, protocol.param(*param), value),
        Input::Table(rows) => {
            let array = Array::new(ctx.clone())?;
            for (at, row) in rows.iter().enumerate() {
                array.set(at, values::row(ctx, row)?)?;
            }
            Ok(array.into_value())
        }
    }
}

fn undefined<'js>(ctx: &Ctx<'js>) -> Js<'js> {
    Js::new_undefined(ctx.clone())
}

/// The parameter that an argument names; reports one that is not there.
pub(super) fn param<'js>(
    ctx: &Ctx<'js>,
    lent: &mut Lent<'_>,
    method: &str,
    argument: Option<&Js<'js>>,
) -> Result<Option<ParamIx>> {
    let Some(id) = values::whole(argument) else {
        let why = format!("{method}: the id of a parameter is a whole number");
        return Err(Exception::throw_type(ctx, &why));
    };
    let found = lent.engine.protocol().param_by_id(ParamId(id));
    if found.is_none() {
        lent.engine
            .script_report(lent.now, lent.run.script, || format!("{method}: there is no parameter {id}"));
    }
    Ok(found)
}

/// What a set that was refused means for the script: an error where it has to stop, else a report.
pub(super) fn refused<'js>(ctx: &Ctx<'js>, lent: &mut Lent<'_>, what: &str, why: &Refused) -> Result<()> {
    match why {
        Refused::Rejected(why) => {
            lent.engine.script_report(lent.now, lent.run.script, || format!("{what} was not taken: {why}"));
            Ok(())
        }
        Refused::Steps | Refused::Bytes => Err(Exception::throw_range(ctx, &why.to_string())),
    }
}

fn get_parameter<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |mut lent| match param(ctx, &mut lent, "GetParameter", arguments.first())? {
        Some(param) => value_of(ctx, &lent, param),
        None => Ok(Js::new_null(ctx.clone())),
    })
}

fn value_of<'js>(ctx: &Ctx<'js>, lent: &Lent<'_>, param: ParamIx) -> Result<Js<'js>> {
    let params = lent.engine.params();
    let described = params.describe(param);
    match (described.table, described.column) {
        (None, None) => values::of_param(ctx, described, params.get(param)),
        (Some(table), _) => {
            let array = Array::new(ctx.clone())?;
            for (at, row) in params.rows(table).iter().enumerate() {
                array.set(at, values::row(ctx, row.cells())?)?;
            }
            Ok(array.into_value())
        }
        (None, Some((table, column))) => {
            let array = Array::new(ctx.clone())?;
            for (at, row) in params.rows(table).iter().enumerate() {
                let cell = row.cells().get(usize::from(column)).unwrap_or(&Value::Empty);
                array.set(at, values::to_js(ctx, cell)?)?;
            }
            Ok(array.into_value())
        }
    }
}

fn set_parameter<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    let value = match arguments.get(1) {
        Some(value) => values::from_js(ctx, value)?,
        None => Value::Empty,
    };
    lent::with(ctx, |mut lent| match param(ctx, &mut lent, "SetParameter", arguments.first())? {
        Some(param) => set(ctx, lent, "SetParameter", param, value),
        None => Ok(Js::new_int(ctx.clone(), -1)),
    })
}

fn set<'js>(
    ctx: &Ctx<'js>,
    mut lent: Lent<'_>,
    method: &str,
    param: ParamIx,
    value: Value,
) -> Result<Js<'js>> {
    let done = lent.engine.script_set(lent.now, param, None, value);
    let Err(why) = done else { return Ok(Js::new_int(ctx.clone(), 0)) };
    let id = lent.engine.protocol().param(param).id;
    refused(ctx, &mut lent, &format!("{method}: a value for parameter {id}"), &why)?;
    Ok(Js::new_int(ctx.clone(), -1))
}

fn get_parameters<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    let mut allowance = Allowance::default();
    let ids = allowance.members(ctx, "GetParameters", arguments.first())?;
    lent::with(ctx, |mut lent| {
        let array = Array::new(ctx.clone())?;
        for (at, id) in ids.iter().enumerate() {
            in_time(ctx)?;
            let value = match param(ctx, &mut lent, "GetParameters", Some(id))? {
                Some(param) => value_of(ctx, &lent, param)?,
                None => Js::new_null(ctx.clone()),
            };
            array.set(at, value)?;
        }
        Ok(array.into_value())
    })
}

fn set_parameters<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    const NAME: &str = "SetParameters";
    let mut allowance = Allowance::default();
    let ids = allowance.members(ctx, NAME, arguments.first())?;
    let given = allowance.members(ctx, NAME, arguments.get(1))?;
    if ids.len() != given.len() {
        let why = format!("{NAME}: {} ids and {} values", ids.len(), given.len());
        return Err(Exception::throw_range(ctx, &why));
    }
    let given = given.iter().map(|value| allowance.value(ctx, value)).collect::<Result<Vec<_>>>()?;
    lent::with(ctx, |mut lent| {
        let mut answers = vec![-1; ids.len()];
        let (mut sets, mut places) = (Vec::new(), Vec::new());
        for (at, (id, value)) in ids.iter().zip(given).enumerate() {
            in_time(ctx)?;
            if let Some(param) = param(ctx, &mut lent, NAME, Some(id))? {
                sets.push((param, value));
                places.push((at, param));
            }
        }
        let lacking = match lent.engine.script_set_all(lent.now, sets) {
            Ok(lacking) => lacking,
            Err(why) => return Err(Exception::throw_range(ctx, &why.to_string())),
        };
        places.iter().for_each(|(at, _)| answers[*at] = 0);
        for (at, why) in lacking {
            let Some((at, param)) = places.get(at) else { continue };
            answers[*at] = -1;
            let id = lent.engine.protocol().param(*param).id;
            refused(ctx, &mut lent, &format!("{NAME}: a value for parameter {id}"), &Refused::Rejected(why))?;
        }
        let array = Array::new(ctx.clone())?;
        for (at, answer) in answers.into_iter().enumerate() {
            array.set(at, answer)?;
        }
        Ok(array.into_value())
    })
}

fn named<'js>(
    ctx: &Ctx<'js>,
    lent: &mut Lent<'_>,
    method: &str,
    argument: Option<&Js<'js>>,
    meant: Access,
) -> Result<Option<ParamIx>> {
    let Some(name) = values::key(argument) else {
        return Err(Exception::throw_type(ctx, &format!("{method}: the name of a parameter is a text")));
    };
    let found = lent.engine.protocol().params_by_name(&name).meant(meant);
    if found.is_none() {
        lent.engine
            .script_report(lent.now, lent.run.script, || format!("{method}: there is no parameter `{name}`"));
    }
    Ok(found)
}

fn get_parameter_by_name<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |mut lent| {
        match named(ctx, &mut lent, "GetParameterByName", arguments.first(), Access::Read)? {
            Some(param) => value_of(ctx, &lent, param),
            None => Ok(Js::new_null(ctx.clone())),
        }
    })
}

fn set_by_name<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>], method: &str, meant: Access) -> Result<Js<'js>> {
    let value = match arguments.get(1) {
        Some(value) => values::from_js(ctx, value)?,
        None => Value::Empty,
    };
    lent::with(ctx, |mut lent| match named(ctx, &mut lent, method, arguments.first(), meant)? {
        Some(param) => set(ctx, lent, method, param, value),
        None => Ok(Js::new_int(ctx.clone(), -1)),
    })
}

fn set_parameter_by_name<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    set_by_name(ctx, arguments, "SetParameterByName", Access::Write)
}

fn set_read_parameter_by_name<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    set_by_name(ctx, arguments, "SetReadParameterByName", Access::Read)
}

fn is_empty<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |mut lent| {
        let param = param(ctx, &mut lent, "IsEmpty", arguments.first())?;
        let params = lent.engine.params();
        let empty = param.is_none_or(|param| match params.describe(param).table {
            Some(table) => params.rows(table).is_empty(),
            None => params.get(param).is_empty(),
        });
        Ok(Js::new_bool(ctx.clone(), empty))
    })
}

fn get_input_parameter<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |lent| {
        let at = values::whole(arguments.first()).and_then(|at| usize::try_from(at).ok());
        match at.and_then(|at| lent.run.inputs.get(at)) {
            Some(input) => input_value(ctx, lent.engine.protocol(), lent.run, input),
            None => Ok(Js::new_null(ctx.clone())),
        }
    })
}

fn get_trigger_parameter<'js>(ctx: &Ctx<'js>, _: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |lent| Ok(Js::new_int(ctx.clone(), lent.run.trigger)))
}

fn check_trigger<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    let Some(id) = values::whole(arguments.first()) else {
        return Err(Exception::throw_type(ctx, "CheckTrigger: the id of a trigger is a whole number"));
    };
    lent::with(ctx, |lent| {
        let Some(trigger) = lent.engine.protocol().trigger_by_id(TriggerId(id)) else {
            lent.engine.script_report(lent.now, lent.run.script, || {
                format!("CheckTrigger: there is no trigger {id}")
            });
            return Ok(Js::new_int(ctx.clone(), -1));
        };
        match lent.engine.script_trigger(lent.now, trigger, lent.run) {
            Ok(()) => Ok(Js::new_int(ctx.clone(), 0)),
            Err(why) => Err(Exception::throw_range(ctx, &why.to_string())),
        }
    })
}

fn log<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    // The oldest way: type, level, message.
    let oldest = arguments.len() >= 3 && arguments.first().is_some_and(Js::is_number);
    let (message, kind) =
        if oldest { (arguments.get(2), arguments.first()) } else { (arguments.first(), arguments.get(1)) };
    let text = message.map(|message| shown(ctx, message)).unwrap_or_default();
    // By habit authors write everything as an error that is logged at every level: it says nothing.
    let level = arguments.get(if oldest { 1 } else { 2 });
    let habit = values::whole(level) == Some(-1);
    let severity = if values::whole(kind) == Some(1) && !habit { Severity::Warning } else { Severity::Note };
    write_line(ctx, severity, text)?;
    Ok(undefined(ctx))
}

/// The parts of a line, with a blank between them, as far as they fit into one.
fn line_of<'js>(ctx: &Ctx<'js>, parts: &[Js<'js>]) -> Result<String> {
    let (mut line, mut room) = (String::new(), MAX_LINE);
    for (at, part) in parts.iter().enumerate() {
        in_time(ctx)?;
        if at > 0 {
            line.push(' ');
        }
        let part = cut(shown(ctx, part), room);
        line.push_str(&part);
        room = room.saturating_sub(part.chars().count() + 1);
        if room == 0 {
            break;
        }
    }
    Ok(line)
}

/// A value in the log: a text as it is, anything else as JSON where that is possible.
fn shown<'js>(ctx: &Ctx<'js>, value: &Js<'js>) -> String {
    if let Some(text) = value.as_string() {
        return values::string(text).map_or_else(|_| String::new(), |text| text.to_string());
    }
    if let Some(exception) = value.as_exception() {
        return crate::script::failure::of_exception(exception).text;
    }
    let json = if value.is_object() { ctx.json_stringify(value.clone()).ok().flatten() } else { None };
    let text = match json {
        Some(json) => json.to_string().ok(),
        None => {
            let spell: Result<Function<'js>> = ctx.globals().get("String");
            spell
                .and_then(|spell| spell.call::<_, rquickjs::String<'js>>((value.clone(),)))
                .and_then(|text| text.to_string())
                .ok()
        }
    };
    if text.is_none() {
        // What the value itself threw is of no interest.
        let _ = ctx.catch();
    }
    text.unwrap_or_else(|| NO_TEXT.to_owned())
}

pub(super) fn write_line(ctx: &Ctx<'_>, severity: Severity, text: String) -> Result<()> {
    let text = cut(text, MAX_LINE);
    let Some(lines) = lent::inside(|inside| inside.state().lines.get()) else { return Ok(()) };
    lent::with(ctx, |lent| {
        const SECOND: std::time::Duration = std::time::Duration::from_secs(1);
        let now = lent.now.now;
        let (since, count, left_out) = match lines {
            Some((since, count, left_out)) if now.saturating_duration_since(since) < SECOND => {
                (since, count, left_out)
            }
            Some((_, _, left_out)) => (now, 0, left_out),
            None => (now, 0, 0),
        };
        let fits = count < MAX_LINES;
        let next = if fits { (since, count + 1, 0) } else { (since, count, left_out + 1) };
        lent::inside(|inside| inside.state().lines.set(Some(next)));
        if fits {
            lent.engine.script_log(ScriptLine {
                script: lent.run.script,
                severity,
                text,
                suppressed: left_out,
            });
        }
        Ok(())
    })
}
