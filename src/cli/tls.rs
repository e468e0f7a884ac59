//! TLS for the client: whom it believes, who it is, and a stream that can be read and written at once.
//!
//! Like redis-cli, with `--cacert` or `--cacertdir` it believes whatever these authorities have signed, by whichever
//! name the server was reached. By the authorities of the system anybody may have been signed: then, and wherever
//! `--sni` says a name, the certificate must bear the name as well.

use super::options::Tls;
use crate::trust;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one look at the socket takes at most.
const READ_BYTES: usize = 16 << 10;

pub struct TlsStream {
    half: TlsWriter,
    /// Records as they came; what is before `taken` was looked at.
    records: Vec<u8>,
    taken: usize,
}

/// The half that only writes.
pub struct TlsWriter {
    socket: TcpStream,
    session: Arc<Session>,
}

struct Session {
    tls: Mutex<ClientConnection>,
    /// Held by whoever sends records, so that they keep their order. While it waits for the socket others may read.
    sends: Mutex<()>,
}

impl TlsStream {
    /// Says hello over a connected socket, and waits until both sides agree.
    pub fn open(mut socket: TcpStream, host: &str, options: &Tls) -> io::Result<TlsStream> {
        let config = config(options).map_err(refused)?;
        let name = options.name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_string())
            .map_err(|_| refused(format!("'{name}' cannot be the name of a server")))?;
        let mut tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        let session = Arc::new(Session { tls: Mutex::new(tls), sends: Mutex::new(()) });
        Ok(TlsStream { half: TlsWriter { socket, session }, records: Vec::new(), taken: 0 })
    }

    pub fn socket(&self) -> &TcpStream {
        &self.half.socket
    }

    /// The half that only writes, for another thread.
    pub fn writer(&self) -> io::Result<TlsWriter> {
        let TlsWriter { socket, session } = &self.half;
        Ok(TlsWriter { socket: socket.try_clone()?, session: session.clone() })
    }
}

impl Session {
    fn tls(&self) -> MutexGuard<'_, ClientConnection> {
        lock(&self.tls)
    }

    /// Sends what the session has to say. The session itself is free while the socket is waited for.
    fn send(&self, socket: &mut TcpStream) -> io::Result<()> {
        let _turn = lock(&self.sends);
        loop {
            let mut records = Vec::new();
            let mut tls = self.tls();
            while tls.wants_write() {
                tls.write_tls(&mut records)?;
            }
            drop(tls);
            if records.is_empty() {
                return Ok(());
            }
            socket.write_all(&records)?;
        }
    }
}

impl Read for TlsStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let TlsWriter { socket, session } = &mut self.half;
        loop {
            let mut tls = session.tls();
            match tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                done => return done,
            }
            if self.taken < self.records.len() {
                self.taken += tls.read_tls(&mut &self.records[self.taken..])?;
                let looked = tls.process_new_packets();
                let answers = tls.wants_write();
                drop(tls);
                // An alert, or the answer to a change of keys. Whoever is sending already takes it along.
                if answers && session.sends.try_lock().is_ok() {
                    session.send(socket)?;
                }
                looked.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                continue;
            }
            drop(tls);
            self.records.resize(READ_BYTES, 0);
            let read = socket.read(&mut self.records);
            (self.taken, _) = (0, self.records.truncate(*read.as_ref().unwrap_or(&0)));
            if read? == 0 {
                return Ok(0);
            }
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.half.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.half.flush()
    }
}

impl Write for TlsWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.session.tls().writer().write(bytes)?;
        self.session.send(&mut self.socket)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn config(options: &Tls) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = verifier(options, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match (&options.certificate, &options.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|why| format!("{key}: {why}"))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())
        }
        _ => Err("--cert and --key belong together".into()),
    }
}

fn verifier(
    options: &Tls,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    if options.insecure {
        return Ok(trust::anybody(provider));
    }
    let (mut roots, mut found) = (RootCertStore::empty(), Vec::new());
    if let Some(file) = &options.authorities {
        found.extend(certificates(file)?);
    }
    if let Some(folder) = &options.authority_folder {
        let files = std::fs::read_dir(folder).map_err(|why| format!("{folder}: {why}"))?;
        let paths = files.filter_map(|file| Some(file.ok()?.path())).filter(|path| path.is_file());
        // As OpenSSL does, what is no certificate is passed over.
        found.extend(paths.filter_map(|path| certificates(&path).ok()).flatten());
    }
    let is_own = options.authorities.is_some() || options.authority_folder.is_some();
    if !is_own {
        found = rustls_native_certs::load_native_certs().certs;
    }
    let (added, _) = roots.add_parsable_certificates(found);
    if added == 0 {
        return Err("no certificate authority is known; --cacert names a file".into());
    }
    match is_own && options.name.is_none() {
        true => trust::by_any_name(roots, provider),
        false => trust::by_name(roots, provider).map(|it| it as _),
    }
}

fn certificates(path: impl AsRef<Path>) -> Result<Vec<CertificateDer<'static>>, String> {
    let path = path.as_ref();
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let all = CertificateDer::pem_file_iter(path).map_err(|why| named(&why))?;
    let all: Result<Vec<_>, _> = all.collect();
    all.map_err(|why| named(&why))
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
