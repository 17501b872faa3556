//! Times as people write them for containers: `30s`, `1m30s`, `500ms`, as Go reads them.

use std::time::Duration;

/// Reads one.
pub fn parse(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?}: use a time as in 30s, 1m30s or 500ms");
    let mut rest = text;
    let mut all = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(bad()),
        };
        let number: f64 = number.parse().map_err(|_| bad())?;
        all += Duration::try_from_secs_f64(number * seconds).map_err(|_| bad())?;
        rest = after;
    }
    if text.is_empty() { Err(bad()) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, ms) in [("30s", 30_000), ("1m30s", 90_000), ("500ms", 500), ("1.5h", 5_400_000), ("0s", 0)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "30", "s", "1x", "-1s", "1s2", "1e400h"] {
            parse(bad).expect_err(bad);
        }
    }
}
