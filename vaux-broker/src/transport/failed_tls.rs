//! Why TLS with a client failed, in words for the log and for `why`.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// A word for programs and a sentence for people, if it is TLS that failed.
pub(crate) fn describe(error: &io::Error) -> Option<(&'static str, &'static str)> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            ("no-tls", "the client does not speak TLS, and this listener does")
        }
        Error::NoCertificatesPresented => ("no-client-certificate", "the client has shown no certificate"),
        Error::InvalidCertificate(problem) => ("client-certificate", certificate_text(problem)),
        Error::AlertReceived(alert) => ("tls-alert", alert_text(*alert)),
        Error::PeerIncompatible(_) => (
            "tls-incompatible",
            "there is no version or cipher of TLS that both the client and the broker speak",
        ),
        Error::NoApplicationProtocol => {
            ("tls-protocol", "the client offers other protocols than MQTT (ALPN)")
        }
        _ => ("tls-failed", "TLS with the client failed"),
    })
}

fn certificate_text(problem: &CertificateError) -> &'static str {
    match problem {
        CertificateError::Revoked => "the client's certificate is revoked",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the client's certificate has expired"
        }
        CertificateError::UnknownIssuer => "the client's certificate is of another authority than client_ca",
        CertificateError::UnknownRevocationStatus => {
            "there is no revocation list of the certificate's issuer"
        }
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            "the revocation list is out of date"
        }
        // What OpenSSL makes when it is told of no extensions.
        CertificateError::Other(other) if other.to_string().contains("UnsupportedCertVersion") => {
            "the client's certificate is of version 1 of X.509, and version 3 is needed"
        }
        _ => "the client's certificate is not good",
    }
}

fn alert_text(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired => "the client does not trust the broker's certificate",
        _ => "the client has ended TLS with an alert",
    }
}
