//! Where commands write.
//!
//! **Why.** stdout is data and may be a pipe whose reader leaves; that ends a command quietly, as with every Unix tool.
//! Colour only on a terminal, and never with `NO_COLOR`. Neighbours: every command. Not here: logs.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde::Serialize;

use crate::cli::exit::Failure;

/// stdout, locked and buffered; flush at the end, or before waiting.
pub fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(64 * 1024, io::stdout().lock())
}

/// Writes one line and flushes it.
///
/// # Errors
///
/// As stdout's; a broken pipe becomes a quiet end.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Writes one value as one line of JSON and flushes it.
///
/// # Errors
///
/// As [`line()`].
pub fn json_line<T: Serialize>(value: &T) -> Result<(), Failure> {
    line(&serde_json::to_string(value).map_err(io::Error::other)?)
}

/// Columns side by side, two blanks between them, none at the end.
pub fn table(rows: Vec<Vec<String>>) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![0; columns];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    rows.into_iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

/// Whether messages on stderr may be coloured.
pub fn stderr_has_colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether someone looks at stderr.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}
