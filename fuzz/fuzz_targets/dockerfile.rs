//! A Dockerfile: any text is read, or refused with a place in it; what was read lies within the text, and what an image
//! would keep of it for later builds is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taremark::image::build::Source;
use taremark::image::build::parse::{parse, trigger};
use taremark::image::build::syntax::Kind;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let source = Source { name: "Dockerfile".into(), text: text.strip_prefix('\u{feff}').unwrap_or(text).into() };
    match parse(&source) {
        Err(error) => {
            let place = error.place().expect("an error of the text has a place");
            assert!(place.line >= 1 && place.column >= 1 && !place.marked().is_empty());
        }
        Ok(parsed) => {
            let mut end = 0;
            for instruction in &parsed.instructions {
                let span = &instruction.span;
                assert!(span.start >= end && span.start < span.end && span.end <= source.text.len(), "{instruction:?}");
                end = span.end;
                assert!(source.text.is_char_boundary(span.start) && source.text.is_char_boundary(span.end));
                source.place(span);
                if let Kind::Onbuild(text) = &instruction.kind {
                    let _ = trigger(text, "fuzz");
                }
            }
        }
    }
});
