//! Sizes as people write them.

/// Reads `256M`, `1GiB`, `1.5g`, `65536`: powers of 1024, as container engines and QEMU read them.
pub fn parse(text: &str) -> Result<u64, String> {
    let bytes = limit(text)?;
    if bytes > 0 { Ok(bytes) } else { Err(format!("{text:?}: use a number with K, M or G, as in 256M")) }
}

/// The same, where zero means that there is no limit.
pub fn limit(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("{text:?}: use a number with K, M or G, as in 256M")),
    };
    scaled(number, shift).ok_or_else(|| format!("{text:?}: use a number with K, M or G, as in 256M"))
}

/// A decimal number times a power of two, without what is less than a byte.
fn scaled(number: &str, shift: u32) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let places = u32::try_from(part.len()).ok().filter(|p| (1..=9).contains(p))?;
    // Up to 9 digits and 30 bits fit before the division; the rest comes after it.
    let before = shift.min(30);
    let part = (part.parse::<u64>().ok()? << before) / 10u64.pow(places);
    let part = part << (shift - before);
    whole.parse::<u64>().ok()?.checked_mul(1 << shift)?.checked_add(part)
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
        assert_eq!(parse("1.5g"), Ok(3 << 29));
        assert_eq!(parse("0.5k"), Ok(512));
        assert_eq!(parse("0.25T"), Ok(1 << 38));
        assert_eq!(limit("0"), Ok(0));
        for bad in ["", "M", "-1", "0", "0.0M", "1.5.5G", ".5G", "5.", "1.0000000001K", "99999999999G", "12X"]
        {
            parse(bad).expect_err(bad);
        }
        let shown = [0, 999, 1000, 12_345_678, 999_960, 5_000_000_000].map(decimal);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "12.3 MB", "1.0 MB", "5.0 GB"]);
    }
}
