//! How many simple requests a second the emulator answers while it holds many objects.
//!
//! `make bench-emulator`, or `cargo bench -p azureml-emulator --bench throughput -- [objects] [seconds]`. It starts the
//! binary as people do, makes the objects by requests, and then reads them on keep-alive HTTPS connections, each with one
//! request at a time. The connections' own work is on the same cores; the emulator's share is told as CPU time. Beside it
//! another one holds few objects and is read by turns: it fails when many objects are read much slower than few.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a bench ends where something is not as it has to be")]

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 16;
/// What many objects are compared with.
const FEW: usize = 100;
/// Reading one of many objects may take so much longer than one of few: on no machine does it grow with their number.
const LEAST: f64 = 0.7;
/// How long one of the two emulators is read before it is the other's turn.
const ROUND: Duration = Duration::from_secs(1);
const WORKSPACE: &str =
    "/subscriptions/s1/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws1";

struct Emulator {
    process: Child,
    address: String,
    config: Arc<ClientConfig>,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Emulator {
    fn start(folder: &Path) -> Self {
        let ready = folder.join("ready.json");
        let mut command = Command::new(env!("CARGO_BIN_EXE_azureml-emulator"));
        command.arg("serve").arg("--ready-file").arg(&ready).arg("--tls-dir").arg(folder.join("tls"));
        let process = command.env("RUST_LOG", "warn").spawn().unwrap();
        let limit = Instant::now() + Duration::from_secs(60);
        let told: Value = loop {
            if let Ok(text) = std::fs::read(&ready) {
                break serde_json::from_slice(&text).unwrap();
            }
            assert!(Instant::now() < limit, "the emulator does not serve");
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(told["caFile"].as_str().unwrap()).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let address = told["url"].as_str().unwrap().trim_start_matches("https://").to_owned();
        Self { process, address, config: Arc::new(config) }
    }

    fn connect(&self) -> Connection {
        let socket = TcpStream::connect(&self.address).unwrap();
        socket.set_nodelay(true).unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tls = ClientConnection::new(Arc::clone(&self.config), name).unwrap();
        Connection { stream: StreamOwned::new(tls, socket), buffer: Vec::new() }
    }

    /// Seconds of CPU that its process used so far, and its memory in MiB.
    fn used(&self) -> (f64, u64) {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // User and system time, in hundredths of a second on every Linux.
        let ticks: f64 = [11, 12].iter().map(|at| fields[*at].parse::<f64>().unwrap()).sum();
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kilobytes: u64 = resident.trim().trim_end_matches("kB").trim().parse().unwrap();
        (ticks / 100.0, kilobytes / 1024)
    }
}

struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Sends a request and reads its answer: the status and where the body is in the buffer.
    fn exchange(&mut self, request: &[u8]) -> (u16, std::ops::Range<usize>) {
        self.stream.write_all(request).unwrap();
        self.buffer.clear();
        let mut chunk = [0; 16 * 1024];
        loop {
            let read = self.stream.read(&mut chunk).unwrap();
            assert!(read > 0, "the connection ended");
            self.buffer.extend_from_slice(&chunk[..read]);
            let Some(head) = self.buffer.windows(4).position(|part| part == b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&self.buffer[..head]).unwrap();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            let end = head + 4 + length.parse::<usize>().unwrap();
            if self.buffer.len() >= end {
                return (text[9..12].parse().unwrap(), head + 4..end);
            }
        }
    }

    fn call(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Value {
        let request = request(method, path, headers, body);
        let (status, range) = self.exchange(&request);
        let text = std::str::from_utf8(&self.buffer[range]).unwrap();
        assert!(status < 300, "{method} {path}: {status} {text}");
        serde_json::from_str(text).unwrap_or_default()
    }
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}content-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// A principal, a workspace that it owns, and a token.
fn prepared(emulator: &Emulator) -> String {
    let mut connection = emulator.connect();
    let mut control =
        |path: &str, body: Value| connection.call("POST", &format!("/_emulator/{path}"), "", &body.to_string());
    control("tenants/t1/principals", json!({"clientId": "app", "objectId": "o1", "clientSecret": "good"}));
    control(
        "workspaces",
        json!({"subscriptionId": "s1", "resourceGroup": "rg", "name": "ws1", "location": "westeurope"}),
    );
    control("roleassignments", json!({"scope": "/subscriptions/s1", "principalId": "o1", "role": "Owner"}));
    let form =
        "grant_type=client_credentials&client_id=app&client_secret=good&scope=https://management.azure.com/.default";
    let kind = "content-type: application/x-www-form-urlencoded\r\n";
    let token = connection.call("POST", "/t1/oauth2/v2.0/token", kind, form);
    format!("authorization: Bearer {}\r\n", token["access_token"].as_str().unwrap())
}

fn object(number: usize) -> String {
    format!("{WORKSPACE}/data/d{number}/versions/1?api-version=2025-12-01")
}

/// Lets every connection work on its own thread; gives what each gave.
fn on_all<T: Send>(emulator: &Emulator, work: impl Fn(usize, Connection) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..CONNECTIONS).map(|n| scope.spawn(move || work(n, emulator.connect()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// An emulator that holds so many objects.
struct Full {
    emulator: Emulator,
    objects: usize,
    /// What each connection asks for, in its turn.
    requests: Vec<Vec<Vec<u8>>>,
}

/// What was read of it.
#[derive(Default)]
struct Reads {
    count: f64,
    seconds: f64,
    cpu: f64,
}

impl Reads {
    fn rate(&self) -> f64 {
        self.count / self.seconds
    }
}

impl Full {
    fn new(folder: &Path, objects: usize) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let emulator = Emulator::start(folder);
        let token = prepared(&emulator);
        let headers = format!("{token}content-type: application/json\r\n");
        let body = json!({"properties": {
            "dataType": "uri_file", "dataUri": "azureml://datastores/workspaceblobstore/paths/a.csv", "tags": {"team": "credit"},
        }});
        let body = body.to_string();
        let begun = Instant::now();
        on_all(&emulator, |n, mut connection| {
            for number in (n..objects).step_by(CONNECTIONS) {
                connection.call("PUT", &object(number), &headers, &body);
            }
        });
        let writes = objects as f64 / begun.elapsed().as_secs_f64();
        let memory = emulator.used().1;
        println!("{objects} objects made, {writes:.0} a second; the emulator's memory is {memory} MiB");
        let read = |number| request("GET", &object(number), &token, "");
        let share = |n| (n..objects).step_by(CONNECTIONS).map(read).collect();
        Self { requests: (0..CONNECTIONS).map(share).collect(), emulator, objects }
    }

    /// Reads its objects for a while.
    fn read(&self, round: Duration, reads: &mut Reads) {
        let before = self.emulator.used().0;
        let begun = Instant::now();
        let counts = on_all(&self.emulator, |n, mut connection| {
            let mut count = 0_u64;
            for request in self.requests[n].iter().cycle() {
                assert_eq!(connection.exchange(request).0, 200);
                count += 1;
                if begun.elapsed() > round {
                    break;
                }
            }
            count
        });
        reads.count += counts.iter().sum::<u64>() as f64;
        reads.seconds += begun.elapsed().as_secs_f64();
        reads.cpu += self.emulator.used().0 - before;
    }
}

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let objects = numbers.first().copied().unwrap_or(10_000);
    let seconds = numbers.get(1).copied().unwrap_or(20);
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let all = [FEW, objects].map(|objects| Full::new(&folder.path().join(objects.to_string()), objects));
    let mut reads = [Reads::default(), Reads::default()];
    // By turns, so that whatever else the machine does meanwhile is the same for both.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds as u64) {
        for (full, reads) in all.iter().zip(&mut reads) {
            full.read(ROUND, reads);
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for (full, reads) in all.iter().zip(&reads) {
        println!(
            "{} objects: {:.0} GETs a second on {CONNECTIONS} connections, {cores} cores shared with them; {:.0} microseconds of the emulator's CPU each",
            full.objects,
            reads.rate(),
            reads.cpu / reads.count * 1e6
        );
    }
    let ratio = reads[1].rate() / reads[0].rate();
    println!("{objects} objects are read {ratio:.2} times as fast as {FEW}; {LEAST} at least");
    assert!(ratio >= LEAST, "what is held makes reading slow");
}
