//! How much of everything clients may use. Everything that a client can make grow has its limit here.

use std::time::Duration;

/// Limits on connections, packets, sessions and what they hold. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From accept to a complete CONNECT, the TLS handshake included.
    pub connect_timeout: Duration,
    /// Failed logins from one address in a minute. Over it the answers to failures from there are delayed.
    pub failed_auth_per_ip: u32,
    /// Sessions, connected or not. Over it a new session gets CONNACK 0x89.
    pub max_sessions: usize,
    /// Sessions of one user. Over it a new one gets CONNACK 0x97. 0: not limited.
    pub max_sessions_per_user: usize,
    /// Connected sessions. Over it the connection is closed after CONNACK 0x89.
    pub max_active_sessions: usize,
    /// Size of a CONNECT packet.
    pub max_connect_packet: usize,
    /// Size of any other packet, announced to v5 clients. A larger one gets DISCONNECT 0x95.
    pub max_packet_size: usize,
    /// Size of a message's payload. `None`: only the packet is limited.
    pub max_payload: Option<usize>,
    /// Unfinished QoS 1 and 2 messages from a v5 client, announced as Receive Maximum and enforced.
    pub receive_maximum: u16,
    /// Unfinished QoS 1 and 2 messages towards a client: an upper bound on its own Receive Maximum.
    pub max_inflight: u16,
    /// Bytes of payload of unfinished QoS 1 and 2 messages towards a client. `None`: not limited.
    pub max_inflight_bytes: Option<usize>,
    /// Topic aliases that a client may set, announced.
    pub topic_alias_maximum: u16,
    /// Topic aliases towards a client: an upper bound on its own maximum.
    pub topic_alias_outgoing: u16,
    /// Longest keep alive, in seconds. Below 65,535 it is announced to v5 clients and v3 clients above it are refused.
    pub max_keep_alive: u16,
    /// How long a session may outlive its connection, in whole seconds. `None`: for ever.
    pub max_session_expiry: Option<Duration>,
    /// How long a message may wait, in whole seconds. `None`: for ever.
    pub max_message_expiry: Option<Duration>,
    /// Messages queued for one session.
    pub max_queued_messages: usize,
    /// Bytes queued for one session.
    pub max_queued_bytes: usize,
    /// Whether QoS 0 messages are kept for offline sessions.
    pub queue_qos0: bool,
    /// Bytes waiting to be written to one connection. An empty outbox takes any one packet.
    pub max_outbox_bytes: usize,
    /// A connection that takes no byte for so long is closed.
    pub write_stall: Duration,
    /// Subscriptions of one client.
    pub max_subscriptions_per_client: usize,
    /// Levels of a topic name or filter.
    pub max_topic_levels: usize,
    /// Length of a topic name or filter.
    pub max_topic_bytes: usize,
    /// Length of a client identifier.
    pub max_client_id_bytes: usize,
    /// User properties of one packet.
    pub max_user_properties: usize,
    /// Length of all names and values of the user properties of one packet.
    pub max_user_properties_bytes: usize,
    /// Retained messages.
    pub max_retained_messages: usize,
    /// Bytes of retained messages.
    pub max_retained_bytes: usize,
    /// Bytes that the store may take on the disk. Over it QoS 1 and 2 and retained messages are refused.
    pub max_store_bytes: usize,
    /// Messages that a client may publish in a second. Over it reading is paced. 0: not limited.
    pub publish_rate: u64,
    /// Bytes of the messages that a client may publish in a second. Over it reading is paced. `None`: not limited.
    pub publish_bytes_rate: Option<usize>,
    /// Connections that a listener takes in a second. Over it CONNECT gets CONNACK 0x9F. 0: not limited.
    pub connect_rate: u64,
    /// Connections that a listener takes from one address in a second, likewise.
    pub connect_rate_per_ip: u64,
    /// Memory of the whole process. Over it new connections are closed, and by a sixteenth more, messages of QoS 0 are
    /// dropped. `None`: not limited.
    pub memory_limit: Option<usize>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect_timeout: Duration::from_secs(10),
            failed_auth_per_ip: 10,
            max_sessions: 1_000_000,
            max_sessions_per_user: 0,
            max_active_sessions: 100_000,
            max_connect_packet: 64 << 10,
            max_packet_size: 2 << 20,
            max_payload: None,
            receive_maximum: 256,
            max_inflight: 256,
            max_inflight_bytes: None,
            topic_alias_maximum: 16,
            topic_alias_outgoing: 16,
            max_keep_alive: u16::MAX,
            max_session_expiry: None,
            max_message_expiry: None,
            max_queued_messages: 10_000,
            max_queued_bytes: 16 << 20,
            queue_qos0: false,
            max_outbox_bytes: 4 << 20,
            write_stall: Duration::from_secs(30),
            max_subscriptions_per_client: 1_000,
            max_topic_levels: 128,
            max_topic_bytes: 4_096,
            max_client_id_bytes: 256,
            max_user_properties: 64,
            max_user_properties_bytes: 16 << 10,
            max_retained_messages: 1_000_000,
            max_retained_bytes: 1 << 30,
            max_store_bytes: 16 << 30,
            publish_rate: 0,
            publish_bytes_rate: None,
            connect_rate: 0,
            connect_rate_per_ip: 0,
            memory_limit: None,
        }
    }
}
