//! Core, driven by packets.
