//! What nobody may read, and the search for it in all that an operator says.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::bytes::Regex;

use crate::failure::{Result, While};

/// So much of a secret is enough to tell that it leaked; shorter ones are looked for whole.
const NEEDLE: usize = 28;
/// Shorter texts would be found by chance.
const SHORTEST: usize = 8;
/// Bytes of a log that are searched at once, about.
const BLOCK: u64 = 8 * 1024 * 1024;
/// How much of a log is shown before a leak: enough to see who wrote it.
const SHOWN: usize = 160;

/// What looks like a secret, whoever made it.
const SHAPES: [(&str, &str); 5] = [
    ("a JWT", r"eyJ[A-Za-z0-9_-]{16,}"),
    ("a JWT in base64", r"ZXlK[A-Za-z0-9+/]{16,}"),
    ("a bearer token", r"(?i)bearer\s+[A-Za-z0-9._~+/=-]{16,}"),
    ("a SAS signature", r"[?&]sig=[A-Za-z0-9%+/=]{10,}"),
    ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY"),
];

static NOTED: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

fn noted() -> MutexGuard<'static, BTreeMap<String, String>> {
    NOTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes a secret that a test made. What the emulator gets and gives it notes itself.
pub fn note(what: &str, value: &str) {
    if value.len() >= SHORTEST {
        noted().insert(value.to_owned(), what.to_owned());
    }
}

/// Notes a private key in PEM: any of its lines tells it.
pub fn note_key(pem: &str) {
    let lines = pem.lines().filter(|line| line.len() >= 40 && !line.starts_with("-----"));
    lines.for_each(|line| note("private key", line));
}

/// What was noted: (what it is, the secret).
#[must_use]
pub fn all() -> Vec<(String, String)> {
    noted().iter().map(|(value, what)| (what.clone(), value.clone())).collect()
}

/// Looks for many secrets at once.
#[derive(Debug)]
pub struct Finder {
    needles: AhoCorasick,
    what: Vec<String>,
    shapes: Vec<(&'static str, Regex)>,
}

impl Finder {
    /// Of these secrets, in all their forms: as they are, in JSON, in an address, and in base64, also as a part of
    /// something larger.
    ///
    /// # Errors
    /// When there are too many.
    pub fn new(secrets: &[(String, String)]) -> Result<Self> {
        let mut forms = BTreeMap::new();
        for (what, value) in secrets {
            for needle in needles(value) {
                forms.insert(needle, what.clone());
            }
        }
        let (needles, what): (Vec<_>, Vec<_>) = forms.into_iter().unzip();
        let needles = AhoCorasick::new(&needles).doing("the search for secrets")?;
        let shapes = SHAPES.map(|(what, pattern)| Regex::new(pattern).map(|pattern| (what, pattern)));
        let shapes = shapes.into_iter().collect::<std::result::Result<Vec<_>, _>>().doing("the shapes of secrets")?;
        Ok(Self { needles, what, shapes })
    }

    /// What leaked into a text, each with where; the secret itself is not repeated.
    #[must_use]
    pub fn leaks(&self, place: &str, text: &[u8]) -> Vec<String> {
        let known = self.needles.find_iter(text).map(|found| (self.what[found.pattern()].as_str(), found.start()));
        let shaped =
            self.shapes.iter().flat_map(|(what, shape)| shape.find_iter(text).map(|found| (*what, found.start())));
        known.chain(shaped).map(|(what, at)| format!("{place}: {what} after {}", before(text, at))).collect()
    }
}

/// The end of what stands before a leak, in its line.
fn before(text: &[u8], at: usize) -> String {
    let line = text[..at].rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let end = &line[line.len().saturating_sub(SHOWN)..];
    format!("{:?}", String::from_utf8_lossy(end))
}

fn needles(value: &str) -> Vec<Vec<u8>> {
    if value.len() < SHORTEST {
        return Vec::new();
    }
    // All tokens begin alike; the end is each one's own.
    if value.starts_with("eyJ") {
        return vec![end(value.as_bytes()).to_vec()];
    }
    let bytes = value.as_bytes();
    let parts = [&bytes[..bytes.len().min(NEEDLE)], end(bytes)];
    parts.into_iter().flat_map(forms).collect()
}

fn end(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(NEEDLE)..]
}

/// As it stands between the quotes of a JSON string.
fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn forms(part: &[u8]) -> Vec<Vec<u8>> {
    let json = in_json(&String::from_utf8_lossy(part));
    let address: String = url::form_urlencoded::byte_serialize(part).collect();
    let mut all = vec![part.to_vec(), in_json(&json).into_bytes(), address.into_bytes()];
    all.extend(in_base64(part));
    all.extend(in_base64(json.as_bytes()));
    all.push(json.into_bytes());
    all
}

/// In base64 a text has three forms, by where it begins; its first and last characters mix with its neighbours'.
fn in_base64(part: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for offset in 0..3 {
        let padded = [vec![0; offset], part.to_vec()].concat();
        let whole = STANDARD.encode(&padded[..padded.len() / 3 * 3]);
        let from = if offset == 0 { 0 } else { 4 };
        let inside = &whole[from.min(whole.len())..];
        if inside.len() >= SHORTEST {
            all.push(inside.as_bytes().to_vec());
            all.push(inside.replace('+', "-").replace('/', "_").into_bytes());
        }
    }
    all
}

/// A part of a log, in whole lines.
#[derive(Debug)]
pub struct Block {
    /// The log's name.
    pub name: String,
    /// Its lines.
    pub text: Vec<u8>,
}

/// A log in blocks: logs at the highest level are larger than memory ought to hold, and several can be searched at once.
#[derive(Debug)]
pub struct Blocks {
    path: PathBuf,
    file: BufReader<File>,
    length: u64,
}

impl Blocks {
    /// Of a log.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).doing(path.display())?;
        let length = file.metadata().doing(path.display())?.len();
        Ok(Self { path: path.to_owned(), file: BufReader::new(file), length })
    }

    /// Bytes in it.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    fn read(&mut self) -> std::io::Result<Vec<u8>> {
        let mut text = Vec::new();
        Read::by_ref(&mut self.file).take(BLOCK).read_to_end(&mut text)?;
        // Nothing that is looked for goes over the end of a line.
        if text.last().is_some_and(|last| *last != b'\n') {
            self.file.read_until(b'\n', &mut text)?;
        }
        Ok(text)
    }
}

impl Iterator for Blocks {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Result<Block>> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match self.read().doing(self.path.display()) {
            Ok(text) if text.is_empty() => None,
            read => Some(read.map(|text| Block { name, text })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "c7~Q+\"quoted\"/and/long/enough/to/be/cut";

    fn finder() -> Finder {
        let token = format!("eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.{}", "s".repeat(40));
        Finder::new(&[("client secret".to_owned(), SECRET.to_owned()), ("token".to_owned(), token)]).unwrap()
    }

    #[test]
    fn a_planted_secret_is_found_in_every_form() {
        let finder = finder();
        let json = serde_json::json!({"clientSecret": SECRET, "more": 1}).to_string();
        let address: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        for (form, text) in [
            ("as it is", format!("before {SECRET} after")),
            ("in JSON", json.clone()),
            ("in JSON in JSON", serde_json::json!({"body": json}).to_string()),
            ("in an address", format!("https://h/?client_secret={address}&x=y")),
            ("in base64", STANDARD.encode(SECRET)),
            ("in base64 of more", STANDARD.encode(&json)),
            ("in base64 of more, shifted once", STANDARD.encode(format!("a{json}"))),
            ("in base64 of more, shifted twice", STANDARD.encode(format!("ab{json}"))),
            ("its beginning", SECRET[..NEEDLE].to_owned()),
        ] {
            let found = finder.leaks("log", text.as_bytes());
            assert!(found.iter().any(|leak| leak.starts_with("log: client secret")), "{form}: {text}: {found:?}");
            assert!(found.iter().all(|leak| !leak.contains(SECRET)), "{form}: the finding repeats the secret");
        }
        let found = finder.leaks("log", format!("signed by {}", "s".repeat(40)).as_bytes());
        assert_eq!(found.len(), 1, "a token is known by its end: {found:?}");
    }

    #[test]
    fn what_looks_like_a_secret_is_found_though_nobody_noted_it() {
        let finder = finder();
        for text in [
            "Authorization: Bearer 0123456789abcdefghij",
            "token=eyJhbGciOiJub25lIn0aaaaaaaaa",
            "https://a.blob/c?sp=r&sig=abcdefghijkl%3D",
            "-----BEGIN RSA PRIVATE KEY-----",
            &STANDARD.encode("eyJhbGciOiJub25lIn0aaaaaaaaa"),
        ] {
            assert_eq!(finder.leaks("log", text.as_bytes()).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_log_comes_whole_and_in_whole_lines() {
        let line = format!("{}\n", "x".repeat(999));
        let whole = line.repeat(usize::try_from(BLOCK).unwrap() / line.len() + 5) + "the end";
        let log = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&log, &whole).unwrap();
        let blocks = Blocks::open(log.path()).unwrap();
        assert_eq!(blocks.length(), whole.len() as u64);
        let blocks: Vec<Vec<u8>> = blocks.map(|block| block.unwrap().text).collect();
        assert_eq!(blocks.len(), 2);
        assert!(blocks[0].ends_with(b"x\n"));
        assert_eq!(blocks.concat(), whole.into_bytes());
    }

    #[test]
    fn what_is_no_secret_is_not_found() {
        let finder = finder();
        for text in [
            "www-authenticate: Bearer error=\"invalid_token\"",
            "https://a.blob/c?sp=r&sig=***&x=REDACTED",
            "client_id=c7 and other words",
            "",
        ] {
            assert_eq!(finder.leaks("log", text.as_bytes()), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_private_key_is_told_by_any_of_its_lines() {
        let pem = crate::tls::application("x").unwrap().key;
        note_key(&pem);
        let finder = Finder::new(&all()).unwrap();
        let line = pem.lines().nth(10).unwrap();
        assert!(!finder.leaks("log", line.as_bytes()).is_empty());
    }
}
