//! The `oxrun` command.

fn main() {}
