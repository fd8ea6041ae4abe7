//! Terraform states and their locks. Main type: [`TerraformState`].

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::Value;

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
}

impl TerraformState {
    fn lock_id(&self) -> Option<&str> {
        self.lock.as_ref()?.get("ID")?.as_str()
    }

    /// 423 with the holder's lock info, as Terraform shows it to its user.
    fn locked(&self) -> Answer {
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
    fn check_lock(&self, id: Option<&str>) -> Option<Answer> {
        match (self.lock_id(), id) {
            (None, None) => None,
            (None, Some(_)) => {
                Some(Answer::problem(StatusCode::CONFLICT, "the lock is no longer held"))
            }
            (Some(held), Some(named)) if held == named => None,
            (Some(_), _) => Some(self.locked()),
        }
    }

    pub(crate) fn write(
        &mut self,
        lock_id: Option<&str>,
        state: Bytes,
        keep: bool,
    ) -> Result<Answer, Refused> {
        if !serde_json::from_slice::<Value>(&state).is_ok_and(|state| state.is_object()) {
            return Err(Refused::violation(StatusCode::BAD_REQUEST, "the state is no JSON object"));
        }
        if let Some(answer) = self.check_lock(lock_id) {
            return Ok(answer);
        }
        if !keep {
            self.versions.clear();
        }
        self.versions.push(state.clone());
        self.current = Some(state);
        Ok(Answer::new(StatusCode::OK, JSON, Bytes::new()))
    }

    pub(crate) fn delete(&mut self, lock_id: Option<&str>) -> Answer {
        if let Some(answer) = self.check_lock(lock_id) {
            return answer;
        }
        self.current = None;
        Answer::new(StatusCode::OK, JSON, Bytes::new())
    }

    /// The same holder asking again (after a lost answer) gets its lock.
    pub(crate) fn lock(&mut self, info: &[u8]) -> Result<Answer, Refused> {
        let info = lock_info(info)?;
        let id = info.get("ID").and_then(Value::as_str);
        if self.lock.is_some() && self.lock_id() != id {
            return Ok(self.locked());
        }
        if self.lock.is_none() {
            self.locks += 1;
            self.lock = Some(info);
        }
        Ok(Answer::new(StatusCode::OK, JSON, Bytes::new()))
    }

    /// An empty body forces the lock open, as `terraform force-unlock` does.
    pub(crate) fn unlock(&mut self, info: &[u8]) -> Result<Answer, Refused> {
        if !info.is_empty() {
            let info = lock_info(info)?;
            let id = info.get("ID").and_then(Value::as_str);
            if self.lock.is_some() && self.lock_id() != id {
                return Ok(self.locked());
            }
        }
        self.lock = None;
        Ok(Answer::new(StatusCode::OK, JSON, Bytes::new()))
    }
}

fn lock_info(body: &[u8]) -> Result<Value, Refused> {
    serde_json::from_slice::<Value>(body)
        .ok()
        .filter(|info| info.get("ID").and_then(Value::as_str).is_some_and(|id| !id.is_empty()))
        .ok_or_else(|| Refused::violation(StatusCode::BAD_REQUEST, "the lock info has no ID"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(answer: Result<Answer, Refused>) -> u16 {
        answer.map_or_else(|refused| refused.status.as_u16(), |answer| answer.status.as_u16())
    }

    #[test]
    fn only_the_holder_writes_and_unlocks() {
        let mut state = TerraformState::default();
        let one = br#"{"ID":"one","Who":"ada"}"#;
        assert_eq!(status(state.lock(one)), 200);
        assert_eq!(status(state.lock(one)), 200);
        let refused = state.lock(br#"{"ID":"two"}"#).unwrap();
        assert_eq!(refused.status, StatusCode::LOCKED);
        assert_eq!(serde_json::from_slice::<Value>(&refused.body).unwrap()["Who"], "ada");
        assert_eq!(status(state.write(None, "{}".into(), true)), 423);
        assert_eq!(status(state.write(Some("two"), "{}".into(), true)), 423);
        assert_eq!(status(state.write(Some("one"), "{}".into(), true)), 200);
        assert_eq!(status(state.unlock(br#"{"ID":"two"}"#)), 423);
        assert_eq!(status(state.unlock(one)), 200);
        assert_eq!(status(state.write(Some("one"), "{}".into(), true)), 409);
        assert_eq!((state.locks, state.versions.len()), (1, 1));
    }

    #[test]
    fn an_empty_unlock_is_by_force() {
        let mut state = TerraformState::default();
        state.lock(br#"{"ID":"one"}"#).unwrap();
        state.unlock(b"").unwrap();
        assert!(state.lock.is_none());
    }

    #[test]
    fn a_state_that_is_no_object_is_a_violation() {
        let refused = TerraformState::default().write(None, "[".into(), true).unwrap_err();
        assert!(refused.is_violation);
    }

    #[test]
    fn a_deleted_state_is_gone_but_its_versions_stay() {
        let mut state = TerraformState::default();
        state.write(None, "{}".into(), true).unwrap();
        assert_eq!(state.delete(None).status, StatusCode::OK);
        assert_eq!(state.read().status, StatusCode::NOT_FOUND);
        assert_eq!(state.versions.len(), 1);
    }
}
