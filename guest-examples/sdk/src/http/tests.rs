use super::*;
use crate::scripted::{Answer, Script};

#[test]
fn what_only_asks_is_repeated_with_the_same_headers() {
    let host = Script::new(|_, count| match count {
        1 => Err(SendError::Network("reset".to_owned())),
        2 => Ok(Answer::new(429, "").header("retry-after", "7")),
        _ => Ok(Answer::new(200, "{}")),
    });
    let client = Client::new(&host, "test").with_header("accept", "application/json");
    let response = client.send(Request::ask("https://x/".to_owned())).unwrap();
    assert_eq!(response.status, 200);
    let requests = host.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(request.header("user-agent"), Some("test"));
        assert_eq!(request.header("accept"), Some("application/json"));
    }
    assert!(host.uptime() >= Duration::from_secs(7));
}

#[test]
fn what_changes_something_is_sent_once() {
    for answer in [None, Some(503), Some(429)] {
        let host = Script::new(move |_, _| match answer {
            None => Err(SendError::Timeout("30 s".to_owned())),
            Some(status) => Ok(Answer::new(status, "")),
        });
        let request = Request::act("POST", "https://x/".to_owned());
        let _ = Client::new(&host, "test").send(request);
        assert_eq!(host.requests().len(), 1, "{answer:?}");
    }
}

#[test]
fn what_can_not_have_arrived_is_sent_again() {
    let host = Script::new(|_, count| match count {
        1..=3 => Err(SendError::Unreachable("refused".to_owned())),
        _ => Ok(Answer::new(503, "")),
    });
    let client = Client::new(&host, "test");
    let act = || Request::act("POST", "https://x/".to_owned());
    assert_eq!(client.send(act()).unwrap().status, 503);
    assert_eq!(host.requests().len(), 4);
    let host = Script::new(|_, _| Err(SendError::Unreachable("refused".to_owned())));
    assert!(Client::new(&host, "test").stopping().send(act()).is_err());
    assert_eq!(host.requests().len(), 1, "there is no time");
    assert!(Client::new(&host, "test").send(act()).is_err());
    assert_eq!(host.requests().len(), 5, "not for ever");
}

#[test]
fn an_abort_ends_the_wait_between_two_tries() {
    let host = Script::new(|_, _| Ok(Answer::new(503, "").header("retry-after", "50")));
    host.abort_after(Duration::from_secs(3));
    let answer = Client::new(&host, "test").send(Request::ask("https://x/".to_owned()));
    assert!(matches!(answer, Err(SendError::Aborted)));
    assert_eq!(host.uptime(), Duration::from_secs(3));
}

#[test]
fn after_an_abort_requests_are_sent_once_and_not_waited_for_long() {
    let host = Script::new(|_, _| Ok(Answer::new(503, "")));
    host.abort_after(Duration::ZERO);
    let client = Client::new(&host, "test");
    let asked = client.send(Request::ask("https://x/".to_owned()));
    assert!(matches!(asked, Err(SendError::Aborted)));
    let answer = client.stopping().send(Request::ask("https://x/".to_owned())).unwrap();
    assert_eq!(answer.status, 503);
    let requests = host.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].timeout <= Duration::from_secs(4));
}

#[test]
fn a_secret_of_a_response_is_taken_out() {
    let host = Script::new(|_, _| Ok(Answer::new(201, r#"{"token":"hunter2","n":1}"#)));
    let mut request = Request::act("POST", "https://x/".to_owned());
    request.take_secret = Some("/token");
    let response = Client::new(&host, "test").send(request).unwrap();
    assert_eq!(response.secret.as_deref(), Some("hunter2"));
    assert!(!String::from_utf8(response.body).unwrap().contains("hunter2"));
}
