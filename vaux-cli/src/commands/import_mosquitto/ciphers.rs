//! Lists of ciphers, as OpenSSL writes them.
//!
//! vaux has six suites for TLS 1.2 and three for TLS 1.3, all with forward secrecy and authenticated encryption. A list
//! that holds all of them loses nothing. One that leaves out some of them does: clients could use those.

use vaux_broker::config::TlsVersion;

use super::report::Report;
use super::sort::Listener;
use crate::cli_error::CliError;

const TLS_1_2: [&str; 6] = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

const TLS_1_3: [&str; 3] =
    ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"];

/// Words that stand for all of them, and others.
const ALL: [&str; 6] = ["ALL", "DEFAULT", "HIGH", "ECDHE", "EECDH", "kEECDH"];

/// Words that stand for none of them.
const NONE: [&str; 32] = [
    "3DES", "ADH", "AECDH", "ARIA", "CAMELLIA", "CBC", "DES", "DH", "DHE", "DSS", "ECDH", "EDH", "EXP",
    "EXPORT", "IDEA", "LOW", "MD5", "MEDIUM", "NULL", "PSK", "RC2", "RC4", "SEED", "SHA", "SHA1", "SRP",
    "aDSS", "aNULL", "eNULL", "kDHE", "kPSK", "kRSA",
];

pub(super) fn check(source: &Listener, min_version: TlsVersion, report: &mut Report) -> Result<(), CliError> {
    const LOSES_NOTHING: &str = "vaux has its own, all of which are in this list";
    if let Some(directive) = source.find("ciphers") {
        let list = directive.text()?;
        match min_version {
            TlsVersion::Tls13 => {
                report.note(directive, "is about TLS 1.2, which this listener does not speak")
            }
            TlsVersion::Tls12 if holds_all(&list, &TLS_1_2) => report.note(directive, LOSES_NOTHING),
            TlsVersion::Tls12 => report.refuse(directive, loses(&TLS_1_2)),
        }
    }
    if let Some(directive) = source.find("ciphers_tls1.3") {
        let list = directive.text()?;
        match holds_all(&list, &TLS_1_3) {
            true => report.note(directive, LOSES_NOTHING),
            false => report.refuse(directive, loses(&TLS_1_3)),
        }
    }
    Ok(())
}

fn loses(suites: &[&str]) -> String {
    format!("vaux has its own, and the list does not clearly hold all of them: {}", suites.join(" "))
}

/// Whether a list certainly holds all of these.
fn holds_all(list: &str, suites: &[&str]) -> bool {
    let words = || list.split([':', ',', ' ', ';']).filter(|word| !word.is_empty());
    let takes_away = |word: &str| {
        let name = word.strip_prefix(['!', '-']);
        name.is_some_and(|name| !NONE.contains(&name))
    };
    let holds = |suite: &&str| words().any(|word| word == *suite || ALL.contains(&word));
    !words().any(takes_away) && suites.iter().all(holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_may_leave_out_what_vaux_has_does_not_hold_all() {
        for (list, is_all) in [
            ("HIGH:!aNULL:!MD5", true),
            ("DEFAULT", true),
            ("ECDHE:!SHA", true),
            (&TLS_1_2.join(":"), true),
            (&format!("{}:AES256-SHA", TLS_1_2.join(":")), true),
            (&TLS_1_2[1..].join(":"), false),
            ("HIGH:!AESGCM", false),
            ("HIGH:!ECDHE-RSA-AES128-GCM-SHA256", false),
            ("ECDHE+AESGCM", false),
            ("PSK", false),
            ("", false),
        ] {
            assert_eq!(holds_all(list, &TLS_1_2), is_all, "{list}");
        }
        assert!(holds_all(&TLS_1_3.join(":"), &TLS_1_3));
        assert!(!holds_all("TLS_AES_256_GCM_SHA384", &TLS_1_3));
    }
}
