//! From directives and files to what a connection needs.

use super::{certificate, keys, resumption, suites};
use crate::config::{Config, TlsAuth};
use crate::trust;
use crate::world::host::Certificates;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Everything that was read from the files, checked.
pub struct Setup {
    pub server: Arc<ServerConfig>,
    /// For connections to other servers; none if `tls-cluster` wants none, or there is nobody who could vouch for
    /// them.
    pub client: Option<Arc<ClientConfig>>,
    pub certificates: Certificates,
    /// Of the content of all files and of the settings; what has the same needs no change.
    pub fingerprint: [u8; 32],
    /// What whoever configured this should know.
    pub remarks: Vec<String>,
}

/// The files as they are at one moment.
struct Files {
    digest: Sha256,
}

impl Setup {
    /// Reads all files; says why if something does not fit. Nothing is changed by it.
    pub fn load(config: &Config) -> Result<Setup, String> {
        let mut files = Files { digest: Sha256::new() };
        let mut remarks = Vec::new();
        let provider = Arc::new(suites::provider(&config.tls_ciphers, &config.tls_ciphersuites)?);
        let (versions, remark) = suites::versions(&config.tls_protocols)?;
        remarks.extend(remark);
        let server_pair = Pair {
            certificate: ("tls-cert-file", &config.tls_cert_file),
            key: ("tls-key-file", &config.tls_key_file),
            pass: &config.tls_key_file_pass,
        };
        let own = server_pair.load(&mut files, &provider)?;
        let client_pair = Pair {
            certificate: ("tls-client-cert-file", &config.tls_client_cert_file),
            key: ("tls-client-key-file", &config.tls_client_key_file),
            pass: &config.tls_client_key_file_pass,
        };
        // It is for talking to other servers; a mistake in it had better show now.
        let shown = match client_pair.certificate.1.is_empty() {
            true => None,
            false => Some(client_pair.load(&mut files, &provider)?),
        };
        let anchors = files.anchors(config)?;
        let certificates = Certificates {
            server: own.end_entity_cert().ok().and_then(certificate::facts),
            client: shown
                .as_ref()
                .and_then(|it| it.end_entity_cert().ok().and_then(certificate::facts)),
            // Of several the one that ends first.
            authority: anchors
                .iter()
                .filter_map(certificate::facts)
                .min_by_key(|certificate| certificate.expires_at),
        };
        let shown = shown.unwrap_or_else(|| own.clone());
        let client = match config.tls_cluster {
            true => client(shown, &anchors, &versions, &provider)?,
            false => None,
        };
        if config.tls_cluster && client.is_none() {
            remarks.push(
                "tls-cluster is on, but neither tls-ca-cert-file nor tls-ca-cert-dir says who may vouch for \
                 other servers: MIGRATE will reach none"
                    .into(),
            );
        }
        let verifier = verifier(config.tls_auth_clients, &anchors, &provider)?;
        let builder = ServerConfig::builder_with_provider(provider);
        let mut server = builder
            .with_protocol_versions(&versions)
            .map_err(|error| format!("tls-protocols and the ciphers leave nothing: {error}"))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
        server.ignore_client_order = config.tls_prefer_server_ciphers;
        resume(&mut server, config).map_err(|error| error.to_string())?;
        files.add("", settings(config).as_bytes());
        let fingerprint = files.digest.finalize().into();
        Ok(Setup { server: Arc::new(server), client, certificates, fingerprint, remarks })
    }
}

impl Files {
    fn read(&mut self, directive: &str, path: &str) -> Result<Vec<u8>, std::io::Error> {
        let content = std::fs::read(path)?;
        self.add(directive, &content);
        Ok(content)
    }

    /// The same content means something else elsewhere.
    fn add(&mut self, directive: &str, content: &[u8]) {
        for part in [directive.as_bytes(), content] {
            self.digest.update((part.len() as u64).to_le_bytes());
            self.digest.update(part);
        }
    }

    /// The certificates of those who may vouch for clients, each once.
    fn anchors(&mut self, config: &Config) -> Result<Vec<CertificateDer<'static>>, String> {
        let (file, folder) = (&config.tls_ca_cert_file, &config.tls_ca_cert_dir);
        if file.is_empty() && folder.is_empty() {
            return match config.tls_auth_clients {
                TlsAuth::No => Ok(Vec::new()),
                _ => Err("Either tls-ca-cert-file or tls-ca-cert-dir must be specified when \
                     tls-auth-clients is enabled!"
                    .into()),
            };
        }
        let mut anchors = Vec::new();
        if !file.is_empty() {
            let failed =
                |why: String| format!("Failed to configure CA certificate(s) file: {file}: {why}");
            let pem =
                self.read("tls-ca-cert-file", file).map_err(|error| failed(error.to_string()))?;
            anchors = keys::certificates(&pem).map_err(failed)?;
            if anchors.is_empty() {
                return Err(failed("there is no certificate in it".into()));
            }
        }
        if !folder.is_empty() {
            let failed = |why: String| {
                format!("Failed to configure CA certificate(s) directory: {folder}: {why}")
            };
            let entries = std::fs::read_dir(folder).map_err(|error| failed(error.to_string()))?;
            let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            for path in paths.iter().filter(|path| path.is_file()) {
                // A folder may hold other things too; only what is a certificate matters.
                let pem = self.read("tls-ca-cert-dir", &path.to_string_lossy());
                let Ok(pem) = pem else { continue };
                let Ok(found) = keys::certificates(&pem) else { continue };
                for certificate in found {
                    if !anchors.contains(&certificate) {
                        anchors.push(certificate);
                    }
                }
            }
        }
        Ok(anchors)
    }
}

/// A certificate and its key: the directives and what they name.
struct Pair<'a> {
    certificate: (&'a str, &'a str),
    key: (&'a str, &'a str),
    pass: &'a [u8],
}

impl Pair<'_> {
    fn load(&self, files: &mut Files, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
        for (directive, path) in [self.certificate, self.key] {
            if path.is_empty() {
                return Err(format!("No {directive} configured!"));
            }
        }
        let (directive, path) = self.certificate;
        let failed = |why: String| format!("Failed to load certificate: {path}: {why}");
        let pem = files.read(directive, path).map_err(|error| failed(error.to_string()))?;
        let chain = keys::certificates(&pem).map_err(failed)?;
        let Some(first) = chain.first().cloned() else {
            return Err(failed("there is no certificate in it".into()));
        };
        let (directive, path) = self.key;
        let failed = |why: String| format!("Failed to load private key: {path}: {why}");
        let pem = files.read(directive, path).map_err(|error| failed(error.to_string()))?;
        let key = keys::private_key(&pem, self.pass).map_err(failed)?;
        let key = provider.key_provider.load_private_key(key);
        let key = key.map_err(|error| failed(error.to_string()))?;
        let public = key.public_key().ok_or_else(|| failed("it has no public key".into()))?;
        match certificate::is_of_key(&first, public.as_ref()) {
            Some(true) => Ok(CertifiedKey::new(chain, key)),
            Some(false) => Err(failed("it is not the key of the certificate".into())),
            None => Err(format!(
                "Failed to load certificate: {}: it cannot be read",
                self.certificate.1
            )),
        }
    }
}

/// How other servers are spoken to: with our certificate, and if the same authorities that vouch for clients vouch
/// for them.
fn client(
    shown: CertifiedKey,
    anchors: &[CertificateDer<'static>],
    versions: &[&'static SupportedProtocolVersion],
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<ClientConfig>>, String> {
    if anchors.is_empty() {
        return Ok(None);
    }
    let trusted = trust::by_any_name(roots(anchors)?, provider)?;
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(trusted)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    Ok(Some(Arc::new(config)))
}

fn roots(anchors: &[CertificateDer<'static>]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for anchor in anchors {
        let added = roots.add(anchor.clone());
        added.map_err(|error| format!("Failed to configure CA certificate(s): {error}"))?;
    }
    Ok(roots)
}

fn verifier(
    auth: TlsAuth,
    anchors: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    if auth == TlsAuth::No {
        return Ok(Arc::new(NoClientAuth));
    }
    let roots = Arc::new(roots(anchors)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
    let builder = match auth {
        TlsAuth::Optional => builder.allow_unauthenticated(),
        _ => builder,
    };
    builder.build().map(|it| it as _).map_err(|error| format!("Failed to configure CA: {error}"))
}

/// One ticket goes to each client: who resumes gets the next one with it.
fn resume(server: &mut ServerConfig, config: &Config) -> Result<(), rustls::Error> {
    let seconds = config.tls_session_cache_timeout;
    if !config.tls_session_caching || seconds == 0 {
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        return Ok(());
    }
    server.session_storage = resumption::sessions(config.tls_session_cache_size, seconds);
    server.ticketer = resumption::tickets(seconds)?;
    server.send_tls13_tickets = 1;
    Ok(())
}

/// What shapes a connection beside the files.
fn settings(config: &Config) -> String {
    format!(
        "{:?}",
        (
            config.tls_auth_clients,
            config.tls_cluster,
            &config.tls_protocols,
            &config.tls_ciphers,
            &config.tls_ciphersuites,
            config.tls_prefer_server_ciphers,
            config.tls_session_caching,
            config.tls_session_cache_size,
            config.tls_session_cache_timeout,
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_file_of_another_directive_is_another_setup() {
        let of = |directives: [&str; 2]| {
            let mut files = Files { digest: Sha256::new() };
            directives.iter().for_each(|directive| files.add(directive, b"a certificate"));
            files.digest.finalize()
        };
        assert_eq!(of(["tls-cert-file", "tls-key-file"]), of(["tls-cert-file", "tls-key-file"]));
        assert_ne!(
            of(["tls-cert-file", "tls-ca-cert-file"]),
            of(["tls-cert-file", "tls-key-file"])
        );
    }
}
