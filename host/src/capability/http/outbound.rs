//! What all runs share on their way out: [`Outbound`].

use super::proxy::{InvalidProxy, Proxy};
use super::resolve::{Lookups, Resolve, System};
use super::threads::Threads;
use super::tls::{BuildError, BuildErrorKind, Client, Files};
use blockhouse_policy::{HttpPermit, Policy, Position, RuleId, Scheme};
use secrecy::SecretString;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// The operator's own settings for what components send. Policies can't change them.
#[derive(Clone, Debug)]
pub struct Config {
    /// The proxy for `http` and `https`, as a URL that may hold credentials. It resolves names itself: which address a name
    /// has is then its decision. Which names are asked for stays policy's.
    pub proxy: Option<SecretString>,
    /// Hosts, domains (`.example.com`) and networks (`10.0.0.0/8`) that are reached without the proxy.
    pub no_proxy: Vec<String>,
    /// Certificate authorities in DER format to trust besides the platform's, for every policy and for the proxy.
    pub authorities: Vec<Vec<u8>>,
    /// Who knows the addresses of names.
    pub resolver: Arc<dyn Resolve>,
}

impl Default for Config {
    /// Directly, by the system's resolver, with the platform's authorities.
    fn default() -> Self {
        Self {
            proxy: None,
            no_proxy: Vec::new(),
            authorities: Vec::new(),
            resolver: Arc::new(System),
        }
    }
}

/// Why outbound HTTP can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operator's certificate authorities, or the platform's, can't be used.
    #[error("failed to set up TLS for outbound HTTP")]
    Authorities(#[source] BuildErrorKind),
    /// The proxy can't be used.
    #[error("failed to set up the proxy for outbound HTTP")]
    Proxy(#[from] InvalidProxy),
    /// Files that a policy names can't be used.
    #[error("failed to set up TLS for a policy")]
    Rule(#[from] BuildError),
    /// The system has no more threads.
    #[error("failed to start the threads for outbound HTTP")]
    Threads(#[source] io::Error),
}

/// TLS clients, resolver, proxy and the threads that send. Made once, when the daemon starts; shared by all runs.
#[derive(Debug)]
pub struct Outbound {
    /// For rules without files of their own. None if no policy grants `https` and the proxy does not speak it.
    shared: Option<Client>,
    of_rules: HashMap<RuleId, Client>,
    pub(super) lookups: Lookups,
    pub(super) proxy: Option<Proxy>,
    pub(super) threads: Threads,
}

impl Outbound {
    /// Reads the certificates and keys that the policies name.
    ///
    /// # Errors
    /// [`StartError`], with the policy's file and line if it is about a policy.
    pub fn build<'a>(
        config: Config,
        policies: impl IntoIterator<Item = &'a Policy>,
    ) -> Result<Self, StartError> {
        let proxy = match &config.proxy {
            Some(url) => Some(Proxy::new(url, &config.no_proxy)?),
            None => None,
        };
        let authorities: Vec<_> =
            config.authorities.into_iter().map(CertificateDer::from).collect();
        let mut of_rules = HashMap::new();
        let mut needs_tls = proxy.as_ref().is_some_and(|proxy| proxy.is_tls);
        for policy in policies {
            let directory = Self::directory(policy);
            for rule in policy.http() {
                needs_tls |= rule.schemes().contains(&Scheme::Https);
                let client = Client::of_rule(rule, directory, &authorities)
                    .map_err(|kind| BuildError { at: rule.position().clone(), kind })?;
                of_rules.extend(client.map(|client| (rule.id().clone(), client)));
            }
        }
        // Without TLS the platform's roots are not loaded, so that an image without any works for those who need none.
        let shared = match needs_tls {
            true => Some(Client::trusting(authorities).map_err(StartError::Authorities)?),
            false => None,
        };
        let threads = Threads::start().map_err(StartError::Threads)?;
        Ok(Self { shared, of_rules, lookups: Lookups::new(config.resolver), proxy, threads })
    }

    /// Where the paths in a policy start: beside its file, as that was given to [`Policy::parse`].
    #[must_use]
    pub fn directory(policy: &Policy) -> &Path {
        Path::new(&**policy.file()).parent().unwrap_or_else(|| Path::new(""))
    }

    /// All mistakes in the certificates, keys and tokens that a policy names by paths relative to `directory`: what
    /// [`Outbound::build`] or a checkout would stop at, to be known before a daemon is started.
    #[must_use]
    pub fn mistakes(policy: &Policy, directory: &Path) -> Vec<BuildError> {
        let http = policy.http().iter().map(|rule| (rule.position(), Files::of_http(rule)));
        let git = policy.terraform().into_iter().flat_map(|rule| &rule.git);
        let git = git.map(|rule| (&rule.position, Files::of_git(rule)));
        let of_rule = |(at, files): (&Position, Files<'_>)| {
            let at = at.clone();
            let kinds = files.mistakes(directory).into_iter();
            kinds.map(move |kind| BuildError { at: at.clone(), kind })
        };
        http.chain(git).flat_map(of_rule).collect()
    }

    /// TLS as the rule wants it.
    pub(super) fn tls(&self, permit: &HttpPermit) -> Option<&Client> {
        self.of_rules.get(permit.rule_id()).or(self.shared.as_ref())
    }

    /// TLS with the proxy.
    pub(super) fn proxy_tls(&self) -> Option<&Client> {
        self.shared.as_ref()
    }
}
