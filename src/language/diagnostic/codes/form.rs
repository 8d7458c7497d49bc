//! The codes P1xxx, about the XML form of a definition; raises none of them.

use super::{Entry, row};
use crate::language::diagnostic::Severity::{Error, Warning};

pub(super) const MALFORMED: Entry = row(
    "P1001",
    Error,
    "the file is not well-formed XML",
    "The XML ends early, a tag is not closed, or a quote is missing. Nothing after the place can be read, so this is the only report of the file.",
    "<Protocol><Name>a</Protocol>",
    "<Protocol><Name>a</Name></Protocol>",
);
pub(super) const DOCTYPE_REFUSED: Entry = row(
    "P1002",
    Error,
    "the file has a document type declaration",
    "Entities are never expanded and external files are never read. Remove the declaration; the five predefined entities and numeric references need none.",
    "<!DOCTYPE Protocol [<!ENTITY a \"b\">]><Protocol/>",
    "<Protocol/>",
);
pub(super) const UNKNOWN_ENTITY: Entry = row(
    "P1003",
    Error,
    "an entity that does not exist",
    "Only the five entities of XML itself and numeric references have a meaning. Write the character as it is, or its number.",
    "<Protocol><Name>a&nbsp;b</Name></Protocol>",
    "<Protocol><Name>a&#160;b</Name></Protocol>",
);
pub(super) const TOO_LARGE: Entry = row(
    "P1004",
    Error,
    "the file is beyond a limit",
    "A file may have 64 MiB and 1,000,000 elements, nested up to 256 deep, with up to 64 attributes in one tag and names of up to 1,000 bytes. The limits keep a broken or hostile file from using up memory.",
    "",
    "",
);
pub(super) const NOT_UTF8: Entry = row(
    "P1005",
    Error,
    "the file is not UTF-8",
    "Definitions are read as UTF-8, with or without a byte order mark. Save the file in that encoding. Where only the declaration names another one, it is a warning.",
    "",
    "",
);
pub(super) const UNREADABLE: Entry = row(
    "P1006",
    Error,
    "the file cannot be read",
    "The file is not there, or the system does not let this user read it.",
    "",
    "",
);
pub(super) const NOT_A_DEFINITION: Entry = row(
    "P1007",
    Error,
    "the file is no protocol definition",
    "The outermost element of a definition is `<Protocol>`, in no namespace or in the original language's.",
    "<Settings/>",
    "<Protocol/>",
);
pub(super) const UNDECLARED_PREFIX: Entry = row(
    "P1008",
    Error,
    "a prefix that is not declared",
    "A prefix such as `bs:` means something only where an `xmlns` attribute binds it. Without it the element would be ignored in silence.",
    "<Protocol><Params><Param id=\"1\" bs:secret=\"true\"><Type>read</Type></Param></Params></Protocol>",
    "<Protocol xmlns:bs=\"urn:backshell:1\"><Params><Param id=\"1\" bs:secret=\"true\"><Type>read</Type></Param></Params></Protocol>",
);
pub(super) const FOREIGN_NAMESPACE: Entry = row(
    "P1009",
    Warning,
    "an element or attribute of another namespace",
    "It is ignored with all that is in it. Names of the language stand in no namespace or in the original's, additions in `urn:backshell:1`.",
    "<Protocol xmlns:x=\"urn:x\"><x:Note/></Protocol>",
    "<Protocol><Name>a</Name></Protocol>",
);
pub(super) const UNKNOWN_ELEMENT: Entry = row(
    "P1010",
    Warning,
    "an element that the language does not have",
    "It is ignored with all that is in it. Usually the name is misspelt: names are case-sensitive.",
    "<Protocol><Parms/></Protocol>",
    "<Protocol><Params/></Protocol>",
);
pub(super) const UNKNOWN_ATTRIBUTE: Entry = row(
    "P1011",
    Warning,
    "an attribute that the language does not have here",
    "It is ignored. Usually the name is misspelt: names are case-sensitive.",
    "<Protocol><Params><Param id=\"1\" safe=\"true\"><Type>read</Type></Param></Params></Protocol>",
    "<Protocol><Params><Param id=\"1\" save=\"true\"><Type>read</Type></Param></Params></Protocol>",
);
pub(super) const MISPLACED: Entry = row(
    "P1012",
    Warning,
    "an element in the wrong place",
    "The language has this element, but not here, so it is ignored, except a `Param` beside `Params`. Move it into the element that holds its kind.",
    "<Protocol><Param id=\"1\"><Type>read</Type></Param></Protocol>",
    "<Protocol><Params><Param id=\"1\"><Type>read</Type></Param></Params></Protocol>",
);
pub(super) const RENAMED: Entry = row(
    "P1013",
    Warning,
    "an old or mistaken name",
    "The name is known from older files or as a common slip. It is taken for the name given in the help; no value that is run depends on it.",
    "<Protocol><Params><Param id=\"1\"><Type>read</Type><Display><Positions><pPosition/></Positions></Display></Param></Params></Protocol>",
    "<Protocol><Params><Param id=\"1\"><Type>read</Type><Display><Positions><Position/></Positions></Display></Param></Params></Protocol>",
);
pub(super) const STRAY_TEXT: Entry = row(
    "P1014",
    Warning,
    "text where only elements belong",
    "The text is ignored. Often it is the rest of a tag that was removed by hand.",
    "<Protocol><Params>x<Param id=\"1\"><Type>read</Type></Param></Params></Protocol>",
    "<Protocol><Params><Param id=\"1\"><Type>read</Type></Param></Params></Protocol>",
);
pub(super) const BAD_VALUE: Entry = row(
    "P1015",
    Warning,
    "a value that does not fit its element or attribute",
    "The value is ignored, as if the element or attribute were not there. The message says which values there are.",
    "<Protocol><Params><Param id=\"1\" save=\"yes\"><Type>read</Type></Param></Params></Protocol>",
    "<Protocol><Params><Param id=\"1\" save=\"true\"><Type>read</Type></Param></Params></Protocol>",
);
pub(super) const MISSING_ID: Entry = row(
    "P1016",
    Error,
    "an item without a usable id",
    "Other parts of a definition refer to the item by its id, a whole number. Without it the item can never be used.",
    "<Protocol><Params><Param><Type>read</Type></Param></Params></Protocol>",
    "<Protocol><Params><Param id=\"1\"><Type>read</Type></Param></Params></Protocol>",
);
pub(super) const MISSING_PART: Entry = row(
    "P1017",
    Warning,
    "something that the element needs is missing",
    "The element has no effect without it.",
    "<Protocol><Params><Param id=\"1\"><Name>Level</Name></Param></Params></Protocol>",
    "<Protocol><Params><Param id=\"1\"><Type>read</Type></Param></Params></Protocol>",
);
pub(super) const GIVEN_TWICE: Entry = row(
    "P1018",
    Warning,
    "an element that stands once is given twice",
    "Sections given twice are merged, in file order; of other elements the first counts.",
    "<Protocol><Params/><Params/></Protocol>",
    "<Protocol><Params/></Protocol>",
);
