//! tare-load
fn main() {}
