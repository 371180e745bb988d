//! The `vaux` program as a user runs it: arguments in; output, messages and exit code out.

mod decode;
mod messages;
mod program;
mod usage;
