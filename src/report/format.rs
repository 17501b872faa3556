//! Figures as people read them.

/// Three significant digits, no exponent: `0.98`, `12.3`, `1,234`.
pub fn number(value: f64) -> String {
    let size = value.abs();
    let digits = if size >= 99.95 || size == 0.0 {
        0
    } else if size >= 9.995 {
        1
    } else if size >= 0.9995 {
        2
    } else {
        3
    };
    let plain = format!("{size:.digits$}");
    let (whole, rest) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut grouped = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(c);
    }
    // What rounds to nothing has no sign.
    let nothing = plain.bytes().all(|b| b == b'0' || b == b'.');
    let sign = if value < 0.0 && !nothing { "-" } else { "" };
    if rest.is_empty() { format!("{sign}{grouped}") } else { format!("{sign}{grouped}.{rest}") }
}

/// A round number as an axis shows it: `0.1`, `10`, `1,000`.
pub fn tick(value: f64) -> String {
    let shown = number(value);
    if shown.contains('.') { shown.trim_end_matches('0').trim_end_matches('.').to_owned() } else { shown }
}

/// A value with its unit: bytes as MB (10^6) for what is stored and shipped, MiB (2^20) for memory.
pub fn value(metric: &str, unit: &str, value: f64) -> String {
    if unit != "bytes" {
        return format!("{} {unit}", number(value));
    }
    if stored(metric) {
        let (scale, name) = if value.abs() >= 1e9 { (1e9, "GB") } else { (1e6, "MB") };
        return format!("{} {name}", number(value / scale));
    }
    format!("{} MiB", number(value / 1_048_576.0))
}

/// `12.3 MB [12.1, 12.6]`.
pub fn with_interval(metric: &str, unit: &str, middle: f64, low: Option<f64>, high: Option<f64>) -> String {
    let shown = value(metric, unit, middle);
    let (Some(low), Some(high)) = (low, high) else { return shown };
    let plain =
        |v: f64| value(metric, unit, v).rsplit_once(' ').map(|(n, _)| n.to_owned()).unwrap_or_default();
    if low == high { shown } else { format!("{shown} [{}, {}]", plain(low), plain(high)) }
}

fn stored(metric: &str) -> bool {
    const STORED: [&str; 8] = [
        "disk_bytes",
        "kernel_bytes",
        "initramfs_bytes",
        "firmware_bytes",
        "snapshot_bytes",
        "incremental_bytes",
        "shipped_bytes",
        "transfer_bytes",
    ];
    STORED.contains(&metric) || metric.starts_with("image_") || metric.starts_with("os_disk_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        let shown = [0.0, 0.1234, 0.99, 1.0, 9.99, 12.34, 99.96, 1234.5, -1_234_567.0].map(number);
        assert_eq!(shown, ["0", "0.123", "0.990", "1.00", "9.99", "12.3", "100", "1,234", "-1,234,567"]);
        assert_eq!([0.0, 0.1, 10.0, 2.5, 1000.0].map(tick), ["0", "0.1", "10", "2.5", "1,000"]);
        assert_eq!((number(-0.000_2), number(-0.02)), ("0.000".into(), "-0.020".into()));
        assert_eq!(value("shipped_bytes", "bytes", 5.4e7), "54.0 MB");
        assert_eq!(value("pss_bytes", "bytes", 1_048_576.0), "1.00 MiB");
        assert_eq!(with_interval("startup_ms", "ms", 2.0, Some(1.5), Some(3.0)), "2.00 ms [1.50, 3.00]");
    }
}
