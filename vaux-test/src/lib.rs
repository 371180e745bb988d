//! An end-to-end driver: plays scripts of bytes and packets against any MQTT broker and says where it disagrees.
//!
//! A *flow* is a text file: connections, what each sends, what each must receive. `fixtures/flows` holds the project's
//! own, which are also built in. The driver shares the codec with the broker and nothing else, so that it can
//! misbehave: send any bytes, stop anywhere, close without a word.
//!
//! ```no_run
//! use vaux_test::{Target, bundled, play};
//!
//! let target = Target::parse("mqtt://127.0.0.1:1883", None, false)?;
//! for (file, text) in bundled::FLOWS {
//!     let flow = vaux_test::Flow::parse(file, text)?;
//!     for &version in &flow.versions {
//!         let outcome = play(&flow, version, &target, false);
//!         println!("{file} {version}: {}", if outcome.failure.is_none() { "passed" } else { "failed" });
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a flow may say is documented in [`flow`].

pub mod bundled;
mod compose;
mod connection;
mod expect;
pub mod flow;
mod observe;
mod play;
pub mod program;
pub mod report;
pub mod statements;
pub mod suite;
mod target;
mod transcript;

pub use flow::{Flow, FlowError};
pub use play::{Failure, Outcome, play};
pub use target::{Target, TargetError};
pub use transcript::{Direction, Entry, Transcript};
