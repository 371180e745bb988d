//! Health, metrics and the API of a real broker: what is asked, done, and promised by `docs/openapi.json`.

#[cfg(test)]
mod http {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::path::Path;
    use std::time::Duration;

    use serde_json::{Value, json};
    use tempfile::TempDir;
    use vaux_broker::config::{Config, ListenerConfig, ListenerKind, StoreEngine};
    use vaux_broker::{Broker, StartError};
    use vaux_mqtt::packet::{Connect, Subscribe, Subscription, SubscriptionOptions, Subscriptions};
    use vaux_mqtt::{PacketId, QoS, Version};

    /// A test that waits for longer has failed.
    const PATIENCE: Duration = Duration::from_secs(20);

    const TOKEN: &str = "0123456789abcdef";

    const OPENAPI: &str = include_str!("../../docs/openapi.json");

    struct Served {
        broker: Broker,
        directory: TempDir,
    }

    fn config(directory: &Path) -> Config {
        let mut listener = ListenerConfig::new(ListenerKind::Tcp);
        listener.bind = "127.0.0.1:0".parse().unwrap();
        let mut config = Config { workers: 2, listeners: vec![listener], ..Config::default() };
        config.store.engine = StoreEngine::Memory;
        config.http.bind = Some("localhost:0".parse().unwrap());
        config.http.token_file = Some(directory.join("token"));
        config
    }

    fn start() -> Served {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), TOKEN).unwrap();
        let broker = Broker::start(config(directory.path()), vec![None]).unwrap();
        Served { broker, directory }
    }

    struct Answer {
        status: u16,
        head: String,
        body: String,
    }

    fn connect(address: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    impl Served {
        fn call(&self, method: &str, target: &str, body: &Value) -> Answer {
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let mut stream = connect(self.broker.http_address().unwrap());
            write!(
                stream,
                "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            Answer { status, head: head.to_owned(), body: body.to_owned() }
        }

        /// Calls what `path` with `{client_id}` describes, and holds the answer to the description.
        fn described(&self, method: &str, path: &str, query: &str, body: &Value) -> Value {
            let document: Value = serde_json::from_str(OPENAPI).unwrap();
            let target = format!("{}{query}", path.replace("{client_id}", "dev%2F1"));
            let answer = self.call(method, &target, body);
            let operation = &document["paths"][path][method.to_lowercase()];
            let mut response = &operation["responses"][answer.status.to_string()];
            if let Some(reference) = response["$ref"].as_str() {
                response = document.pointer(&reference[1..]).unwrap();
            }
            assert!(response.is_object(), "{method} {target} answers {}: {}", answer.status, answer.body);
            let value: Value = serde_json::from_str(&answer.body).unwrap();
            let schema = &response["content"]["application/json"]["schema"];
            let problems = problems(&document, schema, &value);
            assert!(problems.is_empty(), "{method} {target}: {problems:?} in {value:#}");
            value
        }

        fn get(&self, path: &str, query: &str) -> Value {
            self.described("GET", path, query, &Value::Null)
        }

        /// A client called `dev/1` that has subscribed to `a/#`.
        fn subscriber(&self) -> TcpStream {
            self.subscriber_called("dev/1")
        }

        fn subscriber_called(&self, client_id: &str) -> TcpStream {
            let mut stream = connect(self.broker.addresses()[0].address.socket_addr().unwrap());
            let mut bytes = Vec::new();
            let properties = Default::default();
            Connect { clean_start: true, ..Connect::new(Version::V5, client_id) }.encode(&mut bytes);
            let list =
                [Subscription { filter: "a/#", options: SubscriptionOptions::with_qos(QoS::AtLeastOnce) }];
            let subscriptions = Subscriptions::from_slice(&list);
            Subscribe { packet_id: PacketId::FIRST, properties, subscriptions }
                .encode(Version::V5, &mut bytes);
            stream.write_all(&bytes).unwrap();
            assert_eq!(packet(&mut stream)[0], 0x20);
            assert_eq!(packet(&mut stream)[0], 0x90);
            stream
        }
    }

    /// The next packet, which is short.
    fn packet(stream: &mut TcpStream) -> Vec<u8> {
        let mut packet = vec![0; 2];
        stream.read_exact(&mut packet).unwrap();
        assert!(packet[1] < 0x80);
        packet.resize(2 + usize::from(packet[1]), 0);
        stream.read_exact(&mut packet[2..]).unwrap();
        packet
    }

    /// Where a value is not what the schema says, as far as the description uses JSON Schema.
    fn problems(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
        if let Some(reference) = schema["$ref"].as_str() {
            return problems(document, document.pointer(&reference[1..]).unwrap(), value);
        }
        let mut found = Vec::new();
        let is_of = |kind: &Value| match kind.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_u64(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("unknown type {other}"),
        };
        let kinds = match &schema["type"] {
            Value::Array(kinds) => kinds.as_slice(),
            Value::Null => &[],
            kind => std::slice::from_ref(kind),
        };
        if !kinds.is_empty() && !kinds.iter().any(is_of) {
            found.push(format!("{value} is no {}", schema["type"]));
        }
        let fixed = schema.get("const").is_some_and(|only| only != value);
        if fixed || schema["enum"].as_array().is_some_and(|some| !some.contains(value)) {
            found.push(format!("{value} is not allowed"));
        }
        let none = serde_json::Map::new();
        let members = value.as_object().unwrap_or(&none);
        for name in schema["required"].as_array().into_iter().flatten() {
            if !members.contains_key(name.as_str().unwrap()) {
                found.push(format!("{name} is missing"));
            }
        }
        for (name, member) in members {
            match schema["properties"].get(name) {
                Some(schema) => found.extend(problems(document, schema, member)),
                None if schema["properties"].is_object() => found.push(format!("{name} is not described")),
                None => {}
            }
        }
        for item in value.as_array().into_iter().flatten() {
            found.extend(problems(document, &schema["items"], item));
        }
        found
    }

    #[test]
    fn sessions_and_subscriptions_are_listed() {
        let served = start();
        assert_eq!(served.get("/api/v1/sessions", "")["sessions"], json!([]));
        let _client = served.subscriber();
        let sessions = served.get("/api/v1/sessions", "?limit=5");
        assert_eq!(sessions["sessions"][0]["client_id"], "dev/1");
        assert_eq!(sessions["sessions"][0]["connected"], true);
        let session = served.get("/api/v1/sessions/{client_id}", "");
        assert_eq!(session["session"]["filters"], json!(["a/#"]));
        let subscriptions = served.get("/api/v1/subscriptions", "?client_id=dev%2F1");
        assert_eq!(subscriptions["subscriptions"][0]["filter"], "a/#");
        assert_eq!(served.get("/api/v1/subscriptions", ""), subscriptions);
        for (query, error) in [("?mount=m", "not-found"), ("?mount=m&mount=m", "malformed")] {
            assert_eq!(served.get("/api/v1/sessions/{client_id}", query)["error"], error);
        }
        assert_eq!(served.get("/api/v1/sessions", "?limit=0")["error"], "malformed");
    }

    #[test]
    fn pages_go_through_the_sessions_of_all_workers() {
        let served = start();
        let names: Vec<_> = (0..9).map(|number| format!("dev-{number}")).collect();
        let _clients: Vec<_> = names.iter().map(|name| served.subscriber_called(name)).collect();
        for list in ["sessions", "subscriptions"] {
            let (mut found, mut query) = (Vec::new(), "?limit=2".to_owned());
            loop {
                let page = served.get(&format!("/api/v1/{list}"), &query);
                let items = page[list].as_array().unwrap();
                found.extend(items.iter().map(|item| item["client_id"].as_str().unwrap().to_owned()));
                let Some(next) = page["next"].as_str() else { break };
                assert_eq!(items.len(), 2);
                query = format!("?limit=2&cursor={next}");
            }
            found.sort();
            assert_eq!(found, names, "{list}");
        }
        assert_eq!(served.get("/api/v1/sessions", "?cursor=x")["error"], "malformed");
    }

    #[test]
    fn pages_of_retained_messages_end() {
        let served = start();
        let publish = |index: usize| {
            let message = json!({"topic": format!("r/{index}"), "payload": "x", "retain": true, "qos": 1});
            served.described("POST", "/api/v1/publish", "", &message)
        };
        (0..5).for_each(|index| assert_eq!(publish(index)["ok"], true));
        let mut topics = Vec::new();
        let mut query = "?limit=2&filter=r/%2B".to_owned();
        loop {
            let page = served.get("/api/v1/retained", &query);
            let messages = page["retained"].as_array().unwrap();
            assert!(messages.len() <= 2);
            topics.extend(messages.iter().map(|message| message["topic"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            query = format!("?limit=2&filter=r/%2B&cursor={}", next.replace('/', "%2F"));
        }
        topics.sort();
        assert_eq!(topics, ["r/0", "r/1", "r/2", "r/3", "r/4"]);
        let delete = |query: &str| served.described("DELETE", "/api/v1/retained", query, &Value::Null);
        assert_eq!(delete("?topic=r/3")["ok"], true);
        assert_eq!(delete("?topic=r/%23")["error"], "malformed");
        assert_eq!(served.get("/api/v1/retained", "?filter=r/3")["retained"], json!([]));
    }

    #[test]
    fn a_message_is_published_to_subscribers() {
        let served = start();
        let publish = |message: &Value| served.described("POST", "/api/v1/publish", "", message);
        assert_eq!(publish(&json!({"topic": "a/b", "payload": "nobody"}))["matched"], false);
        let mut client = served.subscriber();
        assert_eq!(publish(&json!({"topic": "a/b", "payload_base64": "/wA="}))["matched"], true);
        assert_eq!(packet(&mut client), b"\x30\x08\x00\x03a/b\x00\xff\x00");
        assert_eq!(publish(&json!({"topic": "a/+"}))["error"], "malformed");
        assert_eq!(publish(&json!({"topic": "$SYS/a"}))["error"], "malformed");
        let metrics = served.call("GET", "/metrics", &Value::Null).body;
        for line in [
            "vaux_sessions_connected 1\n",
            "vaux_subscriptions 1\n",
            "vaux_connects_total 1\n",
            "vaux_messages_sent_total 1\n",
            "vaux_workers 2\n",
            "vaux_store_state{state=\"good\"} 1\n",
        ] {
            assert!(metrics.contains(line), "{line}{metrics}");
        }
    }

    #[test]
    fn commits_of_the_disk_are_measured() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), TOKEN).unwrap();
        let mut config = config(directory.path());
        config.store.engine = StoreEngine::Disk;
        config.data_dir = Some(directory.path().to_owned());
        let served = Served { broker: Broker::start(config, vec![None]).unwrap(), directory };
        let kept = json!({"topic": "a/b", "payload": "kept", "retain": true, "qos": 1});
        for _ in 0..3 {
            assert_eq!(served.described("POST", "/api/v1/publish", "", &kept)["ok"], true);
        }
        let metrics = served.call("GET", "/metrics", &Value::Null).body;
        let count = metrics.lines().find_map(|line| line.strip_prefix("vaux_commit_seconds_count "));
        // Each is answered when it is durable.
        assert!(count.unwrap().parse::<u64>().unwrap() >= 3, "{metrics}");
        served.broker.shutdown(PATIENCE);
    }

    #[test]
    fn clients_are_kicked_and_sessions_deleted() {
        let served = start();
        let kick = || served.described("POST", "/api/v1/kick", "", &json!({"client_id": "dev/1"}));
        assert_eq!(kick()["error"], "not-found");
        for (method, path, body) in [
            ("POST", "/api/v1/kick", json!({"client_id": "dev/1"})),
            ("DELETE", "/api/v1/sessions/{client_id}", Value::Null),
        ] {
            let mut client = served.subscriber();
            assert_eq!(served.described(method, path, "", &body)["ok"], true);
            let goodbye = packet(&mut client);
            assert_eq!((goodbye[0], goodbye[2]), (0xE0, 0x98), "DISCONNECT: Administrative action");
        }
        let why = served.get("/api/v1/why", "?client_id=dev%2F1&last=5");
        let kinds: Vec<_> =
            why["incidents"].as_array().unwrap().iter().map(|incident| &incident["kind"]).collect();
        assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == "disconnect"), "{why}");
        assert_eq!(served.get("/api/v1/why", "?topic=none")["incidents"], json!([]));
    }

    #[test]
    fn tracing_needs_a_client() {
        let served = start();
        let trace = |body: &Value| served.described("POST", "/api/v1/trace", "", body);
        assert_eq!(trace(&json!({"client_id": "dev/1", "on": true}))["error"], "not-found");
        let _client = served.subscriber();
        assert_eq!(trace(&json!({"client_id": "dev/1", "on": true}))["ok"], true);
        assert_eq!(trace(&json!({"client_id": "dev/1"}))["error"], "malformed");
    }

    #[test]
    fn the_configuration_is_the_one_in_force() {
        let served = start();
        let in_force =
            || Config::from_toml(&served.call("GET", "/api/v1/config", &Value::Null).body).unwrap();
        let mut config = config(served.directory.path());
        assert_eq!(in_force(), config);
        config.limits.max_sessions = 7;
        config.http.allowed_hosts = vec!["broker.example".into()];
        config.listeners[0].auto_id_prefix = "gen-".into();
        assert_eq!(served.broker.reload(config.clone(), vec![None]), [] as [&str; 0]);
        assert_eq!(in_force(), config);
        let fixed = config.clone();
        config.http.bind = None;
        config.listeners[0].max_connections = 3;
        assert_eq!(served.broker.reload(config, vec![None]).len(), 2);
        assert_eq!(in_force(), fixed);
    }

    #[test]
    fn a_token_that_cannot_be_read_stops_the_start_but_not_the_broker() {
        let served = start();
        let token = served.directory.path().join("token");
        let config = config(served.directory.path());
        std::fs::write(&token, " \n").unwrap();
        let unchanged = served.broker.reload(config.clone(), vec![None]);
        assert_eq!(unchanged, [format!("[http] stays as it was: token file {}: is empty", token.display())]);
        assert_eq!(served.call("GET", "/api/v1/sessions", &Value::Null).status, 200);
        std::fs::write(&token, "fedcba9876543210").unwrap();
        assert_eq!(served.broker.reload(config.clone(), vec![None]), [] as [&str; 0]);
        assert_eq!(served.call("GET", "/api/v1/sessions", &Value::Null).status, 401);
        std::fs::remove_file(&token).unwrap();
        let error = Broker::start(config, vec![None]).unwrap_err();
        assert!(matches!(error, StartError::Token(_)), "{error}");
    }

    #[test]
    fn an_address_in_use_is_told_like_that_of_a_listener() {
        let served = start();
        let mut config = Config::default();
        config.store.engine = StoreEngine::Memory;
        config.http.bind = Some(served.broker.http_address().unwrap().into());
        let error = Broker::start(config, Vec::new()).unwrap_err();
        assert!(matches!(error, StartError::Bind { .. }), "{error}");
    }

    #[test]
    fn it_ends_with_the_broker() {
        let served = start();
        let ready = served.call("GET", "/readyz", &Value::Null);
        assert_eq!((ready.status, ready.body.as_str()), (200, "ready\n"));
        assert!(ready.head.contains("no-store"));
        let address = served.broker.http_address().unwrap();
        served.broker.shutdown(PATIENCE);
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn without_an_address_there_is_none_of_it() {
        let mut config = Config::default();
        config.store.engine = StoreEngine::Memory;
        assert_eq!(Broker::start(config, Vec::new()).unwrap().http_address(), None);
    }
}
