//! The `vaux` command.
fn main() {}
