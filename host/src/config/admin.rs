//! `admin`: where health is served.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::reader::{Complaint, Reader, Section};
use super::show::Show;
use super::variables;

const KEYS: &[&str] = &["address"];
/// Only this machine, unless the operator says otherwise: the pages tell about runs.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8100);

/// The admin server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where to listen; `None` when it is `off`. The variable PORT means that port on all interfaces and wins.
    pub address: Option<SocketAddr>,
}

impl Admin {
    pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Self {
        let section = reader.subsection(root, "admin", KEYS);
        let port = reader.variable(variables::PORT, "admin.address");
        let address = if port.is_some() {
            reader.parse("admin.address", port, |text| {
                let port = text.trim().parse().ok().filter(|port| *port > 0);
                let port = port.ok_or_else(|| Complaint::from("must be a port from 1 to 65535"))?;
                Ok(Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)))
            })
        } else {
            reader.parse("admin.address", section.find("address"), address)
        };
        Self { address: address.unwrap_or(Some(DEFAULT_ADDRESS)) }
    }

    pub(super) fn show(&self, out: &mut Show<'_>) {
        let address = self.address.map_or_else(|| "off".to_owned(), |address| address.to_string());
        out.section("admin", |out| out.value("address", &address));
    }
}

fn address(text: &str) -> Result<Option<SocketAddr>, Complaint> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let hint = "such as `127.0.0.1:8100`, or `off`";
    text.parse()
        .map(Some)
        .map_err(|_| Complaint::from("must be an IP address with a port").hint(hint))
}
