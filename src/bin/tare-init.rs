//! tare-init
fn main() {}
