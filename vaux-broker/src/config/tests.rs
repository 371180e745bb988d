//! The configuration file as operators meet it: what is printed, what reads back, what each mistake is called.

use std::time::Duration;

use vaux_mqtt::{QoS, Version};

use super::*;

fn error(text: &str) -> String {
    Config::from_toml(text).expect_err(text).to_string()
}

/// A configuration in which every key has another value than by default, except for what has only one.
fn changed() -> Config {
    let mut tls = ListenerConfig::new(ListenerKind::Tls);
    tls.name = "öffentlich \"1\"".into();
    tls.bind = "[2001:db8::1]:18883".parse().unwrap();
    tls.allow_anonymous = Some(true);
    tls.versions = vec![Version::V5];
    tls.maximum_qos = QoS::AtLeastOnce;
    tls.max_connections = 7;
    tls.mount = "plant\\7/".into();
    tls.auto_id_prefix = "gen:".into();
    tls.password_file = Some("/etc/vaux/users".into());
    tls.acl_file = Some("/etc/vaux/acl".into());
    tls.tls = ListenerTls {
        cert: Some("a \"b\".pem".into()),
        key: Some("k.pem".into()),
        sni: vec![CertAndKey { cert: "b.pem".into(), key: "b \"k\".pem".into() }],
        client_ca: Some("clients.pem".into()),
        crl: Some("crl.pem".into()),
        require_client_cert: true,
        username_from: UsernameFrom::SanDns,
        min_version: TlsVersion::Tls13,
    };
    let mut wss = ListenerConfig::new(ListenerKind::Wss);
    wss.name = "browsers".into();
    wss.ws.path = "/".into();
    wss.ws.allowed_origins = vec!["https://example.org".into(), "null".into()];
    let mut tcp = ListenerConfig::new(ListenerKind::Tcp);
    tcp.name = "plain".into();
    tcp.bind = "localhost:0".parse().unwrap();
    tcp.max_connections_per_ip = 5;
    tcp.proxy_protocol = true;
    tcp.proxy_from = vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
    let mut unix = ListenerConfig::new(ListenerKind::Unix);
    unix.name = "here".into();
    unix.socket = "/run/vaux/mqtt.sock".into();
    Config {
        data_dir: Some("/srv/vaux\tdata".into()),
        workers: 3,
        listeners: vec![tls, wss, tcp, unix],
        limits: changed_limits(),
        mqtt: Mqtt {
            retain_available: false,
            wildcard_subscription_available: false,
            subscription_identifier_available: false,
            shared_subscription_available: false,
            shared_strategy: SharedStrategy::LeastInflight,
            allow_zero_length_client_id: false,
            response_information: "responses/\u{1f}".into(),
            upgrade_outgoing_qos: true,
            check_retain_source: false,
        },
        store: StoreConfig {
            engine: StoreEngine::Memory,
            durability: Durability::None,
            interval: Duration::from_secs(2),
        },
        sys: SysConfig { interval: Duration::from_secs(3), sessions: SysSessions::Events },
        auth: AuthConfig {
            http: HttpAuthConfig {
                url: Some("https://auth.example.org/mqtt?a=b".into()),
                timeout: Duration::from_millis(100),
                cache: Duration::ZERO,
                on_error: OnError::Ignore,
                ca: Some("ca.pem".into()),
            },
            password_file: Some("passwords".into()),
            acl_file: Some("acl".into()),
            scram: false,
            jwt: JwtConfig {
                key_file: Some("key.pem".into()),
                algorithms: vec![JwtAlgorithm::EdDsa, JwtAlgorithm::Hs256],
                audience: "mqtt".into(),
                username_claim: "name".into(),
            },
        },
        http: HttpConfig {
            bind: Some("[::1]:8888".parse().unwrap()),
            token_file: Some("api token".into()),
            allowed_hosts: vec!["broker.example".into()],
        },
        log: LogConfig { filter: "warn,vaux_broker::tls=debug".into(), format: LogFormat::Json },
    }
}

fn changed_limits() -> Limits {
    Limits {
        connect_timeout: Duration::from_millis(1_500),
        failed_auth_per_ip: 19,
        max_sessions: 1,
        max_sessions_per_user: 3,
        max_active_sessions: 2,
        max_connect_packet: 257,
        max_packet_size: 268_435_460,
        max_payload: Some(3),
        receive_maximum: 4,
        max_inflight: 5,
        max_inflight_bytes: Some(6),
        topic_alias_maximum: 0,
        topic_alias_outgoing: 65_535,
        max_keep_alive: 60,
        max_session_expiry: Some(Duration::ZERO),
        max_message_expiry: Some(Duration::from_secs(90)),
        max_queued_messages: 8,
        max_queued_bytes: 9,
        queue_qos0: true,
        max_outbox_bytes: 10,
        write_stall: Duration::from_secs(11),
        max_subscriptions_per_client: 12,
        max_topic_levels: 13,
        max_topic_bytes: 14,
        max_client_id_bytes: 23,
        max_user_properties: 0,
        max_user_properties_bytes: 0,
        max_retained_messages: 17,
        max_retained_bytes: 18 << 20,
        max_store_bytes: 1 << 33,
        publish_rate: 19,
        publish_bytes_rate: Some(20),
        connect_rate: 21,
        connect_rate_per_ip: 22,
        memory_limit: Some(23 << 20),
    }
}

#[test]
fn the_printed_defaults() {
    let config = Config {
        data_dir: Some("/home/user/.local/share/vaux".into()),
        listeners: vec![ListenerConfig::new(ListenerKind::Tls)],
        ..Config::default()
    };
    insta::assert_snapshot!(config.to_toml());
}

#[test]
fn what_is_printed_reads_back() {
    let with_listener =
        Config { listeners: vec![ListenerConfig::new(ListenerKind::Tls)], ..Config::default() };
    for config in [Config::default(), with_listener, changed()] {
        assert_eq!(Config::from_toml(&config.to_toml()), Ok(config.clone()), "{}", config.to_toml());
        assert_eq!(config.check(), Ok(()));
    }
}

#[test]
fn what_is_printed_shortly_reads_back_and_holds_nothing_else() {
    assert_eq!(Config::default().to_short_toml(), "");
    assert_eq!(Config::from_toml(&changed().to_short_toml()), Ok(changed()));
    let mut config = Config { listeners: vec![ListenerConfig::new(ListenerKind::Tcp)], ..Config::default() };
    config.limits.max_inflight = 20;
    config.listeners[0].name = "listener-1".into();
    let lines = |config: &Config| {
        let lines = config.to_short_toml();
        lines.lines().map(|line| line.split(" #").next().unwrap_or_default().trim_end().to_owned()).collect()
    };
    let written: Vec<String> = lines(&config);
    let bind = "bind = \"127.0.0.1:1883\"";
    assert_eq!(written, ["[[listener]]", "kind = \"tcp\"", bind, "", "[limits]", "max_inflight = 20"]);
}

#[test]
fn no_key_is_forgotten_when_reading_and_printing() {
    let keys = |config: &Config| -> Vec<String> {
        let text = config.to_toml();
        let lines = text.lines().filter(|line| line.contains(" = "));
        lines.map(|line| line.split(" # ").next().unwrap_or_default().trim().to_owned()).collect()
    };
    let defaults = keys(&Config::default());
    let mut changed = changed();
    changed.listeners.clear();
    let same: Vec<_> = keys(&changed).into_iter().filter(|line| defaults.contains(line)).collect();
    assert!(same.is_empty(), "{same:?}");
}

#[test]
fn an_empty_file_is_the_defaults_without_a_listener() {
    assert_eq!(Config::from_toml(""), Ok(Config::default()));
    assert!(Config::default().listeners.is_empty());
}

#[test]
fn a_listener_takes_its_defaults_from_its_kind() {
    let config = Config::from_toml("[[listener]]\n[[listener]]\nkind = \"tcp\"").unwrap();
    let binds: Vec<_> = config.listeners.iter().map(|listener| listener.bind.to_string()).collect();
    assert_eq!(binds, ["127.0.0.1:8883", "127.0.0.1:1883"]);
    let names: Vec<_> = config.listeners.iter().map(|listener| listener.name.as_str()).collect();
    assert_eq!(names, ["listener-1", "listener-2"]);
}

#[test]
fn sizes_are_numbers_or_have_a_unit() {
    let read = |size: &str| Config::from_toml(&format!("limits.max_queued_bytes = {size}"));
    for size in ["65536", "65_536", "0x10000", "\"64KiB\"", "\"65536B\""] {
        assert_eq!(read(size).unwrap().limits.max_queued_bytes, 65_536, "{size}");
    }
}

#[test]
fn zero_turns_off_where_the_comment_says_so() {
    let limits = Config::from_toml("[limits]\nmax_payload = 0\nmax_inflight_bytes = \"0B\"").unwrap().limits;
    assert_eq!((limits.max_payload, limits.max_inflight_bytes), (None, None));
    assert_eq!(
        error("limits.max_queued_bytes = 0"),
        "line 1: max_queued_bytes must be from 1B to 1024TiB, not 0B"
    );
}

#[test]
fn mistakes_name_line_and_key() {
    let mistakes = [
        "workers = ",
        "workers = 1\nworkers = 2",
        "\n\nworker = 1",
        "workers = \"many\"",
        "workers = -1",
        "workers = 1000",
        "data_dir = 3",
        "data_dir = \"\"",
        "[auth]\npassword_file = \"\"",
        "[auth]\nusers = \"x\"",
        "[auth.jwt]\nkey = \"x\"",
        "[auth]\njwt = { algorithms = [\"none\"] }",
        "[auth]\njwt = { algorithms = [] }",
        "[auth]\nhttp = { url = \"auth.example.org\" }",
        "[auth]\nhttp = { url = \"https://\" }",
        "[auth]\nhttp = { on_error = \"allow\" }",
        "[auth]\nhttp = \"https://example.org\"",
        "[limts]\n",
        "limits = 3",
        "[listener]\nname = \"a\"",
        "listener = [1]",
        "[limits]\nmax_sessions = 1\nmax_sesions = 1",
        "[limits]\nreceive_maximum = 0",
        "[limits]\nreceive_maximum = 65536",
        "[limits]\nmax_inflight = 100000000000000000000",
        "[limits]\ntopic_alias_maximum = 1.5",
        "[limits]\nmax_packet_size = \"1GiB\"",
        "[limits]\nmax_packet_size = \"1MB\"",
        "[limits]\nmax_client_id_bytes = 22",
        "[limits]\nconnect_timeout = 10",
        "[limits]\nconnect_timeout = \"10\"",
        "[limits]\nconnect_timeout = \"0s\"",
        "[limits]\nmax_session_expiry = \"soon\"",
        "[limits]\nmax_session_expiry = \"1500ms\"",
        "[limits]\nmax_session_expiry = \"50000d\"",
        "[limits]\nqueue_qos0 = \"yes\"",
        "[limits]\nmax_sessions = 1979-05-27",
        "[mqtt]\nshared_strategy = \"random\"",
        "[mqtt]\nresponse_information = 1",
        "[store]\nengine = \"sqlite\"",
        "[store]\ndurability = \"sometimes\"",
        "[store]\ninterval = \"0s\"",
        "[http]\nbind = \"127.0.0.1\"",
        "[http]\nbind = \"\"",
        "[http]\ntoken_file = \"\"",
        "[http]\nallowed_hosts = [\"https://example.org\"]",
        "[http]\nallowed_hosts = [\"example.org:8888\"]",
        "[http]\nallowed_hosts = \"example.org\"",
        "[http]\ntoken = \"secret\"",
        "[log]\nfilter = \"inf\"",
        "[log]\nfilter = \"info,my program=debug\"",
        "[log]\nformat = \"xml\"",
        "[[listener]]\nkind = \"udp\"",
        "[[listener]]\nkind = \"unix\"",
        "[[listener]]\nkind = \"unix\"\nbind = \"\"",
        "[[listener]]\nkind = \"unix\"\nbind = \"/s\"\nproxy_protocol = true\nproxy_from = [\"10.0.0.0/8\"]",
        "[[listener]]\nproxy_protocol = true",
        "[[listener]]\nproxy_from = [\"10.0.0.0/8\"]",
        "[[listener]]\nproxy_protocol = true\nproxy_from = [\"lan\"]",
        "[[listener]]\nkind = \"ws\"\n[listener.ws]\npath = \"mqtt\"",
        "[[listener]]\nkind = \"ws\"\n[listener.ws]\nallowed_origins = [\"example.org\"]",
        "[[listener]]\n[listener.ws]\npath = \"/\"",
        "[[listener]]\nbind = \"127.0.0.1\"",
        "[[listener]]\nbind = \"127.0.0.1:http\"",
        "[[listener]]\nbind = \"::1:1883\"",
        "[[listener]]\nbind = \"two words:1883\"",
        "[[listener]]\nallow_anonymous = 1",
        "[[listener]]\nversions = []",
        "[[listener]]\nversions = [\"5\", \"5\"]",
        "[[listener]]\nversions = [\"4\"]",
        "[[listener]]\nversions = \"5\"",
        "[[listener]]\nmaximum_qos = 3",
        "[[listener]]\nmount = \"a/+\"",
        "[[listener]]\nname = \"\"",
        "[[listener]]\nname = \"a\"\n[[listener]]\nname = \"a\"",
        "[[listener]]\npassword_file = 1",
        "[[listener]]\n[listener.tls]\ncert = \"a.pem\"",
        "[[listener]]\n[listener.tls]\ncrl = \"a.pem\"",
        "[[listener]]\n[listener.tls]\nrequire_client_cert = true",
        "[[listener]]\n[listener.tls]\nclient_ca = \"a.pem\"\nusername_from = \"subject\"",
        "[[listener]]\n[listener.tls]\nsni = \"a.pem\"",
        "[[listener]]\n[listener.tls]\nsni = [{ cert = \"a.pem\" }]",
        "[[listener]]\n[listener.tls]\nsni = [{ cert = \"a.pem\", key = \"\" }]",
        "[[listener]]\nkind = \"tcp\"\n[listener.tls]\ncert = \"a.pem\"",
    ];
    let report: String = mistakes.map(|text| format!("{text}\n    -> {}\n\n", error(text))).concat();
    insta::assert_snapshot!(report);
}

#[test]
fn the_first_mistake_in_the_file_is_reported() {
    let text = "[log]\nformat = \"xml\"\n[limits]\nmax_sessions = 0\n[unknown]\n";
    assert!(error(text).starts_with("line 2: format must be"), "{}", error(text));
}

#[test]
fn values_set_in_code_are_checked_too() {
    let mut config = Config::default();
    config.limits.receive_maximum = 0;
    let error = config.check().unwrap_err().to_string();
    assert_eq!(error, "limits.receive_maximum must be from 1 to 65535, not 0");

    let mut listener = ListenerConfig::new(ListenerKind::Tls);
    listener.tls.cert = Some("a.pem".into());
    let config = Config { listeners: vec![listener], ..Config::default() };
    let error = config.check().unwrap_err().to_string();
    assert_eq!(error, "listener \"default\": cert and key are given together or not at all");
}
