//! The lenient first look at a claimed run: each part is read on its own, so that one bad part spoils no other.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{DocumentError, Link, Links};
use crate::run::RunId;

/// The document's outermost parts, unread.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    spec: Option<&'a RawValue>,
    #[serde(borrow, rename = "_links")]
    links: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    uuid: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow)]
    run_token: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LinksOutline<'a> {
    #[serde(borrow, rename = "self")]
    this: Option<&'a RawValue>,
    #[serde(borrow)]
    register_source: Option<&'a RawValue>,
    #[serde(borrow)]
    update_source: Option<&'a RawValue>,
    #[serde(borrow)]
    meshstack_base_url: Option<&'a RawValue>,
    #[serde(borrow)]
    plan_artifact: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct LinkBody {
    href: String,
}

pub(super) fn read(text: &str) -> Result<(RunId, Option<SecretString>, Links), DocumentError> {
    let outline: Outline<'_> =
        serde_json::from_str(text).map_err(|error| DocumentError::from_json("", &error))?;
    let uuid = outline
        .metadata
        .and_then(part::<Metadata<'_>>)
        .and_then(|metadata| metadata.uuid)
        .ok_or_else(|| DocumentError::new("metadata.uuid", "is missing"))?;
    let id = part::<String>(uuid)
        .and_then(|text| RunId::parse(&text).ok())
        .ok_or_else(|| DocumentError::new("metadata.uuid", "is not an id"))?;
    let token = outline
        .spec
        .and_then(part::<Spec<'_>>)
        .and_then(|spec| spec.run_token)
        .and_then(part::<String>)
        .filter(|token| !token.is_empty())
        .map(SecretString::from);
    Ok((id, token, outline.links.map(links).unwrap_or_default()))
}

fn links(raw: &RawValue) -> Links {
    let Some(outline) = part::<LinksOutline<'_>>(raw) else {
        // Perhaps a plan was among them; acting as if there were none could apply something else than was approved.
        return Links { plan_artifact: Some(Link::Unreadable), ..Links::default() };
    };
    let link = |raw: Option<&RawValue>| {
        raw.map(|raw| part::<LinkBody>(raw).map_or(Link::Unreadable, |body| Link::Href(body.href)))
    };
    Links {
        this: link(outline.this),
        register_source: link(outline.register_source),
        update_source: link(outline.update_source),
        meshstack_base_url: link(outline.meshstack_base_url),
        plan_artifact: link(outline.plan_artifact),
    }
}

fn part<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}
