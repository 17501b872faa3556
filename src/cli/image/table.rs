//! Columns without lines around them, as every verb here prints them.

/// Prints rows under a header. The last column is the one that may be cut off by the end of a terminal's line.
pub fn print(header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header.to_vec());
    rows.for_each(|row| {
        table.add_row(row);
    });
    let width = width();
    for line in table.lines() {
        match line.trim() {
            line if line.chars().count() <= width => println!("{line}"),
            line => println!("{}…", line.chars().take(width.saturating_sub(1)).collect::<String>()),
        }
    }
}

/// Of the terminal, where standard output is one: what is cut off is to be had through a pipe, or as JSON.
fn width() -> usize {
    match rustix::termios::tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 => size.ws_col.into(),
        _ => usize::MAX,
    }
}
