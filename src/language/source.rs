//! The text of one file, spans in it, and where a span is in lines and columns; reads no file.

use std::sync::Arc;

/// A range of bytes in a source text, end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// Makes a span from byte offsets; offsets beyond 4 GiB are cut to it.
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { start: clamp(start), end: clamp(end.max(start)) }
    }
}

/// A value together with the place where the author wrote it.
///
/// Equality looks at the value only, so that moving a line in a file is not a change of the definition.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spanned<T> {
    /// What was written.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Pairs a value with its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Converts the value and keeps the place.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

/// A place as people count it: lines and columns from 1, columns in Unicode scalar values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line number, from 1.
    pub line: u32,
    /// Column number in Unicode scalar values, from 1; a byte order mark is not counted.
    pub column: u32,
}

/// Where a text that was taken out of a file, entities decoded and pieces joined, stands in it.
///
/// Equality ignores it, as that of [`Spanned`] ignores places.
#[derive(Clone, Debug, Default)]
pub struct Places {
    // Invariant: sorted by `text`; one at the start of each line, and one wherever text and file do not go on side by side.
    anchors: Arc<[Anchor]>,
}

/// A byte of a text and its place in the file.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    text: u32,
    file: u32,
    position: Position,
}

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Places {
    /// Takes pairs of an offset in the text and one in the file, in order.
    pub fn new(source: &Source, pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let anchor = |(text, file): (usize, usize)| {
            let file = count(file);
            Anchor { text: count(text), file, position: source.position(file) }
        };
        Self { anchors: pairs.into_iter().map(anchor).collect() }
    }

    /// The place in the file of a byte of the text: its offset, and line and column.
    pub fn at(&self, text: &str, offset: usize) -> (u32, Position) {
        let offset = offset.min(text.len());
        let index = self.anchors.partition_point(|anchor| anchor.text as usize <= offset);
        let Some(anchor) = index.checked_sub(1).and_then(|index| self.anchors.get(index)) else {
            return (0, Position { line: 1, column: 1 });
        };
        let between = text.as_bytes().get(anchor.text as usize..offset).unwrap_or_default();
        let Position { line, column } = anchor.position;
        let position = Position { line, column: column.saturating_add(count(begun(between))) };
        (anchor.file.saturating_add(count(between.len())), position)
    }

    /// As [`Places::at`], of a place in the text by line and column, both from 1; beyond the text it is the end.
    pub fn of(&self, text: &str, position: Position) -> (u32, Position) {
        let skipped = (position.line as usize).saturating_sub(1);
        let line: usize = text.split_inclusive('\n').take(skipped).map(str::len).sum();
        let rest = text.get(line..).unwrap_or_default();
        let rest = rest.split('\n').next().unwrap_or_default();
        let before = (position.column as usize).saturating_sub(1);
        let column: usize = rest.chars().take(before).map(char::len_utf8).sum();
        self.at(text, line + column)
    }
}

/// How many bytes lie between two marks: a column costs a look at no more than these, however long its line is.
const MARK_BYTES: usize = 4096;

/// The name and text of one file, with its lines indexed.
#[derive(Clone, Debug)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
    // Invariant: sorted; the first entry is 0; each entry is the offset after a line feed.
    lines: Arc<[u32]>,
    // Entry n is how many characters begin in the first n * MARK_BYTES bytes.
    marks: Arc<[u32]>,
}

impl Source {
    /// Takes a text as it stands in the file, byte order marks included.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let lines = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1))
            .map(count)
            .collect();
        let mut characters = 0;
        let marks = std::iter::once(0)
            .chain(text.as_bytes().chunks_exact(MARK_BYTES).map(|block| {
                characters += begun(block);
                count(characters)
            }))
            .collect();
        Self { name: name.into(), text, lines, marks }
    }

    /// What the file is called in messages, usually the path as the user typed it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The whole text; spans are offsets into it.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The text of a span, cut to the file and to character borders; never panics.
    pub fn slice(&self, span: Span) -> &str {
        let end = self.floor(span.end as usize);
        let start = self.floor(span.start as usize).min(end);
        self.text.get(start..end).unwrap_or_default()
    }

    /// Line and column of a byte offset; offsets beyond the end give the end.
    pub fn position(&self, offset: u32) -> Position {
        let offset = self.floor(offset as usize);
        let index = self.lines.partition_point(|start| *start as usize <= offset).saturating_sub(1);
        let start = self.lines.get(index).map_or(0, |start| *start as usize);
        // Only in front of the whole text is it a mark; anywhere else it is a character like others.
        let marks = match index {
            0 => self.slice(Span::new(0, offset)).chars().take_while(|found| *found == '\u{feff}').count(),
            _ => 0,
        };
        let column = self.characters(offset) - self.characters(start) - marks;
        Position { line: count(index) + 1, column: count(column) + 1 }
    }

    /// How many characters stand in front of an offset.
    fn characters(&self, offset: usize) -> usize {
        let block = offset / MARK_BYTES;
        let before = self.marks.get(block).map_or(0, |characters| *characters as usize);
        before + self.text.as_bytes().get(block * MARK_BYTES..offset).map_or(0, begun)
    }

    /// The text of a line, counted from 1, without its line break and without byte order marks.
    pub fn line(&self, line: u32) -> Option<&str> {
        let index = (line as usize).checked_sub(1)?;
        let start = *self.lines.get(index)? as usize;
        let end = self.lines.get(index + 1).map_or(self.text.len(), |next| *next as usize);
        Some(self.text.get(start..end)?.trim_end_matches(['\n', '\r']).trim_start_matches('\u{feff}'))
    }

    fn floor(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// How many characters begin in a piece of UTF-8, which may be cut anywhere.
fn begun(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_skip_the_byte_order_mark() {
        let source = Source::new("a.xml", "\u{feff}\u{feff}äb\nçd\r\n");
        assert_eq!(source.position(6), Position { line: 1, column: 1 });
        assert_eq!(source.position(8), Position { line: 1, column: 2 });
        assert_eq!(source.position(10), Position { line: 2, column: 1 });
        assert_eq!(source.position(12), Position { line: 2, column: 2 });
        assert_eq!(source.position(900), Position { line: 3, column: 1 });
        assert_eq!(source.line(1), Some("äb"));
        assert_eq!(source.line(2), Some("çd"));
        assert_eq!(source.line(4), None);
    }

    #[test]
    fn columns_of_a_long_line_are_those_that_counting_gives() {
        let text = format!("\u{feff}{}\n{}", "aä測😀".repeat(2_000), "😀b".repeat(3_000));
        let source = Source::new("a", text.as_str());
        let (mut line, mut column) = (1, 1);
        for (offset, character) in text.char_indices() {
            let offset = u32::try_from(offset).unwrap();
            assert_eq!(source.position(offset), Position { line, column }, "{offset}");
            match character {
                '\u{feff}' => {}
                '\n' => (line, column) = (line + 1, 1),
                _ => column += 1,
            }
        }
    }

    #[test]
    fn a_span_inside_a_character_is_cut_to_its_border() {
        let source = Source::new("a", "äöü");
        assert_eq!(source.slice(Span::new(1, 5)), "äö");
        assert_eq!(source.slice(Span::new(90, 99)), "");
    }
}
