//! TLS: who is let in, what is agreed on, and that requests are answered over it as over any socket. All
//! certificates are made here, for one test each.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, IsCa, Issuer, KeyPair,
    SanType,
};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, StreamOwned};
use rustls::{RootCertStore, SupportedProtocolVersion, version};
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::hostile::info;
use crate::process::{free_port, until};
use crate::support::client::{Client, Stream, encode};
use crate::support::server::{Program, Server};
use crate::support::value::Value;

type Tls = StreamOwned<ClientConnection, TcpStream>;

impl Stream for Tls {
    fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.sock.set_read_timeout(Some(patience))
    }
}

/// Somebody who vouches, and a folder with what is vouched for.
struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Authority {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = named("An authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca.crt"), certificate.pem()).unwrap();
        let certificate = certificate.der().clone();
        Authority { folder, issuer: Issuer::new(params, key), certificate }
    }

    /// Writes a certificate and its key; says where.
    fn issue(&self, file: &str, common_name: &str, uris: &[&str]) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate = named(common_name, uris).signed_by(&key, &self.issuer).unwrap();
        let (crt, pem) = (self.path(&format!("{file}.crt")), self.path(&format!("{file}.key")));
        fs::write(&crt, certificate.pem()).unwrap();
        fs::write(&pem, key.serialize_pem()).unwrap();
        (crt, pem)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// What a client needs to trust this authority, and to show what it has issued.
    fn client(
        &self,
        shown: Option<&str>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder =
            builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
        match shown {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let chain = CertificateDer::from_pem_file(self.path(&format!("{name}.crt")));
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key")));
                builder.with_client_auth_cert(vec![chain.unwrap()], key.unwrap()).unwrap()
            }
        }
    }
}

fn named(common_name: &str, uris: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_string()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    let name = DnValue::Utf8String(common_name.to_string());
    params.distinguished_name.push(DnType::CommonName, name);
    for uri in uris {
        params.subject_alt_names.push(SanType::URI((*uri).try_into().unwrap()));
    }
    params
}

/// A server with a port for each, and the one who vouches for it.
pub struct Site {
    authority: Authority,
    pub server: Server,
    tls_port: u16,
}

impl Site {
    pub fn start(extra: &[&str]) -> Site {
        let authority = Authority::new();
        authority.issue("server", "A server", &[]);
        authority.issue("client", "A client", &[]);
        let files = ["server.crt", "server.key", "ca.crt"].map(|name| authority.text(name));
        for _ in 0..5 {
            let tls_port = free_port();
            let port = tls_port.to_string();
            let mut args = vec!["--tls-port", &port, "--tls-cert-file", &files[0]];
            args.extend(["--tls-key-file", &files[1], "--tls-ca-cert-file", &files[2]]);
            args.extend(extra);
            match Server::start(Program::Russet, &args) {
                Ok(server) => return Site { authority, server, tls_port },
                Err(why) if why.contains("in use") => (),
                Err(why) => panic!("{why}"),
            }
        }
        panic!("no port stays free for long enough");
    }

    /// A client that shows its certificate.
    pub fn client(&self) -> Client {
        let config = self.authority.client(Some("client"), version_13());
        Client::over(Box::new(self.connect(Arc::new(config)).unwrap()))
    }

    /// Shakes hands, and reads on until PING is answered: only then it is known that the server agrees.
    fn connect(&self, config: Arc<ClientConfig>) -> io::Result<Tls> {
        let mut stream = self.begin(config)?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer)?;
        match &answer {
            b"+PONG\r\n" => Ok(stream),
            _ => Err(io::Error::other(format!("{answer:?}"))),
        }
    }

    fn begin(&self, config: Arc<ClientConfig>) -> io::Result<Tls> {
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(StreamOwned::new(session, self.socket()))
    }

    fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(("127.0.0.1", self.tls_port));
        let socket = socket.unwrap_or_else(|why| panic!("{why}\n{}", self.server.log()));
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        socket
    }

    #[track_caller]
    fn set(&self, pairs: &[&str]) -> Value {
        let mut line = vec!["CONFIG", "SET"];
        line.extend(pairs);
        self.server.connect().call(&line)
    }

    fn clients(&self) -> String {
        info(&self.server, "clients")
    }
}

fn version_13() -> &'static [&'static SupportedProtocolVersion] {
    const ONLY: &[&SupportedProtocolVersion] = &[&version::TLS13];
    ONLY
}

fn version_12() -> &'static [&'static SupportedProtocolVersion] {
    const ONLY: &[&SupportedProtocolVersion] = &[&version::TLS12];
    ONLY
}

fn field(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).to_string()
}

#[track_caller]
fn refusal(answer: Value) -> String {
    match answer {
        Value::Error(why) => String::from_utf8_lossy(&why).into_owned(),
        other => panic!("{other:?}"),
    }
}

fn ok() -> Value {
    Value::simple("OK")
}

/// Requests and answers of any size, in pieces and in heaps, come through whole.
#[test]
pub fn answers_are_the_same_over_tls() {
    let site = Site::start(&[]);
    for versions in [version_12(), version_13()] {
        let config = Arc::new(site.authority.client(Some("client"), versions));
        let stream = site.connect(config).unwrap();
        assert_eq!(
            stream.conn.protocol_version(),
            Some(if versions == version_13() {
                ProtocolVersion::TLSv1_3
            } else {
                ProtocolVersion::TLSv1_2
            })
        );
        let mut client = Client::over(Box::new(stream));
        for size in [0, 1, 1000, 16_384, 65_536, 3_000_000] {
            let value: Vec<u8> = (0..size).map(|at| (at * 7 % 251) as u8).collect();
            assert_eq!(client.call(&[&b"SET"[..], b"key", &value]), ok());
            assert_eq!(client.call(&["GET", "key"]), Value::Bulk(value), "{size} bytes");
        }
        let mut heap = Vec::new();
        for number in 0..20_000 {
            encode(&["ECHO", &format!("number {number}")], &mut heap);
        }
        client.write_raw(&heap).unwrap();
        for number in 0..20_000 {
            assert_eq!(client.read_reply().unwrap(), Value::bulk(format!("number {number}")));
        }
        // A byte for each record.
        let mut frame = Vec::new();
        encode(&["ECHO", "slow"], &mut frame);
        for byte in frame {
            client.write_raw(&[byte]).unwrap();
        }
        assert_eq!(client.read_reply().unwrap(), Value::bulk("slow"));
    }
    let text = info(&site.server, "server");
    assert!(
        text.contains(&format!("listener2:name=tls,bind=127.0.0.1,port={}", site.tls_port)),
        "{text}"
    );
    assert!(site.server.log().contains("Ready to accept connections tls"));
}

/// Messages in many pieces go out together, and each arrives once and in its order.
#[test]
pub fn messages_arrive_over_tls() {
    let site = Site::start(&[]);
    let mut listener = site.client();
    listener.call(&["SUBSCRIBE", "news"]);
    let mut publisher = site.server.connect();
    let message = |number: usize| format!("{number}:{}", "x".repeat(number * 37 % 40_000));
    for number in 0..500 {
        publisher.send(&["PUBLISH", "news", &message(number)]).unwrap();
    }
    for number in 0..500 {
        let expected = ["message", "news", &message(number)].map(Value::bulk);
        assert_eq!(listener.read_reply().unwrap(), Value::Array(expected.to_vec()));
    }
}

#[test]
fn a_client_shows_a_certificate_or_is_not_let_in() {
    let site = Site::start(&[]);
    let stranger = Authority::new();
    stranger.issue("client", "A client", &[]);
    for versions in [version_12(), version_13()] {
        let without = || site.connect(Arc::new(site.authority.client(None, versions)));
        let with = || site.connect(Arc::new(site.authority.client(Some("client"), versions)));
        let foreign = || {
            let mut config = site.authority.client(None, versions);
            let theirs = stranger.client(Some("client"), versions);
            config.client_auth_cert_resolver = theirs.client_auth_cert_resolver;
            site.connect(Arc::new(config))
        };
        for (rule, lets_in) in [("yes", [false, true, false]), ("optional", [true, true, false])] {
            assert_eq!(site.set(&["tls-auth-clients", rule]), ok());
            let results = [without().is_ok(), with().is_ok(), foreign().is_ok()];
            assert_eq!(results, lets_in, "{rule}");
        }
        assert_eq!(site.set(&["tls-auth-clients", "no"]), ok());
        assert!(without().is_ok() && with().is_ok() && foreign().is_ok());
        assert_eq!(site.set(&["tls-auth-clients", "yes"]), ok());
    }
    until("all are gone but who asks", || field(&site.clients(), "connected_clients") == "1");
}

#[test]
fn bytes_that_are_no_tls_end_that_connection_alone() {
    let site = Site::start(&[]);
    let mut client = site.client();
    for noise in [&b"*1\r\n$4\r\nPING\r\n"[..], b"PING\r\n", b"\x16\x03\x01\xff\xff", &[0; 100_000]]
    {
        let mut socket = site.socket();
        let _ = socket.write_all(noise);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        // Nothing, or a reset.
        let _ = socket.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{answer:?}");
        assert_eq!(client.call(&["PING"]), Value::simple("PONG"));
    }
    until("they are gone", || field(&site.clients(), "connected_clients") == "2");
}

#[test]
fn a_bad_setting_changes_nothing() {
    let site = Site::start(&[]);
    let mut client = site.client();
    fs::write(site.authority.path("nonsense"), "nonsense").unwrap();
    let (nonsense, other_key) =
        (site.authority.text("nonsense"), site.authority.text("client.key"));
    let before = field(&info(&site.server, "tls"), "tls_server_cert_serial");
    for (name, value) in [
        ("tls-cert-file", "/nowhere"),
        ("tls-cert-file", &nonsense),
        ("tls-cert-file", ""),
        ("tls-key-file", &nonsense),
        ("tls-key-file", &other_key),
        ("tls-ca-cert-file", &nonsense),
        ("tls-ca-cert-file", ""),
        ("tls-ca-cert-dir", "/nowhere"),
        ("tls-client-cert-file", &nonsense),
        ("tls-protocols", "SSLv3"),
        ("tls-protocols", "TLSv1"),
        ("tls-ciphers", "AES128-SHA256"),
        ("tls-ciphersuites", "TLS_NONE"),
    ] {
        let kept = client.call(&["CONFIG", "GET", name]);
        let refused = format!(
            "ERR CONFIG SET failed (possibly related to argument '{name}') - Unable to update TLS \
             configuration. Check server logs."
        );
        assert_eq!(site.set(&[name, value]), Value::Error(refused.into_bytes()), "{name} {value}");
        assert_eq!(client.call(&["CONFIG", "GET", name]), kept);
        site.client();
    }
    assert_eq!(field(&info(&site.server, "tls"), "tls_server_cert_serial"), before);
    let taken = site.server.port.to_string();
    let why = refusal(site.set(&["tls-port", &taken]));
    assert!(why.contains("Unable to listen on this port"), "{why}");
    site.client();
    // The old setting holds, though the file it was read from is gone.
    fs::remove_file(site.authority.path("ca.crt")).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().port().to_string();
    let pairs = ["tls-auth-clients", "no", "tls-ca-cert-file", "", "port", &taken];
    let why = refusal(site.set(&pairs));
    assert!(why.contains("Unable to listen on this port"), "{why}");
    assert!(site.connect(Arc::new(site.authority.client(None, version_13()))).is_err());
    site.client();
}

#[test]
fn a_server_without_its_certificate_does_not_start() {
    let why = Server::start(Program::Russet, &["--tls-port", "1"]).err().unwrap();
    assert!(why.contains("No tls-cert-file configured!"), "{why}");
    assert!(why.contains("Failed to configure TLS. Check logs for more info."), "{why}");
    // Nor does one that runs begin with it.
    let server = Server::start(Program::Russet, &[]).unwrap();
    let why = refusal(server.connect().call(&["CONFIG", "SET", "tls-port", "1"]));
    assert!(why.contains("'tls-port') - Unable to update TLS configuration."), "{why}");
}

#[test]
fn ports_are_switched_while_clients_are_there() {
    let site = Site::start(&[]);
    let mut client = site.client();
    let plain = site.server.port.to_string();
    assert_eq!(client.call(&["CONFIG", "SET", "port", "0"]), ok());
    assert!(TcpStream::connect(("127.0.0.1", site.server.port)).is_err());
    let mut other = site.client();
    assert_eq!(other.call(&["CONFIG", "SET", "tls-port", "0", "port", &plain]), ok());
    assert!(TcpStream::connect(("127.0.0.1", site.tls_port)).is_err());
    let text = info(&site.server, "tls");
    assert_eq!(field(&text, "tls_server_cert_serial"), "none");
    assert_eq!(field(&text, "tls_ca_cert_expires_in_seconds"), "0");
    assert_eq!(other.call(&["CONFIG", "SET", "tls-port", &site.tls_port.to_string()]), ok());
    site.client();
    assert_eq!(client.call(&["PING"]), Value::simple("PONG"));
}

#[test]
fn renewed_certificates_are_taken_over() {
    let site = Site::start(&["--tls-auto-reload-interval", "1"]);
    let serial = || field(&info(&site.server, "tls"), "tls_server_cert_serial");
    let first = serial();
    let seconds = field(&info(&site.server, "tls"), "tls_server_cert_expires_in_seconds");
    assert!(seconds.parse::<i64>().unwrap() > 0);
    let mut client = site.client();
    // Half of a pair fits nothing, and the old one stays.
    let (fresh, key) = site.authority.issue("fresh", "A server", &[]);
    fs::copy(&fresh, site.authority.path("server.crt")).unwrap();
    until("the server has looked", || site.server.log().contains("TLS materials are not reloaded"));
    assert_eq!(serial(), first);
    site.client();
    fs::copy(&key, site.authority.path("server.key")).unwrap();
    until("they are reloaded", || {
        site.server.log().contains("TLS materials reloaded successfully")
    });
    let second = serial();
    assert_ne!(second, first);
    // By hand, as soon as it is asked for.
    assert_eq!(site.set(&["tls-auto-reload-interval", "0"]), ok());
    site.authority.issue("server", "A server", &[]);
    let (crt, key) = (site.authority.text("server.crt"), site.authority.text("server.key"));
    assert_eq!(site.set(&["tls-cert-file", &crt, "tls-key-file", &key]), ok());
    assert_ne!(serial(), second);
    site.client();
    assert_eq!(client.call(&["PING"]), Value::simple("PONG"));
}

#[test]
fn an_encrypted_key_needs_its_pass_phrase() {
    use pkcs8::pkcs5::pbes2::Parameters;
    let site = Site::start(&[]);
    let key = PrivateKeyDer::from_pem_file(site.authority.path("server.key")).unwrap();
    let parameters = Parameters::pbkdf2_sha256_aes256cbc(2048, b"some salt", &[7; 16]).unwrap();
    let plain = pkcs8::PrivateKeyInfo::try_from(key.secret_der()).unwrap();
    let encrypted = plain.encrypt_with_params(parameters, b"pass phrase").unwrap();
    let pem = encrypted.to_pem("ENCRYPTED PRIVATE KEY", pkcs8::LineEnding::LF).unwrap();
    fs::write(site.authority.path("hidden.key"), pem.as_bytes()).unwrap();
    let hidden = site.authority.text("hidden.key");
    for pass in ["", "another"] {
        let why = refusal(site.set(&["tls-key-file", &hidden, "tls-key-file-pass", pass]));
        assert!(why.contains("Unable to update TLS"), "{why}");
    }
    assert_eq!(site.set(&["tls-key-file", &hidden, "tls-key-file-pass", "pass phrase"]), ok());
    site.client();
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n\
               -----END RSA PRIVATE KEY-----\n";
    fs::write(site.authority.path("old.key"), old).unwrap();
    let why = refusal(site.set(&["tls-key-file", &site.authority.text("old.key")]));
    assert!(why.contains("Unable to update TLS"), "{why}");
    until("it says how to help oneself", || site.server.log().contains("openssl pkcs8 -topk8"));
}

/// By ticket with TLS 1.3 and 1.2, unless it is forbidden, and not across a change of who is trusted.
#[test]
fn sessions_are_resumed() {
    let site = Site::start(&[]);
    for versions in [version_12(), version_13()] {
        let mut config = site.authority.client(Some("client"), versions);
        config.resumption = Resumption::in_memory_sessions(8);
        let config = Arc::new(config);
        let kind = || site.connect(config.clone()).unwrap().conn.handshake_kind().unwrap();
        // The first key exchange may need another try.
        assert_ne!(kind(), HandshakeKind::Resumed);
        assert_eq!(kind(), HandshakeKind::Resumed);
        assert_eq!(kind(), HandshakeKind::Resumed);
        // The same once more changes nothing.
        assert_eq!(site.set(&["tls-ca-cert-file", &site.authority.text("ca.crt")]), ok());
        assert_eq!(kind(), HandshakeKind::Resumed);
        let (ca, both) = (site.authority.path("ca.crt"), site.authority.path("both.crt"));
        let more = fs::read_to_string(Authority::new().path("ca.crt")).unwrap();
        fs::write(&both, fs::read_to_string(ca).unwrap() + &more).unwrap();
        assert_eq!(site.set(&["tls-ca-cert-file", &both.to_string_lossy()]), ok());
        assert_ne!(kind(), HandshakeKind::Resumed);
        assert_eq!(site.set(&["tls-session-caching", "no"]), ok());
        kind();
        assert_ne!(kind(), HandshakeKind::Resumed);
        assert_eq!(site.set(&["tls-session-caching", "yes"]), ok());
        assert_eq!(site.set(&["tls-ca-cert-file", &site.authority.text("ca.crt")]), ok());
    }
}

#[test]
fn sessions_without_tickets_are_resumed_by_their_id() {
    let site = Site::start(&[]);
    let mut config = site.authority.client(Some("client"), version_12());
    config.resumption = Resumption::in_memory_sessions(8)
        .tls12_resumption(rustls::client::Tls12Resumption::SessionIdOnly);
    let config = Arc::new(config);
    let kind = || site.connect(config.clone()).unwrap().conn.handshake_kind().unwrap();
    assert_eq!(kind(), HandshakeKind::Full);
    assert_eq!(kind(), HandshakeKind::Resumed);
}

#[test]
fn ciphers_and_versions_are_those_of_the_lists() {
    let site = Site::start(&[]);
    let suite = |versions| {
        let config = Arc::new(site.authority.client(Some("client"), versions));
        let stream = site.connect(config).ok()?;
        stream.conn.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()))
    };
    assert_eq!(site.set(&["tls-ciphers", "ECDHE-ECDSA-CHACHA20-POLY1305"]), ok());
    assert_eq!(site.set(&["tls-ciphersuites", "TLS_AES_128_GCM_SHA256"]), ok());
    let chacha = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
    assert_eq!(suite(version_12()).as_deref(), Some(chacha));
    assert_eq!(suite(version_13()).as_deref(), Some("TLS13_AES_128_GCM_SHA256"));
    assert_eq!(site.set(&["tls-protocols", "TLSv1.3"]), ok());
    assert_eq!(suite(version_12()), None);
    assert_eq!(site.set(&["tls-protocols", "TLSv1.2"]), ok());
    assert_eq!(suite(version_13()), None);
    assert_eq!(suite(version_12()).as_deref(), Some(chacha));
    // Whose order counts.
    let both = "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256";
    assert_eq!(site.set(&["tls-ciphers", both]), ok());
    assert_ne!(suite(version_12()).as_deref(), Some(chacha));
    assert_eq!(site.set(&["tls-prefer-server-ciphers", "yes"]), ok());
    assert_eq!(suite(version_12()).as_deref(), Some(chacha));
}

/// Who says by its certificate that it is a user is that user; who says anything else logs in as ever.
#[test]
fn a_certificate_names_its_user() {
    let site = Site::start(&["--tls-auth-clients-user", "CN"]);
    assert_eq!(site.set(&["requirepass", "secret"]), ok());
    let authority = &site.authority;
    authority.issue("default", "default", &["urn:nobody", "default:"]);
    authority.issue("cut", "default\0attacker", &[]);
    let says = |shown: &str| {
        let config = Arc::new(authority.client(Some(shown), version_13()));
        let mut client = Client::over(Box::new(site.begin(config).unwrap()));
        match client.call(&["ECHO", "in"]) {
            Value::Error(why) => String::from_utf8_lossy(&why[..6]).into_owned(),
            _ => "in".to_string(),
        }
    };
    let denied = || {
        let mut client = site.server.connect();
        client.call(&["AUTH", "secret"]);
        match client.call(&["INFO", "stats"]) {
            Value::Bulk(text) => {
                field(&String::from_utf8_lossy(&text), "acl_access_denied_tls_cert")
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(says("default"), "in");
    assert_eq!(denied(), "0");
    assert_eq!(says("client"), "NOAUTH");
    assert_eq!(says("cut"), "NOAUTH");
    assert_eq!(denied(), "2");
    let mut client = site.server.connect();
    client.call(&["AUTH", "secret"]);
    assert_eq!(client.call(&["CONFIG", "SET", "tls-auth-clients-user", "off"]), ok());
    assert_eq!(says("default"), "NOAUTH");
    assert_eq!(denied(), "2");
    // Who shows no name at all asks for no user.
    assert_eq!(client.call(&["CONFIG", "SET", "tls-auth-clients-user", "URI"]), ok());
    assert_eq!(says("client"), "NOAUTH");
    assert_eq!(denied(), "2");
}

/// It may shake hands, be answered, end itself or wait.
#[test]
pub fn killing_clients_of_tls_is_safe_at_any_moment() {
    let site = Site::start(&[]);
    let config = Arc::new(site.authority.client(Some("client"), version_13()));
    let mut control = site.server.connect();
    for round in 0..40 {
        let mut stream = site.begin(config.clone()).unwrap();
        let mut heap = Vec::new();
        for _ in 0..round * 50 {
            encode(&["ECHO", &"x".repeat(1000)], &mut heap);
        }
        match round % 4 {
            // Amid the handshake: nothing was said yet.
            0 => (),
            // Amid answers that nobody reads.
            1 => drop(stream.write_all(&heap)),
            // By itself, with more behind it.
            2 => {
                let _ = stream.write_all(b"CLIENT KILL TYPE normal SKIPME no\r\n");
                let _ = stream.write_all(&heap[..heap.len().min(10_000)]);
            }
            // While it waits.
            _ => drop(stream.write_all(b"BLPOP nothing 0\r\n")),
        }
        let _ = stream.flush();
        let _ = control.try_call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        if control.try_call(&["PING"]).is_err() {
            control = site.server.connect();
        }
    }
    until("all are gone but who asks", || {
        let count: u32 = field(&site.clients(), "connected_clients").parse().unwrap();
        count <= 2
    });
    site.client();
}

/// A message of the protocol that has come in part stays where it is, whatever is sent meanwhile.
#[test]
fn half_a_message_of_the_protocol_does_no_harm() {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let site = Site::start(&["--tls-ciphersuites", "TLS_AES_256_GCM_SHA384"]);
    let mut config = site.authority.client(Some("client"), version_13());
    config.enable_secret_extraction = true;
    let config = Arc::new(config);
    for killed in [false, true] {
        let mut stream = site.connect(config.clone()).unwrap();
        stream.write_all(b"SUBSCRIBE news\r\n").unwrap();
        let mut answer = [0; 16];
        stream.read_exact(&mut answer).unwrap();
        let (session, mut socket) = stream.into_parts();
        let secrets = session.dangerous_extract_secrets().unwrap();
        let rustls::ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets.tx.1 else {
            panic!("another cipher");
        };
        // The head of a key update, which says that a byte follows; and that it was of a handshake.
        let mut record = vec![24, 0, 0, 1, 22];
        let head = [23, 3, 3, 0, record.len() as u8 + 16];
        let mut nonce: [u8; 12] = iv.as_ref().try_into().unwrap();
        for (byte, of_sequence) in nonce[4..].iter_mut().zip(secrets.tx.0.to_be_bytes()) {
            *byte ^= of_sequence;
        }
        let sealer = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
        let nonce = Nonce::assume_unique_for_key(nonce);
        sealer.seal_in_place_append_tag(nonce, Aad::from(head), &mut record).unwrap();
        socket.write_all(&head).unwrap();
        socket.write_all(&record).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let mut control = site.server.connect();
        if killed {
            control.call(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        } else {
            assert_eq!(control.call(&["PUBLISH", "news", "hello"]), Value::Int(1));
        }
        // What comes is sealed with keys that nobody has any more; that it comes is enough.
        let mut head = [0; 5];
        socket.read_exact(&mut head).unwrap();
        assert_eq!(head[..3], [23, 3, 3]);
        assert_eq!(control.call(&["PING"]), Value::simple("PONG"));
    }
    site.client();
}

/// What is begun and not gone on with is ended, and until then is in nobody's way.
#[test]
fn a_handshake_that_stops_holds_up_nobody() {
    let site = Site::start(&[]);
    let mut half: Vec<TcpStream> = (0..20).map(|_| site.socket()).collect();
    for socket in &mut half {
        // The head of a record, and a byte of what it announces.
        socket.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).unwrap();
    }
    for _ in 0..5 {
        site.client();
    }
    until("they are listed", || {
        field(&site.clients(), "connected_clients").parse::<u32>().unwrap() > 20
    });
    let mut control = site.server.connect();
    let killed =
        control.call(&["CLIENT", "KILL", "LADDR", &format!("127.0.0.1:{}", site.tls_port)]);
    assert!(matches!(killed, Value::Int(count) if count >= 20), "{killed:?}");
    for socket in &mut half {
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{rest:?}");
    }
    // And by itself, without anybody's help, a client that says nothing at all.
    let mut silent = site.socket();
    let mut rest = Vec::new();
    assert!(matches!(silent.read_to_end(&mut rest), Ok(0)), "{rest:?}");
}

/// The end is announced on both sides, so nobody takes a cut line for it.
#[test]
fn the_end_is_announced() {
    let site = Site::start(&[]);
    let config = Arc::new(site.authority.client(Some("client"), version_13()));
    let mut stream = site.connect(config.clone()).unwrap();
    stream.write_all(b"QUIT\r\n").unwrap();
    let mut rest = Vec::new();
    // Without the notice this is an error.
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"+OK\r\n");
    let mut stream = site.connect(config).unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    let _ = stream.conn.complete_io(&mut stream.sock);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    until("it is gone", || field(&site.clients(), "connected_clients") == "1");
}

/// Who breaks the protocol is told so, also when all has been agreed on.
#[test]
fn a_broken_record_is_answered_with_an_alert() {
    let site = Site::start(&[]);
    for (broken, told) in [
        (&b"\x17\x03\x03\x00\x20zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"[..], "BadRecordMac"),
        (b"\x16\x03\x03\x00\x04\x00\x00\x00\x00", "alert"),
    ] {
        let config = Arc::new(site.authority.client(Some("client"), version_13()));
        let mut stream = site.connect(config).unwrap();
        stream.sock.write_all(broken).unwrap();
        let why = stream.read_to_end(&mut Vec::new()).expect_err("it is broken").to_string();
        assert!(why.contains(told), "{why}");
    }
}

/// While sockets take nothing, answers wait and are counted; then they come, in order.
#[test]
fn answers_wait_while_the_socket_takes_nothing() {
    let site = Site::start(&[]);
    let mut control = site.server.connect();
    control.call(&["SET", "small", &"s".repeat(10_000)]);
    control.call(&["SET", "large", &"l".repeat(5_000_000)]);
    let mut client = site.client();
    assert_eq!(control.call(&["DEBUG", "FORCE-TLS-WRITE-ERROR", "1"]), ok());
    client.send(&["GET", "small"]).unwrap();
    client.send(&["GET", "small"]).unwrap();
    let mut waits_for = |bytes: u64| {
        until("answers wait", || match control.call(&["CLIENT", "LIST"]) {
            Value::Bulk(text) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                let line = text.lines().find(|line| line.contains(&format!(":{} ", site.tls_port)));
                let waiting = line.and_then(|line| line.split(" omem=").nth(1)?.split(' ').next());
                waiting.is_some_and(|waiting| waiting.parse::<u64>().unwrap() >= bytes)
            }
            other => panic!("{other:?}"),
        });
    };
    waits_for(1);
    client.send(&["GET", "large"]).unwrap();
    waits_for(5_000_000);
    assert_eq!(control.call(&["DEBUG", "FORCE-TLS-WRITE-ERROR", "0"]), ok());
    for (letter, count) in [("s", 10_000), ("s", 10_000), ("l", 5_000_000)] {
        assert_eq!(client.read_reply().unwrap(), Value::bulk(letter.repeat(count)));
    }
}

/// A reader that does not read is bounded over TLS as well, and served when it reads again.
#[test]
pub fn a_slow_reader_gets_everything_in_the_end() {
    let site = Site::start(&[]);
    let mut client = site.client();
    client.call(&["SET", "key", &"v".repeat(100_000)]);
    let mut heap = Vec::new();
    for _ in 0..200 {
        encode(&["GET", "key"], &mut heap);
    }
    client.write_raw(&heap).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    for _ in 0..200 {
        assert_eq!(client.read_reply().unwrap(), Value::bulk("v".repeat(100_000)));
    }
    assert_eq!(client.call(&["PING"]), Value::simple("PONG"));
}

#[test]
fn one_client_too_many_hears_nothing() {
    let site = Site::start(&["--maxclients", "2"]);
    let config = Arc::new(site.authority.client(Some("client"), version_13()));
    let mut there = Vec::new();
    // Whoever looked whether the server is up may not have been let go yet.
    until("two are in", || {
        there.extend(site.connect(config.clone()));
        there.len() == 2
    });
    let mut first = Client::over(Box::new(there.remove(0)));
    let rejected = |client: &mut Client| -> u64 {
        let stats = client.call(&["INFO", "stats"]);
        let stats = String::from_utf8_lossy(stats.text().unwrap_or_default()).into_owned();
        field(&stats, "rejected_connections").parse().expect("a number")
    };
    let before = rejected(&mut first);
    let mut socket = site.socket();
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{rest:?}");
    assert_eq!(rejected(&mut first), before + 1);
}

#[test]
fn a_folder_of_authorities_is_read() {
    let site = Site::start(&[]);
    let folder = site.authority.path("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("readme"), "no certificate").unwrap();
    fs::copy(site.authority.path("ca.crt"), folder.join("one.pem")).unwrap();
    assert!(Path::new(&folder).is_dir());
    let folder = folder.to_string_lossy().into_owned();
    assert_eq!(site.set(&["tls-ca-cert-dir", &folder, "tls-ca-cert-file", ""]), ok());
    site.client();
    assert_ne!(field(&info(&site.server, "tls"), "tls_ca_cert_serial"), "none");
}

/// Our own client, under its name in the image; what it printed, and whether it ended well.
fn cli(site: &Site, args: &[&str], input: &[u8]) -> (String, bool) {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    let port = site.tls_port.to_string();
    let mut command = Command::new(Program::Russet.path().expect("it is built"));
    command.arg0("redis-cli").args(["-p", &port, "--tls"]).args(args);
    command.env_remove("REDISCLI_AUTH").env_remove("VALKEYCLI_AUTH").env_remove("SSL_CERT_DIR");
    // The authorities of the system, as far as this test goes.
    command.env("SSL_CERT_FILE", site.authority.path("ca.crt"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut standard_input = process.stdin.take().expect("it is piped");
    let input = input.to_vec();
    let feed = std::thread::spawn(move || drop(standard_input.write_all(&input)));
    let output = process.wait_with_output().unwrap();
    feed.join().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&text).trim_end().to_string(), output.status.success())
}

#[test]
fn our_own_client_speaks_it() {
    let site = Site::start(&["--tls-auth-clients", "no"]);
    let ca = site.authority.text("ca.crt");
    let pong = ("PONG".to_string(), true);
    // Authorities of one's own: the certificate is for localhost, and reached is 127.0.0.1.
    assert_eq!(cli(&site, &["--cacert", &ca, "ping"], b""), pong);
    assert_eq!(cli(&site, &["--cacert", &ca, "--sni", "localhost", "ping"], b""), pong);
    let folder = site.authority.folder.path().to_string_lossy().into_owned();
    assert_eq!(cli(&site, &["--cacertdir", &folder, "ping"], b""), pong);
    assert_eq!(cli(&site, &["--insecure", "ping"], b""), pong);
    // Those of the system: the name counts.
    assert_eq!(cli(&site, &["-h", "localhost", "ping"], b""), pong);
    for args in [&["ping"][..], &["--cacert", &ca, "--sni", "elsewhere", "ping"]] {
        let (text, is_well) = cli(&site, args, b"");
        assert!(!is_well && text.contains("certificate"), "{args:?}: {text}");
    }
    let stranger = Authority::new();
    let (text, is_well) = cli(&site, &["--cacert", &stranger.text("ca.crt"), "ping"], b"");
    assert!(!is_well && text.contains("certificate"), "{text}");
    let (text, is_well) = cli(&site, &["--cacert", "/nowhere", "ping"], b"");
    assert!(!is_well && text.contains("/nowhere"), "{text}");
    let (text, is_well) = cli(&site, &["--insecure", "--cert", &ca, "ping"], b"");
    assert!(!is_well && text.contains("--key"), "{text}");

    // Many records each way at once, and an answer of many records.
    let mut input = Vec::new();
    for n in 0..20_000 {
        encode(&["SET", &format!("key:{n}"), &"x".repeat(200)], &mut input);
    }
    let many: Vec<&str> = ["MGET"].into_iter().chain(["key:1"; 20_000]).collect();
    encode(&many, &mut input);
    let (text, is_well) = cli(&site, &["--cacert", &ca, "--pipe"], &input);
    assert!(is_well && text.contains("errors: 0, replies: 20001"), "{text}");
    assert_eq!(cli(&site, &["--cacert", &ca, "dbsize"], b""), ("20000".to_string(), true));
}

#[test]
fn our_own_client_shows_its_certificate() {
    let site = Site::start(&[]);
    let ca = site.authority.text("ca.crt");
    let pair = ["client.crt", "client.key"].map(|name| site.authority.text(name));
    let args = ["--cacert", &ca, "--cert", &pair[0], "--key", &pair[1], "ping"];
    assert_eq!(cli(&site, &args, b""), ("PONG".to_string(), true));
    let (text, is_well) = cli(&site, &["--cacert", &ca, "ping"], b"");
    assert!(!is_well, "{text}");
}

#[test]
fn migrate_speaks_it_where_tls_cluster_says_so() {
    let target = Site::start(&[]);
    let mut there = target.client();
    let (port, ca) = (target.tls_port.to_string(), target.authority.text("ca.crt"));
    let pair = ["client.crt", "client.key"].map(|name| target.authority.text(name));
    let arguments = ["--tls-cert-file", &pair[0], "--tls-key-file", &pair[1]];
    let arguments = [&arguments[..], &["--tls-ca-cert-file", &ca]].concat();
    let source = Server::start(Program::Russet, &arguments).unwrap();
    let mut here = source.connect();
    let migrate = |here: &mut Client, host: &str| {
        here.call(&["MIGRATE", host, &port, "", "0", "5000", "KEYS", "a", "b"])
    };
    let large = "x".repeat(300_000);
    here.call(&["MSET", "a", "1", "b", &large]);

    // In plain words to a port that speaks TLS.
    assert!(refusal(migrate(&mut here, "127.0.0.1")).starts_with("IOERR"));
    assert_eq!(here.call(&["CONFIG", "SET", "tls-cluster", "yes"]), ok());
    // By whichever name it is reached; the connection is kept for the second time.
    for host in ["127.0.0.1", "127.0.0.1", "localhost"] {
        assert_eq!(migrate(&mut here, host), ok());
        assert_eq!(here.call(&["DBSIZE"]), Value::Int(0));
        assert_eq!(there.call(&["GET", "b"]), Value::Bulk(large.clone().into_bytes()));
        there.call(&["FLUSHALL"]);
        here.call(&["MSET", "a", "1", "b", &large]);
    }

    // Somebody for whom nobody vouches, and then nobody who could vouch for anybody.
    let stranger = Authority::new();
    let set = ["CONFIG", "SET", "tls-ca-cert-file"];
    assert_eq!(here.call(&[&set[..], &[&stranger.text("ca.crt")]].concat()), ok());
    assert!(refusal(migrate(&mut here, "localhost")).starts_with("IOERR"));
    let nobody = [&set[..], &["", "tls-auth-clients", "no"]].concat();
    assert_eq!(here.call(&nobody), ok());
    assert!(refusal(migrate(&mut here, "localhost")).starts_with("IOERR"));
    assert_eq!(here.call(&["EXISTS", "a", "b"]), Value::Int(2));
}

/// Where clients speak TLS already, the settings for other servers come with the directive, and go with it.
#[test]
fn tls_cluster_is_switched_while_clients_speak_it() {
    let site = Site::start(&[]);
    let mut client = site.client();
    let port = site.tls_port.to_string();
    for (switch, key) in [("yes", "a"), ("no", "b"), ("yes", "c")] {
        client.call(&["SET", key, "1"]);
        assert_eq!(client.call(&["CONFIG", "SET", "tls-cluster", switch]), ok());
        let answer = client.call(&["MIGRATE", "localhost", &port, key, "1", "5000"]);
        match switch {
            "yes" => assert_eq!(answer, ok()),
            _ => assert!(refusal(answer).starts_with("IOERR")),
        }
    }
}

#[test]
fn tls_cluster_wants_a_certificate() {
    let server = Server::start(Program::Russet, &[]).unwrap();
    let mut client = server.connect();
    let answer = client.call(&["CONFIG", "SET", "tls-cluster", "yes"]);
    assert!(refusal(answer).contains("Unable to update TLS configuration"));
    assert!(Server::start(Program::Russet, &["--tls-cluster", "yes"]).is_err());
}
