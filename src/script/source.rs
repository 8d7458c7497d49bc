//! The texts of scripts in a JavaScript context: what they import, how they are read, which functions they have; calls none.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use rquickjs::context::EvalOptions;
use rquickjs::function::This;
use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Exception, Function, Module, Object, Result, Value as Js};

use crate::language::model::script::{Body, Dialect, Script, Scripts, resolve};
use crate::script::failure::{CLASSIC_HEAD, module_name};
use crate::script::values;

/// The name under which a module gives its functions away; no author's name looks like it.
const ENTRIES: &str = "__backshell_entries";

/// The name under which the module of a script in a file gives that file's away.
const FILE: &str = "file";

/// Gives modules their texts: those of the definition's folder, which were read when it was loaded.
pub(super) trait Texts: Send {
    /// The text of a file, by its path relative to the definition.
    ///
    /// # Errors
    ///
    /// Says why there is none.
    fn text(&mut self, path: &str) -> std::result::Result<Arc<str>, String>;
}

/// What whoever imports a package has to know.
const NO_NODE: &str = "; scripts have no Node modules, they import files below the definition's folder only, such as `./lib/a.js`";

/// What whoever leaves the end of a file's name out has to know.
const WHOLE_NAME: &str = "; an import gives the whole name of a file, such as `./lib/a.js`";

/// Finds files by the names that are imported.
pub(super) struct Names;

impl Resolver for Names {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
        let why = match resolve(folder, name) {
            // `fs`, `lodash`, `@scope/package`: what is meant is no file.
            Some(_) if !name.starts_with('.') && !has_extension(name) => {
                format!("`{name}` is no file{NO_NODE}")
            }
            Some(path) => return Ok(path.to_string()),
            None => {
                let hint = if name.starts_with("node:") { NO_NODE } else { "" };
                format!("`{name}` is not below the definition's folder{hint}")
            }
        };
        Err(Exception::throw_reference(ctx, &why))
    }
}

/// Whether the last part of a name ends like that of a file.
fn has_extension(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|file| file.contains('.'))
}

/// Reads the files that are imported.
pub(super) struct Files<T> {
    texts: T,
    /// What is added to the files that are scripts themselves.
    trailers: BTreeMap<Arc<str>, String>,
}

impl<T: Texts> Files<T> {
    pub(super) fn new(texts: T, scripts: &Scripts) -> Self {
        let mut names: BTreeMap<&Arc<str>, Vec<&str>> = BTreeMap::new();
        for script in scripts.list.iter().filter(|script| script.dialect == Dialect::Module) {
            if let Body::File(file) = &script.body {
                names.entry(&file.path).or_default().extend(entry_names(script));
            }
        }
        let trailers = names.into_iter().map(|(path, names)| (Arc::clone(path), trailer(names))).collect();
        Self { texts, trailers }
    }
}

impl<T: Texts> Loader for Files<T> {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        match (self.texts.text(name), self.trailers.get(name)) {
            (Ok(text), None) => Module::declare(ctx.clone(), name, text.as_bytes()),
            (Ok(text), Some(trailer)) => Module::declare(ctx.clone(), name, format!("{text}{trailer}")),
            (Err(why), _) => {
                let hint = if has_extension(name) { "" } else { WHOLE_NAME };
                Err(Exception::throw_reference(ctx, &format!("{why}{hint}")))
            }
        }
    }
}

/// The text of a script, wherever it is.
pub(super) fn text_of(script: &Script, scripts: &Scripts) -> std::result::Result<Arc<str>, String> {
    match &script.body {
        Body::Inline { text, .. } => Ok(Arc::clone(text)),
        Body::File(file) => {
            scripts.files.get(&file.path).cloned().ok_or_else(|| format!("there is no file `{}`", file.path))
        }
    }
}

/// How the original's scripts are read.
pub(super) fn sloppy(name: &str) -> EvalOptions {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(name.to_owned());
    options
}

/// The function that a `jscript` is: its statements run each time that it is called.
pub(super) fn classic<'js>(ctx: &Ctx<'js>, script: &Script, text: &str) -> Result<Function<'js>> {
    // With an entry point the statements only define it.
    let call: String = script
        .entries
        .iter()
        .filter(|name| is_name(name))
        .take(1)
        .map(|name| format!("return {name}.apply(this, arguments);"))
        .collect();
    let text = format!("{CLASSIC_HEAD}{text}\n{call}}})");
    ctx.eval_with_options(text, sloppy(&module_name(script)))
}

/// Parses a file of `include`, and runs none of it.
pub(super) fn parse_include<'js>(ctx: &Ctx<'js>, path: &str, text: &str) -> Result<Function<'js>> {
    ctx.eval_with_options(format!("{CLASSIC_HEAD}{text}\n}})"), sloppy(path))
}

/// A module that was loaded.
pub(super) struct Found<'js> {
    namespace: Object<'js>,
    entries: Object<'js>,
    /// The classes whose methods are called, with their one instance each.
    instances: RefCell<Vec<(Js<'js>, Object<'js>)>>,
}

/// The text of the module that a script is. A file is imported, so that it is one module whoever names it.
pub(super) fn module(script: &Script) -> String {
    match &script.body {
        Body::Inline { text, .. } => format!("{text}{}", trailer(entry_names(script).collect())),
        Body::File(file) => {
            let name = serde_json::Value::from(format!("./{}", file.path));
            format!("export * as {FILE} from {name};")
        }
    }
}

impl<'js> Found<'js> {
    /// Runs the statements of a module.
    pub(super) fn load(ctx: &Ctx<'js>, script: &Script) -> Result<Self> {
        let (module, promise) = Module::declare(ctx.clone(), module_name(script), module(script))?.eval()?;
        promise.finish::<()>()?;
        let namespace = match &script.body {
            Body::Inline { .. } => module.namespace()?,
            Body::File(_) => module.namespace()?.get(FILE)?,
        };
        Ok(Self { entries: namespace.get(ENTRIES)?, namespace, instances: RefCell::default() })
    }

    /// The function that a name means, and what it is called on.
    pub(super) fn entry(&self, ctx: &Ctx<'js>, name: &str) -> Result<Option<(Function<'js>, Js<'js>)>> {
        let undefined = || Js::new_undefined(ctx.clone());
        let (class, method) = match name.split_once('.') {
            Some((class, method)) => (class.trim(), method.trim()),
            None => {
                let exported: Js<'js> = self.namespace.get(name)?;
                let own: Js<'js> = self.entries.get(name)?;
                if let Some(function) = exported.into_function().or(own.into_function()) {
                    return Ok(Some((function, undefined())));
                }
                ("QAction", name)
            }
        };
        let default: Js<'js> = self.namespace.get("default")?;
        if let Some(function) = default.as_function().filter(|function| name == "Run" && !is_class(function))
        {
            return Ok(Some((function.clone(), undefined())));
        }
        for holder in
            [self.entries.get::<_, Js<'js>>(class)?, self.namespace.get::<_, Js<'js>>(class)?, default]
        {
            let Some(object) = holder.as_object() else { continue };
            if let Some(function) = object.get::<_, Js<'js>>(method)?.into_function() {
                return Ok(Some((function, holder)));
            }
            if holder.as_function().is_some_and(is_class) {
                let instance = self.instance(&holder)?;
                if let Some(function) = instance.get::<_, Js<'js>>(method)?.into_function() {
                    return Ok(Some((function, instance.into_value())));
                }
            }
        }
        Ok(None)
    }

    /// The one instance of a class.
    fn instance(&self, class: &Js<'js>) -> Result<Object<'js>> {
        let known = self.instances.borrow().iter().find(|(of, _)| of == class).map(|(_, one)| one.clone());
        match (known, class.as_constructor()) {
            (Some(known), _) => Ok(known),
            (None, Some(constructor)) => {
                let made: Object<'js> = constructor.construct(())?;
                self.instances.borrow_mut().push((class.clone(), made.clone()));
                Ok(made)
            }
            (None, None) => Err(Exception::throw_type(class.ctx(), "a class cannot be made an instance of")),
        }
    }
}

/// Whether a function can only be made an instance of.
fn is_class(function: &Function<'_>) -> bool {
    let text = function.get::<_, Function<'_>>("toString").and_then(|spell| {
        let text: rquickjs::String<'_> = spell.call((This(function.clone()),))?;
        values::string(&text)
    });
    text.is_ok_and(|text| text.starts_with("class"))
}

/// What the triggers of a script call: functions and classes.
fn entry_names(script: &Script) -> impl Iterator<Item = &str> {
    let called = (0..script.triggers.len().max(1)).map(|at| {
        let name = script.entry(at);
        name.split_once('.').map_or(name, |(class, _)| class.trim())
    });
    called.chain(["QAction"])
}

/// What is added to a module so that its functions can be reached without an export; no line before it moves.
fn trailer(mut names: Vec<&str>) -> String {
    names.sort_unstable();
    names.dedup();
    let member = |name: &&str| format!("{name}: typeof {name} === \"undefined\" ? undefined : {name}");
    let members: Vec<String> = names.iter().filter(|name| is_name(name)).map(member).collect();
    format!("\n;export const {ENTRIES} = {{ __proto__: null, {} }};", members.join(", "))
}

/// Whether a text is a name of JavaScript that can stand in an expression.
fn is_name(text: &str) -> bool {
    const RESERVED: &[&str] = &[
        "arguments",
        "await",
        "break",
        "case",
        "catch",
        "class",
        "const",
        "continue",
        "debugger",
        "default",
        "delete",
        "do",
        "else",
        "enum",
        "eval",
        "export",
        "extends",
        "false",
        "finally",
        "for",
        "function",
        "if",
        "implements",
        "import",
        "in",
        "instanceof",
        "interface",
        "let",
        "new",
        "null",
        "package",
        "private",
        "protected",
        "public",
        "return",
        "static",
        "super",
        "switch",
        "this",
        "throw",
        "true",
        "try",
        "typeof",
        "var",
        "void",
        "while",
        "with",
        "yield",
    ];
    let mut letters = text.chars();
    let is_letter = |letter: char| letter.is_alphabetic() || letter == '_' || letter == '$';
    letters.next().is_some_and(is_letter)
        && letters.all(|letter| is_letter(letter) || letter.is_ascii_digit())
        && !RESERVED.contains(&text)
}
