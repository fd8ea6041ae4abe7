//! What the host makes of parts; secrets are their own text here.

use crate::data_url;
use crate::inputs::Part;
use crate::literal::{Literal, quoted};

pub(super) fn bytes(parts: &[Part<&str>]) -> Vec<u8> {
    let parts = parts.iter().flat_map(|part| match part {
        Part::Bytes(bytes) => bytes.clone(),
        Part::RunDocument => b"cnVu".to_vec(),
        Part::Secret(secret) => secret.as_bytes().to_vec(),
        Part::SecretAsJson(secret) => match Literal::from_json(secret) {
            Ok(_) => secret.as_bytes().to_vec(),
            Err(_) => quoted(secret).into_bytes(),
        },
        Part::SecretAsJsonText(secret) => match Literal::from_json(secret) {
            Ok(Literal::Text(text)) => quoted(&text).into_bytes(),
            Ok(value) => quoted(&value.to_json()).into_bytes(),
            Err(_) => quoted(secret).into_bytes(),
        },
        Part::SecretContent(url) => data_url::decode(url).unwrap(),
        Part::SecretInJson(secret) => {
            let quoted = quoted(secret);
            quoted.as_bytes()[1..quoted.len() - 1].to_vec()
        }
        Part::Text(text) => text.as_bytes().to_vec(),
    });
    parts.collect()
}

pub(super) fn join(parts: &[Part<&str>]) -> String {
    String::from_utf8(bytes(parts)).unwrap()
}
