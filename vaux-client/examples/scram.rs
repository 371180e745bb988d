//! Logs in without sending the password: `cargo run --example scram -- mqtt://localhost alice secret`.
//!
//! The broker needs a user with a SCRAM line, for vaux-broker one of `vaux passwd --scram FILE alice`.

use vaux_client::{Client, ConnectOptions, Message, QoS, ScramSha256};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |name| arguments.next().ok_or(format!("missing argument: {name}"));
    let (url, user, password) = (argument("URL")?, argument("user")?, argument("password")?);
    // Made anew for each connection, so that reconnecting logs in again.
    let options = ConnectOptions::from_url(&url)?
        .authenticator(move || ScramSha256::new(user.as_str(), password.as_str()));
    let (client, _) = Client::connect(options).await?;
    let published = client.publish(Message::new("greeting", "hello").qos(QoS::AtLeastOnce)).await?;
    println!("logged in, and published: {}", published.reason);
    client.disconnect().await?;
    Ok(())
}
