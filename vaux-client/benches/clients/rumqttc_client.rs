//! rumqttc at work: its asynchronous client on one thread, and its blocking one.

use std::hint::black_box;
use std::time::Duration;

use rumqttc::{AsyncClient, Client, Connection, Event, EventLoop, MqttOptions, Packet, QoS};

use super::meter::{Measured, Meter};
use super::{INFLIGHT, Job, Outcome, PAYLOAD, QUEUE, TOPIC};

fn options(port: u16) -> MqttOptions {
    let mut options = MqttOptions::new("bench", "127.0.0.1", port);
    options.set_inflight(INFLIGHT).set_keep_alive(Duration::from_secs(60));
    options
}

/// With which QoS a job publishes, the last message aside: the broker has all of them when it acknowledges that one.
fn publishes(job: Job) -> QoS {
    if job == Job::PublishQos0 { QoS::AtMostOnce } else { QoS::AtLeastOnce }
}

fn receives(job: Job) -> QoS {
    if job == Job::ReceiveQos0 { QoS::AtMostOnce } else { QoS::AtLeastOnce }
}

/// How many acknowledgements end a publishing job.
fn acknowledgements(job: Job, messages: usize) -> usize {
    if job == Job::PublishQos0 { 1 } else { messages }
}

pub(crate) fn run(job: Job, port: u16, messages: usize) -> Outcome<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, mut events) = AsyncClient::new(options(port), QUEUE);
        wait_for(&mut events, |packet| matches!(packet, Packet::ConnAck(_)), 1).await?;
        if job.is_receiving() {
            client.subscribe(TOPIC, receives(job)).await?;
            wait_for(&mut events, |packet| matches!(packet, Packet::SubAck(_)), 1).await?;
            println!("ready");
            let meter = Meter::start(messages)?;
            wait_for(&mut events, consume, messages).await?;
            return meter.stop();
        }
        let meter = Meter::start(messages)?;
        tokio::spawn(async move {
            for number in 1..=messages {
                let qos = if number == messages { QoS::AtLeastOnce } else { publishes(job) };
                client.publish(TOPIC, qos, false, PAYLOAD.to_vec()).await?;
            }
            // Dropping the client would end the connection.
            std::future::pending::<Result<(), rumqttc::ClientError>>().await
        });
        let is_acknowledged = |packet: &Packet| matches!(packet, Packet::PubAck(_));
        wait_for(&mut events, is_acknowledged, acknowledgements(job, messages)).await?;
        meter.stop()
    })
}

async fn wait_for(
    events: &mut EventLoop,
    is_wanted: impl Fn(&Packet) -> bool,
    mut count: usize,
) -> Outcome<()> {
    while count > 0 {
        if let Event::Incoming(packet) = events.poll().await?
            && is_wanted(&packet)
        {
            count -= 1;
        }
    }
    Ok(())
}

fn consume(packet: &Packet) -> bool {
    match packet {
        Packet::Publish(publish) => {
            black_box((&*publish.topic, &publish.payload[..]));
            true
        }
        _ => false,
    }
}

pub(crate) fn run_blocking(job: Job, port: u16, messages: usize) -> Outcome<Measured> {
    let (client, mut connection) = Client::new(options(port), QUEUE);
    wait_for_blocking(&mut connection, |packet| matches!(packet, Packet::ConnAck(_)), 1)?;
    if job.is_receiving() {
        client.subscribe(TOPIC, receives(job))?;
        wait_for_blocking(&mut connection, |packet| matches!(packet, Packet::SubAck(_)), 1)?;
        println!("ready");
        let meter = Meter::start(messages)?;
        wait_for_blocking(&mut connection, consume, messages)?;
        return meter.stop();
    }
    let meter = Meter::start(messages)?;
    let (is_measured, wait) = std::sync::mpsc::channel::<()>();
    let publisher = std::thread::spawn(move || {
        for number in 1..=messages {
            let qos = if number == messages { QoS::AtLeastOnce } else { publishes(job) };
            client.publish(TOPIC, qos, false, PAYLOAD.to_vec())?;
        }
        // A thread that has ended is not counted any more, and dropping the client would end the connection.
        let _ = wait.recv();
        Ok::<(), rumqttc::ClientError>(())
    });
    let is_acknowledged = |packet: &Packet| matches!(packet, Packet::PubAck(_));
    wait_for_blocking(&mut connection, is_acknowledged, acknowledgements(job, messages))?;
    let measured = meter.stop();
    drop(is_measured);
    publisher.join().map_err(|_| "the publisher panicked")??;
    measured
}

fn wait_for_blocking(
    connection: &mut Connection,
    is_wanted: impl Fn(&Packet) -> bool,
    mut count: usize,
) -> Outcome<()> {
    let mut events = connection.iter();
    while count > 0 {
        if let Event::Incoming(packet) = events.next().ok_or("the connection ended")??
            && is_wanted(&packet)
        {
            count -= 1;
        }
    }
    Ok(())
}
