//! What scripts write into the element's log: `console` and `Log`, bounded in number and length; hides no secrets, which the engine and
//! the driver do.

use rquickjs::function::Rest;
use rquickjs::{Ctx, Function, Object, Result, Value as Js};

use crate::engine::logic::effect::{ScriptLine, Severity};
use crate::engine::logic::script::cut;
use crate::script::allowance::in_time;
use crate::script::failure::{self, NO_TEXT};
use crate::script::{lent, values};

/// How many lines a script may write into the log in a second; the rest is counted.
const MAX_LINES: u32 = 100;

/// How long a line in the log may be, in characters.
const MAX_LINE: usize = 4_000;

/// The object `console`.
pub(super) fn console<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
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
    Ok(console)
}

pub(super) fn log<'js>(ctx: &Ctx<'js>, arguments: &[Js<'js>]) -> Result<Js<'js>> {
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
    Ok(Js::new_undefined(ctx.clone()))
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
        return failure::of_exception(exception).text;
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
