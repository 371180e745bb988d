//! TLS of a listener.

use vaux_broker::config::{ListenerConfig, TlsVersion, UsernameFrom};

use super::ciphers;
use super::report::Report;
use super::sort::Listener;
use crate::cli_error::CliError;

/// What is about TLS, beside certificate and key.
const ABOUT_TLS: [&str; 11] = [
    "cafile",
    "capath",
    "ciphers",
    "ciphers_tls1.3",
    "crlfile",
    "dhparamfile",
    "disable_client_cert_date_checks",
    "require_certificate",
    "tls_version",
    "use_identity_as_username",
    "use_subject_as_username",
];

pub(super) fn translate(
    source: &Listener,
    listener: &mut ListenerConfig,
    report: &mut Report,
) -> Result<(), CliError> {
    if let Some(hint) = source.find("psk_hint") {
        report.refuse(
            hint,
            "vaux knows no keys that are shared in advance: give the listener a certificate, and its clients \
             certificates or passwords",
        );
        return Ok(());
    }
    engine(source, report)?;
    let (cert, key) = (source.text("certfile")?, source.text("keyfile")?);
    if cert.is_some() != key.is_some() {
        let given = source.find("certfile").or(source.find("keyfile")).expect("one of them is there");
        return Err(given.mistake("is of no use alone: certfile and keyfile go together"));
    }
    if cert.is_none() {
        for directive in &source.given {
            if ABOUT_TLS.contains(&&*directive.name) {
                report.note(directive, "does nothing without certfile and keyfile, in mosquitto neither");
            }
        }
        return Ok(());
    }
    listener.tls.cert = cert.map(Into::into);
    listener.tls.key = key.map(Into::into);
    client_certificates(source, listener, report)?;
    version(source, listener, report)?;
    ciphers::check(source, listener.tls.min_version, report)?;
    if let Some(directive) = source.find("dhparamfile") {
        report.note(directive, "keys are exchanged by elliptic curves and X25519MLKEM768");
    }
    Ok(())
}

/// Keys that are in no file.
fn engine(source: &Listener, report: &mut Report) -> Result<(), CliError> {
    for name in ["tls_engine", "tls_engine_kpass_sha1", "tls_keyform"] {
        match source.find(name) {
            Some(directive) if name == "tls_keyform" && directive.word()? == "pem" => {}
            Some(directive) => report.refuse(directive, "vaux reads keys from PEM files only"),
            None => {}
        }
    }
    Ok(())
}

fn client_certificates(
    source: &Listener,
    listener: &mut ListenerConfig,
    report: &mut Report,
) -> Result<(), CliError> {
    let is_required = source.flag("require_certificate")?;
    let names_by_cn = source.flag("use_identity_as_username")?;
    if source.flag("use_subject_as_username")?
        && !names_by_cn
        && let Some(directive) = source.find("use_subject_as_username")
    {
        report.refuse(
            directive,
            "vaux names users by cn, san-dns or fingerprint (username_from), and an access list would have to as well",
        );
    }
    let (cafile, crlfile) = (source.text("cafile")?, source.text("crlfile")?);
    if !is_required && !names_by_cn {
        for name in ["cafile", "capath", "crlfile"] {
            if let Some(directive) = source.find(name) {
                report.note(directive, "without require_certificate no client is asked for a certificate");
            }
        }
        return Ok(());
    }
    match (source.find("capath"), &cafile) {
        (Some(capath), Some(_)) => {
            report.note(capath, "only cafile counts, clients of the others are refused")
        }
        (Some(capath), None) => {
            report.refuse(capath, "vaux takes one file: put them together, with cat, and name it as cafile");
        }
        (None, Some(_)) => {}
        (None, None) => {
            let wanting = source.find("require_certificate").or(source.find("use_identity_as_username"));
            let wanting = wanting.expect("one of them is there");
            return Err(wanting.mistake("needs cafile: nobody's certificate would be good"));
        }
    }
    if let (true, false, Some(directive)) =
        (names_by_cn, is_required, source.find("use_identity_as_username"))
    {
        report.note(directive, "a certificate is required: nothing else names the user");
    }
    if source.flag("disable_client_cert_date_checks")?
        && let Some(directive) = source.find("disable_client_cert_date_checks")
    {
        report.note(directive, "certificates that have expired are refused");
    }
    if let Some(directive) = source.find("crlfile") {
        report.note(
            directive,
            "a list that is out of date lets nobody in, nor does a missing one of an issuer between",
        );
    }
    listener.tls.client_ca = cafile.map(Into::into);
    listener.tls.crl = crlfile.map(Into::into);
    listener.tls.require_client_cert = true;
    if names_by_cn {
        listener.tls.username_from = UsernameFrom::Cn;
    }
    Ok(())
}

fn version(source: &Listener, listener: &mut ListenerConfig, report: &mut Report) -> Result<(), CliError> {
    let Some(directive) = source.find("tls_version") else { return Ok(()) };
    match directive.word()? {
        "tlsv1.3" => listener.tls.min_version = TlsVersion::Tls13,
        "tlsv1.2" => {}
        "tlsv1" | "tlsv1.1" => report.note(directive, "it is TLS 1.2 at least"),
        other => {
            return Err(directive.mistake(format_args!("must be tlsv1.2 or tlsv1.3, not {other:?}")));
        }
    }
    Ok(())
}
