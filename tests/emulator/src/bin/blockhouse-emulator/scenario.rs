//! What the emulator serves, read from a file. Main type: [`Scenario`]; the format is in the crate's README.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use blockhouse_emulator::{Behavior, Emulator, Fault, InputType, RandomFaults, Route, RunSpec};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// Runs and faults, in the order in which they take effect.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Scenario {
    #[serde(default, rename = "run")]
    runs: Vec<Run>,
    #[serde(default, rename = "fault")]
    faults: Vec<ScriptedFault>,
    random: Option<Random>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Run {
    #[serde(default = "once")]
    repeat: u32,
    #[serde(default)]
    behavior: BehaviorName,
    workspace: Option<String>,
    owner: Option<String>,
    definition: Option<Uuid>,
    block: Option<Uuid>,
    display_name: Option<String>,
    implementation: Option<Value>,
    #[serde(default)]
    run_token: Option<bool>,
    #[serde(default, rename = "input")]
    inputs: Vec<Input>,
    abort_at_step: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Input {
    key: String,
    value: Value,
    #[serde(rename = "type", default = "string")]
    kind: String,
    #[serde(default)]
    sensitive: bool,
    #[serde(default)]
    environment: bool,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum BehaviorName {
    #[default]
    Apply,
    Destroy,
    Detect,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ScriptedFault {
    route: RouteName,
    kind: Kind,
    #[serde(default = "once")]
    times: u32,
    status: Option<u16>,
    retry_after: Option<String>,
    #[serde(default, with = "duration")]
    delay: Option<Duration>,
    bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    ContentType,
    Delay,
    DropAfter,
    DropBefore,
    MalformedBody,
    OversizedBody,
    Pass,
    SlowBody,
    Status,
    TruncatedBody,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Random {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    routes: Vec<RouteName>,
    #[serde(default)]
    unavailable: f64,
    retry_after: Option<String>,
    #[serde(default)]
    dropped_before: f64,
    #[serde(default)]
    dropped_after: f64,
    #[serde(default)]
    truncated: f64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct RouteName(Route);

impl TryFrom<String> for RouteName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let route = Route::ALL.into_iter().find(|route| route.name() == name);
        route.map(Self).ok_or_else(|| {
            let names: Vec<&str> = Route::ALL.iter().map(|route| route.name()).collect();
            format!("`{name}` is no route; there are {}", names.join(", "))
        })
    }
}

fn once() -> u32 {
    1
}

fn string() -> String {
    "STRING".to_owned()
}

mod duration {
    use super::{Deserialize, Duration};

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Some).map_err(serde::de::Error::custom)
    }
}

impl Scenario {
    /// A few runs that every daemon can do.
    pub(crate) fn example() -> Self {
        let run = Run {
            repeat: 3,
            behavior: BehaviorName::Apply,
            workspace: None,
            owner: None,
            definition: None,
            block: None,
            display_name: None,
            implementation: None,
            run_token: None,
            inputs: vec![Input {
                key: "name".to_owned(),
                value: json!("x"),
                kind: string(),
                sensitive: false,
                environment: false,
            }],
            abort_at_step: None,
        };
        Self { runs: vec![run], ..Self::default() }
    }

    /// TOML, or JSON when the name ends in `.json`.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("read the scenario `{}`", path.display()))?;
        let parsed = match path.extension().is_some_and(|extension| extension == "json") {
            true => serde_json::from_str(&text).map_err(anyhow::Error::from),
            false => toml::from_str(&text).map_err(anyhow::Error::from),
        };
        parsed.with_context(|| format!("understand the scenario `{}`", path.display()))
    }

    pub(crate) fn play(self, emulator: &Emulator) -> anyhow::Result<()> {
        for fault in &self.faults {
            emulator.script(fault.route.0, fault.fault()?, fault.times.into());
        }
        if let Some(random) = self.random {
            emulator.random_faults(RandomFaults {
                seed: random.seed,
                routes: random.routes.iter().map(|route| route.0).collect(),
                unavailable: random.unavailable,
                retry_after: random.retry_after,
                dropped_before: random.dropped_before,
                dropped_after: random.dropped_after,
                truncated: random.truncated,
                ..RandomFaults::default()
            });
        }
        for run in self.runs {
            let (repeat, abort) = (run.repeat, run.abort_at_step.clone());
            let spec = run.spec();
            for _ in 0..repeat {
                let id = emulator.try_enqueue(spec.clone())?;
                if let Some(step) = &abort {
                    emulator.abort_at_step(&id, step);
                }
            }
        }
        Ok(())
    }
}

impl Run {
    fn spec(self) -> RunSpec {
        let mut spec = RunSpec::manual().behavior(match self.behavior {
            BehaviorName::Apply => Behavior::Apply,
            BehaviorName::Destroy => Behavior::Destroy,
            BehaviorName::Detect => Behavior::Detect,
        });
        if let Some(workspace) = self.workspace {
            spec = spec.workspace(workspace);
        }
        if let Some(owner) = self.owner {
            spec = spec.owner(owner);
        }
        if let Some(definition) = self.definition {
            spec = spec.definition(definition);
        }
        if let Some(block) = self.block {
            spec = spec.block(block);
        }
        if let Some(name) = self.display_name {
            spec = spec.display_name(name);
        }
        if let Some(implementation) = self.implementation {
            spec = spec.implementation(implementation);
        }
        if self.run_token == Some(false) {
            spec = spec.without_run_token();
        }
        for Input { key, value, kind, sensitive, environment } in self.inputs {
            let kind = input_type(kind);
            spec = match (sensitive, environment) {
                (false, false) => spec.input(key, kind, value),
                (false, true) => spec.environment_input(key, kind, value),
                (true, false) => spec.sensitive_input(key, kind, value),
                (true, true) => spec.sensitive_environment_input(key, kind, value),
            };
        }
        spec
    }
}

fn input_type(name: String) -> InputType {
    match name.as_str() {
        "BOOLEAN" => InputType::Boolean,
        "CODE" => InputType::Code,
        "FILE" => InputType::File,
        "INTEGER" => InputType::Integer,
        "LIST" => InputType::List,
        "MULTI_SELECT" => InputType::MultiSelect,
        "SINGLE_SELECT" => InputType::SingleSelect,
        "STRING" => InputType::String,
        _ => InputType::Other(name),
    }
}

impl ScriptedFault {
    fn fault(&self) -> anyhow::Result<Fault> {
        Ok(match self.kind {
            Kind::ContentType => Fault::ContentType("text/html".to_owned()),
            Kind::Delay => Fault::Delay(self.delay.context("a `delay` fault needs `delay`")?),
            Kind::DropAfter => Fault::DropAfter,
            Kind::DropBefore => Fault::DropBefore,
            Kind::MalformedBody => Fault::MalformedBody,
            Kind::OversizedBody => {
                Fault::OversizedBody(self.bytes.context("an `oversized-body` needs `bytes`")?)
            }
            Kind::Pass => Fault::Pass,
            Kind::SlowBody => {
                let pause = self.delay.context("a `slow-body` fault needs `delay`")?;
                Fault::SlowBody { piece: 1, pause }
            }
            Kind::Status => {
                let status = self.status.context("a `status` fault needs `status`")?;
                if !(200..600).contains(&status) {
                    bail!("`{status}` is no status of an answer");
                }
                match &self.retry_after {
                    Some(after) => Fault::retry_after(status, after),
                    None => Fault::status(status),
                }
            }
            Kind::TruncatedBody => Fault::TruncatedBody,
        })
    }
}

// Inputs and implementations hold plaintext secrets.
impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("repeat", &self.repeat).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the README, word for word.
    fn readme_example() -> &'static str {
        let readme = include_str!("../../../README.md");
        let (_, rest) = readme.split_once("```toml\n").unwrap();
        rest.split_once("```").unwrap().0
    }

    #[tokio::test]
    async fn the_readme_example_plays() {
        let scenario: Scenario = toml::from_str(readme_example()).unwrap();
        let certificate = include_str!("../../../../fixtures/sealed/TEST-ONLY-certificate.pem");
        let emulator = Emulator::builder().runner_certificate(certificate).start().await.unwrap();
        scenario.play(&emulator).unwrap();
        let patience = Duration::from_secs(10);
        emulator.wait_until(patience, |view| view.unfinished() == 5).await.unwrap();
    }

    #[test]
    fn a_typing_mistake_is_an_error_that_names_it() {
        let err = toml::from_str::<Scenario>("[[run]]\nrepeats = 2").unwrap_err();
        assert!(err.to_string().contains("repeats"), "{err}");
        let err = toml::from_str::<Scenario>("[[fault]]\nroute = 'patch'\nkind = 'status'");
        assert!(err.unwrap_err().to_string().contains("register-runner"));
    }

    #[test]
    fn a_fault_without_its_number_is_an_error() {
        let scenario: Scenario =
            toml::from_str("[[fault]]\nroute = 'claim'\nkind = 'status'").unwrap();
        assert!(scenario.faults[0].fault().is_err());
    }
}
