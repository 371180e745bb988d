//! The `vaux` program as a user runs it: arguments in; output, messages and exit code out.

mod conformance;
mod decode;
#[cfg(test)]
mod messages;
mod program;
mod usage;
