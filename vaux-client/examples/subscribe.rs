//! Prints messages until interrupted: `cargo run --example subscribe -- mqtt://localhost 'room/#'`.

use vaux_client::{Client, ConnectOptions, QoS, Subscribe};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |name| arguments.next().ok_or(format!("missing argument: {name}"));
    let (url, filter) = (argument("URL")?, argument("filter")?);
    let (client, connection) = Client::connect(ConnectOptions::from_url(&url)?).await?;
    // What this prints is only what the subscription brings.
    drop(connection);
    let mut messages = client.subscribe(Subscribe::to(filter, QoS::ExactlyOnce)).await?;
    while let Some(message) = messages.next().await {
        println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
    }
    Ok(())
}
