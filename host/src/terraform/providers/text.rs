//! The text of a CLI configuration: [`configuration`].

use super::Config;
use std::fmt::Write as _;
use std::path::Path;

/// Allows no provider: an empty list would allow all of them.
const NONE: &str = "blockhouse.invalid/none/none";

/// In the order in which they are written here the methods are asked for a version that is wanted: the first one that has it wins. Which
/// versions there are is asked of all of them, so that the mirror does not hide newer ones from configurations without a lock file.
pub(super) fn configuration(
    config: &Config,
    mirror: &Path,
    include: &[String],
    avoided: &[String],
) -> String {
    let mut text = "disable_checkpoint = true\n\nprovider_installation {\n".to_owned();
    let include = patterns(include);
    let mut method = |name: &str, attribute: Option<(&str, &str)>, exclude: Option<&str>| {
        // To a string nothing fails.
        let _ = writeln!(text, "  {name} {{");
        if let Some((key, value)) = attribute {
            let _ = writeln!(text, "    {key} = {}", quote(value));
        }
        if let Some(include) = &include {
            let _ = writeln!(text, "    include = {include}");
        }
        if let Some(exclude) = exclude {
            let _ = writeln!(text, "    exclude = {exclude}");
        }
        text.push_str("  }\n");
    };
    // An empty list would exclude nothing; what is in it was read from a lock file, where it may be anything.
    let exclude = Some(avoided).filter(|avoided| !avoided.is_empty()).and_then(patterns);
    method("filesystem_mirror", Some(("path", &mirror.to_string_lossy())), exclude.as_deref());
    for path in &config.local {
        method("filesystem_mirror", Some(("path", &path.to_string_lossy())), None);
    }
    for url in &config.mirrors {
        let mut url = url.to_string();
        // Terraform insists on it.
        if !url.ends_with('/') {
            url.push('/');
        }
        method("network_mirror", Some(("url", &url)), None);
    }
    if config.direct {
        method("direct", None, None);
    }
    text.push_str("}\n");
    text
}

/// Terraform tells about a bad pattern and then goes on as if there were none, which allows everything. So only good ones get there.
fn patterns(include: &[String]) -> Option<String> {
    if include.is_empty() {
        return None;
    }
    // SECURITY: terraform::providers::text::a_bad_pattern_allows_nothing
    let mut good: Vec<_> =
        include.iter().filter(|pattern| is_pattern(pattern)).map(String::as_str).collect();
    if good.is_empty() {
        good.push(NONE);
    }
    let quoted: Vec<_> = good.into_iter().map(quote).collect();
    Some(format!("[{}]", quoted.join(", ")))
}

/// `host/namespace/type` or `namespace/type`, each of the last two or all three a `*`.
fn is_pattern(pattern: &str) -> bool {
    let parts: Vec<_> = pattern.split('/').collect();
    let is_word = |word: &str| {
        let mut chars = word.chars();
        chars.next().is_some_and(|c| c.is_ascii_alphanumeric())
            && word.len() <= 255
            && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let is_host = |host: &str| {
        let (name, port) = host.split_once(':').unwrap_or((host, "443"));
        name.split('.').all(is_word)
            && !port.is_empty()
            && port.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (hosts, rest) = match parts.as_slice() {
        [host, namespace, kind] => (Some(*host), [*namespace, *kind]),
        [namespace, kind] => (None, [*namespace, *kind]),
        _ => return false,
    };
    // A wildcard stands for whatever follows, too.
    let stars = parts.iter().skip_while(|part| **part != "*");
    hosts.is_none_or(|host| host == "*" || is_host(host))
        && rest.iter().all(|part| *part == "*" || is_word(part))
        && stars.clone().all(|part| *part == "*")
}

/// A string of HCL 1. The dollar sign is written as a code: `${` would begin an expression.
fn quote(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '$' => quoted.push_str("\\u0024"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_in_the_order_in_which_they_win() {
        let config = Config {
            directory: "/state/providers".into(),
            mirrors: vec!["https://mirror.example.com/terraform".parse().unwrap()],
            local: vec!["/srv/a \"b\" ${c}\\d\n".into()],
            direct: true,
            max_bytes: 0,
        };
        let text = configuration(
            &config,
            Path::new("/state/providers/mirror"),
            &["registry.terraform.io/acme/*".to_owned()],
            &[],
        );
        let expected = r#"disable_checkpoint = true

provider_installation {
  filesystem_mirror {
    path = "/state/providers/mirror"
    include = ["registry.terraform.io/acme/*"]
  }
  filesystem_mirror {
    path = "/srv/a \"b\" \u0024{c}\\d\u000a"
    include = ["registry.terraform.io/acme/*"]
  }
  network_mirror {
    url = "https://mirror.example.com/terraform/"
    include = ["registry.terraform.io/acme/*"]
  }
  direct {
    include = ["registry.terraform.io/acme/*"]
  }
}
"#;
        assert_eq!(text, expected);
        let closed = Config { direct: false, mirrors: Vec::new(), local: Vec::new(), ..config };
        let text = configuration(&closed, Path::new("/m"), &[], &[]);
        assert!(!text.contains("direct {") && !text.contains("include"), "{text}");
    }

    #[test]
    fn a_bad_pattern_allows_nothing() {
        let patterns = |patterns: &[&str]| {
            super::patterns(&patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(patterns(&[]), None);
        for bad in
            ["", "acme", "a/b/c/d", "a b/c", "*/b", "*/a/b", "a/*/b", "\"/x", "a/../b", "/a/b"]
        {
            assert_eq!(patterns(&[bad]).unwrap(), format!("[\"{NONE}\"]"), "{bad}");
        }
        for good in
            ["acme/*", "*/*", "*/*/*", "registry.terraform.io/*/*", "example.com:8443/a/b_c"]
        {
            assert_eq!(patterns(&[good, "not one"]).unwrap(), format!("[\"{good}\"]"));
        }
    }
}
