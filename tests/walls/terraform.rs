//! What a component learns of secrets by driving native programs, and what it can do to the host with them.

use crate::trial::Trial;
use blockhouse::run::{InputKind, Value};
use secrecy::SecretString;

const TERRAFORM: &str = "[terraform]\nreason = 'x'\nverbs = ['plan']\nrepositories = ['https://a.example/*', 'ssh://git.invalid/*']\nreveal_code = true\n";
const USE: &str = "[[secrets.use]]\nreason = 'x'\nkeys = ['*']\nin = ['terraform']\n";

pub(crate) mod give_secret_to_programs {
    use super::*;
    use blockhouse_artifacts::GIVE_SECRET_TO_PROGRAMS;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_secret_is_not_given_to_programs_without_a_grant() {
        let passing = |grants: &str| {
            Trial::of(GIVE_SECRET_TO_PROGRAMS).secret("token", "data:,c2VjcmV0").policy(grants)
        };
        let elsewhere = USE.replace("['terraform']", "['outputs']");
        let other = USE.replace("['*']", "['other']");
        for grants in ["", &*elsewhere, &*other] {
            let ended = passing(&format!("{TERRAFORM}{grants}")).run().await.succeeded();
            let answers: Vec<_> = ended.told.lines().skip(1).collect();
            assert_eq!(answers.len(), 7, "{}", ended.told);
            for answer in answers {
                assert!(
                    answer.contains("does not grant the secret `token` in Terraform"),
                    "{answer}"
                );
            }
        }
        // With the grant it is another wall that they meet.
        let ended = passing(&format!("{TERRAFORM}{USE}")).run().await.succeeded();
        assert!(!ended.told.contains("does not grant the secret"), "{}", ended.told);
    }
}

pub(crate) mod multiply_secret {
    use super::*;
    use blockhouse_artifacts::MULTIPLY_SECRET;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_secret_named_very_often_does_not_grow_a_file_without_end() {
        let trial = Trial::of(MULTIPLY_SECRET)
            .secret("token", &"s".repeat(100_000))
            .policy(&format!("{TERRAFORM}{USE}"));
        let ended = trial.run().await.succeeded();
        let expected = "Err(OperationError::Invalid(\"a file or a value has more than 1024 KiB\"))";
        assert!(ended.told.contains(expected), "{}", ended.told);
    }
}

pub(crate) mod reveal_each {
    use super::*;
    use blockhouse_artifacts::REVEAL_EACH;

    #[tokio::test(flavor = "multi_thread")]
    async fn only_code_is_revealed_by_the_grant_for_code() {
        let secret = || Value::Secret(SecretString::from("{\"a\": 1}"));
        for (policy, code) in [(TERRAFORM, true), ("", false)] {
            let trial = Trial::of(REVEAL_EACH)
                .input_of(InputKind::Code, "code", secret())
                .input_of(InputKind::List, "list", secret())
                .input_of(InputKind::File, "file", secret())
                .secret("text", "a secret text")
                .policy(policy);
            let ended = trial.run().await.succeeded();
            let answers: Vec<_> = ended.told.lines().skip(1).collect();
            let is = |key: &str, yes: bool| format!("{key}: {yes}");
            let expected =
                [is("code", code), is("list", code), is("file", false), is("text", false)];
            assert_eq!(answers, expected);
        }
    }
}

pub(crate) mod read_diagnostics {
    use super::*;
    use blockhouse::capability::Native;
    use blockhouse::run::{Behavior, RunId};
    use blockhouse::shutdown::Abort;
    use blockhouse::terraform::Assignment;
    use blockhouse_artifacts::READ_DIAGNOSTICS;
    use blockhouse_policy::{Grants, Limits, Policy};
    use blockhouse_tests::on_path;
    use blockhouse_tests::terraform::{native, paths, version};
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_program_prints_is_redacted_before_the_component_sees_it() {
        let place = tempfile::tempdir().unwrap();
        let terraform = native(place.path()).unwrap();
        let policy = format!("description = 'x'\n{TERRAFORM}");
        let policy = Policy::parse("test.toml", &policy).unwrap_or_else(|error| panic!("{error}"));
        let grants = Grants::new(Arc::new(policy), None, &Limits::default());
        let assignment = Assignment {
            tenant: "tenant".to_owned(),
            owner: "owner".to_owned(),
            held: None,
            run: RunId::parse("run-1").unwrap(),
            block: "block".to_owned(),
            behavior: Behavior::Detect,
            permit: grants.terraform().unwrap(),
            policy_directory: "/nowhere".into(),
            paths: paths(&place.path().join("run-1")).unwrap(),
            user: None,
            backend: None,
            plan: None,
            opener: None,
            document: SecretString::from("{}"),
            log: Arc::new(|_: &[u8]| {}),
            abort: Abort::default(),
            resumed: false,
        };
        let workspace = terraform.enter(assignment).await.unwrap();
        let trial = Trial::of(READ_DIAGNOSTICS)
            .native(Native { workspace })
            .input("version", Value::Text(version(&on_path("terraform")).unwrap()))
            .secret("token", "Hush-hush-4711")
            .policy(&format!("{TERRAFORM}{USE}"));
        let ended = trial.run().await.succeeded();
        let seen = ended.told.lines().find_map(|line| line.strip_prefix("seen: "));
        let seen = seen.unwrap_or_else(|| panic!("{}", ended.told));
        let seen: Vec<u8> = seen.split(' ').map(|byte| byte.parse::<u8>().unwrap() ^ 1).collect();
        let seen = String::from_utf8(seen).unwrap();
        assert!(seen.contains("main.tf line 1"), "{seen}");
        assert!(seen.contains("[secret token]"), "{seen}");
        assert!(!seen.contains("Hush"), "{seen}");
    }
}
