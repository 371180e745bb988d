//! A sensor and a display without a runtime: `cargo run --example blocking -- mqtt://localhost`.

use std::time::Duration;

use vaux_client::blocking::Client;
use vaux_client::{ConnectOptions, Message, QoS, Subscribe};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("missing argument: URL")?;
    let (client, _) = Client::connect(ConnectOptions::from_url(&url)?)?;
    let mut rooms = client.subscribe(Subscribe::to("room/+/temperature", QoS::AtLeastOnce))?;

    let sensor = std::thread::spawn({
        let client = client.clone();
        move || {
            for tenths in 215..220 {
                let celsius = format!("{}.{}", tenths / 10, tenths % 10);
                // Returns when the broker has it.
                client.publish(Message::new("room/1/temperature", celsius).qos(QoS::AtLeastOnce))?;
            }
            Ok::<(), vaux_client::RequestError>(())
        }
    });

    // Ends when nothing comes for a second.
    for message in rooms.iter_timeout(Duration::from_secs(1)) {
        println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
    }
    sensor.join().expect("the sensor does not panic")?;
    client.disconnect()?;
    Ok(())
}
