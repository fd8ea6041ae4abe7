//! What a component reports: bounded, of the right form, and harmless to whoever reads it.

use crate::trial::{Ended, Trial};
use blockhouse::run::Value;
use blockhouse::timeline::StepStatus;

pub(crate) mod flood_log {
    use super::*;
    use blockhouse_artifacts::FLOOD_LOG;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flood_of_log_lines_hits_the_log_limit() {
        let ended = Trial::of(FLOOD_LOG).run().await;
        let words = "too much log output: 256.4 KiB written, 256.0 KiB allowed";
        let ended = ended.stopped_by("limit.log", words);
        let log = ended.log();
        assert!(log.len() <= (8 << 10) + 100, "{}", log.len());
        assert!(log.contains("the beginning"), "the head is kept: {log}");
        assert!(log.contains("bytes dropped"), "what is left out is told: {log}");
        assert!(log.contains("limit.log"), "and why it ended: {log}");
    }
}

pub(crate) mod flood_stdout {
    use super::*;
    use blockhouse_artifacts::FLOOD_STDOUT;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flood_on_stdout_hits_the_log_limit() {
        let ended = Trial::of(FLOOD_STDOUT).run().await;
        assert_eq!(ended.code(), "limit.log", "{:?}", ended.outcome);
        let message = ended.message();
        assert!(message.contains("256.0 KiB allowed"), "{message}");
        assert!(ended.log().len() <= (8 << 10) + 100);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn text_costs_more_fuel_where_there_are_secrets() {
        // It writes the same in both, as much as the log's limit lets it.
        let plain = Trial::of(FLOOD_STDOUT).run().await;
        let searched = Trial::of(FLOOD_STDOUT).secret("token", "correct-horse-42").run().await;
        assert_eq!((plain.code(), searched.code()), ("limit.log", "limit.log"));
        assert_eq!(plain.told, searched.told);
        let more = searched.usage.fuel - plain.usage.fuel;
        assert!((30..33).contains(&(more / (256 << 10))), "{more}");
    }
}

pub(crate) mod flood_messages {
    use super::*;
    use blockhouse_artifacts::FLOOD_MESSAGES;

    const WORDS: &str = "computing budget exceeded: 100 of 100 million instructions used";

    async fn flood(how: &str) -> Ended {
        let trial = Trial::of(FLOOD_MESSAGES).input("how", Value::Text(how.to_owned()));
        let ended = trial.run().await.stopped_by("limit.cpu", WORDS);
        // 500 per call and its bytes: by its own instructions alone the guest would have made far more of them.
        assert!((100_000..=200_000).contains(&ended.calls), "{} calls", ended.calls);
        let message = ended.steps.first().unwrap().user_message.clone().unwrap();
        assert_eq!(message, ended.message(), "nothing hides why it ended");
        ended
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flood_of_messages_uses_up_the_fuel() {
        let ended = flood("tell").await;
        assert_eq!(ended.summary, Some(ended.message()));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flood_of_summaries_uses_up_the_fuel() {
        assert_eq!(flood("summarize").await.summary.as_deref(), Some("all work"));
    }
}

pub(crate) mod oversized_outputs {
    use super::*;
    use blockhouse_artifacts::OVERSIZED_OUTPUTS;

    #[tokio::test(flavor = "multi_thread")]
    async fn outputs_are_limited_in_sum() {
        let ended = Trial::of(OVERSIZED_OUTPUTS).run().await;
        let ended =
            ended.stopped_by("limit.outputs", "outputs too large: 64.7 KiB, 64.0 KiB allowed");
        let kept: usize =
            ended.steps.iter().flat_map(|s| s.outputs.values()).map(|o| o.expose().len()).sum();
        assert!(kept <= 64 << 10);
    }
}

pub(crate) mod too_many_steps {
    use super::*;
    use blockhouse_artifacts::TOO_MANY_STEPS;

    #[tokio::test(flavor = "multi_thread")]
    async fn steps_are_limited_in_number() {
        let ended = Trial::of(TOO_MANY_STEPS).run().await;
        let ended = ended.stopped_by("limit.steps", "too many steps: 20 are allowed");
        assert_eq!(ended.steps.len(), 20);
    }
}

pub(crate) mod bad_step_id {
    use super::*;
    use blockhouse_artifacts::BAD_STEP_ID;

    #[tokio::test(flavor = "multi_thread")]
    async fn an_id_that_could_break_a_page_is_not_taken() {
        let ended = Trial::of(BAD_STEP_ID).run().await;
        let ended = ended.crashed("component.misuse", "letters, digits, `-`, `_` or `.`");
        assert!(!format!("{:?}", ended.steps).contains("script"));
    }
}

pub(crate) mod step_after_end {
    use super::*;
    use blockhouse_artifacts::STEP_AFTER_END;

    #[tokio::test(flavor = "multi_thread")]
    async fn steps_that_are_not_running_answer_with_an_error() {
        let ended = Trial::of(STEP_AFTER_END).run().await.succeeded();
        let five = |error: &str| vec![format!("Err(StepError::{error})"); 5].join(", ");
        let (early, late) = (five("NotStarted"), five("Ended"));
        let expected = [
            "journal: Ok(())",
            &format!("not started: [{early}]"),
            "ending: [Ok(()), Ok(()), Ok(()), Ok(())]",
            &format!("succeeded: [{late}]"),
            "succeeded, start: Err(StepError::Ended)",
            &format!("failed: [{late}]"),
            "failed, start: Err(StepError::Ended)",
        ];
        assert_eq!(ended.told.lines().collect::<Vec<_>>(), expected);
        assert!(ended.output("key").is_none());
        let state = |id| {
            let step = ended.steps.iter().find(|step| step.id == id).unwrap();
            (step.status, step.user_message.as_deref())
        };
        assert_eq!(state("good"), (StepStatus::Succeeded, None));
        assert_eq!(state("bad"), (StepStatus::Failed, Some("the first")));
    }
}

pub(crate) mod misshapen_outputs {
    use super::*;
    use blockhouse_artifacts::MISSHAPEN_OUTPUTS;

    #[tokio::test(flavor = "multi_thread")]
    async fn outputs_of_the_wrong_form_answer_with_an_error() {
        let ended = Trial::of(MISSHAPEN_OUTPUTS).run().await.succeeded();
        let answers: Vec<_> = ended.told.lines().skip(1).collect();
        let key = "an output's key must have 1 to 256 bytes without control characters";
        let expected = [
            "the value is not JSON",
            "the value is not an integer",
            "the value is not an integer",
            "the value is not a boolean",
            "the value is not a string",
            key,
            key,
            key,
        ];
        let expected = expected.map(|text| format!("Err(StepError::InvalidOutput({text:?}))"));
        assert_eq!(answers, expected);
        assert!(ended.steps.iter().all(|step| step.outputs.is_empty()));
    }
}

pub(crate) mod deep_json {
    use super::*;
    use blockhouse_artifacts::DEEP_JSON;

    #[tokio::test(flavor = "multi_thread")]
    async fn json_that_is_too_deep_to_be_read_again_is_not_taken() {
        // meshStack would refuse the whole status of the run for it, again and again.
        let ended = Trial::of(DEEP_JSON).run().await.succeeded();
        assert_eq!(ended.told, "nesting: Ok(())\ndeep: false\nlong: false\n");
        assert!(ended.steps.iter().all(|step| step.outputs.is_empty()));
    }
}

pub(crate) mod control_characters {
    use super::*;
    use blockhouse_artifacts::CONTROL_CHARACTERS;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_text_that_is_shown_has_control_characters() {
        let ended = Trial::of(CONTROL_CHARACTERS).run().await;
        assert_eq!(ended.code(), "component.failed");
        let step = ended.steps.first().unwrap();
        let told = step.user_message.clone().unwrap();
        let texts = [
            ("name", step.display_name.clone()),
            ("step message", told),
            ("summary", ended.summary.clone().unwrap()),
            ("log", ended.log()),
            ("run message", ended.message()),
            ("detail", ended.detail()),
        ];
        for (what, text) in texts {
            assert!(text.contains("evil"), "{what}: {text:?}");
            let bad =
                |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
            assert!(!text.contains(bad), "{what}: {text:?}");
        }
    }
}

pub(crate) mod endless_messages {
    use super::*;
    use blockhouse_artifacts::ENDLESS_MESSAGES;

    #[tokio::test(flavor = "multi_thread")]
    async fn every_message_is_cut_to_its_limit() {
        let ended = Trial::of(ENDLESS_MESSAGES).run().await;
        assert_eq!(ended.code(), "component.failed");
        let step = ended.steps.first().unwrap();
        assert!(step.user_message.as_ref().unwrap().len() <= 1 << 10);
        assert!(ended.summary.as_ref().unwrap().len() <= 1 << 10);
        assert!(ended.message().len() <= 1 << 10, "{} bytes", ended.message().len());
        assert!(ended.detail().len() <= 8 << 10, "{} bytes", ended.detail().len());
        assert!(ended.log().len() <= (8 << 10) + 100);
    }
}
