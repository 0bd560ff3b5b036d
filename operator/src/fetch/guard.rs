//! Which addresses may be fetched from: a tenant's URL must not reach what only the operator's network can.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::settings::FetchSettings;

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not https.
    #[error("only {allowed} is fetched (--fetch-schemes), and {address} is not")]
    Scheme {
        /// The address.
        address: String,
        /// What the configuration allows.
        allowed: String,
    },
    /// No host.
    #[error("{0} names no host")]
    Host(String),
    /// A user name or a password.
    #[error("an address may hold no user name or password")]
    Credentials,
    /// An address inside the operator's own network.
    #[error(
        "{0} is a loopback, link-local or private address, which the operator's configuration does not allow (--fetch-allow-hosts)"
    )]
    Private(String),
    /// A host that the configuration does not list.
    #[error("{0} is none of the hosts that the operator's configuration lets be fetched from (--fetch-hosts)")]
    Unlisted(String),
}

/// What the configuration allows.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    schemes: Vec<&'static str>,
    /// The only hosts that are fetched from; none: all that are public.
    only: Vec<String>,
    /// Hosts that are fetched from although they are private.
    private: Vec<String>,
}

impl Allowed {
    /// From the settings.
    #[must_use]
    pub fn new(settings: &FetchSettings) -> Self {
        let hosts = |all: &[String]| {
            all.iter().map(|host| host.trim().to_lowercase()).filter(|host| !host.is_empty()).collect()
        };
        Self {
            schemes: settings.schemes.iter().map(|scheme| scheme.name()).collect(),
            only: hosts(&settings.hosts),
            private: hosts(&settings.allow_hosts),
        }
    }

    /// Whether the address's host may be fetched from although it is private.
    #[must_use]
    pub fn trusts(&self, url: &Url) -> bool {
        self.private.iter().any(|allowed| names(allowed, url))
    }

    fn lists(&self, url: &Url) -> bool {
        self.only.is_empty() || self.trusts(url) || self.only.iter().any(|allowed| names(allowed, url))
    }
}

/// Whether `name`, `name:port` or `.suffix` names an address's host. A dot at the end of a name changes nothing.
fn names(allowed: &str, url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let host = host.trim_end_matches('.').to_lowercase();
    if allowed.starts_with('.') {
        return matches!(url.host(), Some(Host::Domain(_))) && host.ends_with(allowed);
    }
    allowed == host || allowed == format!("{host}:{}", url.port_or_known_default().unwrap_or_default())
}

/// Judges an address before it is connected to. A name is judged again by what it resolves to ([`Public`]).
///
/// # Errors
/// Why it is refused.
pub fn judge(url: &Url, allowed: &Allowed) -> Result<(), Refusal> {
    let shown = || url.as_str().chars().take(200).collect::<String>();
    if !allowed.schemes.contains(&url.scheme()) {
        return Err(Refusal::Scheme { address: shown(), allowed: allowed.schemes.join(" and ") });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::Credentials);
    }
    let address = match url.host() {
        None => return Err(Refusal::Host(shown())),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_lowercase();
            let local = name == "localhost" || name.ends_with(".localhost");
            local.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))
        }
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
    };
    match address {
        Some(address) if !is_public(address) && !allowed.trusts(url) => {
            Err(Refusal::Private(url.host_str().unwrap_or_default().to_owned()))
        }
        _ if !allowed.lists(url) => Err(Refusal::Unlisted(url.host_str().unwrap_or_default().to_owned())),
        _ => Ok(()),
    }
}

/// Whether an address is on the internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => public_v4(inner),
            None => public_v6(address),
        },
    }
}

/// IANA's special-purpose registry for IPv4.
fn public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19))
        // The relays of 6to4, which are no more.
        || (a == 192 && b == 88 && c == 99)
        // Azure's virtual public address of the platform's own services.
        || address == Ipv4Addr::new(168, 63, 129, 16);
    !special
}

/// Global unicast is 2000::/3; what is special within it is refused.
fn public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let documentation = (first == 0x2001 && second == 0x0db8) || (first == 0x3fff && second < 0x1000);
    (first & 0xe000) == 0x2000 && !(first == 0x2001 && second < 0x0200) && !documentation
}

/// The IPv4 address inside a mapped (::ffff:0:0/96), translated (64:ff9b::/96) or 6to4 (2002::/16) address.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

/// Resolves names to public addresses alone. The connection goes to what was judged here, so that a name that
/// resolves otherwise a moment later gains nothing.
#[derive(Debug)]
pub struct Public;

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let all: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> = all.iter().copied().filter(|address| is_public(address.ip())).collect();
            if public.is_empty() && !all.is_empty() {
                return Err(Refusal::Private(name).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
