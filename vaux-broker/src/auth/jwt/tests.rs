//! Which tokens are taken.

use super::samples::SAMPLES;
use super::*;

const NOW: f64 = 1_795_000_000.0;

fn tokens(key: &str, change: impl FnOnce(&mut JwtConfig)) -> Result<Tokens, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, key).unwrap();
    let mut config = JwtConfig { key_file: Some(path), ..JwtConfig::default() };
    change(&mut config);
    let tokens = Tokens::read(&config).map_err(|error| error.message)?;
    Ok(tokens.expect("a file is configured"))
}

/// The user whom a token names.
fn named_by(tokens: &Tokens, token: &str, now_s: f64) -> Option<String> {
    tokens.read_token(token, now_s).map(|named| named.user)
}

/// A token with these parts, signed with the secret of the samples.
fn signed(header: &str, claims: &str) -> String {
    let secret = SAMPLES[3].1.trim_end();
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

#[test]
fn tokens_of_others_name_their_user() {
    for (name, key, token) in SAMPLES {
        let tokens = tokens(key, |_| {}).unwrap();
        assert_eq!(tokens.algorithm.name(), name);
        assert_eq!(named_by(&tokens, token, NOW).as_deref(), Some("alice"), "{name}");
        assert_eq!(is_token(token.as_bytes()), Some(token));
        assert_eq!(named_by(&tokens, token, 4_102_444_800.0), None, "{name} is over");
    }
}

#[test]
fn a_token_that_was_touched_is_not_taken() {
    for (name, key, token) in SAMPLES {
        let tokens = tokens(key, |_| {}).unwrap();
        for index in 0..token.len() {
            let mut bytes = token.as_bytes().to_vec();
            bytes[index] = if bytes[index] == b'A' { b'Q' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            if changed != token {
                assert_eq!(named_by(&tokens, &changed, NOW), None, "{name} {index}");
            }
        }
        for (_, _, other) in SAMPLES.into_iter().filter(|(other, ..)| *other != name) {
            assert_eq!(named_by(&tokens, other, NOW), None, "{name}");
        }
    }
}

#[test]
fn a_public_key_is_never_a_secret_and_no_algorithm_is_none() {
    let (_, key, _) = SAMPLES[0];
    let tokens = tokens(key, |_| {}).unwrap();
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#),
        URL_SAFE_NO_PAD.encode(r#"{"sub":"alice","exp":4102444800}"#)
    );
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), message.as_bytes());
    assert_eq!(named_by(&tokens, &format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag)), NOW), None);
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"alice","exp":4102444800}"#);
    assert_eq!(named_by(&tokens, &format!("{none}.{claims}."), NOW), None);
}

#[test]
fn claims_are_checked() {
    let tokens = tokens(SAMPLES[3].1, |config| config.audience = "mqtt".into()).unwrap();
    let header = r#"{"alg":"HS256"}"#;
    for (claims, user) in [
        (r#"{"sub":"bob","exp":1795000001,"aud":"mqtt"}"#, Some("bob")),
        (r#"{"sub":"bob","exp":1795000001.5,"aud":["x","mqtt"],"nbf":1795000030}"#, Some("bob")),
        (r#"{"sub":"bob","exp":1795000000,"aud":"mqtt"}"#, None),
        (r#"{"sub":"bob","aud":"mqtt"}"#, None),
        (r#"{"sub":"bob","exp":"1795000001","aud":"mqtt"}"#, None),
        (r#"{"sub":"bob","exp":1795000001,"aud":"mqtt","nbf":1795000100}"#, None),
        (r#"{"sub":"bob","exp":1795000001,"aud":"mqtt","nbf":"0"}"#, None),
        (r#"{"sub":"bob","exp":1795000001,"aud":"web"}"#, None),
        (r#"{"sub":"bob","exp":1795000001}"#, None),
        (r#"{"sub":7,"exp":1795000001,"aud":"mqtt"}"#, None),
        (r#"{"sub":"","exp":1795000001,"aud":"mqtt"}"#, None),
        (r#"{"sub":"$operator","exp":1795000001,"aud":"mqtt"}"#, None),
        (r#"{"exp":1795000001,"aud":"mqtt"}"#, None),
        (r#"["sub"]"#, None),
    ] {
        assert_eq!(named_by(&tokens, &signed(header, claims), NOW).as_deref(), user, "{claims}");
    }
    let good = r#"{"sub":"bob","exp":1795000001,"aud":"mqtt"}"#;
    assert_eq!(named_by(&tokens, &signed(r#"{"alg":"HS256","crit":["b64"]}"#, good), NOW), None);
    assert_eq!(named_by(&tokens, &signed(r#"{"alg":"hs256"}"#, good), NOW), None);
}

#[test]
fn another_claim_can_name_the_user() {
    let tokens = tokens(SAMPLES[3].1, |config| config.username_claim = "name".into()).unwrap();
    assert_eq!(named_by(&tokens, SAMPLES[3].2, NOW).as_deref(), Some("Alice"));
}

#[test]
fn keys_that_cannot_be_used_are_refused() {
    let problem = |key: &str| tokens(key, |_| {}).unwrap_err();
    assert_eq!(problem("short\n"), "holds neither a PEM key nor a secret of at least 32 bytes");
    assert_eq!(problem(""), "holds neither a PEM key nor a secret of at least 32 bytes");
    let (_, pem, _) = SAMPLES[1];
    let half = format!("{}\n", &pem[..60]);
    assert_eq!(problem(&half), "holds no public key of RSA, P-256 or Ed25519 in PEM");
    let not_wanted = tokens(pem, |config| config.algorithms = vec![JwtAlgorithm::Rs256]).unwrap_err();
    assert_eq!(not_wanted, "holds a key for ES256, which is not among the algorithms of [auth.jwt]");
}

#[test]
fn a_password_is_not_taken_for_a_token() {
    for password in [&b"secret"[..], b"a.b.c", b"..", b"e30.e30.", b"\xff.a.b", b"eyJhbGciOiJIUzI1NiJ9.x"] {
        assert_eq!(is_token(password), None, "{password:?}");
    }
}
