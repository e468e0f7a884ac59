//! Whom to believe at the other end of a TLS connection that begins here: the client's, and those of MIGRATE.
//!
//! Like the peers, whoever is told of authorities believes what these have signed, by whichever name the server was
//! reached: they are somebody's own, and containers are reached by many names.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};
use std::sync::Arc;

/// Whatever these have signed, if the certificate bears the name by which the server was reached.
pub fn by_name(
    authorities: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, String> {
    let authorities = Arc::new(authorities);
    let builder = WebPkiServerVerifier::builder_with_provider(authorities, provider.clone());
    builder.build().map_err(|error| error.to_string())
}

/// Whatever these have signed, by any name.
pub fn by_any_name(
    authorities: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let strict = by_name(authorities, provider)?;
    let algorithms = provider.signature_verification_algorithms;
    Ok(Arc::new(Lenient { authorities: Some(strict), algorithms }))
}

/// Everybody.
pub fn anybody(provider: &CryptoProvider) -> Arc<dyn ServerCertVerifier> {
    let algorithms = provider.signature_verification_algorithms;
    Arc::new(Lenient { authorities: None, algorithms })
}

/// Proof that the key of the certificate is at hand is always wanted.
#[derive(Debug)]
struct Lenient {
    /// None if nobody has to vouch for it.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        let Some(strict) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        // The name is looked at last, when everything else has been found good.
        match strict.verify_server_cert(end_entity, intermediates, server_name, ocsp, now) {
            Err(TlsError::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
