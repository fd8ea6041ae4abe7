//! Who may do what: the personal access token, the API's version, organization and project.

use data_encoding::BASE64;
use hyper::header::AUTHORIZATION;

use super::{Remote, Route, failed};
use crate::call::{Answer, Call};

/// What the server knows.
const VERSIONS: &[&str] = &["7.0", "7.1", "7.2", "7.1-preview.1", "7.1-preview.2", "7.2-preview.1"];
const NEWEST: &str = "7.2";

/// How the server answers a token that it does not know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadToken {
    /// 203 with a page to sign in: it looks like success.
    Page,
    /// 302 to a page to sign in.
    #[default]
    Redirect,
    /// 401, as servers of one's own do.
    Unauthorized,
}

impl Remote {
    pub(super) fn check_token(&self, call: &mut Call<'_, Route>) -> Result<(), Answer> {
        let header = call.header(AUTHORIZATION.as_str()).map(str::to_owned);
        let Some(header) = header else {
            call.breach("no Authorization");
            return Err(unauthorized());
        };
        let encoded = header.strip_prefix("Basic ").unwrap_or_default();
        let decoded = BASE64.decode(encoded.as_bytes()).ok();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((user, token)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
            call.breach("Authorization is not Basic with user and token");
            return Err(unauthorized());
        };
        if !user.is_empty() {
            call.breach("the user is not empty");
        }
        if self.tokens.iter().any(|known| known == token) {
            return Ok(());
        }
        let page = "<!DOCTYPE html><html><head><title>Azure DevOps Services | Sign In</title></head></html>";
        Err(match self.bad_token {
            BadToken::Page => Answer::text(203, "text/html; charset=utf-8", page),
            BadToken::Redirect => {
                let location =
                    format!("{}/_signin?realm=localhost&protocol=wsfederation", call.url);
                let moved = "<html><head><title>Object moved</title></head></html>";
                Answer::text(302, "text/html; charset=utf-8", moved).with("location", location)
            }
            BadToken::Unauthorized => unauthorized(),
        })
    }

    pub(super) fn check_project(&self, organization: &str, project: &str) -> Result<(), Answer> {
        if !organization.eq_ignore_ascii_case(&self.organization) {
            let html = "<html><head><title>The resource cannot be found.</title></head></html>";
            return Err(Answer::text(404, "text/html; charset=utf-8", html));
        }
        let is_wanted = |pipeline: &super::Pipeline| pipeline.is_in(project);
        if self.pipelines.iter().any(is_wanted) {
            return Ok(());
        }
        let text = format!(
            "TF200016: The following project does not exist: {project}. Verify that the name of the project is \
             correct and that the project exists on the specified Azure DevOps Server."
        );
        let namespace = "Microsoft.TeamFoundation.Core.WebApi";
        Err(failed(404, namespace, "ProjectDoesNotExistWithNameException", &text))
    }
}

fn unauthorized() -> Answer {
    let text = "TF400813: The user '' is not authorized to access this resource.";
    let namespace = "Microsoft.TeamFoundation.Framework.Server";
    failed(401, namespace, "UnauthorizedRequestException", text)
        .with("www-authenticate", "Basic realm=\"http://localhost/\"")
}

pub(super) fn check_version(call: &mut Call<'_, Route>) -> Result<(), Answer> {
    let namespace = "Microsoft.VisualStudio.Services.WebApi";
    let Some(version) = call.parameter("api-version") else {
        call.breach("no api-version");
        let method = call.method;
        let text = format!(
            "No api-version was supplied for the \"{method}\" request. The version must be supplied either as part of \
             the Accept header (e.g. \"application/json; api-version=1.0\") or as a query parameter (e.g. \
             \"?api-version=1.0\")."
        );
        return Err(failed(400, namespace, "VssVersionNotSpecifiedException", &text));
    };
    if VERSIONS.contains(&version.as_str()) {
        return Ok(());
    }
    call.breach("an api-version that the server does not know");
    let text = format!(
        "The requested REST API version of {version} is out of range for this server. The latest REST API version \
         this server supports is {NEWEST}."
    );
    Err(failed(400, namespace, "VssVersionOutOfRangeException", &text))
}
