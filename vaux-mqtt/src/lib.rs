//! vaux-mqtt
