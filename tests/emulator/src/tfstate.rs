//! Terraform states, their locks and what happened to them. Main type: [`TerraformState`].

use std::collections::BTreeSet;

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use crate::StateAddress;
use crate::answer::{Answer, JSON, Refused};

/// One block's Terraform state.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct TerraformState {
    /// What a read answers.
    pub current: Option<Bytes>,
    /// Every state ever written, oldest first (only the latest with [`crate::Recording::Counts`]).
    pub versions: Vec<Bytes>,
    /// The lock info that its holder sent.
    pub lock: Option<Value>,
    /// How many locks were granted.
    pub locks: u64,
    /// What happened to it, oldest first (empty with [`crate::Recording::Counts`]). Requests that a fault kept from being
    /// processed are not in here.
    pub history: Vec<StateEvent>,
    /// The run that holds the lock; none if a test has set it.
    pub(crate) holder: Option<Uuid>,
}

/// Something that happened to a state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateEvent {
    /// The run whose token was used.
    pub run: Uuid,
    /// What happened.
    pub what: StateHappening,
}

/// What can happen to a state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateHappening {
    /// It was deleted.
    Deleted,
    /// The lock with this id was granted (the same holder asking again counts once).
    Locked(String),
    /// A lock, a write or an unlock was refused because of another lock; its id, as far as the refused one named any.
    Refused(Option<String>),
    /// The lock with this id was given back; true: by force.
    Unlocked(String, bool),
    /// It was written, with this `serial`.
    Written(Option<u64>),
}

/// A lock that is held.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HeldLock {
    /// Whose state.
    pub address: StateAddress,
    /// The lock info that its holder sent.
    pub info: Value,
    /// The run that took it; none if a test has set it.
    pub run: Option<Uuid>,
}

/// A call to a state: whose it is, and whether what happens is remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) run: Uuid,
    pub(crate) keep: bool,
}

impl TerraformState {
    /// The current state as JSON; null when there is none.
    #[must_use]
    pub fn json(&self) -> Value {
        let bytes = self.current.as_deref().unwrap_or_default();
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    /// `serial` of the current state.
    #[must_use]
    pub fn serial(&self) -> Option<u64> {
        serial(self.current.as_deref().unwrap_or_default())
    }

    /// `serial` of every write, oldest first.
    #[must_use]
    pub fn serials(&self) -> Vec<u64> {
        let written = self.history.iter().filter_map(|event| match event.what {
            StateHappening::Written(serial) => serial,
            _ => None,
        });
        written.collect()
    }

    /// The addresses of the managed resources in the current state, such as `module.a.terraform_data.b["key"]`.
    #[must_use]
    pub fn resources(&self) -> BTreeSet<String> {
        self.instances().into_iter().map(|(address, _)| address).collect()
    }

    /// Those of them whose making has failed or was broken off: Terraform replaces them, and does not run what they have for their end.
    #[must_use]
    pub fn tainted(&self) -> BTreeSet<String> {
        let is_tainted =
            |instance: &Value| instance.get("status").is_some_and(|status| status == "tainted");
        let instances = self.instances().into_iter();
        instances.filter_map(|(address, it)| is_tainted(&it).then_some(address)).collect()
    }

    fn instances(&self) -> Vec<(String, Value)> {
        let state = self.json();
        let list = |value: &Value, key| {
            let list = value.get(key).and_then(Value::as_array);
            list.cloned().unwrap_or_default()
        };
        let is_managed =
            |resource: &Value| resource.get("mode").is_some_and(|mode| mode == "managed");
        let managed = list(&state, "resources").into_iter().filter(is_managed);
        managed
            .flat_map(|resource| {
                let text = |key| resource.get(key).and_then(Value::as_str).unwrap_or_default();
                let module = text("module");
                let dot = if module.is_empty() { "" } else { "." };
                let address = format!("{module}{dot}{}.{}", text("type"), text("name"));
                let instances = list(&resource, "instances").into_iter();
                instances.map(move |instance| match instance.get("index_key") {
                    None | Some(Value::Null) => (address.clone(), instance),
                    Some(key) => (format!("{address}[{key}]"), instance),
                })
            })
            .collect()
    }

    /// Ids of locks that were granted, oldest first.
    #[must_use]
    pub fn lock_ids(&self) -> Vec<String> {
        let locked = self.history.iter().filter_map(|event| match &event.what {
            StateHappening::Locked(id) => Some(id.clone()),
            _ => None,
        });
        locked.collect()
    }

    fn lock_id(&self) -> Option<&str> {
        self.lock.as_ref()?.get("ID")?.as_str()
    }

    fn note(&mut self, caller: Caller, what: StateHappening) {
        if caller.keep {
            self.history.push(StateEvent { run: caller.run, what });
        }
    }

    /// 423 with the holder's lock info, as Terraform shows it to its user.
    fn locked(&mut self, caller: Caller, named: Option<&str>) -> Answer {
        self.note(caller, StateHappening::Refused(named.map(str::to_owned)));
        let info = self.lock.clone().unwrap_or_default();
        Answer::json(StatusCode::LOCKED, JSON, &info)
    }

    pub(crate) fn read(&self) -> Answer {
        match &self.current {
            Some(state) => Answer::new(StatusCode::OK, JSON, state.clone()),
            None => Answer::problem(StatusCode::NOT_FOUND, "no state yet"),
        }
    }

    /// Whoever writes or deletes names the lock that is held, if one is; and no other.
    fn check_lock(&mut self, caller: Caller, id: Option<&str>) -> Option<Answer> {
        match (self.lock_id(), id) {
            (None, None) => None,
            (None, Some(named)) => {
                self.note(caller, StateHappening::Refused(Some(named.to_owned())));
                Some(Answer::problem(StatusCode::CONFLICT, "the lock is no longer held"))
            }
            (Some(held), Some(named)) if held == named => None,
            (Some(_), named) => Some(self.locked(caller, named)),
        }
    }

    pub(crate) fn write(
        &mut self,
        caller: Caller,
        lock_id: Option<&str>,
        state: Bytes,
    ) -> Result<Answer, Refused> {
        if !serde_json::from_slice::<Value>(&state).is_ok_and(|state| state.is_object()) {
            return Err(Refused::violation(StatusCode::BAD_REQUEST, "the state is no JSON object"));
        }
        if let Some(answer) = self.check_lock(caller, lock_id) {
            return Ok(answer);
        }
        if !caller.keep {
            self.versions.clear();
        }
        self.note(caller, StateHappening::Written(serial(&state)));
        self.versions.push(state.clone());
        self.current = Some(state);
        Ok(Answer::new(StatusCode::OK, JSON, Bytes::new()))
    }

    pub(crate) fn delete(&mut self, caller: Caller, lock_id: Option<&str>) -> Answer {
        if let Some(answer) = self.check_lock(caller, lock_id) {
            return answer;
        }
        self.note(caller, StateHappening::Deleted);
        self.current = None;
        Answer::new(StatusCode::OK, JSON, Bytes::new())
    }

    /// The same holder asking again (after a lost answer) gets its lock.
    pub(crate) fn lock(&mut self, caller: Caller, info: &[u8]) -> Result<Answer, Refused> {
        let (id, info) = lock_info(info)?;
        if self.lock.is_some() && self.lock_id() != Some(&id) {
            return Ok(self.locked(caller, Some(&id)));
        }
        if self.lock.is_none() {
            self.locks += 1;
            self.lock = Some(info);
            self.holder = Some(caller.run);
            self.note(caller, StateHappening::Locked(id));
        }
        Ok(Answer::new(StatusCode::OK, JSON, Bytes::new()))
    }

    /// An empty body forces the lock open, as `terraform force-unlock` does.
    pub(crate) fn unlock(&mut self, caller: Caller, info: &[u8]) -> Result<Answer, Refused> {
        if !info.is_empty() {
            let (id, _) = lock_info(info)?;
            if self.lock.is_some() && self.lock_id() != Some(&id) {
                return Ok(self.locked(caller, Some(&id)));
            }
        }
        if let Some(id) = self.lock_id().map(str::to_owned) {
            self.note(caller, StateHappening::Unlocked(id, info.is_empty()));
        }
        self.lock = None;
        self.holder = None;
        Ok(Answer::new(StatusCode::OK, JSON, Bytes::new()))
    }
}

fn serial(state: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(state).ok()?.get("serial")?.as_u64()
}

fn lock_info(body: &[u8]) -> Result<(String, Value), Refused> {
    let info = serde_json::from_slice::<Value>(body).unwrap_or_default();
    match info.get("ID").and_then(Value::as_str) {
        Some(id) if !id.is_empty() => Ok((id.to_owned(), info)),
        _ => Err(Refused::violation(StatusCode::BAD_REQUEST, "the lock info has no ID")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CALLER: Caller = Caller { run: Uuid::nil(), keep: true };

    fn status(answer: Result<Answer, Refused>) -> u16 {
        answer.map_or_else(|refused| refused.status.as_u16(), |answer| answer.status.as_u16())
    }

    #[test]
    fn only_the_holder_writes_and_unlocks() {
        let mut state = TerraformState::default();
        let one = br#"{"ID":"one","Who":"ada"}"#;
        assert_eq!(status(state.lock(CALLER, one)), 200);
        assert_eq!(status(state.lock(CALLER, one)), 200);
        let refused = state.lock(CALLER, br#"{"ID":"two"}"#).unwrap();
        assert_eq!(refused.status, StatusCode::LOCKED);
        assert_eq!(serde_json::from_slice::<Value>(&refused.body).unwrap()["Who"], "ada");
        assert_eq!(status(state.write(CALLER, None, "{}".into())), 423);
        assert_eq!(status(state.write(CALLER, Some("two"), "{}".into())), 423);
        assert_eq!(status(state.write(CALLER, Some("one"), r#"{"serial":4}"#.into())), 200);
        assert_eq!(status(state.unlock(CALLER, br#"{"ID":"two"}"#)), 423);
        assert_eq!(status(state.unlock(CALLER, one)), 200);
        assert_eq!(status(state.write(CALLER, Some("one"), "{}".into())), 409);
        assert_eq!((state.locks, state.versions.len()), (1, 1));
        assert_eq!((state.serial(), state.serials()), (Some(4), vec![4]));
        let what = state.history.into_iter().map(|event| event.what).collect::<Vec<_>>();
        let refused = |id: &str| StateHappening::Refused(Some(id.to_owned()));
        let expected = [
            StateHappening::Locked("one".into()),
            refused("two"),
            StateHappening::Refused(None),
            refused("two"),
            StateHappening::Written(Some(4)),
            refused("two"),
            StateHappening::Unlocked("one".into(), false),
            refused("one"),
        ];
        assert_eq!(what, expected);
    }

    #[test]
    fn an_empty_unlock_is_by_force() {
        let mut state = TerraformState::default();
        state.lock(CALLER, br#"{"ID":"one"}"#).unwrap();
        assert_eq!(state.holder, Some(CALLER.run));
        state.unlock(CALLER, b"").unwrap();
        assert!(state.lock.is_none() && state.holder.is_none());
        let last = state.history.last().map(|event| event.what.clone());
        assert_eq!(last, Some(StateHappening::Unlocked("one".into(), true)));
    }

    #[test]
    fn a_state_that_is_no_object_is_a_violation() {
        let refused = TerraformState::default().write(CALLER, None, "[".into()).unwrap_err();
        assert!(refused.is_violation);
    }

    #[test]
    fn a_deleted_state_is_gone_but_its_versions_stay() {
        let mut state = TerraformState::default();
        state.write(CALLER, None, "{}".into()).unwrap();
        assert_eq!(state.delete(CALLER, None).status, StatusCode::OK);
        assert_eq!(state.read().status, StatusCode::NOT_FOUND);
        assert_eq!(state.versions.len(), 1);
    }

    #[test]
    fn resources_are_named_as_terraform_names_them() {
        let mut state = TerraformState::default();
        let resource = |mode: &str, module: Value, name: &str, keys: &[Value]| {
            let instances: Vec<_> = keys.iter().map(|key| json!({"index_key": key})).collect();
            json!({"mode": mode, "module": module, "type": "t", "name": name, "instances": instances})
        };
        let resources = json!([
            resource("managed", json!(null), "one", &[json!(null)]),
            resource("managed", json!("module.m"), "many", &[json!("a"), json!(1)]),
            resource("managed", json!(null), "none", &[]),
            resource("data", json!(null), "read", &[json!(null)]),
        ]);
        let document = json!({"serial": 1, "resources": resources}).to_string();
        state.write(CALLER, None, document.into()).unwrap();
        let found: Vec<_> = state.resources().into_iter().collect();
        assert_eq!(found, ["module.m.t.many[\"a\"]", "module.m.t.many[1]", "t.one"]);
        let tainted = br#"{"resources": [{"mode": "managed", "type": "t", "name": "a", "instances": [{"status": "tainted"}]}, {"mode": "managed", "type": "t", "name": "b", "instances": [{}]}]}"#;
        let state = TerraformState {
            current: Some(Bytes::from_static(tainted)),
            ..TerraformState::default()
        };
        assert_eq!(state.tainted().into_iter().collect::<Vec<_>>(), ["t.a"]);
        assert_eq!(state.resources().len(), 2);
    }
}
