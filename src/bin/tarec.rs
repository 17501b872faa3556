//! tarec
fn main() {}
