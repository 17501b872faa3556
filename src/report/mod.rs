//! Tables, charts and pages, from a record alone.
