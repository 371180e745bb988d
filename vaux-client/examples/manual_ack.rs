//! Writes messages to a file and acknowledges each once it is there:
//! `cargo run --example manual_ack -- mqtt://localhost 'order/#' orders.txt`.
//!
//! Stop it at any point and start it again: the broker keeps what was not acknowledged, and sends it again.

use std::io::Write;

use vaux_client::{Client, ConnectOptions, Message, Messages, QoS, Subscribe};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |name| arguments.next().ok_or(format!("missing argument: {name}"));
    let (url, filter, path) = (argument("URL")?, argument("filter")?, argument("file")?);
    let mut file = std::fs::File::options().create(true).append(true).open(path)?;

    // The session outlives the connection and this process, for an hour. What it holds comes before there is a
    // subscription, and so everything is read from `connection.messages`.
    let options = ConnectOptions::from_url(&url)?
        .client_id("order-writer")
        .clean_start(false)
        .session_expiry_interval(3600)
        // The broker sends no more than this ahead.
        .receive_maximum(16)
        .manual_acknowledgement();
    let (client, mut connection) = Client::connect(options).await?;
    client.subscribe_default(Subscribe::to(filter, QoS::AtLeastOnce)).await?;
    write(&mut connection.messages, &mut file).await
}

async fn write(messages: &mut Messages, file: &mut std::fs::File) -> Result<(), Box<dyn std::error::Error>> {
    while let Some(message) = messages.next().await {
        writeln!(file, "{}\t{}", message.topic, String::from_utf8_lossy(&message.payload))?;
        file.sync_data()?;
        acknowledge(&message);
    }
    Ok(())
}

fn acknowledge(message: &Message) {
    match message.acknowledge() {
        Ok(()) => println!("{} is written", message.topic),
        // The connection was lost meanwhile: the message comes again, and will be in the file twice.
        Err(error) => println!("{} is written, but {error}", message.topic),
    }
}
