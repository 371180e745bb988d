//! Publishes one message: `cargo run --example publish -- mqtt://localhost topic payload`.

use vaux_client::{Client, ConnectOptions, Message, QoS, ReconnectPolicy};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |name| arguments.next().ok_or(format!("missing argument: {name}"));
    let (url, topic, payload) = (argument("URL")?, argument("topic")?, argument("payload")?);
    let options = ConnectOptions::from_url(&url)?.reconnect(ReconnectPolicy::NEVER);
    let (client, _) = Client::connect(options).await?;
    let published = client.publish(Message::new(topic, payload).qos(QoS::AtLeastOnce)).await?;
    println!("{}", published.reason);
    client.disconnect().await?;
    Ok(())
}
