//! What a component may do: [`Policy`] files, the [`Grants`] that follow from them, and the permits that these hand out.
//!
//! Decisions only: this crate does no I/O, knows no WebAssembly and can't be asked to do anything. Acting code takes a
//! permit as an argument; only [`Grants`] can make one, so that forgetting the question does not compile.
//!
//! From the file to the answer: [`Policy::parse`] reads a file or reports all [`Mistakes`] in it; [`Grants::new`] puts a
//! policy under a ceiling; [`Grants::http`] and its like answer one question each, with a permit or with [`Denied`].

#![forbid(unsafe_code)]

mod address;
mod configuration;
mod denied;
mod excess;
mod files;
mod given;
mod grants;
mod host_pattern;
mod http;
mod limits;
mod mistake;
mod pattern;
mod permit;
mod policy;
mod ports;
mod position;
mod reader;
mod route;
mod run_document;
mod secrets;
mod target;
mod terraform;

pub use address::{AddressClass, canonical, classify};
pub use configuration::ConfigurationRule;
pub use denied::Denied;
pub use excess::Excess;
pub use files::{FilesAccess, FilesGrant, FilesRule};
pub use given::{GivenLimit, GivenLimits};
pub use grants::Grants;
pub use host_pattern::HostPattern;
pub use http::{HttpRule, RuleId, SecretHeader};
pub use limits::{Limit, Limits};
pub use mistake::{Mistake, Mistakes};
pub use pattern::Pattern;
pub use permit::{
    AddressPermit, FilesPermit, HttpPermit, RevealPermit, RunDocumentPermit, SecretUsePermit,
};
pub use policy::Policy;
pub use ports::PortRange;
pub use position::Position;
pub use route::{RouteMatch, Subject};
pub use run_document::RunDocumentRule;
pub use secrets::{RevealRule, SecretUse, SecretUseRule};
pub use target::{Host, Scheme, Target, TargetError};
pub use terraform::{
    EnvironmentPattern, GitCredentials, GitHost, GitRule, ModulePattern, ProviderPattern,
    RepositoryPattern, Requirement, ReservedName, ScriptPermit, ScriptRule, TerraformLimits,
    TerraformPermit, TerraformRule, TerraformTool, TerraformVerb,
};
