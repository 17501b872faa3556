//! Splits a workload's output into figures and the text that has to be the same on every run and target.

use sha2::{Digest, Sha256};

/// What an output holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// (metric, value) of the lines `rate N`, `write_rate N` and `read_rate N`.
    pub figures: Vec<(String, f64)>,
    /// `sha256:` of all other lines.
    pub checked_digest: String,
}

/// Splits it.
pub fn split(output: &[u8]) -> Output {
    let mut figures = Vec::new();
    let mut hash = Sha256::new();
    for line in output.split_inclusive(|b| *b == b'\n') {
        match figure(line) {
            Some(figure) => figures.push(figure),
            None => hash.update(line),
        }
    }
    Output { figures, checked_digest: format!("sha256:{}", hex::encode(hash.finalize())) }
}

fn figure(line: &[u8]) -> Option<(String, f64)> {
    let (metric, value) = std::str::from_utf8(line).ok()?.trim_end().split_once(' ')?;
    let known = matches!(metric, "rate" | "write_rate" | "read_rate");
    let value = value.parse().ok().filter(|v: &f64| known && v.is_finite())?;
    Some((metric.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_not_part_of_what_is_checked() {
        let (a, b) = (split(b"sum 7\nrate 12.5\nend\n"), split(b"sum 7\nrate 99\nend\n"));
        assert_eq!(a.figures, [("rate".to_owned(), 12.5)]);
        assert_eq!(a.checked_digest, b.checked_digest);
        assert_ne!(a.checked_digest, split(b"sum 8\nend\n").checked_digest);
        assert_eq!(split(b"rate NaN\nrate x\n").figures, []);
    }
}
