//! `register`, `ownedByWorkspace`, `displayName`, `crypto.publicKey`: telling meshStack about this runner at start-up.

use super::measure::yes_or_no;
use super::reader::{Complaint, Reader, Section};
use super::show::Show;

/// What meshStack is told at start-up when `register` is on. The runner must have been created in meshStack before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Identifier of the workspace that owns the runner.
    pub owned_by_workspace: String,
    /// What meshStack shows.
    pub display_name: String,
    /// The X.509 certificate in PEM format that secrets are to be sealed to.
    pub certificate_pem: String,
}

impl Registration {
    /// `None` when it is off (the default), or beside a mistake. The keys are checked either way.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        root: &Section<'_>,
        crypto: &Section<'_>,
    ) -> Option<Self> {
        let wanted = reader.parse("register", root.find("register"), yes_or_no).unwrap_or(false);
        let owner = root.find("ownedByWorkspace");
        let name = root.find("displayName");
        let certificate = crypto.find("publicKey");
        if wanted {
            let missing = [
                (owner.is_none(), "ownedByWorkspace"),
                (name.is_none(), "displayName"),
                (certificate.is_none(), "crypto.publicKey"),
            ];
            for key in missing.into_iter().filter_map(|(is_missing, key)| is_missing.then_some(key))
            {
                reader.missing(root, key, "is missing, and `register` needs it");
            }
        }
        let owned_by_workspace = reader.text("ownedByWorkspace", owner);
        let display_name = reader.text("displayName", name);
        let certificate_pem = reader.parse("crypto.publicKey", certificate, certificate_text);
        if !wanted {
            return None;
        }
        Some(Self {
            owned_by_workspace: owned_by_workspace?,
            display_name: display_name?,
            certificate_pem: certificate_pem?,
        })
    }

    pub(super) fn show(&self, out: &mut Show<'_>) {
        out.value("register", "true");
        out.value("ownedByWorkspace", &self.owned_by_workspace);
        out.value("displayName", &self.display_name);
        out.section("crypto", |out| out.value("publicKey", &self.certificate_pem));
    }
}

/// SECURITY: a private key pasted here by mistake would be sent to meshStack (private_key_as_public_key_is_a_mistake)
fn certificate_text(text: &str) -> Result<String, Complaint> {
    let complaint =
        || Complaint::from("must be an X.509 certificate in PEM format, and nothing else");
    let blocks = pem::parse_many(text).map_err(|_| complaint())?;
    let [block] = blocks.as_slice() else { return Err(complaint()) };
    let parsed = x509_parser::parse_x509_certificate(block.contents());
    if block.tag() != "CERTIFICATE" || !parsed.is_ok_and(|(rest, _)| rest.is_empty()) {
        return Err(complaint());
    }
    // Written anew, so that nothing that stood around the block goes along.
    let unix = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    Ok(pem::encode_config(block, unix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_key_as_public_key_is_a_mistake() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
        assert!(certificate_text(&certificate).is_ok());
        for text in
            ["x", "", &key.serialize_pem(), &format!("{certificate}{}", key.serialize_pem())]
        {
            assert!(certificate_text(text).is_err());
        }
        let around = certificate_text(&format!("secret notes\n{certificate}")).unwrap();
        assert!(!around.contains("notes"));
    }
}
