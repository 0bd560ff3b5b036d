//! Which addresses may be fetched from: a tenant's URL must not reach what only the operator's network can.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not https.
    #[error("only https is fetched, and {0} is not")]
    Scheme(String),
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
}

/// The hosts that the configuration allows although they are private.
#[derive(Clone, Debug, Default)]
pub struct Allowed(Vec<String>);

impl Allowed {
    /// From `name` or `name:port`.
    #[must_use]
    pub fn new(hosts: &[String]) -> Self {
        Self(hosts.iter().map(|host| host.trim().to_lowercase()).filter(|host| !host.is_empty()).collect())
    }

    /// Whether the address's host is named.
    #[must_use]
    pub fn names(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let host = host.to_lowercase();
        let with_port = format!("{host}:{}", url.port_or_known_default().unwrap_or_default());
        self.0.iter().any(|allowed| *allowed == host || *allowed == with_port)
    }
}

/// Judges an address before it is connected to. A name is judged again by what it resolves to ([`Public`]).
///
/// # Errors
/// Why it is refused.
pub fn judge(url: &Url, allowed: &Allowed) -> Result<(), Refusal> {
    let shown = || url.as_str().chars().take(200).collect::<String>();
    if url.scheme() != "https" {
        return Err(Refusal::Scheme(shown()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::Credentials);
    }
    let address = match url.host() {
        None => return Err(Refusal::Host(shown())),
        Some(Host::Domain(name)) => {
            let local = name.eq_ignore_ascii_case("localhost") || name.to_lowercase().ends_with(".localhost");
            local.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))
        }
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
    };
    match address {
        Some(address) if !is_public(address) && !allowed.names(url) => {
            Err(Refusal::Private(url.host_str().unwrap_or_default().to_owned()))
        }
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
        // Azure's virtual public address of the platform's own services.
        || address == Ipv4Addr::new(168, 63, 129, 16);
    !special
}

/// Global unicast is 2000::/3; what is special within it is refused.
fn public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    (first & 0xe000) == 0x2000 && !(first == 0x2001 && second < 0x0200) && !(first == 0x2001 && second == 0x0db8)
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
mod tests {
    use super::*;

    fn judged(url: &str, allowed: &[&str]) -> Result<(), Refusal> {
        let allowed: Vec<String> = allowed.iter().map(|&host| host.to_owned()).collect();
        judge(&Url::parse(url).unwrap(), &Allowed::new(&allowed))
    }

    #[test]
    fn what_is_not_on_the_internet_is_refused() {
        for host in [
            "localhost",
            "a.localhost",
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fc00::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:7f00:1::]",
            "[2001:db8::1]",
        ] {
            assert!(matches!(judged(&format!("https://{host}/x"), &[]), Err(Refusal::Private(_))), "{host}");
        }
        for host in ["example.org", "8.8.8.8", "[2606:4700::1111]", "[::ffff:8.8.8.8]"] {
            assert_eq!(judged(&format!("https://{host}/x"), &[]), Ok(()), "{host}");
        }
    }

    #[test]
    fn only_https_without_a_password_is_fetched() {
        assert!(matches!(judged("http://example.org/x", &["example.org"]), Err(Refusal::Scheme(_))));
        assert_eq!(judged("https://user:secret@example.org/x", &[]), Err(Refusal::Credentials));
    }

    #[test]
    fn a_host_is_allowed_by_name_or_by_name_and_port() {
        assert_eq!(judged("https://127.0.0.1:8443/x", &["127.0.0.1:8443"]), Ok(()));
        assert_eq!(judged("https://127.0.0.1:8443/x", &["127.0.0.1"]), Ok(()));
        assert!(judged("https://127.0.0.1:8444/x", &["127.0.0.1:8443"]).is_err());
        assert_eq!(judged("https://127.0.0.1/x", &["127.0.0.1:443"]), Ok(()));
    }
}
