//! Where the calls about a run go: [`Base`], [`Paths`].
//!
//! A run's links are authoritative for the paths, but only on the origin (scheme, host, port) that the credential
//! belongs to. A link to another origin is not followed: registering and updating fall back to their standard paths
//! under our base with a warning (a meshStack behind a gateway names itself by its outer address, and that must not
//! lose the run), and a plan is looked for under our base by its path from `/api/` on.

use tracing::warn;
use url::Url;
use uuid::Uuid;

use super::document::{Link, Links};
use super::error::LinkError;
use crate::run::RunId;

const RUNS: &str = "/api/meshobjects/meshbuildingblockruns";
const SOURCE_ID: &str = "{sourceId}";

/// Where meshStack's API is: an http(s) URL without user, password, query and fragment.
#[derive(Clone, Debug)]
pub(super) struct Base(Url);

impl Base {
    pub(super) fn parse(url: &Url) -> Option<Self> {
        let fine = callable(url) && url.query().is_none() && url.fragment().is_none();
        fine.then(|| Self(url.clone()))
    }

    /// Appends a path (beginning with `/`) to the base's own, if it has one.
    pub(super) fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url
    }

    pub(super) fn claim(&self, runner: Uuid) -> Url {
        let mut url = self.join(&format!("{RUNS}/create"));
        url.query_pairs_mut().append_pair("forRunnerUuid", &runner.to_string());
        url
    }

    pub(super) fn login(&self) -> Url {
        self.join("/api/login")
    }

    pub(super) fn runner(&self, runner: Uuid) -> Url {
        self.join(&format!("/api/meshobjects/meshbuildingblockrunners/{runner}"))
    }

    pub(super) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The base that a run names itself, for a run that comes without a configured one.
    pub(super) fn of_run(links: &Links) -> Result<Self, LinkError> {
        let read = |link: &Option<Link>, name| {
            let Some(link) = link else { return Ok(None) };
            let Link::Href(href) = link else { return Err(LinkError::Unreadable { link: name }) };
            let url = Url::parse(href).ok().filter(callable);
            url.map(Some).ok_or(LinkError::Unreadable { link: name })
        };
        let this = read(&links.this, "self")?;
        let base = read(&links.meshstack_base_url, "meshstackBaseUrl")?;
        match (this, base.as_ref().and_then(Self::parse)) {
            // The token is for whoever has the run; the base only adds the path in front of `/api`.
            (Some(this), Some(base)) if base.0.origin() == this.origin() => Ok(base),
            (Some(mut this), _) => {
                this.set_path("");
                this.set_query(None);
                this.set_fragment(None);
                Ok(Self(this))
            }
            (None, Some(base)) => Ok(base),
            (None, None) => Err(LinkError::Missing { link: "self" }),
        }
    }

    /// Reads a link; an error if it leaves our origin.
    // SECURITY: meshstack::tests::links::tokens_are_never_sent_to_a_foreign_origin
    fn follow(&self, href: &str, link: &'static str) -> Result<Url, LinkError> {
        let url = self.0.join(href).ok().filter(callable).ok_or(LinkError::Unreadable { link })?;
        if url.origin() != self.0.origin() {
            let origin = url.origin().ascii_serialization();
            return Err(LinkError::ForeignOrigin { link, origin });
        }
        Ok(url)
    }
}

/// Whether a URL can be called without saying more than it seems to: reqwest would turn user and password into a header.
fn callable(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
}

/// The URLs of the calls about one run, all on our own origin. Not `Debug`: a plan's URL may be signed.
#[derive(Clone)]
pub(super) struct Paths {
    pub(super) register: Url,
    pub(super) update: Url,
    pub(super) plan: Result<Url, LinkError>,
    base: Base,
}

impl Paths {
    pub(super) fn resolve(base: &Base, run: &RunId, runner: Uuid, links: &Links) -> Self {
        // A RunId has letters, digits and hyphens only, so it can't leave its place in a path.
        let standard = format!("{RUNS}/{run}/status/source");
        let register = follow(base, links.register_source.as_ref(), "registerSource", |href| {
            Some(href.to_owned())
        });
        let update = follow(base, links.update_source.as_ref(), "updateSource", |href| {
            let expanded = href.replace(SOURCE_ID, &runner.to_string());
            (href.contains(SOURCE_ID) && !expanded.contains(['{', '}'])).then_some(expanded)
        });
        Self {
            register: or_standard(register, run, || base.join(&standard)),
            update: or_standard(update, run, || base.join(&format!("{standard}/{runner}"))),
            plan: plan(base, run, links.plan_artifact.as_ref()),
            base: base.clone(),
        }
    }

    /// Where the Terraform state of a block is.
    pub(super) fn state(&self, tenant: &str, block: &str) -> Url {
        let mut url = self.base.join("/api/terraform/state/workspace/");
        // Can't fail: the base is http. Whatever is in the names, they stay one segment each.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(tenant).push("buildingBlock").push(block);
        }
        url
    }
}

fn follow(
    base: &Base,
    link: Option<&Link>,
    name: &'static str,
    expand: impl Fn(&str) -> Option<String>,
) -> Result<Url, LinkError> {
    match link {
        None => Err(LinkError::Missing { link: name }),
        Some(Link::Unreadable) => Err(LinkError::Unreadable { link: name }),
        Some(Link::Href(href)) => {
            let href = expand(href).ok_or(LinkError::Unreadable { link: name })?;
            base.follow(&href, name)
        }
    }
}

fn or_standard(followed: Result<Url, LinkError>, run: &RunId, standard: impl Fn() -> Url) -> Url {
    followed.unwrap_or_else(|error| {
        warn!(%run, %error, "the run's link is not used; using the standard path instead");
        standard()
    })
}

/// There is no standard path for plans, and no plan must never be taken for "none needed": what can't be resolved
/// stays an error.
fn plan(base: &Base, run: &RunId, link: Option<&Link>) -> Result<Url, LinkError> {
    let followed = follow(base, link, "planArtifact", |href| Some(href.to_owned()));
    let (Err(error @ LinkError::ForeignOrigin { .. }), Some(Link::Href(href))) = (&followed, link)
    else {
        return followed;
    };
    let foreign = Url::parse(href).ok();
    let path = foreign.as_ref().map(Url::path).and_then(|path| path.get(path.find("/api/")?..));
    let Some(path) = path else { return followed };
    warn!(%run, %error, "the run's link is not used; using its path under the configured URL instead");
    let mut url = base.join(path);
    url.set_query(foreign.as_ref().and_then(Url::query));
    Ok(url)
}
