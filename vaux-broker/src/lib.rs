//! vaux-broker
