//! The commands, one module each: its arguments, whose doc comments are its help, and `run`.

pub(crate) mod decode;
