//! `blockhouse:block/configuration`: values that the policy gives the component.

use crate::sandbox::RunState;
use crate::sandbox::bindings::blockhouse::block::configuration::Host;

impl Host for RunState {
    fn value(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        let grants = std::sync::Arc::clone(&self.grants);
        let mut looked_at = key.len();
        let found = grants.configuration().find(|(known, _)| {
            looked_at = looked_at.saturating_add(known.len());
            *known == key
        });
        let value = found.map(|(_, value)| value.to_owned());
        self.charge(looked_at.saturating_add(value.as_ref().map_or(0, String::len)));
        Ok(value)
    }

    fn values(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let mut values: Vec<_> = self.grants.configuration().map(owned).collect();
        values.sort_unstable();
        // SECURITY: walls::asking_for_configuration_uses_up_the_fuel
        self.charge(values.iter().map(|(key, value)| key.len() + value.len()).sum());
        Ok(values)
    }
}
