//! As much of protobuf and MessagePack as the provider needs. Main type: [`Message`].

use bytes::Bytes;
use std::collections::BTreeMap;

/// The numbers of the fields in `tfplugin6.proto`, by message.
pub(crate) mod field {
    pub(crate) mod apply {
        pub(crate) const PLANNED: u64 = 3;
        pub(crate) const NEW: u64 = 1;
        pub(crate) const DIAGNOSTICS: u64 = 3;
    }
    pub(crate) mod attribute {
        pub(crate) const NAME: u64 = 1;
        pub(crate) const TYPE: u64 = 2;
        pub(crate) const REQUIRED: u64 = 4;
        pub(crate) const OPTIONAL: u64 = 5;
    }
    pub(crate) mod block {
        pub(crate) const ATTRIBUTES: u64 = 2;
    }
    pub(crate) mod configure {
        pub(crate) const CONFIG: u64 = 2;
        pub(crate) const DIAGNOSTICS: u64 = 1;
    }
    pub(crate) mod diagnostic {
        pub(crate) const SEVERITY: u64 = 1;
        pub(crate) const SUMMARY: u64 = 2;
        /// A value of `SEVERITY`.
        pub(crate) const ERROR: u64 = 1;
    }
    pub(crate) mod entry {
        pub(crate) const KEY: u64 = 1;
        pub(crate) const VALUE: u64 = 2;
    }
    pub(crate) mod plan {
        pub(crate) const PROPOSED: u64 = 3;
        pub(crate) const PLANNED: u64 = 1;
    }
    pub(crate) mod read {
        pub(crate) const CURRENT: u64 = 2;
        pub(crate) const NEW: u64 = 1;
    }
    pub(crate) mod schema {
        pub(crate) const BLOCK: u64 = 2;
    }
    pub(crate) mod schemas {
        pub(crate) const PROVIDER: u64 = 1;
        pub(crate) const RESOURCES: u64 = 2;
    }
    pub(crate) mod upgrade {
        pub(crate) const RAW: u64 = 3;
        pub(crate) const RAW_JSON: u64 = 1;
        pub(crate) const UPGRADED: u64 = 1;
    }
    pub(crate) mod value {
        pub(crate) const MSGPACK: u64 = 1;
        pub(crate) const JSON: u64 = 2;
    }
}

/// A protobuf message: one to be sent, and of one received the fields that are bytes, messages or texts.
#[derive(Debug, Default)]
pub(crate) struct Message {
    encoded: Vec<u8>,
    fields: BTreeMap<u64, Vec<u8>>,
}

impl Message {
    /// Reads what there is; whatever is no message ends there.
    pub(crate) fn parse(mut input: &[u8]) -> Self {
        let mut message = Self::default();
        while let Some(tag) = varint(&mut input) {
            let length = match tag & 7 {
                0 => varint(&mut input).map(|_| 0),
                1 => Some(8),
                2 => varint(&mut input),
                5 => Some(4),
                _ => None,
            };
            let length = length.and_then(|length| usize::try_from(length).ok());
            let Some((value, rest)) = length.and_then(|length| input.split_at_checked(length))
            else {
                break;
            };
            if tag & 7 == 2 {
                message.fields.insert(tag >> 3, value.to_vec());
            }
            input = rest;
        }
        message
    }

    /// The bytes of a field; empty when it is not there.
    pub(crate) fn bytes(&self, field: u64) -> &[u8] {
        self.fields.get(&field).map(Vec::as_slice).unwrap_or_default()
    }

    /// With a field of bytes.
    pub(crate) fn put(mut self, field: u64, value: &[u8]) -> Self {
        self.write_varint(field << 3 | 2);
        self.write_varint(value.len() as u64);
        self.encoded.extend_from_slice(value);
        self
    }

    /// With a field that is a message.
    pub(crate) fn message(self, field: u64, value: Self) -> Self {
        self.put(field, &value.encoded)
    }

    /// With a field that is a number.
    pub(crate) fn number(mut self, field: u64, value: u64) -> Self {
        self.write_varint(field << 3);
        self.write_varint(value);
        self
    }

    /// As gRPC sends it: not compressed, its length before it.
    pub(crate) fn framed(self) -> Bytes {
        let length = u32::try_from(self.encoded.len()).unwrap_or(u32::MAX);
        let mut framed = vec![0];
        framed.extend(length.to_be_bytes());
        framed.extend(self.encoded);
        framed.into()
    }

    fn write_varint(&mut self, mut value: u64) {
        loop {
            let [byte, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                self.encoded.push(byte & 0x7F);
                return;
            }
            self.encoded.push(byte | 0x80);
        }
    }
}

fn varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The attributes of a value (in its message, in MessagePack) that are texts; those that are null or unknown are left out.
pub(crate) fn attributes(value: &[u8]) -> BTreeMap<String, String> {
    let value = Message::parse(value);
    let mut input = value.bytes(field::value::MSGPACK);
    let mut found = BTreeMap::new();
    let entries = match input.split_first() {
        Some((first @ 0x80..=0x8F, rest)) => {
            input = rest;
            first & 0x0F
        }
        _ => 0,
    };
    for _ in 0..entries {
        let Some(Some(key)) = text(&mut input) else { break };
        let Some(value) = text(&mut input) else { break };
        found.extend(value.map(|value| (key, value)));
    }
    found
}

/// A text, or nothing for null and unknown. None: something else, or the end.
fn text(input: &mut &[u8]) -> Option<Option<String>> {
    let (first, rest) = input.split_first()?;
    let (length, rest) = match first {
        0xA0..=0xBF => (usize::from(first & 0x1F), rest),
        0xC0 => {
            *input = rest;
            return Some(None);
        }
        // Unknown: an extension of one byte.
        0xD4 => {
            *input = rest.get(2..)?;
            return Some(None);
        }
        0xD9 => (usize::from(*rest.first()?), rest.get(1..)?),
        0xDA => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (text, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some(Some(String::from_utf8_lossy(text).into_owned()))
}
