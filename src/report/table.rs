//! The summary for a terminal of 80 columns.

use super::overview::Row;
use comfy_table::{CellAlignment, Table, presets};

/// Columns that there are.
const WIDTH: usize = 80;

/// Without colours: it is also what a log keeps. Where it would be too wide, the sparklines go first, then the ends of the
/// targets' names.
pub fn terminal(rows: &[Row]) -> String {
    let longest = rows.iter().map(|r| r.target.chars().count()).max().unwrap_or(0);
    let narrower = (8..longest).rev().map(|target| (false, target));
    let forms = [(true, longest), (false, longest)].into_iter().chain(narrower);
    let mut text = String::new();
    for (sparks, target) in forms {
        text = drawn(rows, sparks, target);
        if text.lines().all(|l| l.chars().count() <= WIDTH) {
            break;
        }
    }
    text
}

fn drawn(rows: &[Row], sparks: bool, longest_target: usize) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let header = ["", "", "start-up", "95 %", "runs", "x net", "memory", "to ship"];
    let shown = |fields: [&str; 8]| -> Vec<String> {
        let kept = fields.iter().enumerate().filter(|(i, _)| sparks || *i != 4);
        kept.map(|(_, f)| (*f).to_owned()).collect()
    };
    table.set_header(shown(header));
    let mut before = "";
    for row in rows {
        let workload = if row.workload == before { "" } else { &row.workload };
        before = &row.workload;
        let target = cut(&row.target, longest_target);
        table.add_row(shown([
            workload,
            &target,
            &row.startup,
            &row.interval,
            &row.spark,
            &row.ratio,
            &row.memory,
            &row.shipped,
        ]));
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        if i < 2 {
            column.set_padding((0, 1));
        } else {
            let right = !sparks || i != 4;
            column.set_cell_alignment(if right { CellAlignment::Right } else { CellAlignment::Left });
            column.set_padding((1, 0));
        }
    }
    let text = table.to_string();
    text.lines().map(|l| format!("{}\n", l.trim_end())).collect()
}

/// The accelerator's mark at its end stays.
fn cut(target: &str, longest: usize) -> String {
    if target.chars().count() <= longest {
        return target.to_owned();
    }
    let mark = target.rfind(" (").map_or("", |at| &target[at..]);
    let kept = longest.saturating_sub(mark.chars().count() + 1);
    let name: String = target.chars().take(kept).collect();
    format!("{name}…{mark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(workload: &str, target: &str) -> Row {
        Row {
            workload: workload.into(),
            target: target.into(),
            startup: "12,345 ms".into(),
            interval: "[11,345, 13,345]".into(),
            spark: "▁▂▃▄▅▆▇█".into(),
            tare: String::new(),
            ratio: "1,234".into(),
            memory: "1,234 MiB".into(),
            shipped: "1,234 MB".into(),
            runs: "9".into(),
        }
    }

    fn fits(text: &str) {
        assert!(text.lines().all(|l| l.chars().count() <= WIDTH), "{text}");
    }

    #[test]
    fn wide_figures_fit_80_columns() {
        let text = terminal(&[row("syscall", "microvm (tcg)"), row("syscall", "container")]);
        fits(&text);
        assert_eq!(text.matches("syscall").count(), 1, "a workload's name stands once:\n{text}");
        let named = ["microvm-restored:own (tcg)", "oci:a-runtime-with-a-long-name-of-its-own"];
        let text = terminal(&named.map(|name| row("syscall", name)));
        fits(&text);
        assert!(text.contains("… (tcg)") && text.contains("oci:a-"), "the mark stays:\n{text}");
    }

    #[test]
    fn there_is_room_for_sparklines_where_figures_are_usual() {
        let usual = |target: &str| Row { interval: "[11.5, 13.5]".into(), ..row("hello", target) };
        let text = terminal(&[usual("process"), usual("microvm (tcg)")]);
        fits(&text);
        assert!(text.contains("▁▂▃▄▅▆▇█"), "{text}");
    }
}
