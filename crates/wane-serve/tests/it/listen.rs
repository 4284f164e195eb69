//! Connections as they come over a socket: bounds, ends, TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use wane_serve::{Guard, Limits, Settings, TlsFiles, run};

use super::new_engine;

const LIVE: &str = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// How HTTP/2 begins, and settings that set nothing.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Longer than anything here may take.
const LONG: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<bool>,
    _state: TempDir,
}

impl Server {
    async fn start(settings: Settings) -> Self {
        let (state, engine) = new_engine();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let guard = Arc::new(Guard::new(settings).unwrap());
        let ended = tokio::spawn(run(listener, engine, guard, async {
            let _ = stopped.await;
        }));
        Self { address, stop, ended, _state: state }
    }

    async fn limited(limits: Limits) -> Self {
        Self::start(Settings { limits, ..Settings::default() }).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// What comes until the end.
async fn all(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    // A connection that is cut has ended too.
    let _ = timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("it does not end");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What comes next.
async fn some(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = [0; 4_096];
    let n = timeout(LONG, stream.read(&mut bytes)).await.expect("nothing comes").unwrap();
    String::from_utf8_lossy(&bytes[..n]).into_owned()
}

async fn live(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream.write_all(LIVE.as_bytes()).await.unwrap();
    let answer = some(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("live\n"), "{answer}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Server::limited(Limits { header: 8 << 10, ..Limits::default() }).await;
    for (bytes, expected) in [(7 << 10, "HTTP/1.1 200"), (9 << 10, "HTTP/1.1 431")] {
        let mut stream = server.connect().await;
        let head = LIVE.replace("\r\n\r\n", &format!("\r\nx: {}\r\n\r\n", "x".repeat(bytes)));
        // It may hang up before all is said.
        let _ = stream.write_all(head.as_bytes()).await;
        let answer = some(&mut stream).await;
        assert!(answer.starts_with(expected), "{bytes}: {answer}");
    }
}

#[tokio::test]
async fn connections_that_bring_nothing_are_ended() {
    let limits = Limits { idle: Duration::from_millis(200), ..Limits::default() };
    let server = Server::limited(limits).await;
    for begin in [&b""[..], b"P", b"GET /health/live HT", &HTTP2[..7], &HTTP2[..24], HTTP2, LIVE.as_bytes()] {
        let mut stream = server.connect().await;
        stream.write_all(begin).await.unwrap();
        let said = all(&mut stream).await;
        assert_eq!(said.contains("live\n"), begin == LIVE.as_bytes(), "{said}");
    }
    // A connection that goes on asking goes on.
    let mut stream = server.connect().await;
    for _ in 0..8 {
        live(&mut stream).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_others_to_end() {
    let server = Server::limited(Limits { connections: 2, ..Limits::default() }).await;
    let (mut first, mut second, mut third) =
        (server.connect().await, server.connect().await, server.connect().await);
    live(&mut first).await;
    live(&mut second).await;
    third.write_all(LIVE.as_bytes()).await.unwrap();
    assert!(timeout(Duration::from_millis(300), third.read_u8()).await.is_err());
    drop(first);
    assert!(some(&mut third).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_request_that_is_being_made_is_answered_before_the_end() {
    let server = Server::start(Settings::default()).await;
    let body = r#"{"user_id": "a", "item_id": "i01"}"#;
    let (early, late) = body.split_at(10);
    let (mut idle, mut busy, mut http2) =
        (server.connect().await, server.connect().await, server.connect().await);
    live(&mut idle).await;
    http2.write_all(HTTP2).await.unwrap();
    let head =
        format!("POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    busy.write_all(format!("{head}{early}").as_bytes()).await.unwrap();
    // So that it has come when the end does.
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.stop.send(()).unwrap();
    assert_eq!(all(&mut idle).await, "");
    all(&mut http2).await;
    assert!(!server.ended.is_finished());
    assert!(TcpStream::connect(server.address).await.is_err());
    busy.write_all(late.as_bytes()).await.unwrap();
    let answer = all(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert!(timeout(LONG, server.ended).await.unwrap().unwrap());
}

#[tokio::test]
async fn http_2_is_understood_without_tls_too() {
    let server = Server::start(Settings::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(HTTP2).await.unwrap();
    let mut frame = [0; 9];
    timeout(LONG, stream.read_exact(&mut frame)).await.unwrap().unwrap();
    assert_eq!(frame[3], 4, "settings come first");
}

#[tokio::test]
async fn with_a_certificate_connections_are_secret() {
    let folder = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls =
        TlsFiles { certificate: folder.path().join("certificate.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&tls.certificate, own.cert.pem()).unwrap();
    std::fs::write(&tls.key, own.signing_key.serialize_pem()).unwrap();
    let limits = Limits { idle: Duration::from_millis(500), ..Limits::default() };
    let server = Server::start(Settings { tls: Some(tls), limits, ..Settings::default() }).await;
    for (offered, taken) in
        [(vec!["h2", "http/1.1"], Some("h2")), (vec!["http/1.1"], Some("http/1.1")), (vec![], None)]
    {
        let mut roots = RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, server.connect().await).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), taken.map(str::as_bytes));
        if taken == Some("h2") {
            stream.write_all(HTTP2).await.unwrap();
            let mut frame = [0; 9];
            timeout(LONG, stream.read_exact(&mut frame)).await.unwrap().unwrap();
            assert_eq!(frame[3], 4, "settings come first");
        } else {
            live(&mut stream).await;
        }
    }
    // Neither one who speaks in the clear nor one who says nothing is kept waiting.
    let mut clear = server.connect().await;
    clear.write_all(LIVE.as_bytes()).await.unwrap();
    assert!(!all(&mut clear).await.contains("HTTP"));
    assert_eq!(all(&mut server.connect().await).await, "");
}
