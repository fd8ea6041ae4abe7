//! `privateKey`, `privateKeyFile`, `crypto.privateKey`: the key that opens what meshStack sealed to this runner.

use secrecy::SecretString;

use super::Context;
use super::reader::{Complaint, Found, Reader, Section};
use super::show::Show;
use super::variables;

/// Where the key is looked for when nothing is configured; `blockhouse keygen` puts it there.
pub const DEFAULT_FILE: &str = "runner-private.pem";

/// Keys of the section `crypto`.
pub(super) const CRYPTO_KEYS: &[&str] = &["privateKey", "publicKey"];

/// Reads the PEM text of the key. With `required`, a missing key is a mistake.
///
/// Order: RUNNER_PRIVATE_KEY_FILE, `privateKeyFile`, `./runner-private.pem` when it exists, `privateKey` or
/// `crypto.privateKey`. That the default file wins over an inline key is what existing installations rely on: they mount
/// their key beside a configuration that ships with an example key.
pub(super) fn read(
    reader: &mut Reader<'_>,
    context: &Context<'_>,
    root: &Section<'_>,
    crypto: &Section<'_>,
    required: bool,
) -> Option<SecretString> {
    let inline = reader.either(root.find("privateKey"), crypto.find("privateKey"));
    let variable = reader.variable(variables::RUNNER_PRIVATE_KEY_FILE, "privateKeyFile");
    let file = root.find("privateKeyFile");
    if variable.is_none() {
        reader.either(inline.clone(), file.clone());
    }
    if let Some(found) = variable.or(file) {
        let key = reader.secret_file("privateKey", &found);
        return checked(reader, context, &found, key);
    }
    if reader.directory().join(DEFAULT_FILE).is_file() {
        let found = Found::existing("privateKeyFile", DEFAULT_FILE);
        if let Some(inline) = &inline {
            reader.warn(inline, "has no effect, since the file `runner-private.pem` exists");
        }
        let key = reader.secret_file("privateKey", &found);
        return checked(reader, context, &found, key);
    }
    let Some(found) = inline else {
        if required {
            let hint = "`blockhouse keygen` makes one; its path can also come from RUNNER_PRIVATE_KEY_FILE";
            let message = "is missing, and there is no file `runner-private.pem` here";
            reader.missing(root, "privateKeyFile", Complaint::from(message).hint(hint));
        }
        return None;
    };
    let key = reader.secret("privateKey", None, Some(found.clone()), None);
    checked(reader, context, &found, key)
}

/// Asks the caller's parser, so that a wrong key is a mistake here and not a failed run later.
fn checked(
    reader: &mut Reader<'_>,
    context: &Context<'_>,
    found: &Found<'_>,
    key: Option<SecretString>,
) -> Option<SecretString> {
    let key = key?;
    match (context.check_private_key)(&key) {
        Ok(()) => Some(key),
        Err(message) => {
            reader.wrong(found, message);
            None
        }
    }
}

pub(super) fn show(out: &mut Show<'_>) {
    out.secret("privateKey");
}
