//! The fields of the definition's implementation: [`Settings`].

use blockhouse_sdk::{BaseUrl, Failure, Fields};

/// Which pipeline of which project.
pub(crate) struct Settings<'a, S> {
    pub(crate) base: BaseUrl,
    /// Whether the pipeline itself reports to meshStack.
    pub(crate) is_async: bool,
    pub(crate) organization: &'a str,
    pub(crate) pipeline: &'a str,
    pub(crate) project: &'a str,
    /// None: the pipeline's own.
    pub(crate) revision: Option<&'a str>,
    pub(crate) token: &'a S,
}

impl<'a, S> Settings<'a, S> {
    /// Every field, or which of them is wrong.
    pub(crate) fn read(fields: &Fields<'a, S>) -> Result<Self, Failure> {
        Ok(Self {
            base: BaseUrl::parse("azureDevOpsBaseUrl", fields.required("azureDevOpsBaseUrl")?)?,
            is_async: fields.flag("async")?,
            organization: fields.required("organization")?,
            pipeline: fields.required("pipelineId")?,
            project: fields.required("project")?,
            revision: fields.text("refName")?,
            token: fields.secret("personalAccessToken")?,
        })
    }
}
