//! vaux-client
