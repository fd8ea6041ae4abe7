//! Verifies what an App signs, by GitHub's rules. Main function: [`verify`].

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use time::OffsetDateTime;

/// GitHub's limit from its own time to `exp`.
const AHEAD_MAX_SECONDS: i64 = 600;

/// What is wrong with a token, and whether a correct client can't bring it about.
pub(super) struct Flaw {
    pub(super) message: &'static str,
    pub(super) is_breach: bool,
}

fn breach(message: &'static str) -> Flaw {
    Flaw { message, is_breach: true }
}

/// `iss` is the App's id or client id, as a number or as text.
pub(super) fn verify(token: &str, key: &[u8], app: &str, now: OffsetDateTime) -> Result<(), Flaw> {
    const UNREADABLE: &str = "A JSON web token could not be decoded";
    let undecoded = || breach(UNREADABLE);
    let (signed, signature) = token.rsplit_once('.').ok_or_else(undecoded)?;
    let (header, claims) = signed.split_once('.').ok_or_else(undecoded)?;
    let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).ok();
    let json = |part: &str| serde_json::from_slice::<Value>(&decode(part)?).ok();
    let header = json(header).ok_or_else(undecoded)?;
    let claims = json(claims).ok_or_else(undecoded)?;
    let signature = decode(signature).ok_or_else(undecoded)?;
    if header.get("alg").is_none_or(|alg| alg != "RS256")
        || header.get("typ").is_some_and(|typ| typ != "JWT")
    {
        return Err(undecoded());
    }
    let issuer = match claims.get("iss") {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        _ => return Err(breach("'Issuer' claim ('iss') must be an Integer")),
    };
    // An operator can name another app, and have another app's key.
    if issuer != app {
        return Err(Flaw { message: "Integration not found", is_breach: false });
    }
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
    if key.verify(signed.as_bytes(), &signature).is_err() {
        return Err(Flaw { message: UNREADABLE, is_breach: false });
    }
    check_times(&claims, now.unix_timestamp())
}

fn check_times(claims: &Value, now: i64) -> Result<(), Flaw> {
    let seconds = |claim: &str| claims.get(claim).and_then(Value::as_i64);
    let Some(issued) = seconds("iat") else {
        return Err(breach(
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        ));
    };
    let Some(expires) = seconds("exp").filter(|expires| *expires > now) else {
        return Err(breach(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the \
             assertion expires",
        ));
    };
    if issued > now {
        return Err(breach("'Issued at' claim ('iat') is in the future"));
    }
    if expires > now + AHEAD_MAX_SECONDS || expires - issued > AHEAD_MAX_SECONDS {
        return Err(breach("'Expiration time' claim ('exp') is too far in the future"));
    }
    Ok(())
}
