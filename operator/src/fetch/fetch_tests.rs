//! Servers that mean no good, over plain HTTP on loopback.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::settings::Scheme;

const LIMIT: u64 = 64 * 1024;

/// What a server writes, piece by piece; then it closes the connection, or writes the last piece for ever.
#[derive(Clone)]
struct Script {
    pieces: Vec<Vec<u8>>,
    for_ever: bool,
    pause: Duration,
}

/// The address of a server that answers every request so, and how many it got.
async fn server(script: Script) -> (String, Arc<AtomicUsize>) {
    server_by(move |_| script.clone()).await
}

/// The same by the request's path.
async fn server_by(script: impl Fn(&str) -> Script + Send + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = hits.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap_or_default();
            let line = String::from_utf8_lossy(&request[..read]).into_owned();
            let script = script(line.split(' ').nth(1).unwrap_or_default());
            tokio::spawn(async move {
                let last = script.pieces.last().cloned().unwrap_or_default();
                for piece in &script.pieces {
                    let _ = stream.write_all(piece).await;
                }
                while script.for_ever && stream.write_all(&last).await.is_ok() {
                    tokio::time::sleep(script.pause).await;
                }
            });
        }
    });
    (address.to_string(), hits)
}

fn answer(head: &str, body: &[u8]) -> Script {
    let head = format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n");
    Script { pieces: vec![head.into_bytes(), body.to_vec()], for_ever: false, pause: Duration::ZERO }
}

fn fetcher(private: &[&str], timeout: Duration) -> Fetcher {
    Fetcher::new(&FetchSettings {
        schemes: vec![Scheme::Https, Scheme::Http],
        hosts: Vec::new(),
        allow_hosts: private.iter().map(|&host| host.to_owned()).collect(),
        ca_file: None,
        max_bytes: LIMIT,
        timeout,
    })
    .unwrap()
}

const PATIENT: Duration = Duration::from_secs(60);

/// What comes of fetching from a server that answers so.
async fn fetched(script: Script, timeout: Duration) -> Result<Fetched, FetchError> {
    let (host, _) = server(script).await;
    fetcher(&[&host], timeout).fetch(&format!("http://{host}/a.csv"), None).await
}

async fn whole(script: Script) -> Download {
    match fetched(script, PATIENT).await {
        Ok(Fetched::Whole(download)) => download,
        other => panic!("{other:?}"),
    }
}

#[test]
fn file_names_are_safe() {
    for (url, name) in [
        ("https://e.org/a/bank.csv?x=1", "bank.csv"),
        ("https://e.org/a%20b%2Fc.csv", "a_20b_2Fc.csv"),
        ("https://e.org/", "data"),
        ("https://e.org/..", "data"),
    ] {
        assert_eq!(file_name(&Url::parse(url).unwrap()), name, "{url}");
    }
}

#[tokio::test]
async fn a_file_comes_with_its_digest_and_its_tag() {
    let rows = [
        ("200 OK\r\ncontent-length: 3\r\netag: \"1\"\r\nlast-modified: Mon, 01 Jan 2024 00:00:00 GMT", Some("\"1\"")),
        ("200 OK\r\ncontent-length: 3\r\netag: W/\"1\"", Some("W/\"1\"")),
        (
            "200 OK\r\ncontent-length: 3\r\nlast-modified: Mon, 01 Jan 2024 00:00:00 GMT",
            Some("Mon, 01 Jan 2024 00:00:00 GMT"),
        ),
        ("200 OK", None),
    ];
    for (head, tag) in rows {
        let download = whole(answer(head, b"a,b")).await;
        assert_eq!((download.size, download.tag.as_deref(), download.name.as_str()), (3, tag, "a.csv"), "{head}");
        assert_eq!(download.sha256, data_encoding::HEXLOWER.encode(&Sha256::digest(b"a,b")));
        assert_eq!(std::fs::read(download.file.path()).unwrap(), b"a,b");
    }
}

#[tokio::test]
async fn a_size_that_is_told_is_refused_before_a_byte_is_read() {
    let script = answer(&format!("200 OK\r\ncontent-length: {}", LIMIT + 1), b"a");
    assert!(matches!(fetched(script, PATIENT).await, Err(FetchError::TooLarge(LIMIT))));
}

#[tokio::test]
async fn a_body_without_an_end_is_cut_off_at_the_limit() {
    let chunk = [b"4000\r\n".to_vec(), vec![b'a'; 0x4000], b"\r\n".to_vec()].concat();
    for (head, piece) in [("200 OK\r\ntransfer-encoding: chunked", chunk), ("200 OK", vec![b'a'; 0x4000])] {
        let endless = Script { for_ever: true, ..answer(head, &piece) };
        assert!(matches!(fetched(endless, PATIENT).await, Err(FetchError::TooLarge(LIMIT))), "{head}");
    }
}

#[tokio::test]
async fn a_size_that_is_a_lie_gains_nothing() {
    let more = whole(answer("200 OK\r\ncontent-length: 3", &vec![b'a'; 1 << 20])).await;
    assert_eq!(more.size, 3, "what comes after the end is no part of the file");
    let less = fetched(answer("200 OK\r\ncontent-length: 30", b"a,b"), PATIENT).await;
    assert!(matches!(less, Err(FetchError::NoAnswer { .. })), "half a file is none: {less:?}");
}

#[tokio::test]
async fn what_is_compressed_stays_as_it_is() {
    // A megabyte of zeros, which a decoder would make of a kilobyte.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; 1 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    let head = format!("200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}", bomb.len());
    assert_eq!(whole(answer(&head, &bomb)).await.size, bomb.len() as u64);
}

#[tokio::test]
async fn a_server_that_drips_is_given_up_when_the_time_is_over() {
    let dripping = Script { for_ever: true, pause: Duration::from_millis(20), ..answer("200 OK", b"a") };
    let limit = Duration::from_millis(300);
    assert!(matches!(fetched(dripping, limit).await, Err(FetchError::TooSlow(told)) if told == limit));
    // Headers without an end.
    let headers = Script {
        pieces: vec![b"HTTP/1.1 200 OK\r\n".to_vec(), b"x-a: b\r\n".to_vec()],
        for_ever: true,
        pause: Duration::from_millis(20),
    };
    let error = fetched(headers, limit).await.unwrap_err();
    assert!(matches!(error, FetchError::TooSlow(_) | FetchError::NoAnswer { .. }), "{error:?}");
}

#[tokio::test]
async fn a_redirect_leads_nowhere_that_an_address_may_not_lead() {
    let (inside, hits) = server(answer("200 OK", b"secret")).await;
    let port = inside.rsplit(':').next().unwrap();
    let targets = [
        format!("http://{inside}/"),
        format!("//{inside}/"),
        format!("http://localhost:{port}/"),
        format!("http://localhost.:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[::1]:{port}/"),
        "http://169.254.169.254/metadata/instance".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "ftp://example.org/".to_owned(),
        "http://user:secret@example.org/".to_owned(),
    ];
    let known = targets.clone();
    // The path tells the status and which target.
    let (host, _) = server_by(move |path| {
        let (status, at) = path.trim_start_matches('/').split_once('/').unwrap();
        answer(&format!("{status} Elsewhere\r\nlocation: {}", known[at.parse::<usize>().unwrap()]), b"")
    })
    .await;
    let fetcher = fetcher(&[&host], PATIENT);
    for (at, target) in targets.iter().enumerate() {
        for status in [301, 302, 303, 307, 308] {
            let result = fetcher.fetch(&format!("http://{host}/{status}/{at}"), None).await;
            assert!(matches!(result, Err(FetchError::Refused(_))), "{status} to {target}: {result:?}");
        }
    }
    assert_eq!(hits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn redirects_in_a_circle_and_to_nowhere_end() {
    for location in ["location: /a.csv\r\n", "location: http://[\r\n", ""] {
        let result = fetched(answer(&format!("302 Found\r\n{location}content-length: 0"), b""), PATIENT).await;
        assert!(matches!(result, Err(FetchError::Redirects(_))), "{location:?}: {result:?}");
    }
}

#[tokio::test]
async fn what_was_fetched_before_is_asked_for_by_its_tag_and_costs_no_download() {
    let (host, _) = server(answer("304 Not Modified", b"")).await;
    let result = fetcher(&[&host], PATIENT).fetch(&format!("http://{host}/a.csv"), Some("\"1\"")).await;
    assert!(matches!(result, Ok(Fetched::Unchanged)), "{result:?}");
    // Nobody asked whether it is as it was.
    let unasked = fetched(answer("304 Not Modified", b""), PATIENT).await;
    assert!(matches!(unasked, Err(FetchError::Missing { .. })), "{unasked:?}");
}
