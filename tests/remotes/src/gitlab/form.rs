//! Reads a form of several parts, as strictly as needed to compare it byte for byte. Main type: [`Form`].

use std::collections::BTreeMap;
use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use multer::Multipart;

/// The fields of a `multipart/form-data`.
#[derive(Debug, Default)]
pub(crate) struct Form {
    pub(crate) plain: BTreeMap<String, String>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) inputs: BTreeMap<String, String>,
    /// What a strict reader finds odd. Names only, never values.
    pub(crate) oddities: Vec<String>,
}

impl Form {
    /// What is wrong is said without the body's text.
    pub(crate) fn read(content_type: &str, body: &Bytes) -> Result<Self, String> {
        let boundary = multer::parse_boundary(content_type).map_err(|err| err.to_string())?;
        let end = format!("--{boundary}--");
        let mut form = Self::default();
        let tail = body.trim_ascii_end();
        if !tail.ends_with(end.as_bytes()) {
            form.oddities.push("the form does not end with its boundary".to_owned());
        }
        let whole = stream::once(std::future::ready(Ok::<_, Infallible>(body.clone())));
        let parts = Multipart::new(whole, boundary);
        // All of it is there: a future that waits nevertheless waits for bytes that will never come.
        match form.take(parts).now_or_never() {
            Some(Ok(())) => Ok(form),
            Some(Err(err)) => Err(err.to_string()),
            None => Err("the form breaks off".to_owned()),
        }
    }

    async fn take(&mut self, mut parts: Multipart<'_>) -> Result<(), multer::Error> {
        while let Some(part) = parts.next_field().await? {
            let name = part.name().unwrap_or_default().to_owned();
            if part.file_name().is_some() {
                self.oddities.push(format!("the field `{name}` is a file"));
            }
            let bytes = part.bytes().await?;
            let value = String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| {
                self.oddities.push(format!("the field `{name}` is no UTF-8"));
                String::from_utf8_lossy(&bytes).into_owned()
            });
            self.put(name, value);
        }
        Ok(())
    }

    fn put(&mut self, name: String, value: String) {
        let key = |prefix: &str| name.strip_prefix(prefix)?.strip_suffix(']').map(str::to_owned);
        let (map, key) = match (key("variables["), key("inputs[")) {
            (Some(key), _) => (&mut self.variables, key),
            (_, Some(key)) => (&mut self.inputs, key),
            _ => (&mut self.plain, name.clone()),
        };
        if key.is_empty() || key.contains(['[', ']']) {
            self.oddities.push(format!("the field `{name}` has no usable name"));
        }
        if map.insert(key, value).is_some() {
            self.oddities.push(format!("the field `{name}` is there twice"));
        }
    }
}
