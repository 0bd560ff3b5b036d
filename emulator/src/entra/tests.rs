//! Sign-ins that succeed, and each way in which they don't.

use super::*;
use crate::world::FederatedCredential;
use base64::Engine;
use jsonwebtoken::{EncodingKey, Header, encode};

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const SUBJECT: &str = "system:serviceaccount:team:trainer";
const AUDIENCE: &str = "api://AzureADTokenExchange";

/// An issuer with a key of its own.
struct Cluster {
    key: EncodingKey,
    jwks: Value,
}

impl Cluster {
    fn new() -> Self {
        let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let (n, e) = components(pair.public_key_raw());
        let part = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        let jwks = json!({"keys": [{"kty": "RSA", "kid": "k1", "alg": "RS256", "n": part(&n), "e": part(&e)}]});
        Self { key: EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap(), jwks }
    }

    fn token(&self, change: impl Fn(&mut Value)) -> String {
        let mut claims =
            json!({"iss": ISSUER, "sub": SUBJECT, "aud": [AUDIENCE], "exp": 2000, "nbf": 1000, "iat": 1000});
        change(&mut claims);
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some("k1".into());
        encode(&header, &claims, &self.key).unwrap()
    }
}

/// Modulus and exponent: the two INTEGERs of an RSAPublicKey.
fn components(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let exponent = der[der.len() - 3..].to_vec();
    let end = der.len() - 5;
    (der[end - 256..end].to_vec(), exponent)
}

fn world(cluster: &Cluster) -> World {
    let mut world = World::default();
    world.put_principal(Principal {
        tenant: "t".into(),
        client_id: "app".into(),
        object_id: "oid".into(),
        secret: Some("good".into()),
        federated: vec![FederatedCredential {
            issuer: ISSUER.into(),
            subject: SUBJECT.into(),
            audience: AUDIENCE.into(),
        }],
        ..Principal::default()
    });
    world.put_issuer(ISSUER, cluster.jwks.clone());
    world
}

fn form(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let common =
        [("grant_type", "client_credentials"), ("client_id", "app"), ("scope", "https://ml.azure.com/.default")];
    common.iter().chain(pairs).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Tenant, fields of the form, number after `AADSTS`, status.
type Refused = (&'static str, &'static [(&'static str, &'static str)], u32, u16);

#[test]
fn a_client_signs_in_with_its_own_secret_in_its_own_tenant() {
    let world = world(&Cluster::new());
    let ask = |tenant: &str, pairs: &[(&str, &str)]| sign_in(&world, tenant, &form(pairs), 10, 10);
    let claims = ask("T", &[("client_secret", "good"), ("client_id", "APP")]).unwrap();
    assert_eq!((claims.oid.as_str(), claims.aud.as_str(), claims.exp), ("oid", ML, 10 + LIFETIME));
    let rows: [Refused; 6] = [
        ("u", &[("client_secret", "good")], 90_002, 400),
        ("t", &[("client_secret", "good"), ("client_id", "other")], 700_016, 400),
        ("t", &[("client_secret", "bad")], 7_000_215, 401),
        ("t", &[], 7_000_218, 401),
        ("t", &[("client_secret", "good"), ("scope", "https://ml.azure.com")], 70_011, 400),
        ("t", &[("client_secret", "good"), ("scope", "https://example.org/.default")], 500_011, 400),
    ];
    for (tenant, pairs, number, status) in rows {
        let (answered, body) = ask(tenant, pairs).unwrap_err().answer(jiff::Timestamp::UNIX_EPOCH);
        assert_eq!((answered, &body["error_codes"]), (status, &json!([number])), "{body}");
        assert!(body["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{number}: ")));
    }
}

#[test]
fn a_token_of_another_issuer_is_checked_claim_by_claim() {
    let cluster = Cluster::new();
    let world = world(&cluster);
    let ask = |token: &str, machine| {
        let pairs = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", token)];
        sign_in(&world, "t", &form(&pairs), 10, machine).map_err(|error| error.number())
    };
    assert_eq!(ask(&cluster.token(|_| ()), 1500).unwrap().oid, "oid");
    assert_eq!(ask(&cluster.token(|claims| claims["iss"] = json!("https://other")), 1500), Err(700_211));
    assert_eq!(ask(&cluster.token(|claims| claims["sub"] = json!("someone")), 1500), Err(700_213));
    assert_eq!(ask(&cluster.token(|claims| claims["aud"] = json!("other")), 1500), Err(700_212));
    assert_eq!(ask(&cluster.token(|_| ()), 2400), Err(700_024));
    assert_eq!(ask(&cluster.token(|_| ()), 500), Err(700_024));
    assert_eq!(ask(&Cluster::new().token(|_| ()), 1500), Err(700_027));
    assert_eq!(ask("nonsense", 1500), Err(50_027));
}

#[test]
fn an_application_signs_in_with_the_key_of_its_certificate() {
    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["app".to_owned()]).unwrap().self_signed(&pair).unwrap();
    let key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
    let claims = json!({"iss": "app", "sub": "app", "aud": "https://h/t/oauth2/v2.0/token", "exp": 2000, "nbf": 1000});
    let assertion = encode(&Header::new(Algorithm::PS256), &claims, &key).unwrap();
    let mut elsewhere = claims;
    elsewhere["aud"] = json!("https://h/u/oauth2/v2.0/token");
    let elsewhere = encode(&Header::new(Algorithm::RS256), &elsewhere, &key).unwrap();
    let ask = |certificates: Vec<String>, assertion: &str, machine| {
        let mut world = World::default();
        world.put_principal(Principal {
            tenant: "t".into(),
            client_id: "app".into(),
            certificates,
            ..Principal::default()
        });
        let pairs = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)];
        sign_in(&world, "t", &form(&pairs), 10, machine).map(drop).map_err(|error| error.number())
    };
    assert_eq!(ask(vec![certificate.pem()], &assertion, 1500), Ok(()));
    assert_eq!(ask(vec![certificate.pem()], &assertion, 3000), Err(700_024));
    assert_eq!(ask(vec![certificate.pem()], &elsewhere, 1500), Err(700_023));
    assert_eq!(ask(Vec::new(), &assertion, 1500), Err(700_027));
}

#[test]
fn the_machine_has_the_identities_that_were_given_to_it() {
    let mut world = world(&Cluster::new());
    let ask = |world: &World, client: Option<&str>| {
        managed(world, client, "https://ml.azure.com/", 10).map(|claims| claims.oid)
    };
    assert!(ask(&world, None).is_err());
    world.put_principal(Principal {
        client_id: "vm".into(),
        object_id: "vm-oid".into(),
        managed: true,
        ..Principal::default()
    });
    assert_eq!(ask(&world, None), Ok("vm-oid".to_owned()));
    assert_eq!(ask(&world, Some("VM")), Ok("vm-oid".to_owned()));
    assert!(ask(&world, Some("app")).is_err());
}

#[test]
fn the_address_of_resource_manager_is_its_audience() {
    let base = "https://127.0.0.1:8443";
    assert_eq!(scope_at("https://127.0.0.1:8443/.default", base), "https://management.azure.com/.default");
    assert_eq!(scope_at("https://127.0.0.1:8443", base), ARM);
    for other in ["https://127.0.0.1:84430/.default", "https://ml.azure.com/.default"] {
        assert_eq!(scope_at(other, base), other);
    }
}
