//! Publishes a reading every second, whether or not there is a broker: `cargo run --example offline -- mqtt://localhost`.
//!
//! Start it without a broker, or stop the broker for a while: the readings are kept, the newest 3600 of them, and follow
//! in order.

use std::time::Duration;

use vaux_client::{Client, ConnectOptions, Message, OfflineQueue, Property, QoS, ReconnectPolicy, WhenFull};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("missing argument: URL")?;
    let options = ConnectOptions::from_url(&url)?
        .reconnect(ReconnectPolicy::backoff(Duration::from_millis(500), Duration::from_secs(5)))
        .offline_queue(OfflineQueue::new(3600).when_full(WhenFull::DropOldest));
    let (client, mut events, messages) = Client::start(options)?;
    drop(messages);
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            eprintln!("{event:?}");
        }
    });

    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    for number in 0_u64.. {
        every_second.tick().await;
        let reading = Message::new("meter/7/reading", number.to_string())
            .qos(QoS::AtLeastOnce)
            // Older than an hour it is of no interest, wherever it waits.
            .property(Property::MessageExpiryInterval(3600))?;
        let ticket = client.start_publish(reading).await?;
        tokio::spawn(async move {
            match ticket.await {
                Ok(_) => println!("{number} arrived"),
                Err(error) => println!("{number} is lost: {error}"),
            }
        });
    }
    Ok(())
}
