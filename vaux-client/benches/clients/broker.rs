//! The broker that all clients talk to: vaux-broker, with one worker and with limits that nobody reaches.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Outcome;

/// Everything is kept in memory, and as much of it as comes.
const CONFIG: &str = r#"
[limits]
max_inflight = 65535
max_queued_messages = 100000000
max_queued_bytes = "8GiB"
max_outbox_bytes = "1GiB"
write_stall = "10m"

[store]
engine = "memory"
"#;

/// A broker of its own, which ends with this value.
pub(crate) struct Broker {
    child: Child,
    port: u16,
    /// Its data; removed with this value.
    _scratch: tempfile::TempDir,
}

impl Broker {
    pub(crate) fn start() -> Outcome<Self> {
        let program = build()?;
        let scratch = tempfile::tempdir()?;
        let config = scratch.path().join("vaux-broker.toml");
        std::fs::write(&config, CONFIG)?;
        let mut child = Command::new(&program)
            .args(["--plain", "--listen-addr", "127.0.0.1", "--port", "0", "--workers", "1"])
            .arg("--data-dir")
            .arg(scratch.path().join("data"))
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", program.display()))?;
        let output = child.stdout.take().expect("the output is piped");
        let mut broker = Broker { child, port: 0, _scratch: scratch };
        let mut lines = BufReader::new(output).lines();
        for line in lines.by_ref() {
            let line = line?;
            let mut words = line.split_whitespace();
            if let (Some("listening"), Some("tcp"), Some(address)) =
                (words.next(), words.next(), words.next())
            {
                broker.port = address.parse::<SocketAddr>()?.port();
                break;
            }
        }
        if broker.port == 0 {
            return Err("the broker ended without listening".into());
        }
        // So that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(broker)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It holds nothing worth an orderly end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The broker that `VAUX_BROKER` names. Without, builds one with the profile of this program, and says where it is.
fn build() -> Outcome<PathBuf> {
    if let Some(program) = std::env::var_os("VAUX_BROKER") {
        return Ok(program.into());
    }
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).ok_or("this program has no folder")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--locked", "--package", "vaux-broker", "--bin", "vaux-broker", "--profile"];
    let status = Command::new(cargo).args(arguments).arg(profile).status()?;
    if !status.success() {
        return Err(format!("vaux-broker does not build with profile {profile}").into());
    }
    Ok(folder.join("vaux-broker"))
}
