//! `tls-protocols`, `tls-ciphers` and `tls-ciphersuites`: the names of OpenSSL for what rustls has.
//!
//! rustls has the suites that are thought safe: those of TLS 1.3, and of TLS 1.2 those with a key exchange
//! that keeps the past secret and with authenticated encryption. A list may name others, which are then
//! not offered; one that leaves none is refused.

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};

/// A suite of TLS 1.2: its name, and the words of OpenSSL that it falls under.
struct Named {
    suite: CipherSuite,
    name: &'static str,
    words: &'static [&'static str],
}

/// Words that stand for all of them.
const ALL: &[&str] = &[
    "ALL",
    "DEFAULT",
    "HIGH",
    "ECDHE",
    "EECDH",
    "KECDHE",
    "KEECDH",
    "FIPS",
    "SUITEB128",
    "TLSV1.2",
    "AEAD",
    "SSLV3",
];

const TLS12_SUITES: &[Named] = &[
    Named {
        suite: CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        words: &["AECDSA", "ECDSA", "AES", "AES256", "AESGCM", "SHA384"],
    },
    Named {
        suite: CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        name: "ECDHE-RSA-AES256-GCM-SHA384",
        words: &["ARSA", "AES", "AES256", "AESGCM", "SHA384"],
    },
    Named {
        suite: CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        words: &["AECDSA", "ECDSA", "AES", "AES128", "AESGCM", "SHA256"],
    },
    Named {
        suite: CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        name: "ECDHE-RSA-AES128-GCM-SHA256",
        words: &["ARSA", "AES", "AES128", "AESGCM", "SHA256"],
    },
    Named {
        suite: CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        words: &["AECDSA", "ECDSA", "CHACHA20", "SHA256"],
    },
    Named {
        suite: CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        name: "ECDHE-RSA-CHACHA20-POLY1305",
        words: &["ARSA", "CHACHA20", "SHA256"],
    },
];

const TLS13_SUITES: &[(&str, CipherSuite)] = &[
    ("TLS_AES_256_GCM_SHA384", CipherSuite::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
    ("TLS_CHACHA20_POLY1305_SHA256", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
];

/// What to offer, by the three directives. The order of the lists is our order of preference.
pub fn provider(ciphers: &str, ciphersuites: &str) -> Result<CryptoProvider, String> {
    let mut provider = aws_lc_rs::default_provider();
    let mut wanted = match ciphersuites.trim() {
        "" => TLS13_SUITES.iter().map(|(_, suite)| *suite).collect(),
        list => tls13(list).ok_or_else(|| unusable("ciphersuites", list))?,
    };
    match ciphers.trim() {
        "" => wanted.extend(TLS12_SUITES.iter().map(|named| named.suite)),
        list => wanted.extend(tls12(list).ok_or_else(|| unusable("ciphers", list))?),
    }
    let known = |suite: &CipherSuite| {
        provider.cipher_suites.iter().find(|known| known.suite() == *suite).copied()
    };
    let suites: Vec<SupportedCipherSuite> = wanted.iter().filter_map(known).collect();
    provider.cipher_suites = suites;
    Ok(provider)
}

/// The versions to offer, and a remark if some of those wanted cannot be.
pub fn versions(
    list: &str,
) -> Result<(Vec<&'static SupportedProtocolVersion>, Option<String>), String> {
    let mut versions = Vec::new();
    let mut old = false;
    for word in list.split_ascii_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.3" => versions.push(&TLS13),
            "tlsv1.2" => versions.push(&TLS12),
            "tlsv1" | "tlsv1.1" => old = true,
            _ => {
                return Err("Invalid tls-protocols specified. Use a combination of 'TLSv1.2' and \
                     'TLSv1.3'."
                    .into());
            }
        }
    }
    const OLD: &str = "TLSv1 and TLSv1.1 are not offered: they have been broken for long";
    match (versions.is_empty(), old) {
        (true, true) => Err(format!("tls-protocols leaves none. {OLD}.")),
        (true, false) => Ok((vec![&TLS13, &TLS12], None)),
        (false, old) => Ok((versions, old.then(|| format!("tls-protocols: {OLD}.")))),
    }
}

fn unusable(what: &str, list: &str) -> String {
    format!(
        "Failed to configure {what}: {list}: none of them is offered here. Those that are: {}",
        match what {
            "ciphers" => TLS12_SUITES.iter().map(|named| named.name).collect::<Vec<_>>(),
            _ => TLS13_SUITES.iter().map(|(name, _)| *name).collect(),
        }
        .join(":")
    )
}

fn tls13(list: &str) -> Option<Vec<CipherSuite>> {
    let mut suites = Vec::new();
    for name in list.split(':') {
        let known = TLS13_SUITES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
        if let Some((_, suite)) = known
            && !suites.contains(suite)
        {
            suites.push(*suite);
        }
    }
    (!suites.is_empty()).then_some(suites)
}

/// The rules of OpenSSL's cipher lists: words add suites, `-` and `!` take them away, the latter for
/// good, `+` in front moves them to the end, and `+` between words means all of them at once.
fn tls12(list: &str) -> Option<Vec<CipherSuite>> {
    let mut chosen: Vec<CipherSuite> = Vec::new();
    let mut banned: Vec<CipherSuite> = Vec::new();
    for rule in list.split([':', ',', ' ', ';']).filter(|rule| !rule.is_empty()) {
        let (action, words) = match rule.as_bytes()[0] {
            sign @ (b'-' | b'!' | b'+') => (sign, &rule[1..]),
            // @STRENGTH and @SECLEVEL: all that we have is strong.
            b'@' => continue,
            _ => (b' ', rule),
        };
        let meant = TLS12_SUITES.iter().filter(|named| words.split('+').all(|word| named.is(word)));
        let meant: Vec<CipherSuite> = meant.map(|named| named.suite).collect();
        match action {
            b'-' => chosen.retain(|suite| !meant.contains(suite)),
            b'!' => {
                chosen.retain(|suite| !meant.contains(suite));
                banned.extend(meant);
            }
            b'+' => {
                let (moved, stay): (Vec<_>, Vec<_>) =
                    chosen.iter().partition(|suite| meant.contains(suite));
                chosen = stay;
                chosen.extend(moved);
            }
            _ => {
                for suite in meant {
                    if !chosen.contains(&suite) && !banned.contains(&suite) {
                        chosen.push(suite);
                    }
                }
            }
        }
    }
    (!chosen.is_empty()).then_some(chosen)
}

impl Named {
    fn is(&self, word: &str) -> bool {
        let is = |known: &&str| known.eq_ignore_ascii_case(word);
        is(&self.name) || self.words.iter().any(is) || ALL.iter().any(is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&'static str> {
        let name = |suite: CipherSuite| {
            TLS12_SUITES.iter().find(|named| named.suite == suite).expect("it is one of ours").name
        };
        tls12(list).unwrap_or_default().into_iter().map(name).collect()
    }

    #[test]
    fn a_list_keeps_its_order_and_its_bans() {
        assert_eq!(
            names("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"),
            ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"]
        );
        assert_eq!(names("DEFAULT:-AES128-SHA256").len(), 6);
        assert_eq!(
            names("!CHACHA20:ALL:-aECDSA:@STRENGTH"),
            ["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]
        );
        assert_eq!(
            names("aRSA+AES:CHACHA20+aRSA:+AES256"),
            [
                "ECDHE-RSA-AES128-GCM-SHA256",
                "ECDHE-RSA-CHACHA20-POLY1305",
                "ECDHE-RSA-AES256-GCM-SHA384"
            ]
        );
    }

    #[test]
    fn a_list_that_leaves_none_is_refused_by_name() {
        for list in ["AES128-SHA256:AES256-SHA256", "nonsense", "ALL:!ECDHE", ":"] {
            let why = provider(list, "").unwrap_err();
            assert!(why.contains(list) && why.contains("ECDHE-RSA-AES128-GCM-SHA256"), "{why}");
        }
        let why = provider("", "TLS_AES_128_CCM_SHA256").unwrap_err();
        assert!(why.contains("TLS_AES_128_GCM_SHA256"), "{why}");
    }

    #[test]
    fn what_is_named_is_offered_and_nothing_else() {
        let provider =
            provider("CHACHA20", "TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256").unwrap();
        let offered: Vec<CipherSuite> =
            provider.cipher_suites.iter().map(|it| it.suite()).collect();
        assert_eq!(
            offered,
            [
                CipherSuite::TLS13_AES_128_GCM_SHA256,
                CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
            ]
        );
    }

    #[test]
    fn all_suites_have_a_name() {
        let known = aws_lc_rs::default_provider().cipher_suites;
        assert_eq!(provider("", "").unwrap().cipher_suites.len(), known.len());
    }

    #[test]
    fn versions_are_named_as_in_redis() {
        let count =
            |list| versions(list).map(|(versions, remark)| (versions.len(), remark.is_some()));
        assert_eq!(count(""), Ok((2, false)));
        assert_eq!(count("TLSv1.2"), Ok((1, false)));
        assert_eq!(count("tlsv1.1 TLSv1.2 TLSv1.3"), Ok((2, true)));
        assert!(count("TLSv1").is_err() && count("SSLv3").is_err());
    }
}
