//! `--format`: `json`, or a text with `{{.Field}}` or `{{json .Field}}` in it, the part of Go's templates that people
//! type.

use serde_json::Value;

/// What `--format` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// As a table.
    Table,
    /// As JSON.
    Json,
    /// Each in these words.
    Template(String),
}

/// Reads one `--format`.
pub fn parse(text: &str) -> Result<Format, String> {
    match text {
        "table" => Ok(Format::Table),
        "json" => Ok(Format::Json),
        other => {
            pieces(other)?;
            Ok(Format::Template(other.to_owned()))
        }
    }
}

enum Piece<'a> {
    Text(&'a str),
    Field { path: &'a str, json: bool },
}

fn pieces(template: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut all = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        all.push(Piece::Text(before));
        let (inside, after) =
            after.split_once("}}").ok_or_else(|| format!("{template:?}: }}}} is missing"))?;
        let inside = inside.trim();
        let (json, path) = inside.strip_prefix("json ").map_or((false, inside), |p| (true, p.trim()));
        if !path.starts_with('.') || path.contains(char::is_whitespace) {
            return Err(format!(
                "{template:?}: only {{{{.Field}}}} and {{{{json .Field}}}} are understood, or json"
            ));
        }
        all.push(Piece::Field { path, json });
        rest = after;
    }
    all.push(Piece::Text(rest));
    Ok(all)
}

/// Fills a template in.
pub fn render(template: &str, values: &Value) -> anyhow::Result<String> {
    let mut text = String::new();
    for piece in pieces(template).map_err(anyhow::Error::msg)? {
        match piece {
            Piece::Text(t) => text += &t.replace("\\n", "\n").replace("\\t", "\t"),
            Piece::Field { path, json } => {
                let pointer = path.trim_end_matches('.').replace('.', "/");
                let found = values.pointer(&pointer);
                let found = found.ok_or_else(|| anyhow::anyhow!("--format: there is no field {path}"))?;
                text += &match found {
                    Value::String(s) if !json => s.clone(),
                    Value::Null if !json => String::new(),
                    other => other.to_string(),
                };
            }
        }
    }
    Ok(text)
}

/// Prints a list that is JSON unless words are asked for.
pub fn print_all(format: &Format, all: &[Value]) -> anyhow::Result<()> {
    match format {
        Format::Template(words) => {
            for one in all {
                println!("{}", render(words, one)?);
            }
        }
        _ => println!("{}", serde_json::to_string_pretty(all)?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_filled_in() {
        let values = serde_json::json!({"A": {"B": "b"}, "N": 3, "L": ["x"]});
        let good = render("{{.A.B}} {{ .N }}\\t{{json .A.B}} {{.L}}", &values).expect("render");
        assert_eq!(good, "b 3\t\"b\" [\"x\"]");
        assert_eq!(render("{{.}}", &values).expect("all"), values.to_string());
        assert!(render("{{.C}}", &values).expect_err("none").to_string().contains("no field .C"));
        for bad in ["{{.A", "{{range .A}}", "{{A}}"] {
            parse(bad).expect_err(bad);
        }
        assert_eq!((parse("json"), parse("table")), (Ok(Format::Json), Ok(Format::Table)));
    }
}
