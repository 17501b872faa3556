//! A record: the folder that one `bench` writes. Schema, writing and reading; nothing here knows how a figure is
//! measured or shown.

pub mod schema;
