//! Encrypted connections.

use super::INT;
use crate::config::directive::{Directive, Follow, Home, at, live};
use crate::config::kind::Kind;
use crate::config::value::{TlsAuth, TlsUser};

/// A file that is read again whenever it is named, because it may have been renewed.
const fn file(name: &'static str, home: Home, summary: &'static str) -> Directive {
    live(name, Kind::Text, "", home, summary).then(Follow::Tls).repeatable()
}

const fn setting(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    home: Home,
    summary: &'static str,
) -> Directive {
    live(name, kind, default, home, summary).then(Follow::Tls)
}

pub(super) const TLS: &[Directive] = &[
    live(
        "tls-port",
        Kind::Number(0, 65535),
        "0",
        at!(tls_port),
        "The port for TLS connections; 0 means none. With `port 0` there are no others.",
    )
    .then(Follow::TlsPort),
    file(
        "tls-cert-file",
        at!(tls_cert_file),
        "The server's certificate, in PEM, and those behind it.",
    ),
    file("tls-key-file", at!(tls_key_file), "The key of the server's certificate, in PEM."),
    setting(
        "tls-key-file-pass",
        Kind::Secret,
        "",
        at!(tls_key_file_pass),
        "The pass phrase of the server's key.",
    )
    .secret(),
    file(
        "tls-client-cert-file",
        at!(tls_client_cert_file),
        "The certificate that MIGRATE shows to other servers, if it is another one.",
    ),
    file("tls-client-key-file", at!(tls_client_key_file), "The key of that certificate."),
    setting(
        "tls-client-key-file-pass",
        Kind::Secret,
        "",
        at!(tls_client_key_file_pass),
        "The pass phrase of that key.",
    )
    .secret(),
    file(
        "tls-dh-params-file",
        Home::Idle("keys are exchanged on elliptic curves alone, which need no parameters"),
        "Diffie-Hellman parameters, for old clients.",
    ),
    file(
        "tls-ca-cert-file",
        at!(tls_ca_cert_file),
        "The certificates of those who may vouch for clients.",
    ),
    file("tls-ca-cert-dir", at!(tls_ca_cert_dir), "A folder of such certificates."),
    setting(
        "tls-auth-clients",
        Kind::Choice(TlsAuth::NAMES),
        "yes",
        at!(tls_auth_clients),
        "Whether a client must show a certificate.",
    ),
    live(
        "tls-auth-clients-user",
        Kind::Choice(TlsUser::NAMES),
        "off",
        at!(tls_auth_clients_user),
        "The part of a client's certificate that names its ACL user.",
    ),
    setting(
        "tls-replication",
        Kind::Switch,
        "no",
        Home::Later("replication"),
        "Use TLS towards the primary.",
    ),
    setting(
        "tls-cluster",
        Kind::Switch,
        "no",
        at!(tls_cluster),
        "MIGRATE speaks TLS to the server it sends keys to.",
    ),
    setting(
        "tls-protocols",
        Kind::Text,
        "",
        at!(tls_protocols),
        "The versions to offer, TLSv1.2 and TLSv1.3; empty means both.",
    ),
    setting(
        "tls-ciphers",
        Kind::Text,
        "",
        at!(tls_ciphers),
        "The ciphers to offer with TLS 1.2, as OpenSSL lists them; empty means all.",
    ),
    setting(
        "tls-ciphersuites",
        Kind::Text,
        "",
        at!(tls_ciphersuites),
        "The cipher suites to offer with TLS 1.3; empty means all.",
    ),
    setting(
        "tls-prefer-server-ciphers",
        Kind::Switch,
        "no",
        at!(tls_prefer_server_ciphers),
        "Choose a cipher by our order, not by the client's.",
    ),
    setting(
        "tls-session-caching",
        Kind::Switch,
        "yes",
        at!(tls_session_caching),
        "Let clients resume a session.",
    ),
    setting(
        "tls-session-cache-size",
        Kind::Number(0, INT),
        "20480",
        at!(tls_session_cache_size),
        "Sessions to remember for clients that take no tickets; 0 means no limit.",
    ),
    setting(
        "tls-session-cache-timeout",
        Kind::Number(0, INT),
        "300",
        at!(tls_session_cache_timeout),
        "Seconds for which a session can be resumed.",
    ),
    setting(
        "tls-auto-reload-interval",
        Kind::Number(0, INT),
        "0",
        at!(tls_auto_reload_interval),
        "Seconds between looks at the certificates' files; 0 means never.",
    ),
];
