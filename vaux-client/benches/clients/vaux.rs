//! This library at work, asynchronous on one thread, and blocking.

use std::collections::VecDeque;
use std::hint::black_box;

use vaux_client::{Client, ConnectOptions, Message, QoS, ReconnectPolicy, Subscribe, Version, blocking};

use super::meter::{Measured, Meter};
use super::{INFLIGHT, Job, Outcome, PAYLOAD, QUEUE, TOPIC};

fn options(port: u16) -> ConnectOptions {
    ConnectOptions::new("127.0.0.1", port)
        .version(Version::V311)
        .client_id("bench")
        .inflight_maximum(INFLIGHT)
        .request_capacity(QUEUE)
        .reconnect(ReconnectPolicy::NEVER)
}

/// As an application would make it anew each time.
fn message(qos: QoS) -> Message {
    Message::new(TOPIC, PAYLOAD.to_vec()).qos(qos)
}

fn consume(message: &Message) {
    black_box((&*message.topic, &message.payload[..]));
}

pub(crate) fn run(job: Job, port: u16, messages: usize) -> Outcome<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, _connection) = Client::connect(options(port)).await?;
        match job {
            Job::PublishQos0 => publish_qos0(&client, messages).await,
            Job::PublishQos1 => publish_qos1(&client, messages).await,
            Job::ReceiveQos0 => receive(&client, QoS::AtMostOnce, messages).await,
            Job::ReceiveQos1 => receive(&client, QoS::AtLeastOnce, messages).await,
        }
    })
}

/// The broker has all of them when it acknowledges the last one.
async fn publish_qos0(client: &Client, messages: usize) -> Outcome<Measured> {
    let meter = Meter::start(messages)?;
    for _ in 1..messages {
        client.queue(message(QoS::AtMostOnce)).await?;
    }
    client.publish(message(QoS::AtLeastOnce)).await?;
    meter.stop()
}

/// Each outcome is asked for.
async fn publish_qos1(client: &Client, messages: usize) -> Outcome<Measured> {
    let mut tickets = VecDeque::with_capacity(QUEUE);
    let meter = Meter::start(messages)?;
    for _ in 0..messages {
        if tickets.len() == QUEUE
            && let Some(oldest) = tickets.pop_front()
        {
            oldest.await?;
        }
        tickets.push_back(client.start_publish(message(QoS::AtLeastOnce)).await?);
    }
    for ticket in tickets {
        ticket.await?;
    }
    meter.stop()
}

async fn receive(client: &Client, qos: QoS, messages: usize) -> Outcome<Measured> {
    let mut subscription = client.subscribe(Subscribe::to(TOPIC, qos)).await?;
    println!("ready");
    let meter = Meter::start(messages)?;
    for _ in 0..messages {
        consume(&subscription.next().await.ok_or("the connection ended")?);
    }
    meter.stop()
}

pub(crate) fn run_blocking(job: Job, port: u16, messages: usize) -> Outcome<Measured> {
    let (client, _connection) = blocking::Client::connect(options(port))?;
    match job {
        Job::PublishQos0 => publish_qos0_blocking(&client, messages),
        Job::PublishQos1 => publish_qos1_blocking(&client, messages),
        Job::ReceiveQos0 => receive_blocking(&client, QoS::AtMostOnce, messages),
        Job::ReceiveQos1 => receive_blocking(&client, QoS::AtLeastOnce, messages),
    }
}

fn publish_qos0_blocking(client: &blocking::Client, messages: usize) -> Outcome<Measured> {
    let meter = Meter::start(messages)?;
    for _ in 1..messages {
        client.queue(message(QoS::AtMostOnce))?;
    }
    client.publish(message(QoS::AtLeastOnce))?;
    meter.stop()
}

fn publish_qos1_blocking(client: &blocking::Client, messages: usize) -> Outcome<Measured> {
    let mut tickets = VecDeque::with_capacity(QUEUE);
    let meter = Meter::start(messages)?;
    for _ in 0..messages {
        if tickets.len() == QUEUE
            && let Some(oldest) = tickets.pop_front()
        {
            blocking::PublishTicket::wait(oldest)?;
        }
        tickets.push_back(client.start_publish(message(QoS::AtLeastOnce))?);
    }
    for ticket in tickets {
        ticket.wait()?;
    }
    meter.stop()
}

fn receive_blocking(client: &blocking::Client, qos: QoS, messages: usize) -> Outcome<Measured> {
    let mut subscription = client.subscribe(Subscribe::to(TOPIC, qos))?;
    println!("ready");
    let meter = Meter::start(messages)?;
    for _ in 0..messages {
        consume(&subscription.next().ok_or("the connection ended")?);
    }
    meter.stop()
}

/// Publishes what a client is to receive.
pub(crate) fn feed(job: Job, port: u16, messages: usize) -> Outcome<()> {
    let qos = if job == Job::ReceiveQos0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    let (client, _connection) = blocking::Client::connect(options(port).client_id("feed"))?;
    for _ in 0..messages {
        client.queue(message(qos))?;
    }
    // The last one tells that all arrived.
    client.publish(Message::new("bench/end", "").qos(QoS::AtLeastOnce))?;
    client.disconnect()?;
    Ok(())
}
