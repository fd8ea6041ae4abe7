//! Who may call what: the runner's own credentials, run tokens, and nothing in place of another.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, StatusCode};
use uuid::Uuid;

use crate::answer::Refused;
use crate::route::StateAddress;
use crate::world::World;

/// A parsed `Authorization` header. No `Debug`: it holds credentials.
enum Credentials<'a> {
    Basic { user: String, password: String },
    Bearer(&'a str),
    Missing,
    Unreadable,
}

impl<'a> Credentials<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            let absent = headers.get(AUTHORIZATION).is_none();
            return if absent { Self::Missing } else { Self::Unreadable };
        };
        let Some((scheme, rest)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
            return Self::Unreadable;
        };
        if scheme.eq_ignore_ascii_case("bearer") {
            return Self::Bearer(rest);
        }
        let decoded = || {
            let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
            let (user, password) = text.split_once(':')?;
            Some(Self::Basic { user: user.to_owned(), password: password.to_owned() })
        };
        let basic = scheme.eq_ignore_ascii_case("basic").then(decoded).flatten();
        basic.unwrap_or(Self::Unreadable)
    }
}

fn unauthorized(message: &str) -> Refused {
    Refused::violation(StatusCode::UNAUTHORIZED, message)
}

fn forbidden(message: &str) -> Refused {
    Refused::violation(StatusCode::FORBIDDEN, message)
}

fn expired(message: &str) -> Refused {
    Refused::quietly(StatusCode::UNAUTHORIZED, message)
}

/// For calls that the runner makes as itself.
pub(crate) fn runner(world: &World, headers: &HeaderMap) -> Result<(), Refused> {
    match Credentials::of(headers) {
        Credentials::Basic { user, password } => match world.config.basic.get(&user) {
            Some(right) if *right == password => Ok(()),
            _ => Err(unauthorized("wrong user or password")),
        },
        Credentials::Bearer(token) => match world.api_tokens.get(token) {
            Some(expiry) if world.now < *expiry => Ok(()),
            Some(_) => Err(expired("the API token has expired")),
            None if world.run_tokens.contains_key(token) => {
                Err(forbidden("a run token on a call that the runner makes as itself"))
            }
            None => Err(unauthorized("unknown bearer token")),
        },
        Credentials::Missing => Err(unauthorized("no Authorization header")),
        Credentials::Unreadable => Err(unauthorized("unreadable Authorization header")),
    }
}

/// For calls about a run: its run token, or the runner's own credentials when it has none.
pub(crate) fn run(world: &World, headers: &HeaderMap, id: Uuid) -> Result<(), Refused> {
    let run = world.run(&id).ok_or_else(|| World::unknown_run(id))?;
    let Some(right) = &run.token else {
        return runner(world, headers);
    };
    match Credentials::of(headers) {
        Credentials::Bearer(token) if token == right => match run.token_is_valid(world.now) {
            true => Ok(()),
            false => Err(expired("the run token has expired")),
        },
        Credentials::Bearer(token) if world.run_tokens.contains_key(token) => {
            Err(forbidden("another run's token"))
        }
        Credentials::Bearer(token) if world.api_tokens.contains_key(token) => {
            Err(forbidden("the runner's own token although the run has a run token"))
        }
        Credentials::Basic { .. } => {
            Err(forbidden("the runner's own password although the run has a run token"))
        }
        Credentials::Bearer(_) => Err(unauthorized("unknown bearer token")),
        Credentials::Missing => Err(unauthorized("no Authorization header")),
        Credentials::Unreadable => Err(unauthorized("unreadable Authorization header")),
    }
}

/// For Terraform's state: any user, the token of a run of that block as password. Tells which run it is.
pub(crate) fn state(
    world: &World,
    headers: &HeaderMap,
    address: &StateAddress,
) -> Result<Uuid, Refused> {
    match Credentials::of(headers) {
        Credentials::Basic { password, .. } => {
            let run = world.run_tokens.get(&password).and_then(|id| world.run(id));
            match run {
                None => Err(unauthorized("the password is no run token")),
                Some(run) if run.address.as_ref() != Some(address) => {
                    Err(forbidden("the token of a run of another block"))
                }
                Some(run) if !run.token_is_valid(world.now) => {
                    Err(expired("the run token has expired"))
                }
                Some(run) => Ok(run.id),
            }
        }
        Credentials::Missing => Err(unauthorized("no Authorization header")),
        Credentials::Bearer(_) | Credentials::Unreadable => {
            Err(unauthorized("the state backend takes Basic authorization only"))
        }
    }
}

/// The run whose token is the password of a call to a state, for faults and records: it may still be refused.
pub(crate) fn run_of_state_call(world: &World, headers: &HeaderMap) -> Option<Uuid> {
    match Credentials::of(headers) {
        Credentials::Basic { password, .. } => world.run_tokens.get(&password).copied(),
        _ => None,
    }
}
