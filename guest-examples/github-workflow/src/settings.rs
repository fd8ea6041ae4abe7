//! The fields of the definition's implementation: [`Settings`].

use blockhouse_sdk::{BaseUrl, Behavior, Failure, Fields, failure};

/// Which workflow of which repository.
pub(crate) struct Settings<'a, S> {
    pub(crate) app_id: &'a str,
    pub(crate) app_key: &'a S,
    pub(crate) base: BaseUrl,
    pub(crate) branch: &'a str,
    /// Whether the workflow itself reports to meshStack.
    pub(crate) is_async: bool,
    /// Whether the workflow gets the address of the run rather than its document.
    pub(crate) omits_document: bool,
    pub(crate) owner: &'a str,
    pub(crate) repository: &'a str,
    /// The one for what the run does.
    pub(crate) workflow: &'a str,
}

impl<'a, S> Settings<'a, S> {
    /// Every field, or which of them is wrong.
    pub(crate) fn read(fields: &Fields<'a, S>, behavior: Behavior) -> Result<Self, Failure> {
        let workflow = match behavior {
            Behavior::Apply | Behavior::Detect => fields.required("applyWorkflow")?,
            Behavior::Destroy => fields.text("destroyWorkflow")?.ok_or_else(|| {
                failure(
                    "This building block has no workflow that destroys it. Please ask the platform team to set `destroyWorkflow` in the building block's definition.",
                )
            })?,
        };
        Ok(Self {
            app_id: fields.required("appId")?,
            app_key: fields.secret("appPem")?,
            base: BaseUrl::parse("githubBaseUrl", fields.required("githubBaseUrl")?)?,
            branch: fields.required("branch")?,
            is_async: fields.flag("async")?,
            omits_document: fields.flag("omitRunObjectInput")?,
            owner: fields.required("owner")?,
            repository: fields.required("repository")?,
            workflow,
        })
    }

    /// The repository as people call it.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.repository)
    }

    /// The address of something in the repository.
    pub(crate) fn url(&self, segments: &[&str]) -> String {
        self.base.below(&[&["repos", self.owner, self.repository], segments].concat())
    }

    /// As `url`, with a query.
    pub(crate) fn asking(&self, segments: &[&str], query: &[(&str, &str)]) -> String {
        self.base.asking(&[&["repos", self.owner, self.repository], segments].concat(), query)
    }
}
