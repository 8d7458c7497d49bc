//! The one table of what a script sees of its element, and how a context gets it; what the methods do is in files by subject.

use rquickjs::function::Rest;
use rquickjs::object::Property;
use rquickjs::{Ctx, Function, Object, Result, Symbol, Value as Js};

use crate::script::host::Plan;
use crate::script::{fills, lent, log, numbered, parameters, tables};

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
    /// A numbered call of the original, see `NotifyProtocol`.
    Call,
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
        parameters::get_parameter
    ),
    method!(
        "SetParameter",
        Param,
        ["(pid: number, value: Settable): number"],
        "Sets a parameter; all that this causes is done before it returns. 0, or -1 if the value was not taken.",
        parameters::set_parameter
    ),
    method!(
        "GetParameters",
        Nothing,
        ["(pids: readonly number[]): Cell[]"],
        "The values of several parameters, in order.",
        parameters::get_parameters
    ),
    method!(
        "SetParameters",
        Nothing,
        ["(pids: readonly number[], values: readonly Settable[]): number[]"],
        "Sets several parameters: all of them first, then what this causes runs in order. For each 0, or -1 if its value was not taken.",
        parameters::set_parameters
    ),
    method!(
        "GetParameterByName",
        Nothing,
        ["(name: string): Cell"],
        "The value of the parameter with a name that can be read.",
        parameters::get_parameter_by_name
    ),
    method!(
        "SetParameterByName",
        Nothing,
        ["(name: string, value: Settable): number"],
        "Sets the parameter with a name, the one for writing if there are two. 0, or -1 if the value was not taken.",
        parameters::set_parameter_by_name
    ),
    method!(
        "SetReadParameterByName",
        Nothing,
        ["(name: string, value: Settable): number"],
        "Sets the parameter with a name that can be read. 0, or -1 if the value was not taken.",
        parameters::set_read_parameter_by_name
    ),
    method!(
        "IsEmpty",
        Param,
        ["(pid: number): boolean"],
        "Whether a parameter has no value; an empty text is one. A table is empty without rows, a column if none of its cells has a value.",
        parameters::is_empty
    ),
    method!(
        "GetInputParameter",
        Nothing,
        ["(index: number): any"],
        "An input parameter (`inputParameters`) as it was at the start of the run, counted from 0.",
        parameters::get_input_parameter
    ),
    method!(
        "GetTriggerParameter",
        Nothing,
        ["(): number"],
        "The id of the parameter, or of the group, that runs the script.",
        parameters::get_trigger_parameter
    ),
    method!(
        "CheckTrigger",
        Trigger,
        ["(id: number): number"],
        "Runs a trigger with its conditions; all that it causes is done before it returns. 0, or -1 if there is no such trigger.",
        parameters::check_trigger
    ),
    method!(
        "Log",
        Nothing,
        [
            "(message: string, type?: LogType, level?: LogLevel): void",
            "(type: number, level: number, message: string): void"
        ],
        "Writes a line into the element's log.",
        log::log
    ),
    method!(
        "AddRow",
        Table,
        ["(table: number, row: readonly CellInput[]): number", "(table: number, key: string): number"],
        "Adds a row, by its cells in the order of the columns, or by its key alone. Its place, from 1; 0 if it was not taken, because its key is there already, say.",
        tables::add_row
    ),
    method!(
        "AddRowReturnKey",
        Table,
        ["(table: number, row?: readonly CellInput[]): string | null"],
        "Adds a row; its key, which an `autoincrement` column makes by itself. Null if it was not taken.",
        tables::add_row_return_key
    ),
    method!(
        "SetRow",
        Table,
        ["(table: number, key: string | number, row: readonly CellInput[]): number[]"],
        "Sets the cells of a row, by its key or by its place from 0; null leaves a cell as it is, `protocol.Clear` empties it. For each cell 1 if the set made it another, else 0.",
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
        "Takes rows away: one by its key or by its place from 1, or several by their keys: all of them first, then what this causes runs in order. How many rows are left.",
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
            "(table: number, columns: readonly (readonly CellInput[])[]): boolean",
            "(table: number, rows: readonly (readonly CellInput[])[], option: NotifyProtocol.SaveOption): boolean"
        ],
        "Fills a table: with columns, or with rows if an option is given. Rows that are not named go, unless it is `SaveOption.Partial`. Null empties a cell, undefined leaves it. Whether all was taken; what was not is reported.",
        fills::fill_array
    ),
    method!(
        "FillArrayNoDelete",
        Table,
        ["(table: number, columns: readonly (readonly CellInput[])[]): boolean"],
        "Fills a table with columns; rows that are not named stay. Whether all was taken; what was not is reported.",
        fills::fill_array_no_delete
    ),
    method!(
        "FillArrayWithColumn",
        Table,
        ["(table: number, column: number, keys: readonly string[], values: readonly CellInput[]): boolean"],
        "Fills one column, named by its parameter, of the rows with these keys; missing rows are added, others stay. Whether all was taken; what was not is reported.",
        fills::fill_array_with_column
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
        "Sets a cell by the places of its row and its column, both from 1. Whether it is another than before.",
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
        "Sets a cell by the key of its row and the place of its column from 1. Whether it is another than before.",
        tables::set_parameter_index_by_key
    ),
    method!(
        "NotifyProtocol",
        Call,
        [
            "(type: 73, pid: number, none?: null): Cell",
            "(type: 85, name: string, none?: null): Cell",
            "(type: 121, cell: readonly [table: number, row: string | number, column: number], value: Settable): boolean",
            "(type: 122, cell: readonly [table: number, row: string | number, column: number], none?: null): Cell",
            "(type: 134, trigger: number, none?: null): number",
            "(type: 149, table: number, row: string | readonly CellInput[]): number",
            "(type: 156, table: number, key: string | number | readonly string[]): number",
            "(type: 163, table: number, key: string): number",
            "(type: 168, table: number, none?: null): [keys: string[], displayKeys: string[]] | null",
            "(type: 193 | 194, table: number | readonly [table: number, ...options: unknown[]], columns: readonly (readonly CellInput[])[]): boolean",
            "(type: 195, table: number, none?: null): number",
            "(type: 215, row: readonly [table: number, key: string], none?: null): Cell[] | null",
            "(type: 220, columns: readonly [table: number, ...columns: unknown[]], values: readonly [keys: readonly string[], ...values: (readonly CellInput[])[]]): boolean",
            "(type: 225, row: readonly [table: number, key: string | number, ...options: unknown[]], cells: readonly CellInput[]): number[]",
            "(type: 240, table: number, row?: string | readonly CellInput[] | null): string | null",
            "(type: 265, table: number, key: string): boolean",
            "(type: 321, table: number, columns: readonly number[]): Cell[][] | null",
            "(type: 393, column: number, none?: null): number | null",
            "(type: 397, table: number, none?: null): string[] | null"
        ],
        "The original's numbered calls, as far as they are about parameters and tables: each does what the method does that the original has for it. Of 220, and of 321 whose columns count from 0, there are several columns in one call. Any other number is reported, and null.",
        numbered::notify_protocol
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
    ("Clear", "CellMark", "As a cell of `SetRow` or `FillArray`: empties it."),
    ("Leave", "CellMark", "As a cell of `SetRow` or `FillArray`: leaves it as it is."),
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
    globals.set("console", log::console(ctx)?)?;
    freeze.call::<_, Object<'js>>((protocol,))
}
