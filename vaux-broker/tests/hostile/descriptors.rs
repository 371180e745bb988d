//! A broker that may open few files: it keeps to what it has, serves those who are connected, and takes others again when
//! there is room.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::harness::*;
use crate::healthy::Pair;
use crate::program::Program;

/// A client that is connected, or `None` when the broker closes.
fn try_connect(address: SocketAddr, client_id: &str) -> Option<TcpStream> {
    let mut stream = open_at(address);
    stream.write_all(&connect_bytes(client_id)).ok()?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).ok()?;
    assert_eq!(connack, [0x20, 2, 0, 0]);
    Some(stream)
}

#[test]
fn when_descriptors_run_out_who_is_there_is_served_and_others_when_there_is_room() {
    let home = tempfile::tempdir().unwrap();
    let broker = Program::start(home.path(), "ulimit -n 64", "--plain -p 0 --workers 2 --data-dir data");
    let healthy = Pair::begin_at(broker.address);
    for round in 0..3 {
        let clients: Vec<_> =
            (0..100).map(|number| try_connect(broker.address, &format!("{round}-{number}"))).collect();
        let served = clients.iter().flatten().count();
        assert!((10..60).contains(&served), "{served} of 100 were served");
        drop(clients);
        // Their places are free once the broker has seen them go.
        assert!((0..10_000).any(|_| try_connect(broker.address, "again").is_some()));
    }
    healthy.end();
}
