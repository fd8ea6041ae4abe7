//! `routes`: which component executes which runs. The first route that matches wins.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::digest::Digest;
use blockhouse_policy::{Grants, Limits, Pattern, RouteMatch};
use uuid::Uuid;

use super::EmbeddedComponent;
use super::known::nearest;
use super::policies::{self, Policies, PolicySource, Sourced};
use super::reader::{Complaint, Found, Reader, Section};
use super::show::Show;

const KEYS: &[&str] = &["component", "match", "name", "policy"];
const MATCH_KEYS: &[&str] = &["definition", "implementationType", "owner", "tenant"];
const COMPONENT_KEYS: &[&str] = &["digest", "embedded", "file"];
/// Attack: none from outside; each claim is compared with every route.
const MAX_ROUTES: usize = 1000;
/// Longest pattern. Attack: none from outside; matching takes time in proportion to pattern and text.
const MAX_PATTERN_BYTES: usize = 256;

/// A route: which runs, which component, under which policy.
#[derive(Debug, Clone)]
pub struct Route {
    /// For logs and messages. `routes[0]` and so on unless given.
    pub name: String,
    /// Which runs.
    pub matches: RouteMatch,
    /// What executes them.
    pub component: Component,
    /// Where its policy comes from.
    pub policy: PolicySource,
    /// What the component may do: the policy within the ceiling.
    pub grants: Arc<Grants>,
}

/// What executes a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Component {
    /// One that is part of this program.
    Embedded {
        /// Its name.
        name: String,
    },
    /// A file, which must have this digest when it is loaded.
    File {
        /// The path as it was given.
        given: PathBuf,
        /// Where that leads: relative paths start at the configuration file.
        path: PathBuf,
        /// SHA-256 of the file.
        digest: Digest,
    },
}

/// What all routes share while they are read.
pub(super) struct Shared<'c> {
    /// The components that are part of the program.
    pub(super) embedded: &'c [EmbeddedComponent<'c>],
    pub(super) policies: Policies<'c>,
    pub(super) ceiling: Option<Sourced>,
    /// For limits that a policy does not say.
    pub(super) limits: Limits,
    /// What the operator says, which also counts for policies that come with the program.
    pub(super) wall_time: Option<Duration>,
}

// === reading ===

/// Reads the list. Without one, each embedded component gets the types it is made for.
pub(super) fn read(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    shared: &mut Shared<'_>,
) -> Vec<Route> {
    let Some(found) = root.find("routes") else { return defaults(shared) };
    let items = found.items();
    if items.is_empty() || items.len() > MAX_ROUTES {
        let hint = "remove the key for the default routes";
        let complaint = Complaint::from(format!("must have 1 to {MAX_ROUTES} routes"));
        reader.wrong(&found, complaint.hint(hint));
        return vec![];
    }
    reader.came_from("routes", &found, None);
    let mut routes: Vec<(Option<RouteMatch>, Found<'_>)> = Vec::with_capacity(items.len());
    let mut read = Vec::with_capacity(items.len());
    for item in items {
        let section = reader.open(&item, KEYS);
        let matches = read_match(reader, &section);
        let component = read_component(reader, &section, shared.embedded);
        let policy = read_policy(reader, &section, component.as_ref(), shared);
        let name = reader.text(&section.join("name"), section.find("name"));
        if let Some(matches) = &matches {
            let earlier = |(m, _): &&(Option<RouteMatch>, Found<'_>)| {
                m.as_ref().is_some_and(|earlier| earlier.covers(matches))
            };
            if let Some((_, earlier)) = routes.iter().find(earlier) {
                let message = format!("can never match, since `{}` matches all of it", earlier.key);
                let hint = "put the narrower route first";
                reader.wrong(&item, Complaint::from(message).hint(hint));
            }
        }
        if let (Some(matches), Some(component), Some(policy)) = (matches.clone(), component, policy)
        {
            let name = name.unwrap_or_else(|| item.key.clone());
            read.push(shared.route(name, matches, component, policy));
        }
        routes.push((matches, item));
    }
    read
}

fn defaults(shared: &Shared<'_>) -> Vec<Route> {
    let has_types = |component: &&EmbeddedComponent<'_>| !component.implementation_types.is_empty();
    let route = |component: &EmbeddedComponent<'_>| {
        let types = component.implementation_types.iter();
        let matches = RouteMatch {
            implementation_type: types.map(|name| Pattern::new(*name)).collect(),
            ..RouteMatch::default()
        };
        let name = component.name.to_owned();
        let policy = shared.policies.embedded(component.name)?;
        Some(shared.route(name.clone(), matches, Component::Embedded { name }, policy))
    };
    shared.embedded.iter().filter(has_types).filter_map(route).collect()
}

impl Shared<'_> {
    fn route(
        &self,
        name: String,
        matches: RouteMatch,
        component: Component,
        policy: Sourced,
    ) -> Route {
        let ceiling = self.ceiling.as_ref().map(|ceiling| Arc::clone(&ceiling.policy));
        let mut grants = Grants::new(policy.policy, ceiling, &self.limits);
        if let (PolicySource::Embedded { .. }, Some(wall_time)) = (&policy.source, self.wall_time) {
            grants = grants.with_wall_time(wall_time);
        }
        let grants = Arc::new(grants);
        Route { name, matches, component, policy: policy.source, grants }
    }
}

/// The route's policy; an embedded component brings its own.
fn read_policy(
    reader: &mut Reader<'_>,
    route: &Section<'_>,
    component: Option<&Component>,
    shared: &mut Shared<'_>,
) -> Option<Sourced> {
    if route.find("policy").is_some() {
        return shared.policies.of_route(reader, route);
    }
    match component? {
        Component::Embedded { name } => shared.policies.embedded(name),
        Component::File { .. } => {
            policies::missing(reader, route);
            None
        }
    }
}

fn read_match(reader: &mut Reader<'_>, route: &Section<'_>) -> Option<RouteMatch> {
    let mistakes = reader.mistakes.len();
    let section = reader.subsection(route, "match", MATCH_KEYS);
    let mut field = |key: &str, parse: fn(&str) -> Result<Pattern, Complaint>| {
        let values = reader.texts(&section.join(key), section.find(key), parse);
        values.unwrap_or_default()
    };
    let matches = RouteMatch {
        implementation_type: field("implementationType", pattern),
        definition: field("definition", definition),
        owner: field("owner", pattern),
        tenant: field("tenant", pattern),
    };
    if reader.mistakes.len() > mistakes {
        return None;
    }
    if matches == RouteMatch::default() {
        let hint = format!("give at least one of {}", MATCH_KEYS.join(", "));
        reader.missing(route, "match", Complaint::from("is missing").hint(hint));
        return None;
    }
    Some(matches)
}

fn read_component(
    reader: &mut Reader<'_>,
    route: &Section<'_>,
    embedded: &[EmbeddedComponent<'_>],
) -> Option<Component> {
    let section = reader.subsection(route, "component", COMPONENT_KEYS);
    let (name, file) = (section.find("embedded"), section.find("file"));
    let digest = section.find("digest");
    match (name, file) {
        (Some(name), Some(_)) => {
            reader.wrong(&name, "excludes `file`; a route has one component");
            None
        }
        (Some(name), None) => {
            if let Some(digest) = &digest {
                reader.wrong(
                    digest,
                    "belongs to `file`; embedded components are part of this program",
                );
            }
            let known: Vec<_> = embedded.iter().map(|component| component.name).collect();
            let name = reader.parse(&section.join("embedded"), Some(name), |text| {
                let text = text.trim();
                if known.contains(&text) {
                    return Ok(text.to_owned());
                }
                let hint = nearest(text, &known).map_or_else(
                    || format!("embedded are: {}", known.join(", ")),
                    |name| format!("did you mean `{name}`?"),
                );
                Err(Complaint::from("names no embedded component").hint(hint))
            });
            name.map(|name| Component::Embedded { name })
        }
        (None, Some(file)) => {
            let given =
                reader.parse(&section.join("file"), Some(file), |text| Ok(PathBuf::from(text)));
            if digest.is_none() {
                let hint = "`sha256sum <file>` prints it; write `sha256:` in front";
                let complaint = Complaint::from("is missing; files are pinned by digest");
                reader.missing(&section, "digest", complaint.hint(hint));
            }
            let digest = reader.parse(&section.join("digest"), digest, parse_digest);
            let given = given?;
            Some(Component::File { path: reader.beside_file(&given), given, digest: digest? })
        }
        (None, None) => {
            let hint = "write `embedded: <name>`, or `file: <path>` with `digest: sha256:<hex>`";
            reader.missing(route, "component", Complaint::from("is missing").hint(hint));
            None
        }
    }
}

fn pattern(text: &str) -> Result<Pattern, Complaint> {
    if text.is_empty() || text.len() > MAX_PATTERN_BYTES || text.contains(char::is_control) {
        let message = format!("must be a name or pattern of 1 to {MAX_PATTERN_BYTES} characters");
        return Err(Complaint::from(message));
    }
    Ok(Pattern::new(text))
}

fn definition(text: &str) -> Result<Pattern, Complaint> {
    if !text.contains('*') {
        let uuid = Uuid::parse_str(text).map_err(|_| {
            Complaint::from("must be the UUID of a definition, or a pattern with `*`")
        })?;
        return Ok(Pattern::new(uuid.hyphenated().to_string()));
    }
    if !text.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '-' | '*')) {
        return Err(Complaint::from("can never match a UUID"));
    }
    pattern(&text.to_ascii_lowercase())
}

fn parse_digest(text: &str) -> Result<Digest, Complaint> {
    let complaint = || Complaint::from("must be `sha256:` and 64 hexadecimal digits");
    text.trim().to_ascii_lowercase().parse().map_err(|_| complaint())
}

// === showing ===

pub(super) fn show(routes: &[Route], out: &mut Show<'_>) {
    out.sequence("routes", routes, |route, out| {
        out.value("name", &route.name);
        out.section("match", |out| {
            let fields = ["implementationType", "definition", "owner", "tenant"];
            for (key, patterns) in fields.into_iter().zip(route.matches.fields()) {
                if !patterns.is_empty() {
                    out.list(key, patterns.iter().map(Pattern::as_str));
                }
            }
        });
        out.section("component", |out| match &route.component {
            Component::Embedded { name } => out.value("embedded", name),
            Component::File { given, digest, .. } => {
                out.value("file", &given.to_string_lossy());
                out.value("digest", &digest.to_string());
            }
        });
        out.section("policy", |out| route.policy.show(out));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_compared_in_lower_case() {
        let upper = "B23CFB9A-0000-4000-8000-000000000000";
        assert_eq!(definition(upper).unwrap().as_str(), upper.to_lowercase());
        assert_eq!(definition("B23C*").unwrap().as_str(), "b23c*");
        assert!(definition("my-definition").is_err());
        assert!(definition("x*").is_err());
    }

    #[test]
    fn digests_of_other_forms_are_refused() {
        let hex = "ab".repeat(32);
        assert!(parse_digest(&format!("sha256:{hex}")).is_ok());
        for text in
            [hex.clone(), format!("sha512:{hex}"), format!("sha256:{hex}0"), "sha256:+f".repeat(8)]
        {
            assert!(parse_digest(&text).is_err(), "{text}");
        }
    }
}
