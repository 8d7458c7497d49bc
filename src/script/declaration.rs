//! Writes `schemas/backshell.d.ts`, by which an editor completes and checks scripts, out of the table of methods.

use std::fmt::Write as _;

use crate::script::methods::{ENUMERATIONS, METHODS, PROPERTIES};

/// The declaration of everything that a script sees besides the language itself.
pub fn declaration() -> String {
    let mut text = String::from(
        "// What a script of a definition sees. Generated from the table of methods; do not edit.\n\
         //\n\
         // In a script beside a definition:  /// <reference path=\"backshell.d.ts\" />\n\n\
         /** What a parameter or a cell holds; null is empty. */\n\
         type Cell = any;\n\n\
         /** What a parameter or a cell takes: true is 1, false is 0, null and undefined are empty. */\n\
         type Settable = string | number | bigint | boolean | Uint8Array | ArrayBuffer | null | undefined;\n\n\
         /** What `protocol.Clear` and `protocol.Leave` are: instead of a value, in a row or a column. */\n\
         type CellMark = symbol & { readonly __cell: \"Clear\" | \"Leave\" };\n\n\
         /** What a cell of a row or of a column takes. */\n\
         type CellInput = Settable | CellMark;\n\n",
    );
    for (name, members) in ENUMERATIONS {
        let (indent, name, close) = match name.split_once('.') {
            Some((space, name)) => {
                let _ = writeln!(text, "declare namespace {space} {{");
                ("    ", name, "}\n")
            }
            None => ("", *name, ""),
        };
        let declare = if indent.is_empty() { "declare " } else { "" };
        let _ = writeln!(text, "{indent}{declare}enum {name} {{");
        for (member, value) in *members {
            let _ = writeln!(text, "{indent}    {member} = {value},");
        }
        let _ = writeln!(text, "{indent}}}\n{close}");
    }
    text.push_str("/** The element, as its scripts see it: the first argument of every entry point. */\ninterface SLProtocol {\n");
    for (name, kind, doc) in PROPERTIES {
        let _ = writeln!(text, "    /** {doc} */\n    readonly {name}: {kind};\n");
    }
    for (at, method) in METHODS.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        let _ = writeln!(text, "    /** {} */", method.doc);
        for signature in method.signatures {
            let _ = writeln!(text, "    {}{signature};", method.name);
        }
    }
    text.push_str(
        "}\n\n\
         /** The element in a script with `encoding=\"jscript\"`, and in the files of its `include`. */\n\
         declare const SLScript: SLProtocol;\n\n\
         /** Writes lines into the element's log. */\n\
         interface Console {\n",
    );
    for name in ["debug", "log", "info", "warn", "error"] {
        let _ = writeln!(text, "    {name}(...parts: unknown[]): void;");
    }
    // A variable, and an interface of this name: where a browser's or Node's library is there too, both are one.
    text.push_str("}\n\ndeclare var console: Console;\n");
    text
}
