use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_RSA_SHA256};
use rustls::pki_types::pem::PemObject;

use super::*;

const PASSWORD: &str = "correct horse";

/// A key with its certificate and the certificate of who issued that, as PEM.
struct Made {
    folder: tempfile::TempDir,
    key: String,
    leaf: String,
    issuer: String,
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn made() -> Made {
    let mut authority = named("issuer");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let leaf = named("leaf").signed_by(&key, &authority).unwrap().pem();
    let made = Made { folder: tempfile::tempdir().unwrap(), key: key.serialize_pem(), leaf, issuer: authority.pem() };
    for (name, text) in [("key.pem", &made.key), ("leaf.pem", &made.leaf), ("issuer.pem", &made.issuer)] {
        std::fs::write(made.folder.path().join(name), text).unwrap();
    }
    made
}

/// What the openssl command writes to a file.
fn openssl(folder: &Path, arguments: &str) -> Vec<u8> {
    let out = folder.join("out");
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).arg("-out").arg(&out).current_dir(folder).env("PASSWORD", PASSWORD);
    let done = command.output().expect("the openssl command (scripts/prepare installs it)");
    assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(out).unwrap()
}

fn read(file: &[u8], password: Option<&str>) -> Result<Certificate, CertificateError> {
    Certificate::read(file, password.map(SecretString::from).as_ref())
}

fn is_leaf(made: &Made, certificate: &Certificate) {
    assert_eq!(certificate.der, CertificateDer::from_pem_slice(made.leaf.as_bytes()).unwrap());
}

#[test]
fn what_openssl_writes_is_read_by_new_ciphers_and_by_old_ones() {
    let made = made();
    let export = "pkcs12 -export -inkey key.pem -in leaf.pem -certfile issuer.pem";
    for (arguments, password) in [
        (format!("{export} -passout env:PASSWORD"), Some(PASSWORD)),
        (
            format!("{export} -passout env:PASSWORD -keypbe AES-256-CBC -certpbe AES-128-CBC -macalg sha512"),
            Some(PASSWORD),
        ),
        (
            format!("{export} -passout env:PASSWORD -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1"),
            Some(PASSWORD),
        ),
        (format!("{export} -passout env:PASSWORD -keypbe AES-256-CBC -certpbe NONE"), Some(PASSWORD)),
        (format!("{export} -passout pass:"), None),
        ("pkcs8 -topk8 -in key.pem -passout env:PASSWORD".to_owned(), Some(PASSWORD)),
        ("pkcs8 -topk8 -in key.pem -passout env:PASSWORD -v2 des3 -v2prf hmacWithSHA1".to_owned(), Some(PASSWORD)),
        ("rsa -in key.pem -traditional".to_owned(), None),
    ] {
        let mut file = openssl(made.folder.path(), &arguments);
        if !arguments.starts_with("pkcs12") {
            file.extend(made.leaf.as_bytes());
        }
        let certificate = read(&file, password).unwrap_or_else(|error| panic!("{arguments}: {error}"));
        is_leaf(&made, &certificate);
        if password.is_some() {
            assert_eq!(read(&file, Some("wrong")).unwrap_err(), CertificateError::PasswordWrong, "{arguments}");
            assert_eq!(read(&file, None).unwrap_err(), CertificateError::PasswordMissing, "{arguments}");
        }
    }
}

#[test]
fn a_file_of_forty_bits_is_read() {
    use p12_keystore::{
        Certificate as Stored, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey, PrivateKeyChain,
    };
    let made = made();
    let leaf = CertificateDer::from_pem_slice(made.leaf.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
    let chain = PrivateKeyChain::new(
        vec![1_u8],
        PrivateKey::from_der(key.secret_der()).unwrap(),
        [Stored::from_der(&leaf).unwrap()],
    );
    let mut store = KeyStore::new();
    store.add_entry("leaf", KeyStoreEntry::PrivateKeyChain(chain));
    let file = store
        .writer(PASSWORD)
        .encryption_algorithm(EncryptionAlgorithm::PbeWithShaAnd40BitRc4Cbc)
        .mac_algorithm(MacAlgorithm::HmacSha1)
        .write()
        .unwrap();
    is_leaf(&made, &read(&file, Some(PASSWORD)).unwrap());
}

#[test]
fn the_keys_own_certificate_is_found_in_any_order_and_in_base64() {
    let made = made();
    for text in [
        format!("{}{}{}", made.issuer, made.key, made.leaf),
        format!("subject=/CN=leaf\n{}{}{}", made.leaf, made.issuer, made.key),
    ] {
        is_leaf(&made, &read(text.as_bytes(), None).unwrap());
    }
    let file = openssl(made.folder.path(), "pkcs12 -export -inkey key.pem -in leaf.pem -passout pass:");
    let lines = BASE64.encode(&file).as_bytes().chunks(64).map(<[u8]>::to_vec).collect::<Vec<_>>().join(&b'\n');
    is_leaf(&made, &read(&lines, None).unwrap());
}

#[test]
fn what_can_t_be_used_is_said_without_its_text() {
    let made = made();
    let stranger = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap().serialize_pem();
    let curve = KeyPair::generate().unwrap();
    let on_curve = format!("{}{}", curve.serialize_pem(), named("curve").self_signed(&curve).unwrap().pem());
    let old = openssl(made.folder.path(), "rsa -in key.pem -traditional -aes128 -passout env:PASSWORD");
    let old = format!("{}{}", String::from_utf8(old).unwrap(), made.leaf);
    let slow = "pkcs8 -topk8 -in key.pem -passout env:PASSWORD -iter 1000001";
    let slow = String::from_utf8(openssl(made.folder.path(), slow)).unwrap() + &made.leaf;
    let scrypt =
        String::from_utf8(openssl(made.folder.path(), "pkcs8 -topk8 -in key.pem -passout env:PASSWORD -scrypt"));
    let cut = openssl(made.folder.path(), "pkcs12 -export -inkey key.pem -in leaf.pem -passout env:PASSWORD");
    for (file, error) in [
        (made.leaf.clone().into_bytes(), CertificateError::NoKey),
        (made.key.clone().into_bytes(), CertificateError::NoCertificate),
        (format!("{stranger}{}", made.leaf).into_bytes(), CertificateError::Mismatch),
        (on_curve.into_bytes(), CertificateError::NotRsa),
        (old.into_bytes(), CertificateError::Encryption),
        (slow.into_bytes(), CertificateError::Encryption),
        ((scrypt.unwrap() + &made.leaf).into_bytes(), CertificateError::Encryption),
        (b"hunter2".to_vec(), CertificateError::Format),
        (vec![0x30, 0x82, 0xff], CertificateError::Format),
        (cut[..cut.len() / 2].to_vec(), CertificateError::Format),
        (Vec::new(), CertificateError::Format),
    ] {
        let said = read(&file, Some(PASSWORD)).unwrap_err();
        assert_eq!(said, error, "{}", String::from_utf8_lossy(&file));
    }
}

#[test]
fn a_certificate_is_printed_without_its_key() {
    let made = made();
    let certificate = read(format!("{}{}", made.key, made.leaf).as_bytes(), None).unwrap();
    let printed = format!("{certificate:?}");
    assert!(printed.contains(&certificate.thumbprint()) && printed.len() < 120, "{printed}");
}
