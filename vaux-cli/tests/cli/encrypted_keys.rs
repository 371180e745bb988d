//! Private keys that are encrypted, shown to a broker that wants a certificate.

use std::path::Path;

use crate::broker::Broker;
use crate::program::Run;

#[test]
fn the_password_of_a_key_comes_from_a_file_or_the_environment() {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/keys").canonicalize().unwrap();
    let key = |name: &str| keys.join(name).display().to_string();
    let certificate = key("certificate.pem");
    let broker = Broker::start(&["--tls-client-ca", &certificate], "mqtts");
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (right, wrong) = (file("right", "horse\nand more\n"), file("wrong", "cow\n"));
    let publish = |key: &str, more: &[&str], variable: Option<&str>| {
        let flags = ["-t", "a", "-m", "x", "-q", "1", "--cert", &certificate, "--key", key];
        let mut command = broker.command("pub", &[&flags[..], more].concat());
        command.envs(variable.map(|password| ("VAUX_KEY_PASSWORD", password)));
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    };
    let (encrypted, legacy) = (key("encrypted.pem"), key("encrypted-legacy.pem"));
    let right = ["--key-password-file", &right];
    for (key, more, variable, code, said) in [
        (&encrypted, &right[..], None, 0, ""),
        (&encrypted, &[], Some("horse"), 0, ""),
        // The command line comes first, then the environment.
        (&encrypted, &right, Some("cow"), 0, ""),
        (&key("plain.pem"), &right, None, 0, ""),
        (&encrypted, &["--key-password-file", &wrong], None, 1, "the password of the key is wrong"),
        (&encrypted, &[], Some("cow"), 1, "the password of the key is wrong"),
        (&encrypted, &["--key-password-file", "/nowhere"], None, 1, "cannot read /nowhere: "),
        (&legacy, &right, None, 1, "is encrypted in OpenSSL's old way; `openssl pkcs8 -topk8"),
    ] {
        let run = publish(key, more, variable);
        assert_eq!(run.code, Some(code), "{more:?} {variable:?}: {}", run.transcript());
        assert!(run.stderr.contains(said), "{more:?} {variable:?}: {}", run.transcript());
    }
    let alone = broker.run("pub", &["-t", "a", "-m", "x", right[0], right[1]]);
    assert_eq!(alone.code, Some(2));
    assert!(alone.stderr.contains("--key-password-file needs --key"), "{}", alone.stderr);
}
