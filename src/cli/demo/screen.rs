//! The demo's output: plain lines, or on a terminal lines that scroll above a block that is drawn in place, and keys.

use std::io::{self, Write};
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::{cursor, queue, terminal};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// `q`, Esc or Ctrl-C.
    Quit,
    /// `d`.
    Drop,
    /// `r`.
    Reboot,
    /// `s`.
    Silence,
}

/// Where the demo prints.
#[derive(Debug)]
pub(super) struct Screen {
    live: Option<Live>,
}

/// The terminal in raw mode; dropping it gives the terminal back.
#[derive(Debug)]
struct Live {
    /// The block as it stands on the screen.
    drawn: Vec<String>,
}

impl Drop for Live {
    fn drop(&mut self) {
        // Nothing is left to tell if the terminal is gone.
        let _ = terminal::disable_raw_mode();
        let _ = queue!(io::stdout(), cursor::Show);
        let _ = io::stdout().flush();
    }
}

impl Screen {
    /// Plain lines.
    pub(super) fn plain() -> Self {
        Self { live: None }
    }

    /// The terminal.
    pub(super) fn live() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        let live = Live { drawn: Vec::new() };
        queue!(io::stdout(), cursor::Hide)?;
        Ok(Self { live: Some(live) })
    }

    pub(super) fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Prints lines; on a terminal above the block.
    pub(super) fn print(&mut self, lines: &[String]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        let Some(live) = &mut self.live else {
            for line in lines {
                writeln!(out, "{line}")?;
            }
            return out.flush();
        };
        live.erase(&mut out)?;
        for line in lines {
            write!(out, "{line}\r\n")?;
        }
        let block = std::mem::take(&mut live.drawn);
        live.paint(block, &mut out)?;
        out.flush()
    }

    /// Draws the block if it is not what stands there; nothing without a terminal.
    pub(super) fn draw(&mut self, block: &[String]) -> io::Result<()> {
        let Some(live) = &mut self.live else { return Ok(()) };
        let block = fitted(block, terminal::size()?);
        if live.drawn == block {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        live.erase(&mut out)?;
        live.paint(block, &mut out)?;
        out.flush()
    }

    /// The next key, if one was pressed.
    pub(super) fn key(&self) -> io::Result<Option<Key>> {
        while self.is_live() && event::poll(Duration::ZERO)? {
            let Event::Key(key) = event::read()? else { continue };
            if key.kind == KeyEventKind::Release {
                continue;
            }
            let control = key.modifiers.contains(KeyModifiers::CONTROL);
            return Ok(match key.code {
                KeyCode::Char('c') if control => Some(Key::Quit),
                KeyCode::Char('q') | KeyCode::Esc => Some(Key::Quit),
                KeyCode::Char('d') => Some(Key::Drop),
                KeyCode::Char('r') => Some(Key::Reboot),
                KeyCode::Char('s') => Some(Key::Silence),
                _ => None,
            });
        }
        Ok(None)
    }
}

/// As much of a block as a window of so many columns and rows shows without wrapping or scrolling.
///
/// A line that wraps would be two, and lines that have left the window could not be erased.
fn fitted(block: &[String], (columns, rows): (u16, u16)) -> Vec<String> {
    // A terminal that does not know its size says 0.
    let known = |size: u16, usual: usize| if size == 0 { usual } else { usize::from(size) };
    let (width, height) = (known(columns, 80).max(2) - 1, known(rows, 24).max(2) - 1);
    block.iter().take(height).map(|line| line.chars().take(width).collect()).collect()
}

impl Live {
    /// Takes the block away; the cursor is where its first line was.
    fn erase(&self, out: &mut impl Write) -> io::Result<()> {
        if let Ok(lines @ 1..) = u16::try_from(self.drawn.len()) {
            queue!(out, cursor::MoveToPreviousLine(lines))?;
        }
        queue!(out, terminal::Clear(terminal::ClearType::FromCursorDown))
    }

    fn paint(&mut self, block: Vec<String>, out: &mut impl Write) -> io::Result<()> {
        for line in &block {
            write!(out, "{line}\r\n")?;
        }
        self.drawn = block;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_never_wraps_nor_leaves_the_window() {
        let block: Vec<String> = ["one", "two", "three"].map(str::to_owned).to_vec();
        for (size, shown) in [
            ((80, 24), vec!["one", "two", "three"]),
            ((0, 0), vec!["one", "two", "three"]),
            ((4, 24), vec!["one", "two", "thr"]),
            ((80, 3), vec!["one", "two"]),
            ((1, 1), vec!["o"]),
        ] {
            assert_eq!(fitted(&block, size), shown, "{size:?}");
        }
    }
}
