use super::*;
use crate::settings::Scheme;

fn settings() -> FetchSettings {
    FetchSettings {
        schemes: vec![Scheme::Https],
        hosts: Vec::new(),
        allow_hosts: Vec::new(),
        ca_file: None,
        max_bytes: 1,
        timeout: std::time::Duration::from_secs(1),
    }
}

fn judged(url: &str, private: &[&str]) -> Result<(), Refusal> {
    let allow_hosts = private.iter().map(|&host| host.to_owned()).collect();
    judge(&Url::parse(url).unwrap(), &Allowed::new(&FetchSettings { allow_hosts, ..settings() }))
}

#[test]
fn what_is_not_on_the_internet_is_refused_in_whatever_form_it_is_written() {
    for host in [
        // Names of this machine.
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "a.localhost.",
        // Loopback in the forms that a resolver of the C library takes.
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "2130706433",
        "017700000001",
        "%31%32%37.0.0.1",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
        "0.0.0.0",
        "0",
        // Private, shared, special.
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        // Metadata services.
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
        "169.254.43518",
        "168.63.129.16",
        // IPv6, and IPv4 within it.
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[fe80::1]",
        "[febf::1]",
        "[fec0::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:10.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::8.8.8.8]",
        "[100::1]",
        "[2001::1]",
        "[2001:db8::1]",
        "[2002:7f00:1::]",
        "[2002:a9fe:a9fe::1]",
        "[3fff::1]",
        "[5f00::1]",
    ] {
        for address in [format!("https://{host}/x"), format!("https://{host}:8443/x?y#z")] {
            assert!(matches!(judged(&address, &["example.org"]), Err(Refusal::Private(_))), "{address}");
        }
    }
}

#[test]
fn what_is_on_the_internet_is_fetched() {
    for host in [
        "example.org",
        "example.org.",
        "example.org:8443",
        "notlocalhost",
        "localhost.example.org",
        "127.0.0.1.example.org",
        "8.8.8.8",
        "172.32.0.1",
        "100.128.0.1",
        "[2606:4700::1111]",
        "[::ffff:8.8.8.8]",
        "[64:ff9b::808:808]",
    ] {
        assert_eq!(judged(&format!("https://{host}/x"), &[]), Ok(()), "{host}");
    }
}

#[test]
fn only_https_without_a_password_is_fetched() {
    for address in
        ["http://example.org/x", "ftp://example.org/x", "file:///etc/passwd", "gopher://example.org/", "data:,x"]
    {
        assert!(matches!(judged(address, &["example.org"]), Err(Refusal::Scheme { .. })), "{address}");
    }
    for address in ["https://user:secret@example.org/x", "https://user@example.org/x", "https://:secret@example.org/x"]
    {
        assert_eq!(judged(address, &[]), Err(Refusal::Credentials), "{address}");
    }
    // What looks like a host before the sign is a user's name.
    assert_eq!(judged("https://example.org@127.0.0.1/x", &[]), Err(Refusal::Credentials));
    assert!(matches!(judged("https://127.0.0.1\\@example.org/x", &[]), Err(Refusal::Private(_))));
}

#[test]
fn plain_http_is_fetched_where_the_configuration_allows_it_and_nothing_else_is_with_it() {
    let allowed = Allowed::new(&FetchSettings { schemes: vec![Scheme::Https, Scheme::Http], ..settings() });
    let judged = |url: &str| judge(&Url::parse(url).unwrap(), &allowed);
    assert_eq!(judged("http://example.org/x"), Ok(()));
    assert!(matches!(judged("http://169.254.169.254/x"), Err(Refusal::Private(_))));
    assert!(matches!(judged("ftp://example.org/x"), Err(Refusal::Scheme { .. })));
}

#[test]
fn a_private_host_is_allowed_by_name_or_by_name_and_port() {
    assert_eq!(judged("https://127.0.0.1:8443/x", &["127.0.0.1:8443"]), Ok(()));
    assert_eq!(judged("https://127.0.0.1:8443/x", &["127.0.0.1"]), Ok(()));
    assert!(judged("https://127.0.0.1:8444/x", &["127.0.0.1:8443"]).is_err());
    assert!(judged("https://127.0.0.2:8443/x", &["127.0.0.1:8443"]).is_err());
    assert!(judged("https://[::1]:8443/x", &["127.0.0.1:8443"]).is_err());
    assert_eq!(judged("https://127.0.0.1/x", &["127.0.0.1:443"]), Ok(()));
    assert_eq!(judged("https://[::1]/x", &["[::1]"]), Ok(()));
}

#[test]
fn where_hosts_are_listed_no_other_is_fetched() {
    let hosts = ["data.example.org".to_owned(), ".blob.core.windows.net".to_owned()];
    let allow_hosts = vec!["10.0.0.9".to_owned()];
    let allowed = Allowed::new(&FetchSettings { hosts: hosts.into(), allow_hosts, ..settings() });
    let judged = |host: &str| judge(&Url::parse(&format!("https://{host}/x")).unwrap(), &allowed);
    for host in ["data.example.org", "DATA.example.org.", "a.blob.core.windows.net", "10.0.0.9"] {
        assert_eq!(judged(host), Ok(()), "{host}");
    }
    for host in
        ["example.org", "evil-data.example.org", "blob.core.windows.net", "a.blob.core.windows.net.evil.org", "8.8.8.8"]
    {
        assert!(matches!(judged(host), Err(Refusal::Unlisted(_))), "{host}");
    }
    assert!(matches!(judged("10.0.0.8"), Err(Refusal::Private(_))));
}

#[tokio::test]
async fn a_name_that_resolves_to_this_machine_is_refused() {
    let resolve = |name: &str| Public.resolve(name.parse().unwrap());
    let Err(error) = resolve("localhost").await else { panic!("it resolves") };
    assert!(error.downcast_ref::<Refusal>().is_some_and(|refusal| matches!(refusal, Refusal::Private(_))), "{error}");
}
