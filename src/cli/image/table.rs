//! Columns without lines around them, as every verb here prints them.

/// Prints rows under a header.
pub fn print(header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header.to_vec());
    rows.for_each(|row| {
        table.add_row(row);
    });
    for line in table.lines() {
        println!("{}", line.trim());
    }
}
