//! What becomes of a secret that a component was shown and does not keep to itself.

use crate::trial::{Ended, Trial};

/// Everything that anybody but meshStack's vault can read of a run.
fn readable(ended: &Ended) -> Vec<(String, String)> {
    let mut texts = vec![
        ("summary".to_owned(), ended.summary.clone().unwrap_or_default()),
        ("message".to_owned(), ended.message()),
        ("detail".to_owned(), ended.detail()),
    ];
    for step in &ended.steps {
        texts.push((format!("id of {}", step.id), step.id.clone()));
        texts.push((format!("name of {}", step.id), step.display_name.clone()));
        texts.push((
            format!("message of {}", step.id),
            step.user_message.clone().unwrap_or_default(),
        ));
        texts.push((format!("log of {}", step.id), step.log.clone().unwrap_or_default()));
        for (key, output) in &step.outputs {
            texts.push((format!("key of {key}"), key.clone()));
            if !output.is_sensitive() {
                texts.push((format!("value of {key}"), output.expose().to_owned()));
            }
        }
    }
    texts
}

pub(crate) mod leak_secret {
    use super::*;
    use blockhouse_artifacts::LEAK_SECRET;

    /// Each part of it that is longer than what encodings share with their surroundings; nothing else that is written has any.
    const SECRET: &str = "K3y/wi+h \"QUOTES\" & späces";

    async fn leaked(secret: &str) -> Ended {
        let ended = Trial::of(LEAK_SECRET).secret("token", secret).reveal("token").run().await;
        assert_eq!(ended.code(), "component.failed", "{}", ended.log());
        ended
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_secret_is_in_no_text_that_is_shown() {
        let ended = leaked(SECRET).await;
        let all = readable(&ended);
        for (what, text) in &all {
            let joined = text.replace('\n', "");
            for part in ["K3y", "wi+h", "QUOTES", "späces"] {
                assert!(!joined.contains(part), "{part} in the {what}: {text}");
            }
            let lower = joined.to_lowercase();
            for part in ["4b3379", "51554f544553", "quotes", "sp%c3", "u0051"] {
                assert!(!lower.contains(part), "{part} in the {what}: {text}");
            }
            // Base64 of `QUOTES` wherever it may begin.
            for part in ["UVVPVEVT", "FVT1RFU", "RVU9URV"] {
                assert!(!joined.contains(part), "{part} in the {what}: {text}");
            }
        }
        let text = |what: &str| &all.iter().find(|(name, _)| name == what).unwrap().1;
        assert_eq!(text("summary"), "leak [secret token] end");
        assert_eq!(text("name of leaking"), "leak [secret token] end");
        assert_eq!(text("message of told"), "leak [secret token] end");
        assert_eq!(text("message of failed"), "leak [secret token] end");
        assert_eq!(text("value of text"), r#""leak [secret token] end""#);
        assert_eq!(text("value of code"), r#""leak [secret token] end""#);
        assert_eq!(text("value of json"), r#"{"[secret token]": ["[secret token]", 1]}"#);
        assert!(all.iter().any(|(what, _)| what == "id of step-x"), "{all:?}");
        assert!(all.iter().any(|(what, _)| what == "key of [secret token]"), "{all:?}");
        for what in ["message", "detail"] {
            let message = text(what);
            assert!(message.contains("leak [s"), "{message}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_form_and_every_piece_of_a_secret_is_found_in_a_log() {
        let ended = leaked(SECRET).await;
        let log = ended.steps.first().unwrap().log.clone().unwrap();
        let mut lines = log.lines();
        for what in ["as it is", "hex", "HEX", "percent", "quoted"] {
            let line = lines.next().unwrap();
            let line = line.replace('"', "");
            assert_eq!(line, "form [secret token] end", "{what}: {log}");
        }
        for offset in 0..3 {
            let line = lines.next().unwrap();
            assert!(line.starts_with("base64 ") && line.contains("[secret token]"), "{log}");
            let around = line.len() - "base64 [secret token] end".len();
            assert!(around <= 4, "{offset}: {line}");
        }
        // Then a character per line, with control characters in between, a byte per write, and the other stream.
        let rest: Vec<_> = lines.take(3).collect();
        let expected = ["[secret token]", "[secret token]", "[secret token] and [secret token]"];
        assert_eq!(rest, expected, "{log}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_output_that_is_marked_sensitive_is_left_as_it_is() {
        let ended = leaked(SECRET).await;
        let hidden = ended.output("hidden").unwrap();
        assert!(hidden.is_sensitive());
        let text: String = serde_json::from_str(hidden.expose()).unwrap();
        assert_eq!(text, format!("leak {SECRET} end"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_secret_of_several_lines_is_found_line_by_line() {
        let secret = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n";
        let ended = leaked(secret).await;
        for (what, text) in readable(&ended) {
            for part in ["MIIEv", "hkiG9", "4d49494576"] {
                assert!(!text.contains(part), "{part} in the {what}: {text}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_short_secret_is_shown_and_warned_about() {
        let mut trial = Trial::of(LEAK_SECRET).secret("pin", "12345").reveal("pin");
        assert_eq!(
            trial.warnings(),
            [("pin".to_owned(), "it has fewer than 6 bytes and is not redacted")]
        );
        let ended = trial.run().await;
        assert_eq!(ended.summary.unwrap(), "leak 12345 end");
    }
}

pub(crate) mod leak_number {
    use super::*;
    use blockhouse_artifacts::LEAK_NUMBER;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_number_that_is_a_secret_becomes_a_sensitive_output() {
        let trial = Trial::of(LEAK_NUMBER).secret("pin", "1234567890").reveal("pin");
        let ended = trial.run().await.succeeded();
        assert_eq!(ended.told, "counting: Ok(())\nOk(())\nOk(())\n");
        let number = ended.output("number").unwrap();
        assert!(number.is_sensitive());
        assert_eq!(number.expose(), "1234567890");
        assert_eq!(ended.output("code").unwrap().expose(), r#""[secret pin]""#);
    }
}
