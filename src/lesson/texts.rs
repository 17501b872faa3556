//! The lessons themselves, in the order in which they are meant to be taken.

use super::Lesson;
use super::parse::{LessonError, parse};

const TEXTS: [(&str, &str); 8] = [
    ("image", include_str!("texts/image.md")),
    ("container", include_str!("texts/container.md")),
    ("commands", include_str!("texts/commands.md")),
    ("dockerise", include_str!("texts/dockerise.md")),
    ("ship", include_str!("texts/ship.md")),
    ("image-or-container", include_str!("texts/image-or-container.md")),
    ("container-or-machine", include_str!("texts/container-or-machine.md")),
    ("choose", include_str!("texts/choose.md")),
];

/// All lessons.
pub fn all() -> Result<Vec<Lesson>, LessonError> {
    TEXTS.iter().map(|(name, text)| parse(name, text)).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_are_lessons() {
        assert_eq!(super::all().expect("lessons").len(), super::TEXTS.len());
    }
}
