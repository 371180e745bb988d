//! vaux end to end: its broker against every flow, its broker and its client against a client that others wrote, and
//! the `vaux-test` program as a user meets it.

mod broker;
mod flows;
mod program;
mod rumqttc;
mod web_socket;
