//! The dashboard of vaux: what an MQTT broker does, on a terminal.
//!
//! It is cut into a state, what changes it, and what draws it:
//!
//! - `state` is everything the dashboard knows, plain data;
//! - `update` takes a key, a message of the broker, a tick of the clock, changes the state and gives effects;
//! - `view` draws a state;
//! - `keymap` is the table of keys, from which help and palette are drawn too;
//! - `app` is the only part that does I/O: it reads keys and messages, and carries out effects.
//!
//! What it shows of a vaux broker comes from `$SYS/broker/vaux/` and `$CONTROL/vaux/v1`; of other brokers it shows what
//! their `$SYS/broker/` tells, and the messages of topics that it subscribes to.

mod app;
mod keymap;
mod pace;
#[cfg(test)]
mod sample;
mod state;
mod theme;
mod update;
mod view;

pub use app::{Dashboard, Ended, Live};
pub use state::Settings;
pub use state::replay::Recording;
pub use theme::ThemeName;
