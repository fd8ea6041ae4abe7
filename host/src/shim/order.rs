//! What a shim is told by its standard input: [`Order`].

use super::Spec;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write as _};
use zeroize::Zeroizing;

/// Bytes of one order, most of them input of the program. Our own daemon sends it; without a limit, any other bytes would be taken
/// for a length.
const ORDER_MAX: u64 = 256 << 20;

/// Bytes that are read before more memory is asked for.
const CHUNK: u64 = 64 << 10;

/// Length in eight bytes, then JSON.
#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    /// See [`super::MARK`].
    pub(super) operation: String,
    pub(super) spec: Spec,
}

impl Order {
    pub(super) fn encode(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut frame = Zeroizing::new(Vec::with_capacity(64 << 10));
        frame.write_all(&[0; size_of::<u64>()])?;
        serde_json::to_writer(&mut *frame, self)?;
        let length = (frame.len().saturating_sub(size_of::<u64>()) as u64).to_le_bytes();
        for (byte, new) in frame.iter_mut().zip(length) {
            *byte = new;
        }
        Ok(frame)
    }

    /// Reads no byte more than it needs.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut length = [0; size_of::<u64>()];
        from.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > ORDER_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        bytes.reserve(usize::try_from(length.min(CHUNK)).unwrap_or_default());
        from.take(length).read_to_end(&mut bytes)?;
        serde_json::from_slice(&bytes).map_err(without_content)
    }
}

/// The text of the error can hold parts of what is read.
fn without_content(error: serde_json::Error) -> io::Error {
    let (line, column) = (error.line(), error.column());
    let what = format!("it is not an order at line {line} column {column}");
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confine::Confinement;
    use crate::shim::{Ladder, Orphan};
    use std::time::Duration;

    fn order() -> Order {
        let second = Duration::from_secs(1);
        let spec = Spec {
            program: "/bin/true".into(),
            arguments: vec!["a".to_owned()],
            environment: vec![("NAME".to_owned(), "hunter2".to_owned())],
            directory: "/".into(),
            stdin: b"\0\xff".to_vec(),
            confinement: Confinement::default(),
            ladder: Ladder {
                grace: second,
                stall: None,
                limit: second,
                force: second,
                orphan: Orphan::IsInterrupted,
            },
            timeout: second,
            output_max: 1,
        };
        Order { operation: "abc".to_owned(), spec }
    }

    #[test]
    fn an_order_is_read_up_to_its_end_and_no_further() {
        let mut bytes = order().encode().unwrap().to_vec();
        bytes.extend(b"rest");
        let mut from = &bytes[..];
        let read = Order::read(&mut from).unwrap();
        assert_eq!((read.operation.as_str(), &read.spec.stdin[..]), ("abc", &b"\0\xff"[..]));
        assert_eq!(from, b"rest");
    }

    #[test]
    fn a_torn_order_is_an_error_that_tells_nothing_of_it() {
        let bytes = order().encode().unwrap();
        for length in [0, 4, 8, 20, bytes.len() - 1] {
            let error = Order::read(&mut &bytes[..length]).err().unwrap();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let mut wrong = bytes.to_vec();
        let at = wrong.windows(10).position(|window| window == b"\"hunter2\"]").unwrap();
        wrong[at + 9] = b'}';
        let error = Order::read(&mut &wrong[..]).err().unwrap();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        let endless = [&[0xff; 8][..], b"x"].concat();
        assert!(Order::read(&mut &endless[..]).is_err());
    }
}
