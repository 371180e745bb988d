//! The `vaux` program as a user runs it: arguments in; output, messages and exit code out.

mod acl;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod broker;
#[cfg(test)]
mod captures;
mod conformance;
mod decode;
#[cfg(test)]
mod encode;
#[cfg(test)]
mod encrypted_keys;
#[cfg(test)]
mod import_mosquitto;
#[cfg(test)]
mod messages;
mod passwd;
#[cfg(test)]
mod profiles;
mod program;
#[cfg(test)]
mod recordings;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod retained;
#[cfg(test)]
mod selecting;
#[cfg(test)]
mod shell;
#[cfg(test)]
mod shells;
mod store;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod top;
mod tour;
mod usage;
mod why;
