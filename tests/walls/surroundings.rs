//! What a component can see: its run, the time, random numbers. Neither the host nor, without a grant, a secret.

use crate::trial::Trial;
use blockhouse::run::Value;

pub(crate) mod reads_environment {
    use super::*;
    use blockhouse_artifacts::READS_ENVIRONMENT;

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_of_the_host_can_be_seen() {
        let ended = Trial::of(READS_ENVIRONMENT).run().await.succeeded();
        let expected = "\
            looking: Ok(())\n\
            variables: 0\n\
            arguments: 0\n\
            preopens: 0\n\
            current directory: false\n\
            /: false\n\
            .: false\n\
            /etc/passwd: false\n\
            ../../etc/passwd: false\n\
            write: false\n\
            stdin: false\n\
            terminal: false\n\
            clock works: true\n\
            random works: true\n";
        assert_eq!(ended.told, expected);
    }
}

pub(crate) mod reveal_secret {
    use super::*;
    use blockhouse_artifacts::REVEAL_SECRET;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_secret_is_not_revealed_without_a_grant() {
        let trial = Trial::of(REVEAL_SECRET).secret("token", "hunter2").reveal("other");
        let ended = trial.run().await.succeeded();
        let shown = format!("{ended:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("[secret"), "{shown}");
        let rule = "policy `test` does not reveal the secret `token`";
        assert!(ended.told.contains(rule), "{}", ended.told);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_secret_is_revealed_with_a_grant() {
        let trial = Trial::of(REVEAL_SECRET).secret("token", "hunter2").reveal("token");
        let ended = trial.run().await.succeeded();
        // It had the plain text, or there would have been nothing to redact.
        assert!(ended.told.contains(r#"Some(Ok("[secret token]"))"#), "{}", ended.told);
    }
}

pub(crate) mod ask_for_ever {
    use super::*;
    use blockhouse_artifacts::ASK_FOR_EVER;

    #[tokio::test(flavor = "multi_thread")]
    async fn asking_uses_up_the_fuel() {
        let ended = Trial::of(ASK_FOR_EVER).secret("token", "hunter2").run().await;
        assert_eq!(ended.code(), "limit.cpu");
    }
}

pub(crate) mod secret_to_output {
    use super::*;
    use blockhouse_artifacts::SECRET_TO_OUTPUT;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_secret_stays_sensitive_on_its_way_through() {
        let trial = Trial::of(SECRET_TO_OUTPUT).secret("token", "hunter2");
        let grant = "[[secrets.use]]\nreason = 'x'\nkeys = ['tok*']\nin = ['outputs']\n";
        let ended = trial.policy(grant).run().await.succeeded();
        let output = ended.output("copy").unwrap();
        assert!(output.is_sensitive(), "whatever the component says");
        assert_eq!(output.expose(), r#""hunter2""#);
        assert!(ended.output("bad").is_none());
        assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_secret_goes_into_no_output_without_a_grant() {
        let other = "[[secrets.use]]\nreason = 'x'\nkeys = ['other']\nin = ['outputs']\n";
        // To see a secret is not to let the host use it.
        for trial in
            [Trial::of(SECRET_TO_OUTPUT).policy(other), Trial::of(SECRET_TO_OUTPUT).reveal("token")]
        {
            let ended = trial.secret("token", "hunter2").run().await.succeeded();
            assert!(ended.output("copy").is_none() && ended.output("bad").is_none());
            let rule = "policy `test` does not grant the secret `token` in outputs";
            assert_eq!(ended.told.matches(rule).count(), 2, "{}", ended.told);
        }
    }
}

pub(crate) mod read_configuration {
    use super::*;
    use blockhouse_artifacts::READ_CONFIGURATION;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_values_of_the_policy_are_there_and_no_others() {
        let policy = "[configuration]\nreason = 'x'\n\
            values.region = \"eu\"\nvalues.endpoint = \"https://api.example.com\"\n";
        let told = Trial::of(READ_CONFIGURATION).policy(policy).run().await.succeeded().told;
        let expected = "\
            reading: Ok(())\n\
            all: [(\"endpoint\", \"https://api.example.com\"), (\"region\", \"eu\")]\n\
            \"region\": Some(\"eu\")\n\
            \"Region\": None\n\
            \"regio\": None\n\
            \"\": None\n\
            \"PATH\": None\n";
        assert_eq!(told, expected);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn without_a_grant_there_are_no_values() {
        let told = Trial::of(READ_CONFIGURATION).run().await.succeeded().told;
        assert!(told.contains("all: []\n\"region\": None"), "{told}");
    }
}

pub(crate) mod ask_for_configuration {
    use super::*;
    use blockhouse_artifacts::ASK_FOR_CONFIGURATION;

    #[tokio::test(flavor = "multi_thread")]
    async fn asking_for_configuration_uses_up_the_fuel() {
        let text = "x".repeat(100_000);
        let policy = format!("[configuration]\nreason = 'x'\nvalues.region = \"{text}\"\n");
        for way in ["all", "one"] {
            let trial = Trial::of(ASK_FOR_CONFIGURATION).policy(&policy);
            let ended = trial.input("way", Value::Text(way.to_owned())).run().await;
            assert_eq!(ended.code(), "limit.cpu");
            let rounds = ended.told.lines().last().and_then(|line| line.parse().ok());
            let rounds: u64 = rounds.unwrap_or_default();
            assert!(rounds > 0 && rounds <= 1_000, "{way}: {rounds}");
        }
    }
}
