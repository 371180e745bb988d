//! The commands, one module each: its arguments, whose doc comments are its help, and `run`.

pub(crate) mod acl;
pub(crate) mod bench;
pub(crate) mod broker;
pub(crate) mod completions;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod get;
pub(crate) mod import_mosquitto;
pub(crate) mod man;
pub(crate) mod passwd;
pub(crate) mod pub_;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod retained;
pub(crate) mod rr;
pub(crate) mod shell;
pub(crate) mod store;
pub(crate) mod sub;
pub(crate) mod test;
pub(crate) mod top;
pub(crate) mod why;
