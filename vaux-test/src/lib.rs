//! vaux-test
