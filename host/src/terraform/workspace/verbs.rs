//! What the tool and scripts do.

use super::{Call, Workspace, write_for, write_record};
use crate::run::Behavior;
use crate::shim::{Ladder, Spec};
use crate::terraform::answer::{Cancellation, OperationError, StateFate, ToolFailure, ToolOutput};
use crate::terraform::command::{self, FETCHED_PLAN};
use crate::terraform::files::{self, blocking};
use crate::terraform::flight::Report;
use crate::terraform::follow::{Ended, Verdict, from_shim, sentence};
use crate::terraform::state::{Aftermath, Locking};
use crate::terraform::tail::Shown;
use crate::terraform::{modules, outputs};
use blockhouse_policy::TerraformVerb;
use secrecy::ExposeSecret as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Bytes of what `output -json` prints.
const OUTPUTS_MAX: u64 = 64 << 20;

/// Bytes of a list of workspaces.
const WORKSPACES_MAX: u64 = 4 << 20;

/// Bytes of what a script leaves for the user; the rest is cut off, visibly.
const MESSAGE_MAX: usize = 64 << 10;

const PLAN: Locking =
    Locking { verb: "plan", operation: "OperationTypePlan", writes: false, expected: &[0, 2] };
const APPLY: Locking =
    Locking { verb: "apply", operation: "OperationTypeApply", writes: true, expected: &[0] };
const APPLY_PLAN: Locking = Locking { verb: "apply-plan", ..APPLY };
const DESTROY: Locking = Locking { verb: "destroy", ..APPLY };

impl Workspace {
    /// `workspace list`.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn workspaces(&mut self) -> Result<Vec<String>, OperationError> {
        let arguments = command::workspaces();
        let ladder = self.shared.config.looking();
        let ended = self.about_workspaces("workspaces", arguments, ladder, Shown::Errors).await?;
        let printed = ended.output(WORKSPACES_MAX).await;
        let printed = printed.map_err(|error| OperationError::Fault(error.to_string()))?;
        Ok(workspace_names(&String::from_utf8_lossy(&printed)))
    }

    /// `workspace select`.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn select_workspace(&mut self, name: &str) -> Result<(), OperationError> {
        let arguments = command::select_workspace(named(name)?);
        let ladder = self.shared.config.looking();
        self.about_workspaces("select-workspace", arguments, ladder, Shown::All).await.map(drop)
    }

    /// `workspace new`.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn create_workspace(&mut self, name: &str) -> Result<(), OperationError> {
        let arguments = command::create_workspace(named(name)?);
        let ladder = self.shared.config.reading;
        self.about_workspaces("create-workspace", arguments, ladder, Shown::All).await.map(drop)
    }

    /// `workspace delete -force`.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn delete_workspace(&mut self, name: &str) -> Result<(), OperationError> {
        let arguments = command::delete_workspace(named(name)?);
        let ladder = self.shared.config.reading;
        self.about_workspaces("delete-workspace", arguments, ladder, Shown::All).await.map(drop)
    }

    async fn about_workspaces(
        &mut self,
        verb: &'static str,
        arguments: Vec<String>,
        ladder: Ladder,
        shown: Shown,
    ) -> Result<Ended, OperationError> {
        let time = self.time(|limits| limits.workspace_time);
        self.simple(verb, arguments, (ladder, time), shown).await
    }

    /// `output -json`.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn outputs(&mut self) -> Result<Vec<ToolOutput>, OperationError> {
        let how = (self.shared.config.looking(), self.time(|limits| limits.workspace_time));
        // SECURITY: e2e::terraform_workspace::a_configuration_is_applied_told_and_destroyed
        let ended = self.simple("outputs", command::outputs(), how, Shown::Errors).await?;
        let printed = ended.output(OUTPUTS_MAX).await;
        let printed = printed.map(Zeroizing::new);
        let printed = printed.map_err(|error| OperationError::Fault(error.to_string()))?;
        let parsed = blocking(move || Ok(outputs::parse(&printed))).await;
        parsed
            .map_err(|error| OperationError::Fault(error.to_string()))?
            .map_err(OperationError::Fault)
    }

    /// A verb that reads only, as far as state is concerned.
    async fn simple(
        &mut self,
        verb: &'static str,
        arguments: Vec<String>,
        (ladder, time): (Ladder, Duration),
        shown: Shown,
    ) -> Result<Ended, OperationError> {
        let call = self.begin_process(verb, &arguments)?;
        self.must_be_initialized(verb)?;
        let tooling = self.tooling().await?;
        self.record(&call).await?;
        let spec = tooling.spec(arguments, ladder, time);
        let ended = self.one(verb, &call.name, spec, shown).await?;
        self.answer(verb, &ended, &[0], Aftermath::NONE).await?;
        Ok(ended)
    }

    async fn one(
        &self,
        verb: &'static str,
        name: &str,
        spec: Spec,
        shown: Shown,
    ) -> Result<Ended, OperationError> {
        let (context, name) = (Arc::clone(&self.context), name.to_owned());
        let job = async move {
            let ended = context.follower.carry_out(&name, spec, shown, true).await?;
            context.tell_stop(verb, &ended);
            Ok(ended)
        };
        self.flight().perform(&self.block, job, OperationError::Fault).await
    }

    /// Runs a script; returns what it has left for the user.
    ///
    /// # Errors
    /// [`OperationError`]; `Failed` has the message, too.
    pub async fn run_script(&mut self, text: &str) -> Result<Option<String>, OperationError> {
        let permit = self.assignment.permit.script().map_err(OperationError::Denied)?;
        self.is_bent = true;
        let text = text.replace("\r\n", "\n");
        let call = self.begin_process("run-script", std::slice::from_ref(&text))?;
        let Some(bash) = self.shared.config.bash.clone() else {
            let text = "scripts need `bash`, which this machine does not have".to_owned();
            return Err(OperationError::Invalid(text));
        };
        let mut tooling = self.tooling().await?;
        let paths = &self.assignment.paths;
        let script = paths.secrets.join(format!("{}.sh", call.name));
        let message = paths.tmp.join(format!("{}.message", call.name));
        if !call.is_known {
            let content = Zeroizing::new(text.into_bytes());
            write_for(&self.assignment, &script, content).await?;
        }
        self.record(&call).await?;
        tooling
            .environment
            .push(("MESHSTACK_USER_MESSAGE".to_owned(), message.display().to_string()));
        tooling.confinement.network = permit.network;
        tooling.confinement.execute.push(bash.clone());
        let arguments = command::script(&script, behavior(self.assignment.behavior));
        let time = self.time(|limits| limits.script_time);
        let mut spec = tooling.spec(arguments, self.shared.config.reading, time);
        spec.program = bash;
        spec.stdin = self.assignment.document.expose_secret().as_bytes().to_vec();
        let ended = self.one("run-script", &call.name, spec, Shown::All).await?;
        let left = blocking(move || Ok(left_message(&message))).await.ok().flatten();
        match self.answer("run-script", &ended, &[0], Aftermath::NONE).await {
            Ok(_) => Ok(left),
            Err(OperationError::Failed(failure)) => {
                Err(OperationError::Failed(ToolFailure { message: left, ..failure }))
            }
            Err(error) => Err(error),
        }
    }

    /// `plan`; whether it found changes.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn plan(&mut self) -> Result<bool, OperationError> {
        self.leave(TerraformVerb::Plan)?;
        let arguments = command::plan(&self.assignment.paths.plan);
        let (time, ladder) = (self.time(|limits| limits.plan_time), self.shared.config.reading);
        let code = self.locking(PLAN, arguments, time, ladder).await?;
        Ok(code == 2)
    }

    /// `apply`.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn apply(&mut self) -> Result<(), OperationError> {
        self.leave(TerraformVerb::Apply)?;
        self.writing(APPLY, command::apply()).await
    }

    /// Applies the plan of [`Workspace::fetch_plan`], and removes it.
    ///
    /// # Errors
    /// [`OperationError`]; `Failed` if it is stale.
    pub async fn apply_plan(&mut self) -> Result<(), OperationError> {
        self.leave(TerraformVerb::Apply)?;
        let answer =
            self.writing(APPLY_PLAN, command::apply_plan(&self.assignment.paths.plan)).await;
        let path = self.assignment.paths.plan.join(FETCHED_PLAN);
        if let Err(error) = blocking(move || files::remove(&path)).await {
            tracing::warn!(%error, "a plan that was applied can't be removed before its run directory");
        }
        answer
    }

    /// `destroy`.
    ///
    /// # Errors
    /// [`OperationError`].
    pub async fn destroy(&mut self) -> Result<(), OperationError> {
        self.leave(TerraformVerb::Destroy)?;
        self.writing(DESTROY, command::destroy()).await
    }

    async fn writing(
        &mut self,
        verb: Locking,
        arguments: Vec<String>,
    ) -> Result<(), OperationError> {
        let (time, ladder) = (self.time(|limits| limits.apply_time), self.shared.config.writing);
        self.locking(verb, arguments, time, ladder).await.map(drop)
    }

    async fn locking(
        &mut self,
        verb: Locking,
        arguments: Vec<String>,
        time: Duration,
        ladder: Ladder,
    ) -> Result<i32, OperationError> {
        let was_bent = std::mem::replace(&mut self.is_bent, true);
        let call = self.begin_process(verb.verb, &arguments)?;
        self.must_be_initialized(verb.verb)?;
        self.ask_about_modules().await?;
        // A script may have initialized it anew.
        self.check_backend().await?;
        let tooling = self.tooling().await?;
        if verb.writes && !call.is_known {
            self.context.set_aside(!was_bent).await?;
        }
        self.record(&call).await?;
        let spec = tooling.spec(arguments, ladder, time);
        let (context, name) = (Arc::clone(&self.context), call.name);
        let job = async move {
            let ended = match context.locked(&name, &tooling, spec, verb).await {
                Ok(ended) => ended,
                Err(error) => {
                    // What it has left is nowhere else.
                    if let OperationError::Fault(why) = &error
                        && context.has_started(&name)
                    {
                        context.follower.flight.tell(Report {
                            verb: verb.verb,
                            stopped: None,
                            state: StateFate::Unknown(format!(
                                "What has become of the state is not known: {why}."
                            )),
                            lock: None,
                            keep_directory: true,
                        });
                    }
                    return Err(error);
                }
            };
            let aftermath = context.settle(&name, &tooling, verb, &ended).await;
            let verdict = ended.verdict(verb.expected);
            let stopped = match &verdict {
                Verdict::Stopped(stop) => Some(sentence(stop, &ended.end.exit)),
                Verdict::Died(how) => Some(how.clone()),
                _ => None,
            };
            context.follower.flight.tell(Report {
                verb: verb.verb,
                stopped,
                state: aftermath.state.clone(),
                lock: aftermath.lock.clone(),
                keep_directory: aftermath.keep_directory,
            });
            Ok((ended, aftermath))
        };
        let performed = self.flight().perform(&self.block, job, OperationError::Fault).await;
        let (ended, aftermath) = performed?;
        self.answer(verb.verb, &ended, verb.expected, aftermath).await
    }

    /// What an end means for the component.
    pub(super) async fn answer(
        &self,
        verb: &str,
        ended: &Ended,
        expected: &[i32],
        aftermath: Aftermath,
    ) -> Result<i32, OperationError> {
        let failed = |exit_code, diagnostics: String| {
            let state = aftermath.state.clone();
            Err(OperationError::Failed(ToolFailure {
                exit_code,
                diagnostics,
                state,
                message: None,
            }))
        };
        match ended.verdict(expected) {
            // A state that is lost is no success, whatever the exit code says.
            Verdict::Done(code) if matches!(aftermath.state, StateFate::NotSaved(_)) => {
                failed(Some(code), ended.diagnostics().await)
            }
            Verdict::Done(code) => Ok(code),
            Verdict::SaidNo(code) => failed(Some(code), ended.diagnostics().await),
            Verdict::Died(how) => {
                let text = format!("{how}\n{}", ended.diagnostics().await);
                failed(None, text.trim().to_owned())
            }
            Verdict::Stopped(stop) => Err(OperationError::Cancelled(Cancellation {
                reason: from_shim(stop.reason),
                message: sentence(&stop, &ended.end.exit),
                state: aftermath.state,
                lock: aftermath.lock,
            })),
            Verdict::NotStarted(why) => {
                Err(OperationError::Fault(format!("`{verb}` could not be started: {why}")))
            }
        }
    }

    fn leave(&self, verb: TerraformVerb) -> Result<(), OperationError> {
        self.assignment.permit.verb(verb).map_err(OperationError::Denied)
    }

    pub(super) fn time(
        &self,
        of: impl Fn(&blockhouse_policy::TerraformLimits) -> Duration,
    ) -> Duration {
        of(self.assignment.permit.limits())
    }

    fn must_be_initialized(&self, verb: &str) -> Result<(), OperationError> {
        if let Some(denied) = &self.denied {
            return Err(OperationError::Denied(denied.clone()));
        }
        if self.is_initialized {
            return Ok(());
        }
        Err(OperationError::Invalid(format!("`init` must come before `{verb}`")))
    }

    /// Before each verb that executes what modules say: a script may have fetched others.
    pub(super) async fn ask_about_modules(&mut self) -> Result<(), OperationError> {
        let data = self.assignment.paths.data.clone();
        let fetched =
            blocking(move || Ok((modules::sources(&data), modules::providers(&data)?))).await;
        let (sources, providers) =
            fetched.map_err(|error| OperationError::Fault(error.to_string()))?;
        let sources = sources.map_err(OperationError::Fault)?;
        let permit = &self.assignment.permit;
        let modules = sources.iter().try_for_each(|source| permit.module(source));
        // The CLI configuration keeps others from being installed; this is for what came by another way.
        let allowed =
            modules.and_then(|()| providers.iter().try_for_each(|name| permit.provider(name)));
        if let Err(denied) = allowed {
            // SECURITY: e2e::terraform_workspace::a_denied_module_keeps_later_verbs_from_running
            self.denied = Some(denied.clone());
            return Err(OperationError::Denied(denied));
        }
        Ok(())
    }

    /// Begins a call that starts a process: all that the process depends on is in the digest.
    pub(super) fn begin_process(
        &mut self,
        verb: &str,
        arguments: &[String],
    ) -> Result<Call<()>, OperationError> {
        let version = self.program.as_ref().map(|program| program.version.clone());
        let mut parts: Vec<Option<Vec<u8>>> = vec![version.map(String::into_bytes)];
        parts.extend(arguments.iter().map(|argument| Some(argument.clone().into_bytes())));
        // None ends the arguments.
        parts.push(None);
        for (name, value) in self.environment.given() {
            parts.push(Some(name.as_bytes().to_vec()));
            parts.push(Some(value.expose_secret().as_bytes().to_vec()));
        }
        let parts: Vec<_> = parts.into_iter().map(|part| part.map(Zeroizing::new)).collect();
        let parts: Vec<_> =
            parts.iter().map(|part| part.as_ref().map(|part| part.as_slice())).collect();
        self.begin(verb, &parts)
    }

    pub(super) async fn record(&self, call: &Call<()>) -> Result<(), OperationError> {
        if call.is_known { Ok(()) } else { write_record(call.clone(), None).await }
    }
}

impl Aftermath {
    /// Of verbs that touch neither state nor lock.
    pub(super) const NONE: Self =
        Self { state: StateFate::Untouched, lock: None, keep_directory: false };
}

/// What a script has left for the user. A link or a pipe in its place is no message.
fn left_message(path: &Path) -> Option<String> {
    // One byte more shows that it is longer.
    let max = u64::try_from(MESSAGE_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let bytes = files::head(path, max).ok()?;
    let text = String::from_utf8_lossy(bytes.get(..MESSAGE_MAX).unwrap_or(&bytes));
    let text = if bytes.len() > MESSAGE_MAX {
        // A secret that is cut in two is not known by its half: the line that is cut goes as a whole.
        let before = text.rsplit_once('\n').or_else(|| text.rsplit_once(char::is_whitespace));
        format!("{}\n…", before.map_or("", |(before, _)| before.trim_end()))
    } else {
        text.into_owned()
    };
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// In meshStack's word, as scripts know it.
fn behavior(behavior: Behavior) -> &'static str {
    match behavior {
        Behavior::Apply => "APPLY",
        Behavior::Destroy => "DESTROY",
        Behavior::Detect => "DETECT",
    }
}

fn named(name: &str) -> Result<&str, OperationError> {
    let text =
        "a workspace must have a name without control characters that does not begin with `-`";
    command::is_workspace_name(name)
        .then_some(name)
        .ok_or_else(|| OperationError::Invalid(text.to_owned()))
}

/// The names in what `workspace list` prints: one per line, the current one marked with `*`.
fn workspace_names(printed: &str) -> Vec<String> {
    let lines = printed.lines().filter(|line| line.starts_with("* ") || line.starts_with("  "));
    let names = lines.filter_map(|line| line.get(2..)).map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_too_long_is_cut_off_and_one_that_is_none_is_none() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("message");
        let left = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            left_message(&path)
        };
        assert_eq!(left_message(&path), None);
        assert_eq!(left(b" \n\t"), None);
        assert_eq!(left(b"\n ask for a quota\n").unwrap(), "ask for a quota");
        let whole = "ä".repeat(MESSAGE_MAX / 2);
        assert_eq!(left(whole.as_bytes()).unwrap(), whole);
        let endless = "a line\n".repeat(MESSAGE_MAX);
        let cut = left(endless.as_bytes()).unwrap();
        assert!((MESSAGE_MAX - 10..=MESSAGE_MAX + 4).contains(&cut.len()), "{}", cut.len());
        assert!(cut.ends_with("a line\n…"), "{}", &cut[cut.len() - 20..]);
        let secret = format!("{}\n{}", "x".repeat(MESSAGE_MAX - 4), "hunter2");
        assert!(left(secret.as_bytes()).unwrap().ends_with("x\n…"), "no part of a line is left");
        let words = format!("{} hunter2", "x".repeat(MESSAGE_MAX - 4));
        assert!(left(words.as_bytes()).unwrap().ends_with("x\n…"));
        assert_eq!(left(whole.replace('ä', "xxx").as_bytes()).unwrap(), "…");
    }

    #[test]
    fn workspaces_are_read_and_nothing_else() {
        let printed =
            "  default\n* a.b._:1\n  c\n\nThe currently selected workspace is overridden\n";
        assert_eq!(workspace_names(printed), ["default", "a.b._:1", "c"]);
        assert!(workspace_names("").is_empty());
    }
}
