//! The methods of `protocol` about single parameters and triggers, and what a script gets; what a set means is the engine's.

use rquickjs::function::Args;
use rquickjs::{Array, Ctx, Exception, Result, Value as Js};

use crate::engine::logic::script::{Input, Refused, Run};
use crate::language::model::id::{ParamId, ParamIx, TriggerId};
use crate::language::model::{Access, Protocol};
use crate::script::allowance::{Allowance, in_time};
use crate::script::host::Plan;
use crate::script::lent::{self, Lent};
use crate::script::values;
use crate::value::Value;

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
        Input::Column(cells) => values::row(ctx, cells),
    }
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

pub(super) fn get_parameter<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
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

pub(super) fn set_parameter<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
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

pub(super) fn get_parameters<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
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

pub(super) fn set_parameters<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
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

pub(super) fn get_parameter_by_name<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
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

pub(super) fn set_parameter_by_name<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    set_by_name(ctx, arguments, "SetParameterByName", Access::Write)
}

pub(super) fn set_read_parameter_by_name<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    set_by_name(ctx, arguments, "SetReadParameterByName", Access::Read)
}

pub(super) fn is_empty<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |mut lent| {
        let param = param(ctx, &mut lent, "IsEmpty", arguments.first())?;
        let params = lent.engine.params();
        let empty =
            param.is_none_or(|param| match (params.describe(param).table, params.describe(param).column) {
                (Some(table), _) => params.rows(table).is_empty(),
                (None, Some((table, column))) => {
                    let mut cells =
                        params.rows(table).iter().filter_map(|row| row.cells().get(usize::from(column)));
                    cells.all(Value::is_empty)
                }
                (None, None) => params.get(param).is_empty(),
            });
        Ok(Js::new_bool(ctx.clone(), empty))
    })
}

pub(super) fn get_input_parameter<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |lent| {
        let at = values::whole(arguments.first()).and_then(|at| usize::try_from(at).ok());
        match at.and_then(|at| lent.run.inputs.get(at)) {
            Some(input) => input_value(ctx, lent.engine.protocol(), lent.run, input),
            None => Ok(Js::new_null(ctx.clone())),
        }
    })
}

pub(super) fn get_trigger_parameter<'js>(ctx: &Ctx<'js>, _: &[Js<'js>]) -> Result<Js<'js>> {
    lent::with(ctx, |lent| Ok(Js::new_int(ctx.clone(), lent.run.trigger)))
}

pub(super) fn check_trigger<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
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
