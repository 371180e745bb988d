//! Who clients are, and what they may do.

use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;

use super::ListenerConfig;

/// Where users and their rights come from, for listeners that name no source of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthConfig {
    /// User names and hashes of passwords.
    pub password_file: Option<PathBuf>,
    /// An access list. With one, all is denied that it does not grant.
    pub acl_file: Option<PathBuf>,
    /// Tokens that are taken as passwords.
    pub jwt: JwtConfig,
    /// A service that is asked who clients are.
    pub http: HttpAuthConfig,
    /// Whether users that have keys for it in the password file may use SCRAM-SHA-256.
    pub scram: bool,
}

impl Default for AuthConfig {
    fn default() -> AuthConfig {
        AuthConfig {
            password_file: None,
            acl_file: None,
            jwt: JwtConfig::default(),
            http: HttpAuthConfig::default(),
            scram: true,
        }
    }
}

/// JSON Web Tokens that are taken as passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtConfig {
    /// The public key of who signs them, in PEM, or a shared secret. `None`: none are taken.
    pub key_file: Option<PathBuf>,
    /// The algorithms that may be used. The kind of key says which is.
    pub algorithms: Vec<JwtAlgorithm>,
    /// Whom they must be meant for. Empty: anybody.
    pub audience: String,
    /// The claim that names the user.
    pub username_claim: String,
}

impl Default for JwtConfig {
    fn default() -> JwtConfig {
        JwtConfig {
            key_file: None,
            algorithms: JwtAlgorithm::ALL.to_vec(),
            audience: String::new(),
            username_claim: "sub".into(),
        }
    }
}

/// A service that is asked by HTTP who clients are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAuthConfig {
    /// Where requests are posted to. `None`: nobody is asked.
    pub url: Option<String>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long it is remembered that a client was let in. 0: not at all.
    pub cache: Duration,
    /// What becomes of clients when there is no answer.
    pub on_error: OnError,
    /// Authorities that the service's certificate may be of, in PEM. `None`: those of the system.
    pub ca: Option<PathBuf>,
}

impl Default for HttpAuthConfig {
    fn default() -> HttpAuthConfig {
        HttpAuthConfig {
            url: None,
            timeout: Duration::from_secs(3),
            cache: Duration::from_secs(60),
            on_error: OnError::Deny,
            ca: None,
        }
    }
}

/// What becomes of clients when the service gives no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// They are refused.
    #[default]
    Deny,
    /// The next source is asked, as if the service had left it to that.
    Ignore,
}

/// What is wrong with the URL of a service.
pub(super) fn check_url(text: &str) -> Result<(), String> {
    let uri: Uri = text.parse().map_err(|_| "is not a URL")?;
    match uri.authority().map(|authority| authority.as_str()) {
        _ if !matches!(uri.scheme_str(), Some("http" | "https")) => {
            Err("must begin with http:// or https://".into())
        }
        None => Err("must name a host".into()),
        Some(authority) if authority.contains('@') => Err("must not hold a user or a password".into()),
        Some(_) if uri.host().is_none_or(str::is_empty) => Err("must name a host".into()),
        Some(_) if text.contains('#') => Err("must not have a fragment".into()),
        Some(_) => Ok(()),
    }
}

/// An algorithm that tokens are signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtAlgorithm {
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// HMAC with SHA-256, with a secret that both sides have.
    Hs256,
}

impl JwtAlgorithm {
    pub(super) const ALL: [JwtAlgorithm; 4] =
        [JwtAlgorithm::Rs256, JwtAlgorithm::Es256, JwtAlgorithm::EdDsa, JwtAlgorithm::Hs256];

    /// Its name in RFC 7518 and RFC 8037.
    pub fn name(self) -> &'static str {
        match self {
            JwtAlgorithm::Rs256 => "RS256",
            JwtAlgorithm::Es256 => "ES256",
            JwtAlgorithm::EdDsa => "EdDSA",
            JwtAlgorithm::Hs256 => "HS256",
        }
    }
}

impl AuthConfig {
    /// Whether clients of this listener can say who they are.
    pub fn authenticates(&self, listener: &ListenerConfig) -> bool {
        listener.password_file.is_some()
            || self.password_file.is_some()
            || self.jwt.key_file.is_some()
            || self.http.url.is_some()
    }
}
