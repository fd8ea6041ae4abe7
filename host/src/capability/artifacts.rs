//! `blockhouse:block/artifacts`: plans that go from run to run. They never pass through the component.

use super::terraform::Answer;
use crate::sandbox::RunState;
use crate::sandbox::bindings::blockhouse::block::artifacts::Host;
use crate::terraform::Workspace;
use crate::timeline::Plan;
use bytes::Bytes;

/// The largest plan that meshStack keeps, in bytes.
const PLAN_MAX: u64 = 128 << 20;

impl Host for RunState {
    async fn has_plan(&mut self) -> wasmtime::Result<bool> {
        Ok(self.native.as_ref().is_some_and(|native| native.workspace.has_plan()))
    }

    async fn fetch_plan(&mut self) -> Answer<()> {
        self.native(Workspace::fetch_plan).await
    }

    async fn publish_plan(&mut self, changes: bool) -> Answer<()> {
        let taken = self.native(async |workspace| workspace.take_plan(PLAN_MAX).await).await?;
        Ok(taken.map(|mut plan| {
            let bytes = Bytes::from(std::mem::take(&mut *plan));
            self.progress.change(|timeline| timeline.publish(Plan { bytes, changes }));
        }))
    }
}
