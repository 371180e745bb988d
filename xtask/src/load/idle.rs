//! Connections that do nothing: what each costs the broker in memory.

use std::any::Any;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use vaux_mqtt::{QoS, Version};

use super::{Arguments, Faults, Measurement, handshake};
use crate::bench::scenario::Sessions;
use crate::{Outcome, account};

/// Connections made before the memory is first read, so that what a broker sets aside once is not counted.
const FIRST: usize = 10;

/// Runs the scenario.
///
/// # Errors
///
/// The broker did something that ends the run.
pub(super) fn run(arguments: &Arguments, connections: usize) -> Outcome<Measurement> {
    let version = arguments.settings.version();
    let tls = arguments.cafile.as_deref().map(tls_config).transpose()?;
    let mut streams: Vec<Box<dyn Any>> = Vec::with_capacity(FIRST + connections);
    let mut connect = |number: usize| -> Outcome {
        let (client_id, filter) = (format!("idle-{number:05}"), format!("idle/{number:05}"));
        let stream = handshake::open(arguments.broker)?;
        streams.push(match &tls {
            None => Box::new(begin(stream, version, &client_id, &filter)?),
            Some(config) => {
                let name = ServerName::from(arguments.broker.ip());
                let tls = ClientConnection::new(Arc::clone(config), name)?;
                Box::new(begin(StreamOwned::new(tls, stream), version, &client_id, &filter)?)
            }
        });
        Ok(())
    };
    for number in 0..FIRST {
        connect(number)?;
    }
    let memory_before = account::resident_bytes(arguments.process)?;
    let broker_before = account::processor_time(arguments.process)?;
    let generator_before = account::processor_time(std::process::id())?;
    let began = Instant::now();
    for number in FIRST..FIRST + connections {
        connect(number)?;
    }
    let memory = account::resident_bytes(arguments.process)?.saturating_sub(memory_before);
    let microseconds = |process: u32, before: Duration| -> Outcome<f64> {
        Ok((account::processor_time(process)? - before).as_secs_f64() * 1e6)
    };
    Ok(Measurement {
        count: connections as u64,
        seconds: began.elapsed().as_secs_f64(),
        broker_cpu_us: microseconds(arguments.process, broker_before)?,
        generator_cpu_us: microseconds(std::process::id(), generator_before)?,
        faults: Faults::default(),
        bytes_per_connection: Some(memory as f64 / connections as f64),
        crossing_pairs: None,
        written_bytes: None,
        commit_us: None,
    })
}

/// Connects and subscribes, and then does nothing.
fn begin<S: Read + Write>(mut stream: S, version: Version, client_id: &str, filter: &str) -> Outcome<S> {
    handshake::greet(&mut stream, version, client_id, Sessions::End)?;
    handshake::subscribe(&mut stream, version, filter, QoS::AtMostOnce)?;
    Ok(stream)
}

fn tls_config(cafile: &Path) -> Outcome<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cafile)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Each begins anew, as clients of their own do.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}
