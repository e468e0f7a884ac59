//! What a certificate says: to INFO its serial and its end, to ACL its names.

use crate::config::TlsUser;
use crate::world::host::Certificate;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Serial and end, for INFO; none if it cannot be read.
pub fn facts(der: &CertificateDer) -> Option<Certificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let serial = match certificate.raw_serial() {
        // The zero that keeps a serial from being negative.
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    let serial = serial.iter().map(|byte| format!("{byte:02X}")).collect();
    Some(Certificate { serial, expires_at: certificate.validity().not_after.timestamp() })
}

/// The names under which the owner may be known as a user, the first choice first: the first common name
/// of the subject, or all URIs among the alternative names. A name is bytes as they stand, zeros included,
/// so that no name can pass for the part of it that a reader of C strings would see.
pub fn names(der: &CertificateDer, by: TlsUser) -> Vec<Vec<u8>> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Vec::new() };
    match by {
        TlsUser::Off => Vec::new(),
        TlsUser::Cn => {
            let name = certificate.subject().iter_common_name().next();
            name.map(|name| name.attr_value().data.to_vec()).into_iter().collect()
        }
        TlsUser::Uri => {
            let names = certificate.subject_alternative_name().ok().flatten();
            let names = names.iter().flat_map(|names| &names.value.general_names);
            let uri = |name: &GeneralName| match name {
                GeneralName::URI(uri) => Some(uri.as_bytes().to_vec()),
                _ => None,
            };
            names.filter_map(uri).collect()
        }
    }
}

/// Does the certificate speak of this public key?
pub fn is_of_key(der: &CertificateDer, public_key: &[u8]) -> Option<bool> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.public_key().raw == public_key)
}
