//! The state machines of the protocol.
