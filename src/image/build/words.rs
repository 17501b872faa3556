//! Splits what follows ENV, LABEL and ARG into words, by quotes and escapes, which stay for the expansion.

/// Words separated by white space that is neither quoted nor escaped.
pub fn split(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            // Within single quotes an escape is a character like any other.
            (c, None | Some('"')) if c == escape => {
                word.push(c);
                word.extend(characters.next());
            }
            ('\'' | '"', None) => {
                quote = Some(c);
                word.push(c);
            }
            (c, open) => {
                if open == Some(c) {
                    quote = None;
                }
                word.push(c);
            }
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// `name=value` pairs, or the old form `name value with spaces`.
pub fn pairs(text: &str, escape: char, what: &str) -> Result<Vec<(String, String)>, String> {
    let words = split(text, escape);
    let first = words.first().ok_or_else(|| format!("{what} needs at least one name=value"))?;
    if !first.contains('=') {
        let rest = text.trim_start().strip_prefix(first.as_str()).unwrap_or_default().trim();
        if rest.is_empty() {
            return Err(format!("{what} {first} has no value: {first}=… is wanted"));
        }
        return Ok(vec![(first.clone(), rest.to_owned())]);
    }
    let pair = |word: &String| match word.split_once('=') {
        Some(("", _)) => Err(format!("{what}: {word:?} has no name before =")),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(format!("{what}: {word:?} has no =, name=value is wanted")),
    };
    words.iter().map(pair).collect()
}

/// `ARG a b=c`.
pub fn arguments(text: &str, escape: char) -> Result<Vec<(String, Option<String>)>, String> {
    let one = |word: &String| match word.split_once('=') {
        Some(("", _)) => Err(format!("ARG: {word:?} has no name before =")),
        Some((name, value)) => Ok((name.to_owned(), Some(value.to_owned()))),
        None => Ok((word.clone(), None)),
    };
    split(text, escape).iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes_hold_words_together() {
        let words = split(r#" a="b c"  d=e\ f 'g "h' i\\ "j\"k l" "#, '\\');
        assert_eq!(words, [r#"a="b c""#, r"d=e\ f", r#"'g "h'"#, r"i\\", r#""j\"k l""#]);
        assert_eq!(split("C:\\x y", '`'), ["C:\\x", "y"]);
    }

    #[test]
    fn both_forms_of_env() {
        let of = |text| pairs(text, '\\', "ENV");
        assert_eq!(
            of("a=1 b='2 3'").expect("pairs"),
            [("a".into(), "1".into()), ("b".into(), "'2 3'".into())]
        );
        assert_eq!(of("a  b=c  d").expect("old"), [("a".into(), "b=c  d".into())]);
        of("a").expect_err("no value");
        of("a=1 b").expect_err("no =");
        of("=1").expect_err("no name");
    }
}
