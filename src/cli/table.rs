//! Tables of what runs, as wide as the terminal and no wider: less telling columns are shortened or left out first.

/// What is done, one after the other, until a table fits.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Shortens a column, down to so many characters.
    Shorten(&'static str, usize),
    /// Leaves a column out.
    Drop(&'static str),
}

/// Columns of standard output: COLUMNS, or the terminal's; 80 where there is none.
pub fn width() -> usize {
    let named = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).filter(|c| *c > 0);
    let terminal = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|s| usize::from(s.ws_col));
    named.or_else(terminal).filter(|c| *c > 0).unwrap_or(80)
}

/// One column with its header.
struct Column {
    name: &'static str,
    cells: Vec<String>,
    width: usize,
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// `text` in so many characters; an ellipsis stands for what is left out.
fn shortened(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Lines of a table, each of at most `width` characters if the steps allow it. None: as wide as it is.
pub fn lines(
    header: &[&'static str],
    rows: &[Vec<String>],
    steps: &[Step],
    width: Option<usize>,
) -> Vec<String> {
    const GAP: usize = 2;
    let column = |(n, &name): (usize, &&'static str)| {
        let cells: Vec<String> = rows.iter().map(|r| r.get(n).cloned().unwrap_or_default()).collect();
        let width = cells.iter().map(|c| length(c)).chain([length(name)]).max().unwrap_or(0);
        Column { name, cells, width }
    };
    let mut columns: Vec<Column> = header.iter().enumerate().map(column).collect();
    let over = |columns: &[Column]| {
        let all = columns.iter().map(|c| c.width + GAP).sum::<usize>().saturating_sub(GAP);
        width.map_or(0, |w| all.saturating_sub(w))
    };
    for step in steps {
        let excess = over(&columns);
        if excess == 0 {
            break;
        }
        match *step {
            Step::Drop(name) => columns.retain(|c| c.name != name),
            Step::Shorten(name, least) => {
                let of = columns.iter_mut().filter(|c| c.name == name && c.width > least);
                of.for_each(|c| c.width = c.width.saturating_sub(excess).max(least).max(length(c.name)));
            }
        }
    }
    let line = |cells: Vec<&str>| {
        let padded =
            cells.iter().zip(&columns).map(|(cell, c)| format!("{:1$}", shortened(cell, c.width), c.width));
        padded.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    let head = line(columns.iter().map(|c| c.name).collect());
    let rows = (0..rows.len()).map(|n| line(columns.iter().map(|c| c.cells[n].as_str()).collect()));
    std::iter::once(head).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_by_its_steps_in_their_order() {
        let rows = [vec!["abcdef".to_owned(), "ghijklmnop".into(), "q".into()]];
        let steps = [Step::Shorten("B", 4), Step::Drop("A")];
        let at = |width| lines(&["A", "B", "C"], &rows, &steps, width);
        assert_eq!(at(None), ["A       B           C", "abcdef  ghijklmnop  q"]);
        assert_eq!(at(Some(21)), at(None));
        assert_eq!(at(Some(18)), ["A       B        C", "abcdef  ghijkl…  q"]);
        assert_eq!(at(Some(14)), ["B     C", "ghi…  q"]);
        assert_eq!(at(Some(3)), at(Some(14)), "no step is left");
    }
}
