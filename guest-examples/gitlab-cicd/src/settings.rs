//! The fields of the definition's implementation: [`Settings`].

use blockhouse_sdk::{BaseUrl, Failure, Fields};

/// Which pipeline of which project.
pub(crate) struct Settings<'a, S> {
    pub(crate) base: BaseUrl,
    /// A number, or a path such as `group/project`.
    pub(crate) project: &'a str,
    pub(crate) revision: &'a str,
    pub(crate) token: &'a S,
}

impl<'a, S> Settings<'a, S> {
    /// Every field, or which of them is wrong.
    pub(crate) fn read(fields: &Fields<'a, S>) -> Result<Self, Failure> {
        Ok(Self {
            base: BaseUrl::parse("gitlabBaseUrl", fields.required("gitlabBaseUrl")?)?,
            project: fields.required("projectId")?,
            revision: fields.required("refName")?,
            token: fields.secret("pipelineTriggerToken")?,
        })
    }
}
