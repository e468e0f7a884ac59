//! Certificates and keys out of PEM files.

use pkcs8::{EncryptedPrivateKeyInfo, SecretDocument};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The label of a key behind a pass phrase.
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// The mark of the older way to hide a key, which is a single round of MD5.
const OLD_ENCRYPTED: &[u8] = b"Proc-Type: 4,ENCRYPTED";

/// All certificates of a text, the first one first.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.map_err(|error| error.to_string())
}

/// The first private key of a text, decrypted if need be.
pub fn private_key(pem: &[u8], pass: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if contains(pem, OLD_ENCRYPTED) {
        return Err("it is encrypted in the old manner of OpenSSL, which protects it badly; \
             'openssl pkcs8 -topk8' writes it in the present one"
            .into());
    }
    match encrypted_section(pem) {
        Some(section) => decrypt(section, pass),
        None => PrivateKeyDer::from_pem_slice(pem).map_err(|error| error.to_string()),
    }
}

fn decrypt(section: &str, pass: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if pass.is_empty() {
        return Err("it is encrypted, and there is no pass phrase".into());
    }
    let unreadable =
        |error: &dyn std::fmt::Display| format!("cannot read the encrypted key: {error}");
    let (_, document) = SecretDocument::from_pem(section).map_err(|error| unreadable(&error))?;
    let encrypted = EncryptedPrivateKeyInfo::try_from(document.as_bytes());
    let encrypted = encrypted.map_err(|error| unreadable(&error))?;
    let key = encrypted.decrypt(pass).map_err(
        |_| "cannot decrypt the key: another pass phrase, or a cipher other than AES-CBC (PBES2)",
    )?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

/// The part of the text from the first line of an encrypted key to its last.
fn encrypted_section(pem: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(pem).ok()?;
    let begin = text.find(&format!("-----BEGIN {ENCRYPTED}-----"))?;
    let last = format!("-----END {ENCRYPTED}-----");
    let end = begin + text[begin..].find(&last)? + last.len();
    Some(&text[begin..end])
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}
