//! The codec against the byte strings of `fixtures/packets`, and against packets made up at random.

mod arbitrary;
mod cases;
mod checking;
mod coverage;
mod fixture;
mod meaning;
mod round_trip;
mod topics;
