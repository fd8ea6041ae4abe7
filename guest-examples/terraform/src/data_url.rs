//! Files as users upload them: `data:<mime type>;base64,<content>`.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use thiserror::Error;

/// Takes base64 with padding and without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text is no file. Never repeats the text.
#[derive(Debug, Error)]
pub(crate) enum DataUrlError {
    #[error("its content is not in base64")]
    Base64,
    #[error("it is no data URL (`data:<mime type>;base64,<content>`)")]
    Form,
}

/// The bytes of the file.
pub(crate) fn decode(url: &str) -> Result<Vec<u8>, DataUrlError> {
    let (head, content) = url.trim().split_once(',').ok_or(DataUrlError::Form)?;
    let scheme = head.get(..5).ok_or(DataUrlError::Form)?;
    let (_, encoding) = head.rsplit_once(';').ok_or(DataUrlError::Form)?;
    if !scheme.eq_ignore_ascii_case("data:") || !encoding.trim().eq_ignore_ascii_case("base64") {
        return Err(DataUrlError::Form);
    }
    BASE64.decode(content).map_err(|_| DataUrlError::Base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_decoded_byte_for_byte() {
        for (url, expected) in [
            ("data:text/plain;base64,aGVsbG8=", &b"hello"[..]),
            ("data:text/plain;charset=utf-8;base64,aGVsbG8", b"hello"),
            ("DATA:;BASE64,AP+/", &[0, 255, 191]),
            ("data:application/octet-stream;base64,", b""),
        ] {
            assert_eq!(decode(url).unwrap(), expected, "{url}");
        }
    }

    #[test]
    fn what_is_no_file_is_refused_without_repeating_it() {
        for url in [
            "",
            "hunter2",
            "data:",
            "data:,hunter2",
            "data:text/plain,hunter2",
            "dat;base64,YQ==",
            "data:a;base64,hunter2?",
            "é:;base64,YQ==",
            "data:;base64,-_8=",
        ] {
            let error = decode(url).unwrap_err();
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
