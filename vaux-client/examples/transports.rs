//! One program for every way to a broker: `cargo run --example transports -- URL [socks5h://PROXY]`, where URL begins
//! with `mqtt://`, `mqtts://`, `ws://` or `wss://`. `CA_FILE` names the certificate of an authority to trust.

use vaux_client::{Client, ConnectOptions, ServerUrl, Socks5Proxy, TlsOptions, WebSocketOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("missing argument: URL")?;
    // `ConnectOptions::from_url` does the same with what needs no more to be said.
    let server = ServerUrl::parse(&url)?;
    let mut options = ConnectOptions::new(server.host, server.port);
    if server.tls {
        options = options.tls(match std::env::var_os("CA_FILE") {
            Some(path) => TlsOptions::new().ca_file(path),
            None => TlsOptions::new(),
        });
    }
    if let Some(path) = server.web_socket_path {
        options = options.web_socket(WebSocketOptions::new().path(path).header("User-Agent", "transports"));
    }
    if let Some(proxy) = arguments.next() {
        options = options.proxy(Socks5Proxy::parse(&proxy)?);
    }
    let (client, connection) = Client::connect(options).await?;
    println!("connected as {} with MQTT {}", connection.connected.client_id, connection.connected.version);
    client.disconnect().await?;
    Ok(())
}
