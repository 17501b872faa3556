//! Sizes as people write them.

/// Reads `256M`, `1GiB`, `65536`: powers of 1024, as container engines and QEMU read them.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("{text:?}: use a number with K, M or G, as in 256M")),
    };
    let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift)).filter(|n| *n > 0);
    bytes.ok_or_else(|| format!("{text:?}: use a number with K, M or G, as in 256M"))
}

/// `12.3 MB`: powers of 1000, as registries and disks are labelled.
pub fn decimal(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        assert_eq!(parse("256M"), Ok(256 << 20));
        assert_eq!(parse("1GiB"), Ok(1 << 30));
        assert_eq!(parse("64mb"), Ok(64 << 20));
        assert_eq!(parse("4096"), Ok(4096));
        for bad in ["", "M", "-1", "0", "1.5G", "99999999999G", "12X"] {
            parse(bad).expect_err(bad);
        }
        let shown = [0, 999, 1000, 12_345_678, 999_960, 5_000_000_000].map(decimal);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "12.3 MB", "1.0 MB", "5.0 GB"]);
    }
}
