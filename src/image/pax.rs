//! Records of a PAX extended header: `length key=value\n` (POSIX.1-2017, pax, "pax Extended Header").
//!
//! Read by their lengths, never by their line ends: the value of an extended attribute may hold any byte, and a reader
//! that splits at line ends can be shown another archive than the one that is unpacked.

use super::archive::Time;

/// Key and value.
pub(super) type Record<'a> = (&'a [u8], &'a [u8]);

/// All records, in order.
pub(super) fn records(mut data: &[u8]) -> Result<Vec<Record<'_>>, &'static str> {
    let mut found = Vec::new();
    while !data.is_empty() {
        let digits =
            data.iter().take(20).position(|b| *b == b' ').ok_or("extended header without a length")?;
        let length = number(&data[..digits]).ok_or("extended header without a length")?;
        let length = usize::try_from(length).ok().filter(|l| *l <= data.len() && *l > digits + 2);
        let length = length.ok_or("extended header with a wrong length")?;
        let (record, rest) = data.split_at(length);
        let (Some(b'\n'), body) = (record.last(), &record[digits + 1..length - 1]) else {
            return Err("extended header with a wrong length");
        };
        let equals = body.iter().position(|b| *b == b'=').ok_or("extended header without a value")?;
        found.push((&body[..equals], &body[equals + 1..]));
        data = rest;
    }
    Ok(found)
}

/// A decimal number without a sign.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `[-]seconds[.fraction]`; digits beyond the nanosecond are cut off.
pub(super) fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let point = text.iter().position(|b| *b == b'.').unwrap_or(text.len());
    let seconds = i64::try_from(number(&text[..point])?).ok()?;
    let mut nanos = 0;
    let fraction = text.get(point + 1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    for place in 0..9 {
        nanos = nanos * 10 + fraction.get(place).map_or(0, |d| u32::from(d - b'0'));
    }
    Some(match (negative, nanos) {
        (false, _) => Time { seconds, nanos },
        (true, 0) => Time { seconds: -seconds, nanos },
        (true, _) => Time { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_may_hold_line_ends() {
        let data = b"12 path=a/b\n22 SCHILY.xattr.u=\n\n\0\n11 size=12\n";
        let found = records(data).expect("records");
        assert_eq!(found, [(&b"path"[..], &b"a/b"[..]), (b"SCHILY.xattr.u", b"\n\n\0"), (b"size", b"12")]);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for bad in
            [&b"12 path=a/bb\n"[..], b"x", b"4 a=\n", b"99999999999999999999 a=b\n", b"-5 a=b\n", b"6 abc\n"]
        {
            records(bad).expect_err(&String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn times_to_the_nanosecond_and_before_the_epoch() {
        assert_eq!(time(b"12.5"), Some(Time { seconds: 12, nanos: 500_000_000 }));
        assert_eq!(time(b"12.1234567899"), Some(Time { seconds: 12, nanos: 123_456_789 }));
        assert_eq!(time(b"-1.25"), Some(Time { seconds: -2, nanos: 750_000_000 }));
        assert_eq!(time(b"-3"), Some(Time { seconds: -3, nanos: 0 }));
        assert_eq!((time(b""), time(b"1e9"), time(b"1.x"), time(b"--1")), (None, None, None, None));
    }

    proptest! {
        #[test]
        fn never_panics(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = records(&data);
            let _ = time(&data);
        }
    }
}
