//! The client's arguments: options up to the first word that is none, and then the command.

use crate::base::bytes::split_line;
use std::time::Duration;

pub enum Parsed {
    Options(Box<Options>),
    Version,
    Help,
    Refused(String),
    /// An argument that was to be quoted is not, which is said on standard output.
    Unquotable,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub target: Target,
    pub tls: Option<Tls>,
    pub user: Option<Vec<u8>>,
    pub password: Option<Vec<u8>>,
    pub warns_of_password: bool,
    pub db: i64,
    /// Asked for; without it nothing is said of versions.
    pub protocol: Option<u8>,
    /// … but only because maps are worth having in JSON.
    pub protocol_is_a_wish: bool,
    /// Negative: for ever.
    pub repeat: i64,
    pub interval: Duration,
    pub connect_timeout: Option<Duration>,
    /// Of a host's addresses those of IPv6 come first, or last.
    pub prefers_6: Option<bool>,
    /// What the server says though nobody asked for it is printed.
    pub shows_pushes: bool,
    pub output: Output,
    /// Between the items of a list, in raw output.
    pub item_delimiter: Vec<u8>,
    /// Behind each answer, in raw output.
    pub answer_delimiter: Vec<u8>,
    pub fails_on_error: bool,
    pub last_from_input: bool,
    pub tag: Option<Vec<u8>>,
    pub mode: Mode,
    pub command: Vec<Vec<u8>>,
}

/// TLS: paths of files, and a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whom the server must be signed by; without both, the authorities of the system.
    pub authorities: Option<String>,
    pub authority_folder: Option<String>,
    /// Who this client is.
    pub certificate: Option<String>,
    pub key: Option<String>,
    /// What the server is asked for and must be called, if not the host.
    pub name: Option<String>,
    /// Whoever the server is.
    pub insecure: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Tcp { host: String, port: u16 },
    Unix(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Numbered and quoted, for people.
    Pretty,
    Raw,
    Csv,
    Json,
    /// JSON in which strings are quoted as in `Pretty`, so that all of it is ASCII.
    QuotedJson,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The command, or what is typed or piped in.
    Command,
    Pipe {
        patience: Option<Duration>,
    },
    Scan {
        pattern: Vec<u8>,
        count: Option<Vec<u8>>,
    },
    Latency,
    Stat,
    Eval(Vec<u8>),
}

/// Options of redis-cli that this client does not have: tools for those who look into a server's data,
/// replication and cluster, and whatever only they take.
const ABSENT: &[&str] = &[
    "--askpass",
    "--bigkeys",
    "--cluster",
    "--cursor",
    "--functions-rdb",
    "--hotkeys",
    "--intrinsic-latency",
    "--keystats",
    "--keystats-samples",
    "--latency-dist",
    "--latency-history",
    "--ldb",
    "--ldb-sync-mode",
    "--lru-test",
    "--memkeys",
    "--memkeys-samples",
    "--rdb",
    "--replica",
    "--slave",
    "--tls-ciphers",
    "--tls-ciphersuites",
    "--top",
];

const PIPE_PATIENCE: Duration = Duration::from_secs(30);

pub fn parse(args: &[Vec<u8>]) -> Parsed {
    match read(args) {
        Ok(parsed) => parsed,
        Err(why) => Parsed::Refused(why),
    }
}

fn read(args: &[Vec<u8>]) -> Result<Parsed, String> {
    let mut options = Options {
        target: Target::Tcp { host: "127.0.0.1".into(), port: 6379 },
        tls: None,
        user: None,
        password: None,
        warns_of_password: false,
        db: 0,
        protocol: None,
        protocol_is_a_wish: false,
        repeat: 1,
        interval: Duration::ZERO,
        connect_timeout: None,
        prefers_6: None,
        shows_pushes: super::is_terminal(),
        output: if super::is_terminal() { Output::Pretty } else { Output::Raw },
        item_delimiter: b"\n".to_vec(),
        answer_delimiter: b"\n".to_vec(),
        fails_on_error: false,
        last_from_input: false,
        tag: None,
        mode: Mode::Command,
        command: Vec::new(),
    };
    let (mut silent, mut quoted, mut cluster) = (false, false, false);
    let (mut resp2, mut resp3, mut wishes3, mut ipv4, mut ipv6) =
        (false, false, false, false, false);
    let mut tls = Tls::default();
    let (mut pattern, mut count, mut patience) = (b"*".to_vec(), None, Some(PIPE_PATIENCE));
    let mut rest = args.iter();
    while let Some(arg) = rest.as_slice().first() {
        let word = std::str::from_utf8(arg).unwrap_or_default();
        if !word.starts_with('-') || word == "-" {
            break;
        }
        rest.next();
        let bad = || format!("Unrecognized option or bad number of args for: '{word}'");
        let is_last = rest.as_slice().is_empty();
        let mut value = || rest.next().cloned().ok_or_else(bad);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| bad());
        let tcp = |target: &Target| match target {
            Target::Tcp { host, port } => (host.clone(), *port),
            Target::Unix(_) => ("127.0.0.1".to_string(), 6379),
        };
        match word {
            "-h" if is_last => return Ok(Parsed::Help),
            "-h" => {
                let (_, port) = tcp(&options.target);
                options.target = Target::Tcp { host: text(value()?)?, port };
            }
            "-p" => {
                let (host, _) = tcp(&options.target);
                let port =
                    text(value()?)?.parse().map_err(|_| "Invalid server port.".to_string())?;
                options.target = Target::Tcp { host, port };
            }
            "-s" => options.target = Target::Unix(value()?),
            "-a" | "--pass" => {
                options.password = Some(value()?);
                options.warns_of_password = true;
            }
            "--user" => options.user = Some(value()?),
            "-u" => take_uri(&text(value()?)?, &mut options)?,
            "-n" => options.db = whole(&text(value()?)?),
            "-2" => resp2 = true,
            "-3" => resp3 = true,
            "-4" => ipv4 = true,
            "-6" => ipv6 = true,
            // Redirections are not followed, and a server that stands alone redirects nobody.
            "-c" => cluster = true,
            "-t" => options.connect_timeout = Some(timeout(&text(value()?)?)?),
            "-r" => options.repeat = whole(&text(value()?)?),
            "-i" => options.interval = seconds(&text(value()?)?),
            "-d" => options.item_delimiter = value()?,
            "-D" => options.answer_delimiter = value()?,
            "-e" => options.fails_on_error = true,
            "-x" => options.last_from_input = true,
            "-X" => options.tag = Some(value()?),
            "--raw" => options.output = Output::Raw,
            "--no-raw" => options.output = Output::Pretty,
            "--csv" => options.output = Output::Csv,
            "--json" | "--quoted-json" => {
                let ascii = word == "--quoted-json";
                options.output = if ascii { Output::QuotedJson } else { Output::Json };
                wishes3 = true;
            }
            "--quoted-input" => quoted = true,
            "--no-auth-warning" => silent = true,
            "--show-pushes" => {
                let answer = String::from_utf8_lossy(&value()?).into_owned();
                match answer.bytes().next() {
                    Some(b'y' | b'Y') => options.shows_pushes = true,
                    Some(b'n' | b'N') => options.shows_pushes = false,
                    _ => {
                        eprintln!("Unknown --show-pushes value '{answer}' (valid: '[y]es', '[n]o')")
                    }
                }
            }
            // It tells of clusters alone.
            "--verbose" => (),
            "--pipe" => options.mode = Mode::Pipe { patience: None },
            "--pipe-timeout" => {
                let seconds = whole(&text(value()?)?);
                patience = (seconds > 0).then(|| Duration::from_secs(seconds as u64));
            }
            "--scan" => options.mode = Mode::Scan { pattern: Vec::new(), count: None },
            "--pattern" => pattern = value()?,
            "--quoted-pattern" => match unquoted(&value()?) {
                Some(unquoted) => pattern = unquoted,
                None => return Ok(Parsed::Unquotable),
            },
            "--count" => count = Some(whole(&text(value()?)?).to_string().into_bytes()),
            "--latency" => options.mode = Mode::Latency,
            "--stat" => options.mode = Mode::Stat,
            "--eval" => options.mode = Mode::Eval(value()?),
            "--tls" => options.tls = Some(Tls::default()),
            "--insecure" => tls.insecure = true,
            "--sni" => tls.name = Some(text(value()?)?),
            "--cacert" => tls.authorities = Some(text(value()?)?),
            "--cacertdir" => tls.authority_folder = Some(text(value()?)?),
            "--cert" => tls.certificate = Some(text(value()?)?),
            "--key" => tls.key = Some(text(value()?)?),
            "-v" | "--version" => return Ok(Parsed::Version),
            "--help" => return Ok(Parsed::Help),
            absent if ABSENT.contains(&absent) => {
                return Err(format!(
                    "{absent} is not in this small client; use it from redis-cli of Redis or Valkey"
                ));
            }
            _ => return Err(bad()),
        }
    }
    let exclusive = [
        (cluster && matches!(options.target, Target::Unix(_)), "-c and -s"),
        (resp2 && resp3, "-2 and -3"),
        (options.last_from_input && options.tag.is_some(), "-x and -X"),
        (ipv4 && ipv6, "-4 and -6"),
    ];
    if let Some((_, both)) = exclusive.iter().find(|(both_are_there, _)| *both_are_there) {
        return Err(format!("Options {both} are mutually exclusive."));
    }
    options.prefers_6 = (ipv4 || ipv6).then_some(ipv6);
    options.protocol = match (resp2, resp3 || wishes3) {
        (true, _) => Some(2),
        (false, true) => Some(3),
        (false, false) => None,
    };
    options.protocol_is_a_wish = !resp3;
    // What is said of TLS is of use with TLS alone.
    options.tls = options.tls.map(|_| tls);
    options.command = rest.cloned().collect();
    if quoted {
        match options.command.iter().map(|word| unquoted(word)).collect() {
            Some(words) => options.command = words,
            None => return Ok(Parsed::Unquotable),
        }
    }
    if options.password.is_none() {
        use std::os::unix::ffi::OsStringExt;
        let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let found = from("REDISCLI_AUTH").or_else(|| from("VALKEYCLI_AUTH"));
        options.password = found.map(OsStringExt::into_vec);
    }
    options.warns_of_password &= !silent;
    match &mut options.mode {
        Mode::Pipe { patience: chosen } => *chosen = patience,
        mode @ Mode::Scan { .. } => *mode = Mode::Scan { pattern, count },
        _ => (),
    }
    Ok(Parsed::Options(Box::new(options)))
}

/// `redis://user:password@host:port/db`, in which all but the scheme may be missing.
fn take_uri(uri: &str, options: &mut Options) -> Result<(), String> {
    let (scheme, rest) = uri.split_once("://").ok_or("Invalid URI scheme")?;
    match scheme {
        "redis" | "valkey" => (),
        "rediss" | "valkeys" => options.tls = Some(Tls::default()),
        _ => return Err("Invalid URI scheme".into()),
    }
    let (login, place) = match rest.rsplit_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, rest),
    };
    if let Some(login) = login {
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, password),
            None => ("", login),
        };
        if !user.is_empty() {
            options.user = Some(decoded(user)?);
        }
        options.password = Some(decoded(password)?);
        options.warns_of_password = true;
    }
    let (place, db) = place.split_once('/').unwrap_or((place, ""));
    if !db.is_empty() {
        options.db = whole(db);
    }
    let (host, port) = match place.rsplit_once(':') {
        // An address of IPv6 stands in brackets, or its colons would be taken for that of a port.
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse().map_err(|_| "Invalid server port.")?)
        }
        _ => (place, 6379),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    options.target = Target::Tcp { host: host.into(), port };
    Ok(())
}

/// `%40` is `@`.
fn decoded(text: &str) -> Result<Vec<u8>, String> {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let Some((digits, rest)) = part.as_bytes().split_at_checked(2) else {
            return Err("Incomplete URI encoding".into());
        };
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err("Illegal character in URI encoding".into());
        };
        out.push((high * 16 + low) as u8);
        out.extend_from_slice(rest);
    }
    Ok(out)
}

/// One word that may be quoted, for arguments that hold any bytes.
fn unquoted(word: &[u8]) -> Option<Vec<u8>> {
    let mut words = split_line(word)?;
    match words.len() {
        0 => Some(Vec::new()),
        1 => words.pop(),
        _ => None,
    }
}

/// As redis-cli reads numbers: what is none is zero.
fn whole(text: &str) -> i64 {
    text.parse().unwrap_or_default()
}

fn seconds(text: &str) -> Duration {
    Duration::try_from_secs_f64(text.parse().unwrap_or_default()).unwrap_or_default()
}

/// What is no number of seconds is no time-out either.
fn timeout(text: &str) -> Result<Duration, String> {
    let seconds = if text.is_empty() { Some(0.0) } else { text.parse().ok() };
    let timeout = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    timeout.ok_or_else(|| "Invalid connection timeout for -t.".into())
}

pub fn help(name: &str) -> String {
    format!(
        "Usage: {name} [OPTIONS] [cmd [arg [arg ...]]]\n\
         \n\
         \u{20} -h <hostname>      Server host (127.0.0.1).\n\
         \u{20} -p <port>          Server port (6379).\n\
         \u{20} -s <socket>        Unix socket of the server, in place of host and port.\n\
         \u{20} -u <uri>           redis://user:password@host:port/db; rediss:// for TLS.\n\
         \u{20} -a, --pass <pass>  Password; better in the environment: REDISCLI_AUTH.\n\
         \u{20} --user <name>      User, together with a password.\n\
         \u{20} --no-auth-warning  Say nothing of passwords on the command line.\n\
         \u{20} -n <db>            Database.\n\
         \u{20} -2, -3             RESP2 or RESP3.\n\
         \u{20} -4, -6             Prefer IPv4 or IPv6.\n\
         \u{20} -t <seconds>       How long connecting may take.\n\
         \u{20} -r <times>         Run the command so many times; -1 for ever.\n\
         \u{20} -i <seconds>       Wait so long between runs (also --scan, --stat, --latency).\n\
         \u{20} -x                 The last argument comes from standard input.\n\
         \u{20} -X <tag>           The argument that is <tag> comes from standard input.\n\
         \u{20} -d, -D <text>      What parts items, and ends answers, in raw output.\n\
         \u{20} -e                 End with 1 if the server answers with an error.\n\
         \u{20} --raw, --no-raw    Output for programs, or for people (as on a terminal).\n\
         \u{20} --csv, --json, --quoted-json\n\
         \u{20}                    Output in these formats.\n\
         \u{20} --quoted-input     Arguments are quoted strings.\n\
         \u{20} --tls              TLS, to a server that the system's authorities have signed by the host's name.\n\
         \u{20} --cacert <file>, --cacertdir <folder>\n\
         \u{20}                    The server's authorities are these; its name may then be any.\n\
         \u{20} --sni <name>       The server is called, and must be called, so.\n\
         \u{20} --insecure         The server may be anybody.\n\
         \u{20} --cert <file>, --key <file>\n\
         \u{20}                    The client's own certificate, and its key.\n\
         \u{20} --pipe [--pipe-timeout <seconds>]\n\
         \u{20}                    Send raw protocol from standard input.\n\
         \u{20} --scan [--pattern <pattern>] [--count <count>]\n\
         \u{20}                    All keys.\n\
         \u{20} --eval <file> [key ...] , [arg ...]\n\
         \u{20}                    Run a script.\n\
         \u{20} --latency, --stat  Watch the server.\n\
         \u{20} --help, --version\n\
         \n\
         Without a command, commands are read from the terminal or from standard input, one a line.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &[&str]) -> Options {
        let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        match parse(&args) {
            Parsed::Options(options) => *options,
            Parsed::Refused(why) => panic!("{why}"),
            _ => panic!("neither help nor version was asked for"),
        }
    }

    fn refusal(args: &[&str]) -> String {
        let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        match parse(&args) {
            Parsed::Refused(why) => why,
            _ => panic!("{args:?} was taken"),
        }
    }

    #[test]
    fn options_end_where_the_command_begins() {
        let it = options(&["-p", "7000", "-h", "cache", "set", "-p", "1"]);
        assert_eq!(it.target, Target::Tcp { host: "cache".into(), port: 7000 });
        assert_eq!(it.command, [b"set".to_vec(), b"-p".to_vec(), b"1".to_vec()]);
    }

    #[test]
    fn addresses_are_taken_apart() {
        for (uri, host, port, db) in [
            ("redis://", "127.0.0.1", 6379, 0),
            ("redis://cache", "cache", 6379, 0),
            ("redis://cache:7000/3", "cache", 7000, 3),
            ("valkey://u:p%40ss@[::1]:7000/1", "::1", 7000, 1),
            ("rediss://:p@[fe80::1]", "fe80::1", 6379, 0),
        ] {
            let it = options(&["-u", uri]);
            assert_eq!(it.target, Target::Tcp { host: host.into(), port }, "{uri}");
            assert_eq!(it.db, db, "{uri}");
            assert_eq!(it.tls.is_some(), uri.starts_with("rediss"), "{uri}");
        }
        let it = options(&["-u", "redis://u:p%40ss@h"]);
        assert_eq!(
            (it.user.as_deref(), it.password.as_deref()),
            (Some(&b"u"[..]), Some(&b"p@ss"[..]))
        );
        assert!(it.warns_of_password);
        assert_eq!(refusal(&["-u", "http://h"]), "Invalid URI scheme");
    }

    #[test]
    fn what_is_not_here_is_said() {
        assert_eq!(
            refusal(&["--bogus"]),
            "Unrecognized option or bad number of args for: '--bogus'"
        );
        assert_eq!(refusal(&["-n"]), "Unrecognized option or bad number of args for: '-n'");
        assert!(refusal(&["--cluster", "info"]).contains("not in this small client"));
        assert!(ABSENT.is_sorted());
    }
}
