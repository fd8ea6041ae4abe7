//! Makes sure that the state goes where it is expected: [`check`] reads what `init` has made of the configuration.
//!
//! The configuration comes from a repository. One that has a backend of its own would have the credentials sent elsewhere, and one
//! without any would have its state in a directory that is removed.

use super::files;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use url::Url;

/// Bytes of the file.
const FILE_MAX: u64 = 4 << 20;

#[derive(Deserialize)]
struct Initialized {
    backend: Option<Backend>,
}

/// What `init` has made of a backend.
#[derive(Deserialize)]
pub(super) struct Backend {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    config: BTreeMap<String, Value>,
}

impl Backend {
    /// A setting of the configuration; none if it is not there.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.config.get(name).and_then(Value::as_str)
    }
}

/// Reads it from a data directory. An error says why there is none. Blocks.
pub(super) fn read(data: &Path) -> Result<Backend, String> {
    let path = data.join("terraform.tfstate");
    let text = files::read(&path, FILE_MAX)
        .map_err(|error| format!("what `init` has made of the backend can't be read: {error}"))?;
    text.and_then(|text| serde_json::from_slice::<Initialized>(&text).ok())
        .and_then(|initialized| initialized.backend)
        .ok_or_else(|| {
            "the configuration has no backend, so that its state would be lost".to_owned()
        })
}

/// An error says why state and credentials would not go to this address, and nowhere else. Blocks.
pub(super) fn check(data: &Path, address: &Url) -> Result<(), String> {
    let backend = read(data)?;
    if backend.kind != "http" {
        return Err(format!("the configuration has a backend of its own: `{}`", backend.kind));
    }
    // SECURITY: terraform::backend::only_the_expected_address_gets_state_and_credentials
    if backend.text("address") != Some(address.as_str()) {
        return Err("the configuration has another address for its state".to_owned());
    }
    for name in ["lock_address", "unlock_address"] {
        if backend.text(name).is_some_and(|other| other != address.as_str()) {
            return Err(format!(
                "the configuration sets `{name}`, where credentials would be sent to"
            ));
        }
    }
    if backend.config.get("skip_cert_verification").and_then(Value::as_bool) == Some(true) {
        return Err("the configuration sets `skip_cert_verification`".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_the_expected_address_gets_state_and_credentials() {
        let place = tempfile::tempdir().unwrap();
        let address = Url::parse("https://mesh.example/state/1").unwrap();
        let with = |backend: &str| {
            let text = format!(r#"{{"version":3,"backend":{backend}}}"#);
            fs::write(place.path().join("terraform.tfstate"), text).unwrap();
            check(place.path(), &address)
        };
        check(place.path(), &address).unwrap_err();
        let ours = r#""address":"https://mesh.example/state/1""#;
        with(&format!(r#"{{"type":"http","config":{{{ours},"lock_address":null}}}}"#)).unwrap();
        for other in [
            "null".to_owned(),
            r#"{"type":"local","config":{}}"#.to_owned(),
            format!(r#"{{"type":"s3","config":{{{ours}}}}}"#),
            r#"{"type":"http","config":{"address":"https://evil.example/"}}"#.to_owned(),
            format!(
                r#"{{"type":"http","config":{{{ours},"lock_address":"https://evil.example"}}}}"#
            ),
            format!(
                r#"{{"type":"http","config":{{{ours},"unlock_address":"https://evil.example"}}}}"#
            ),
            format!(r#"{{"type":"http","config":{{{ours},"skip_cert_verification":true}}}}"#),
        ] {
            with(&other).unwrap_err();
        }
        fs::write(place.path().join("terraform.tfstate"), "{").unwrap();
        check(place.path(), &address).unwrap_err();
    }
}
