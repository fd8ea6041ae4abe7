//! What may be in a request's head, whoever wrote it.

use super::error::SendError;
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Uri};

/// Bytes of path and headers together. Against servers and proxies that fall over, and buffers of our own.
pub(super) const HEAD_MAX: usize = 64 << 10;

/// Headers of a request, and of a response.
pub(super) const HEADERS_MAX: usize = 100;

/// Headers that frame the message, choose the host or belong to the connection: what one end means by them and what the
/// other understands must not be the component's to decide.
const RESERVED: &[&str] = &[
    "connection",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a component can't set this header.
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str();
    RESERVED.contains(&name) || name.starts_with("proxy-")
}

/// A method that does what requests do.
///
/// # Errors
/// For `CONNECT`, which makes a tunnel, and `TRACE`, whose answer repeats the headers, secrets included.
pub(super) fn method(text: &str) -> Result<Method, SendError> {
    let method = Method::from_bytes(text.as_bytes());
    let method = method.map_err(|_| SendError::Invalid("the method is not a method".to_owned()))?;
    let is_banned = ["CONNECT", "TRACE", "TRACK"].iter().any(|m| text.eq_ignore_ascii_case(m));
    // SECURITY: walls::methods_that_tunnel_or_repeat_secrets_are_refused
    if is_banned {
        return Err(SendError::Invalid(format!("the method {method} can't be used")));
    }
    Ok(method)
}

/// A path with its query in origin form, as it goes into the request line.
///
/// # Errors
/// If it is anything else: a whole URL there names another host to whoever takes it seriously (GHSA-5qpp-g3j2-8frx).
// SECURITY: walls::a_path_that_is_a_url_is_refused
pub(super) fn path(text: &str) -> Result<PathAndQuery, SendError> {
    let invalid = || SendError::Invalid("the path of the URL is not a path".to_owned());
    let path = match text.as_bytes().first() {
        None => "/".to_owned(),
        Some(b'/') => text.to_owned(),
        Some(b'?') => format!("/{text}"),
        Some(_) => return Err(invalid()),
    };
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) || path.len() > HEAD_MAX {
        return Err(invalid());
    }
    path.parse().map_err(|_| invalid())
}

/// Checks the headers that a component set; `length` is the body's, if it is known.
///
/// # Errors
/// If it set what is the host's, or too much.
pub(super) fn check(
    path: &PathAndQuery,
    headers: &HeaderMap,
    length: Option<u64>,
) -> Result<(), SendError> {
    // SECURITY: walls::headers_of_the_host_are_refused
    if let Some(name) = headers.keys().find(|name| is_reserved(name)) {
        return Err(SendError::Invalid(format!("the header `{name}` can't be set by a component")));
    }
    let size = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let size = size.sum::<usize>() + path.as_str().len();
    if size > HEAD_MAX || headers.len() > HEADERS_MAX {
        return Err(SendError::Invalid(format!(
            "the request's head is too large: {HEADERS_MAX} headers and {} KiB are allowed",
            HEAD_MAX >> 10
        )));
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let declared = lengths.next();
    let contradicts = declared.is_some_and(|declared| {
        let declared = declared.to_str().ok().filter(|text| is_number(text));
        let declared = declared.and_then(|text| text.parse::<u64>().ok());
        declared.is_none() || length.is_some_and(|length| declared != Some(length))
    });
    // SECURITY: walls::a_length_that_contradicts_the_body_is_refused
    if contradicts || lengths.next().is_some() {
        let text = "the header `content-length` contradicts the body; it may be left out";
        return Err(SendError::Invalid(text.to_owned()));
    }
    Ok(())
}

/// The length that was declared; `check` has seen it.
pub(super) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// `parse` would take a sign.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The request line's URI for a server, or for a proxy that is to go to `origin` (`http://host:port`).
pub(super) fn uri(path: PathAndQuery, origin: Option<&str>) -> Result<Uri, SendError> {
    let uri = match origin {
        None => Ok(Uri::from(path)),
        Some(origin) => format!("{origin}{path}").parse(),
    };
    uri.map_err(|_| SendError::Invalid("the URL can't be sent to a proxy".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn checked(pairs: &[(&'static str, &str)], length: Option<u64>) -> Result<(), SendError> {
        check(&PathAndQuery::from_static("/"), &headers(pairs), length)
    }

    #[test]
    fn a_path_is_in_origin_form() {
        for (text, whole) in
            [("", "/"), ("?a=b", "/?a=b"), ("/a/../b?c", "/a/../b?c"), ("//x", "//x")]
        {
            assert_eq!(path(text).unwrap().as_str(), whole);
        }
        for text in ["http://evil.example/", "*", "x", "/a b", "/a\r\nx: y", "/\u{fc}", "/\0", "@x"]
        {
            assert!(path(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_path_stays_as_it_was_written() {
        let text = "/a/%2e%2E/./b//c;d?x=%00&y=[]";
        assert_eq!(uri(path(text).unwrap(), None).unwrap().to_string(), text);
        let absolute = uri(path(text).unwrap(), Some("http://host:80")).unwrap();
        assert_eq!(absolute.to_string(), format!("http://host:80{text}"));
    }

    #[test]
    fn what_belongs_to_the_connection_is_reserved() {
        for name in RESERVED.iter().copied().chain(["proxy-authorization", "proxy-anything"]) {
            assert!(checked(&[(name, "x")], None).is_err(), "{name}");
        }
        assert!(checked(&[("authorization", "x"), ("accept", "*/*")], None).is_ok());
    }

    #[test]
    fn lengths_are_numbers_and_true() {
        assert!(checked(&[("content-length", "5")], Some(5)).is_ok());
        assert!(checked(&[("content-length", "5")], None).is_ok());
        for text in ["6", "+5", "-5", " 5", "5,5", "", "99999999999999999999"] {
            assert!(checked(&[("content-length", text)], Some(5)).is_err(), "{text:?}");
        }
        assert!(checked(&[("content-length", "5"), ("content-length", "5")], Some(5)).is_err());
    }

    #[test]
    fn heads_are_bounded() {
        let long = "x".repeat(HEAD_MAX);
        assert!(checked(&[("x-long", &long)], None).is_err());
        let many = vec![("x-many", "y"); HEADERS_MAX + 1];
        assert!(checked(&many, None).is_err());
    }

    #[test]
    fn methods_that_do_something_else_are_refused() {
        for text in ["CONNECT", "TRACE", "trace", "TRACK", "", "G E T", "GET\r\n"] {
            assert!(method(text).is_err(), "{text:?}");
        }
        for text in ["GET", "PROPFIND"] {
            assert_eq!(method(text).unwrap().as_str(), text);
        }
    }
}
