//! A broker that may open few files: it keeps to what it has, serves those who are connected, and takes others again when
//! there is room.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::harness::*;
use crate::healthy::Pair;

/// The program with a limit on open files; it is killed when the test ends.
struct Limited {
    child: Child,
    address: SocketAddr,
}

impl Limited {
    fn start(home: &std::path::Path, limit: u32) -> Limited {
        let program = env!("CARGO_BIN_EXE_vaux-broker");
        let line = format!("ulimit -n {limit}; exec {program} --plain -p 0 --workers 2 --data-dir data");
        let mut child = Command::new("sh")
            .args(["-c", &line])
            .env_clear()
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = lines.map_while(Result::ok).find(|line| line.starts_with("listening"));
        let address = listening.expect("it starts").split_whitespace().nth(2).unwrap().parse().unwrap();
        Limited { child, address }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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
    let broker = Limited::start(home.path(), 64);
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
