//! The summary for a terminal of 80 columns.

use super::overview::Row;
use comfy_table::{CellAlignment, Table, presets};

/// Without colours: it is also what a log keeps.
pub fn terminal(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "", "start-up", "95 %", "x net", "memory", "to ship"]);
    let mut before = "";
    for row in rows {
        let workload = if row.workload == before { "" } else { &row.workload };
        before = &row.workload;
        let fields =
            [workload, &row.target, &row.startup, &row.interval, &row.ratio, &row.memory, &row.shipped];
        table.add_row(fields);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
        column.set_padding((1, 0));
    }
    for column in table.column_iter_mut().take(2) {
        column.set_padding((0, 1));
    }
    let text = table.to_string();
    text.lines().map(|l| format!("{}\n", l.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_figures_fit_80_columns() {
        let row = Row {
            workload: "syscall".into(),
            target: "microvm (tcg)".into(),
            startup: "12,345 ms".into(),
            interval: "[11,345, 13,345]".into(),
            tare: String::new(),
            ratio: "1,234".into(),
            memory: "1,234 MiB".into(),
            shipped: "1,234 MB".into(),
            runs: "9".into(),
        };
        let text = terminal(&[row.clone(), Row { target: "container".into(), ..row }]);
        assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
        assert_eq!(text.matches("syscall").count(), 1, "a workload's name stands once:\n{text}");
    }
}
