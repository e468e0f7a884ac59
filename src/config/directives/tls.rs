//! Encrypted connections.

use super::INT;
use crate::config::directive::{Directive, Follow, Home, live};
use crate::config::kind::Kind;

const TLS_LATER: Home = Home::Later("TLS");

/// A file that is read again whenever it is named, because it may have been renewed.
const fn file(name: &'static str, summary: &'static str) -> Directive {
    live(name, Kind::Text, "", TLS_LATER, summary).then(Follow::Tls).repeatable()
}

const fn setting(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    summary: &'static str,
) -> Directive {
    live(name, kind, default, TLS_LATER, summary).then(Follow::Tls)
}

pub(super) const TLS: &[Directive] = &[
    setting("tls-port", Kind::Number(0, 65535), "0", "The port for TLS connections; 0 means none."),
    file("tls-cert-file", "The server's certificate, in PEM."),
    file("tls-key-file", "The key of the server's certificate, in PEM."),
    setting("tls-key-file-pass", Kind::Secret, "", "The pass phrase of the server's key.").secret(),
    file("tls-client-cert-file", "The certificate shown to other servers, if it is another one."),
    file("tls-client-key-file", "The key of that certificate."),
    setting("tls-client-key-file-pass", Kind::Secret, "", "The pass phrase of that key.").secret(),
    file("tls-dh-params-file", "Diffie-Hellman parameters, for old clients."),
    file("tls-ca-cert-file", "The certificates of those who may vouch for clients."),
    file("tls-ca-cert-dir", "A folder of such certificates."),
    live(
        "tls-auth-clients",
        Kind::Choice(&["no", "yes", "optional"]),
        "yes",
        TLS_LATER,
        "Whether a client must show a certificate.",
    ),
    live(
        "tls-auth-clients-user",
        Kind::Choice(&["CN", "URI", "off"]),
        "off",
        TLS_LATER,
        "The part of a client's certificate that names its ACL user.",
    ),
    setting("tls-replication", Kind::Switch, "no", "Use TLS towards the primary."),
    setting("tls-cluster", Kind::Switch, "no", "Use TLS on the cluster bus."),
    setting("tls-protocols", Kind::Text, "", "The versions to offer; empty means TLS 1.2 and 1.3."),
    setting("tls-ciphers", Kind::Text, "", "The ciphers to offer below TLS 1.3."),
    setting("tls-ciphersuites", Kind::Text, "", "The cipher suites to offer with TLS 1.3."),
    setting(
        "tls-prefer-server-ciphers",
        Kind::Switch,
        "no",
        "Choose a cipher by our order, not by the client's.",
    ),
    setting("tls-session-caching", Kind::Switch, "yes", "Let clients resume a session."),
    setting(
        "tls-session-cache-size",
        Kind::Number(0, INT),
        "20480",
        "Sessions to remember; 0 means no limit.",
    ),
    setting(
        "tls-session-cache-timeout",
        Kind::Number(0, INT),
        "300",
        "Seconds for which a session can be resumed.",
    ),
    live(
        "tls-auto-reload-interval",
        Kind::Number(0, INT),
        "0",
        TLS_LATER,
        "Seconds between looks at the certificates' files; 0 means never.",
    ),
];
