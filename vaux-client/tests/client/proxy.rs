//! Connecting through a SOCKS5 proxy.

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use vaux_client::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Socks5Proxy, Version};

use crate::server::{Server, within};

/// What a proxy is to read, and what it answers, one after the other.
type Script = Vec<(Vec<u8>, Vec<u8>)>;

/// A proxy for one connection. After its script it passes bytes on to `server`, if there is one.
async fn proxy(script: Script, server: Option<u16>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        for (expected, answer) in script {
            let mut read = vec![0; expected.len()];
            client.read_exact(&mut read).await.unwrap();
            assert_eq!(read, expected);
            client.write_all(&answer).await.unwrap();
        }
        if let Some(server) = server {
            let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
            // Either side may end it.
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
    });
    port
}

fn request(port: u16) -> Vec<u8> {
    [b"\x05\x01\x00\x03\x0ebroker.invalid", &port.to_be_bytes()[..]].concat()
}

const DONE: &[u8] = b"\x05\0\0\x01\0\0\0\0\0\0";

fn options(proxy: Socks5Proxy) -> ConnectOptions {
    ConnectOptions::new("broker.invalid", 1883).client_id("me").proxy(proxy)
}

#[tokio::test]
async fn the_proxy_looks_up_the_name_and_bytes_go_through_it() {
    let server = Server::start(Version::V5).await;
    let script = vec![(vec![5, 1, 0], vec![5, 0]), (request(1883), DONE.to_vec())];
    let port = proxy(script, Some(server.port())).await;
    let connecting = tokio::spawn(Client::connect(options(Socks5Proxy::new("127.0.0.1", port))));
    let mut peer = server.accept_session(false, &[]).await;
    let (client, _connection) = within(connecting).await.unwrap().unwrap();
    client.disconnect().await.unwrap();
    peer.expect("DISCONNECT 00").await;
}

#[tokio::test]
async fn the_proxy_is_told_user_name_and_password() {
    let server = Server::start(Version::V5).await;
    // It connected from a name.
    let done = b"\x05\0\0\x03\x02me\0\0".to_vec();
    let script = vec![
        (vec![5, 2, 0, 2], vec![5, 2]),
        (b"\x01\x02me\x03p@w".to_vec(), vec![1, 0]),
        (request(1883), done),
    ];
    let port = proxy(script, Some(server.port())).await;
    let proxy = Socks5Proxy::parse(&format!("socks5h://me:p%40w@127.0.0.1:{port}")).unwrap();
    let connecting = tokio::spawn(Client::connect(options(proxy)));
    let _peer = server.accept_session(false, &[]).await;
    within(connecting).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_the_proxy_refuses_is_told() {
    let greeting = vec![5, 1, 0];
    for (script, text) in [
        (vec![(greeting.clone(), vec![5, 0xff])], "asks for a user name and password"),
        (vec![(greeting.clone(), b"HT".to_vec())], "does not speak SOCKS5"),
        (vec![(greeting.clone(), vec![5, 0]), (request(1883), vec![5, 5, 0, 1])], "refused its connection"),
        (vec![(greeting.clone(), vec![5, 0]), (request(1883), vec![5, 0, 0, 9])], "unknown kind of address"),
        (vec![(greeting, vec![])], "eof"),
    ] {
        let port = proxy(script, None).await;
        let result = within(Client::connect(options(Socks5Proxy::new("127.0.0.1", port)))).await;
        let error = result.map(|_| ()).unwrap_err();
        assert!(matches!(error, ConnectError::Proxy { .. }), "{error}");
        assert_eq!(error.kind(), ConnectErrorKind::Unreachable);
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn urls_of_proxies_are_read() {
    let debug = |url| format!("{:?}", Socks5Proxy::parse(url).unwrap());
    assert_eq!(debug("socks5://me:secret@proxy"), "Socks5Proxy { host: \"proxy\", port: 1080, .. }");
    assert_eq!(debug("socks5h://[::1]:99/"), "Socks5Proxy { host: \"::1\", port: 99, .. }");
    for url in [
        "proxy",
        "http://proxy",
        "socks5://",
        "socks5://proxy:0",
        "socks5://me@proxy",
        "socks5://:x@proxy",
        "socks5://proxy:p",
    ] {
        let error = Socks5Proxy::parse(url).unwrap_err();
        assert!(matches!(error, ConnectError::Options(_)), "{url}");
    }
}
