//! The keys of the file: names, order, kinds of value, ranges and comments.
//!
//! Whoever reads, prints or checks a configuration walks these functions with a [`Keys`] of its own.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::auth::check_url;
use super::codec::{
    Address, Algorithms, CertsAndKeys, Codec, Count, Networks, OneOf, Optional, Path, Quality,
    SecondsOrNever, Size, SizeOrOff, Switch, Text, Texts, Time, Versions,
};
use super::http::check_name;
use super::listener::{check_origin, check_path};
use super::{
    AuthConfig, Config, Durability, HttpAuthConfig, HttpConfig, JwtConfig, Limits, ListenerConfig,
    ListenerKind, ListenerTls, ListenerWs, LogConfig, LogFormat, Mqtt, OnError, SharedStrategy, StoreConfig,
    StoreEngine, SysConfig, SysSessions, TlsVersion, UsernameFrom, log,
};

/// What is done with each key in turn.
pub(super) trait Keys {
    /// A key of the present section.
    fn key<T>(&mut self, name: &'static str, value: &mut T, codec: impl Codec<T>, comment: &'static str);

    /// A section in the present one, whose keys `keys` walks.
    fn section(&mut self, name: &'static str, keys: impl FnOnce(&mut Self));

    /// All `[[listener]]` sections.
    fn listeners(&mut self, listeners: &mut Vec<ListenerConfig>);
}

/// All keys.
pub(super) fn all(keys: &mut impl Keys, config: &mut Config) {
    keys.key(
        "data_dir",
        &mut config.data_dir,
        Optional(Path),
        "keys and certificates; default: the platform's data directory",
    );
    keys.key("workers", &mut config.workers, Count(0..=256), "threads; 0 = one per core");
    keys.listeners(&mut config.listeners);
    keys.section("limits", |keys| {
        connection_limits(keys, &mut config.limits);
        flow_limits(keys, &mut config.limits);
        name_limits(keys, &mut config.limits);
        rate_limits(keys, &mut config.limits);
    });
    keys.section("mqtt", |keys| mqtt(keys, &mut config.mqtt));
    keys.section("store", |keys| store(keys, &mut config.store));
    keys.section("auth", |keys| auth(keys, &mut config.auth));
    keys.section("sys", |keys| sys(keys, &mut config.sys));
    keys.section("http", |keys| http(keys, &mut config.http));
    keys.section("log", |keys| logging(keys, &mut config.log));
}

/// The kind of a listener, on which the defaults of its other keys depend.
pub(super) fn listener_kind(keys: &mut impl Keys, kind: &mut ListenerKind) {
    let kinds = OneOf(&[
        ("tls", ListenerKind::Tls),
        ("tcp", ListenerKind::Tcp),
        ("ws", ListenerKind::Ws),
        ("wss", ListenerKind::Wss),
        ("unix", ListenerKind::Unix),
    ]);
    keys.key("kind", kind, kinds, "tls | tcp | ws | wss | unix");
}

/// The other keys of a listener.
pub(super) fn listener(keys: &mut impl Keys, listener: &mut ListenerConfig) {
    keys.key("name", &mut listener.name, Text(name), "in the log");
    match listener.kind {
        ListenerKind::Unix => {
            keys.key("bind", &mut listener.socket, Path, "path of the socket; its owner alone may use it");
        }
        _ => {
            keys.key("bind", &mut listener.bind, Address, "address and port; a name is resolved at the start")
        }
    }
    keys.key(
        "allow_anonymous",
        &mut listener.allow_anonymous,
        Optional(Switch),
        "default: true on loopback while nothing authenticates, else false",
    );
    keys.key("versions", &mut listener.versions, Versions, "others are refused");
    keys.key("maximum_qos", &mut listener.maximum_qos, Quality, "announced when below 2");
    keys.key("max_connections", &mut listener.max_connections, COUNT, "over it: close without CONNACK");
    keys.key("max_connections_per_ip", &mut listener.max_connections_per_ip, COUNT_OR_OFF, "0 = off");
    keys.key("proxy_protocol", &mut listener.proxy_protocol, Switch, "v1 or v2, before all else");
    keys.key(
        "proxy_from",
        &mut listener.proxy_from,
        Networks,
        "it is mandatory from there; others are closed",
    );
    keys.key("mount", &mut listener.mount, Text(mount), "prefix put before and taken off every topic");
    keys.key(
        "auto_id_prefix",
        &mut listener.auto_id_prefix,
        Text(auto_id_prefix),
        "how assigned client ids begin",
    );
    keys.key("password_file", &mut listener.password_file, Optional(Path), "instead of that of [auth]");
    keys.key("acl_file", &mut listener.acl_file, Optional(Path), "instead of that of [auth]");
    if listener.kind.has_tls() {
        keys.section("tls", |keys| listener_tls(keys, &mut listener.tls));
    }
    if listener.kind.has_web_socket() {
        keys.section("ws", |keys| listener_ws(keys, &mut listener.ws));
    }
}

fn listener_ws(keys: &mut impl Keys, ws: &mut ListenerWs) {
    keys.key("path", &mut ws.path, Text(check_path), "others get 404");
    keys.key("allowed_origins", &mut ws.allowed_origins, Texts(check_origin), "pages of others get 403");
}

fn listener_tls(keys: &mut impl Keys, tls: &mut ListenerTls) {
    keys.key("cert", &mut tls.cert, Optional(Path), "PEM; default: made by the local authority in data_dir");
    keys.key("key", &mut tls.key, Optional(Path), "PEM; goes with cert");
    keys.key(
        "sni",
        &mut tls.sni,
        CertsAndKeys,
        "more, by the name asked for: [{ cert = \"…\", key = \"…\" }]",
    );
    keys.key("client_ca", &mut tls.client_ca, Optional(Path), "PEM; whose client certificates are accepted");
    keys.key("crl", &mut tls.crl, Optional(Path), "PEM; revocation lists of client_ca");
    keys.key("require_client_cert", &mut tls.require_client_cert, Switch, "");
    let sources = OneOf(&[
        ("none", UsernameFrom::None),
        ("cn", UsernameFrom::Cn),
        ("san-dns", UsernameFrom::SanDns),
        ("fingerprint", UsernameFrom::Fingerprint),
    ]);
    keys.key("username_from", &mut tls.username_from, sources, "none | cn | san-dns | fingerprint");
    let versions = OneOf(&[("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)]);
    keys.key("min_version", &mut tls.min_version, versions, "1.2 | 1.3");
}

fn connection_limits(keys: &mut impl Keys, limits: &mut Limits) {
    keys.key(
        "connect_timeout",
        &mut limits.connect_timeout,
        TIMEOUT,
        "accept to complete CONNECT, TLS and WebSocket included",
    );
    keys.key("max_sessions", &mut limits.max_sessions, COUNT, "over it a new session gets CONNACK 0x89");
    keys.key(
        "max_sessions_per_user",
        &mut limits.max_sessions_per_user,
        COUNT_OR_OFF,
        "0 = off; over it CONNACK 0x97",
    );
    keys.key(
        "max_active_sessions",
        &mut limits.max_active_sessions,
        COUNT,
        "over it the connection is closed after CONNACK 0x89",
    );
    keys.key(
        "failed_auth_per_ip",
        &mut limits.failed_auth_per_ip,
        COUNT,
        "per minute; then failures from there are delayed, right credentials always pass",
    );
    keys.key("max_connect_packet", &mut limits.max_connect_packet, Size(256..=LARGEST_PACKET), "");
    keys.key(
        "max_packet_size",
        &mut limits.max_packet_size,
        Size(256..=LARGEST_PACKET),
        "announced; larger: 0x95 and close",
    );
    keys.key(
        "max_payload",
        &mut limits.max_payload,
        SizeOrOff(Size(1..=LARGEST_PACKET)),
        "0 = off; larger: v5 0x97 in the ack, v3 acknowledged; dropped",
    );
    keys.key(
        "max_keep_alive",
        &mut limits.max_keep_alive,
        POSITIVE_U16,
        "seconds; lower: v5 is sent Server Keep Alive, v3 above it is refused",
    );
    keys.key(
        "max_session_expiry",
        &mut limits.max_session_expiry,
        SecondsOrNever(Time(Duration::ZERO..=LONGEST_EXPIRY)),
        "announced when it shortens",
    );
    keys.key(
        "max_message_expiry",
        &mut limits.max_message_expiry,
        SecondsOrNever(Time(Duration::from_secs(1)..=LONGEST_EXPIRY)),
        "",
    );
}

fn flow_limits(keys: &mut impl Keys, limits: &mut Limits) {
    keys.key(
        "receive_maximum",
        &mut limits.receive_maximum,
        POSITIVE_U16,
        "v5, towards the broker: announced and enforced (0x93)",
    );
    keys.key(
        "max_inflight",
        &mut limits.max_inflight,
        POSITIVE_U16,
        "towards the client, upper bound on its Receive Maximum",
    );
    keys.key("max_inflight_bytes", &mut limits.max_inflight_bytes, SizeOrOff(SIZE), "0 = off");
    keys.key("topic_alias_maximum", &mut limits.topic_alias_maximum, ANY_U16, "announced");
    keys.key(
        "topic_alias_outgoing",
        &mut limits.topic_alias_outgoing,
        ANY_U16,
        "upper bound on the client's maximum",
    );
    keys.key(
        "max_queued_messages",
        &mut limits.max_queued_messages,
        COUNT,
        "per session; full: the newest is dropped",
    );
    keys.key("max_queued_bytes", &mut limits.max_queued_bytes, SIZE, "per session; QoS 0 goes first");
    keys.key("queue_qos0", &mut limits.queue_qos0, Switch, "keep QoS 0 for offline sessions");
    keys.key(
        "max_outbox_bytes",
        &mut limits.max_outbox_bytes,
        SIZE,
        "per connection; an empty outbox takes any one packet",
    );
    keys.key("write_stall", &mut limits.write_stall, TIMEOUT, "no progress for so long: close");
    keys.key(
        "max_retained_messages",
        &mut limits.max_retained_messages,
        COUNT,
        "over it: v5 0x97, not stored",
    );
    keys.key("max_retained_bytes", &mut limits.max_retained_bytes, SIZE, "over it: v5 0x97, not stored");
    keys.key("max_store_bytes", &mut limits.max_store_bytes, SIZE, "over it QoS 1 and 2: v5 0x97, v3 closed");
}

fn name_limits(keys: &mut impl Keys, limits: &mut Limits) {
    keys.key(
        "max_subscriptions_per_client",
        &mut limits.max_subscriptions_per_client,
        COUNT,
        "over it: SUBACK 0x97",
    );
    keys.key("max_topic_levels", &mut limits.max_topic_levels, POSITIVE_U16, "of names and filters");
    keys.key("max_topic_bytes", &mut limits.max_topic_bytes, POSITIVE_U16, "of names and filters");
    // MQTT-3.1.3-5: a server must accept identifiers of 1 to 23 bytes.
    keys.key("max_client_id_bytes", &mut limits.max_client_id_bytes, Count(23..=65_535), "");
    keys.key("max_user_properties", &mut limits.max_user_properties, ANY_U16, "per packet");
    keys.key(
        "max_user_properties_bytes",
        &mut limits.max_user_properties_bytes,
        Size(0..=LARGEST_PACKET),
        "per packet",
    );
}

fn rate_limits(keys: &mut impl Keys, limits: &mut Limits) {
    keys.key(
        "publish_rate",
        &mut limits.publish_rate,
        COUNT_OR_OFF,
        "messages/s per client, 0 = off; over it reading is paced",
    );
    keys.key("publish_bytes_rate", &mut limits.publish_bytes_rate, SizeOrOff(SIZE), "a second, likewise");
    keys.key(
        "connect_rate",
        &mut limits.connect_rate,
        COUNT_OR_OFF,
        "accepted/s per listener, 0 = off; over it CONNACK 0x9F",
    );
    keys.key(
        "connect_rate_per_ip",
        &mut limits.connect_rate_per_ip,
        COUNT_OR_OFF,
        "likewise, from one address",
    );
    keys.key(
        "memory_limit",
        &mut limits.memory_limit,
        SizeOrOff(SIZE),
        "0 = off; over it: refuse new connections, then drop QoS 0",
    );
}

fn mqtt(keys: &mut impl Keys, mqtt: &mut Mqtt) {
    keys.key("retain_available", &mut mqtt.retain_available, Switch, "");
    keys.key("wildcard_subscription_available", &mut mqtt.wildcard_subscription_available, Switch, "");
    keys.key("subscription_identifier_available", &mut mqtt.subscription_identifier_available, Switch, "");
    keys.key("shared_subscription_available", &mut mqtt.shared_subscription_available, Switch, "");
    keys.key(
        "shared_strategy",
        &mut mqtt.shared_strategy,
        OneOf(&[
            ("round-robin", SharedStrategy::RoundRobin),
            ("sticky", SharedStrategy::Sticky),
            ("hash-client", SharedStrategy::HashClient),
            ("hash-topic", SharedStrategy::HashTopic),
            ("least-inflight", SharedStrategy::LeastInflight),
        ]),
        "round-robin | sticky | hash-client | hash-topic | least-inflight",
    );
    keys.key(
        "allow_zero_length_client_id",
        &mut mqtt.allow_zero_length_client_id,
        Switch,
        "the broker assigns one",
    );
    keys.key(
        "response_information",
        &mut mqtt.response_information,
        Text(response_information),
        "for clients that request it; empty: none",
    );
    keys.key(
        "upgrade_outgoing_qos",
        &mut mqtt.upgrade_outgoing_qos,
        Switch,
        "deliver with the subscription's QoS even if the publisher's was lower",
    );
    keys.key(
        "check_retain_source",
        &mut mqtt.check_retain_source,
        Switch,
        "deliver a retained message only while its publisher may still write there",
    );
}

fn store(keys: &mut impl Keys, store: &mut StoreConfig) {
    let engines = OneOf(&[("disk", StoreEngine::Disk), ("memory", StoreEngine::Memory)]);
    keys.key("engine", &mut store.engine, engines, "disk | memory: all ends with the broker");
    let durabilities = OneOf(&[
        ("commit", Durability::Commit),
        ("interval", Durability::Interval),
        ("none", Durability::None),
    ]);
    keys.key(
        "durability",
        &mut store.durability,
        durabilities,
        "commit: acknowledged means on disk | interval | none",
    );
    let interval = Time(Duration::from_millis(1)..=Duration::from_secs(3600));
    keys.key(
        "interval",
        &mut store.interval,
        interval,
        "how soon it is on disk when durability is not commit",
    );
}

fn sys(keys: &mut impl Keys, sys: &mut SysConfig) {
    let interval = Time(Duration::ZERO..=Duration::from_secs(86_400));
    keys.key("interval", &mut sys.interval, interval, "of the figures in $SYS/broker; 0s = no $SYS");
    let kinds =
        OneOf(&[("off", SysSessions::Off), ("events", SysSessions::Events), ("full", SysSessions::Full)]);
    keys.key("sessions", &mut sys.sessions, kinds, "told in $SYS/broker/vaux: off | events | full");
}

fn auth(keys: &mut impl Keys, auth: &mut AuthConfig) {
    keys.key(
        "password_file",
        &mut auth.password_file,
        Optional(Path),
        "user:hash lines: `vaux passwd`, or mosquitto's",
    );
    keys.key(
        "acl_file",
        &mut auth.acl_file,
        Optional(Path),
        "mosquitto's syntax; with one, all is denied that it does not grant",
    );
    keys.key("scram", &mut auth.scram, Switch, "SCRAM-SHA-256 through AUTH: `vaux passwd --scram`");
    keys.section("jwt", |keys| jwt(keys, &mut auth.jwt));
    keys.section("http", |keys| http_auth(keys, &mut auth.http));
}

fn jwt(keys: &mut impl Keys, jwt: &mut JwtConfig) {
    keys.key(
        "key_file",
        &mut jwt.key_file,
        Optional(Path),
        "tokens as passwords: PEM of a public key, or a secret",
    );
    keys.key("algorithms", &mut jwt.algorithms, Algorithms, "the kind of key says which of them is used");
    keys.key("audience", &mut jwt.audience, Text(claim), "that tokens must be meant for; empty: any");
    keys.key("username_claim", &mut jwt.username_claim, Text(claim_name), "the claim that names the user");
}

fn http_auth(keys: &mut impl Keys, http: &mut HttpAuthConfig) {
    keys.key(
        "url",
        &mut http.url,
        Optional(Text(check_url)),
        "a service that is asked about each client, before the password file",
    );
    keys.key("timeout", &mut http.timeout, Time(between(10, 60_000)), "for its whole answer");
    let keep = Time(Duration::ZERO..=Duration::from_secs(86_400));
    keys.key(
        "cache",
        &mut http.cache,
        keep,
        "how long a client that was let in is not asked about; 0s = off",
    );
    let outcomes = OneOf(&[("deny", OnError::Deny), ("ignore", OnError::Ignore)]);
    keys.key("on_error", &mut http.on_error, outcomes, "deny | ignore: go on with the password file");
    keys.key("ca", &mut http.ca, Optional(Path), "PEM; who signs its certificate; default: the system's");
}

fn http(keys: &mut impl Keys, http: &mut HttpConfig) {
    keys.key(
        "bind",
        &mut http.bind,
        Optional(Address),
        "/healthz, /readyz, /metrics and, with a token_file, /api/v1; default: off",
    );
    keys.key("token_file", &mut http.token_file, Optional(Path), "what requests to /api/v1 have to present");
    keys.key(
        "allowed_hosts",
        &mut http.allowed_hosts,
        Texts(check_name),
        "further names of this host; requests for others get 403",
    );
}

fn logging(keys: &mut impl Keys, log: &mut LogConfig) {
    keys.key(
        "filter",
        &mut log.filter,
        Text(log::check_filter),
        "off | error | warn | info | debug | trace, and part=level",
    );
    let formats = OneOf(&[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    keys.key("format", &mut log.format, formats, "text | json");
}

fn claim(text: &str) -> Result<(), String> {
    if text.len() > 1_024 { Err("must have at most 1024 bytes".into()) } else { Ok(()) }
}

fn claim_name(text: &str) -> Result<(), String> {
    if text.is_empty() { Err("must not be empty".into()) } else { claim(text) }
}

fn name(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > 64 || text.chars().any(char::is_control) {
        return Err("must have 1 to 64 bytes and no control characters".into());
    }
    Ok(())
}

fn mount(text: &str) -> Result<(), String> {
    if text.len() > 1_024 || text.contains(['+', '#', '\0']) || text.starts_with('$') {
        return Err(
            "must be the beginning of a topic: at most 1024 bytes, no +, # or NUL, no $ in front".into()
        );
    }
    Ok(())
}

fn auto_id_prefix(text: &str) -> Result<(), String> {
    if text.len() > 64 || text.chars().any(char::is_control) {
        return Err("must have at most 64 bytes and no control characters".into());
    }
    Ok(())
}

fn response_information(text: &str) -> Result<(), String> {
    if text.len() > usize::from(u16::MAX) || text.contains('\0') {
        return Err("must have at most 65535 bytes and no NUL".into());
    }
    Ok(())
}

/// A fixed header of 5 bytes and the largest Remaining Length.
const LARGEST_PACKET: u64 = 5 + 268_435_455;
/// 0xFFFFFFFF stands for "never" in Session Expiry Interval.
const LONGEST_EXPIRY: Duration = Duration::from_secs(u32::MAX as u64 - 1);
const COUNT: Count = Count(1..=u32::MAX as u64);
const COUNT_OR_OFF: Count = Count(0..=u32::MAX as u64);
const ANY_U16: Count = Count(0..=u16::MAX as u64);
const POSITIVE_U16: Count = Count(1..=u16::MAX as u64);
const SIZE: Size = Size(1..=1 << 50);
const TIMEOUT: Time = Time(between(1, 3_600_000));

const fn between(from_ms: u64, to_ms: u64) -> RangeInclusive<Duration> {
    Duration::from_millis(from_ms)..=Duration::from_millis(to_ms)
}
