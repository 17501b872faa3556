//! The guided lessons.
