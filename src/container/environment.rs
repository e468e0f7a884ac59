//! A configuration in environment variables, for those who can set nothing else: compose files, CI services.
//!
//! Variables become lines of configuration. They stand behind the configuration file and before the command
//! line, in this order: names that other images made known (`REDIS_PASSWORD`, those of Bitnami), then
//! `RUSSET_<DIRECTIVE>` for every directive. Each but the flags may be given as a file, with `_FILE` behind its
//! name. What is asked for and not done is said, since somebody may rely on it; what cannot be is the end of the start.
//! Whether a line is right is found out later, by whoever reads or uses it; each remembers its variable until then.

use crate::base::bytes::{quote, split_line};
use crate::config::{Invocation, Part, find, invocation};
use crate::persist::files::said;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

#[derive(Debug, Default)]
pub struct Environment {
    /// Lines of configuration, in their order, and the variables that gave them.
    pub parts: Vec<Part>,
    /// For the log.
    pub notes: Vec<String>,
    /// `ALLOW_EMPTY_PASSWORD=no`
    pub demands_password: bool,
}

/// The words by which images know this program.
const FAMILIES: [&str; 3] = ["REDIS", "VALKEY", "RUSSET"];
/// Lines of configuration that are no directives.
const STATEMENTS: [&str; 4] = ["user", "rename-command", "include", "loadmodule"];
/// Directives by the names that Bitnami's images have for them, behind the name of the family.
const BITNAMI: [(&str, &str); 6] = [
    ("PORT_NUMBER", "port"),
    ("AOF_ENABLED", "appendonly"),
    ("IO_THREADS", "io-threads"),
    ("ACLFILE", "aclfile"),
    ("OVERRIDES_FILE", "include"),
    ("DATA_DIR", "dir"),
];
/// The same, for those that count only with `TLS_ENABLED`.
const BITNAMI_TLS: [(&str, &str); 7] = [
    ("TLS_CERT_FILE", "tls-cert-file"),
    ("TLS_KEY_FILE", "tls-key-file"),
    ("TLS_KEY_FILE_PASS", "tls-key-file-pass"),
    ("TLS_CA_FILE", "tls-ca-cert-file"),
    ("TLS_CA_DIR", "tls-ca-cert-dir"),
    ("TLS_DH_PARAMS_FILE", "tls-dh-params-file"),
    ("TLS_AUTH_CLIENTS", "tls-auth-clients"),
];
/// Where compose files that were written for Bitnami's images mount their volumes.
const BITNAMI_DATA: [&str; 2] = ["/bitnami/redis/data", "/bitnami/valkey/data"];
/// Secrets are short; this is no way to read a disk.
const SECRET_MAX: usize = 64 << 10;

type ReadFile<'a> = &'a mut dyn FnMut(&Path) -> io::Result<Vec<u8>>;

/// Reads all variables. The error is why the server must not start.
pub fn read(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    read_file: ReadFile,
) -> Result<Environment, String> {
    let mut all: Vec<(String, Vec<u8>)> = variables
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_vec())))
        .filter(|(name, value)| is_meant(name) && !is_link(name, value))
        .collect();
    all.sort();
    let mut reader =
        Reader { all, read_file, taken: Vec::new(), environment: Environment::default() };
    reader.passwords()?;
    reader.bitnami()?;
    reader.directives()?;
    reader.flags()?;
    reader.what_is_left();
    Ok(reader.environment)
}

struct Reader<'a> {
    all: Vec<(String, Vec<u8>)>,
    read_file: ReadFile<'a>,
    /// Names that were understood.
    taken: Vec<String>,
    environment: Environment,
}

impl Reader<'_> {
    /// The value of a variable as it stands.
    fn plain(&mut self, name: &str) -> Option<Vec<u8>> {
        let at = self.all.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok()?;
        self.taken.push(name.to_string());
        Some(self.all[at].1.clone())
    }

    /// The same for variables whose empty value means nothing: compose files write `${NAME:-}` for what need not be set.
    fn filled(&mut self, name: &str) -> Option<Vec<u8>> {
        self.plain(name).filter(|value| !value.is_empty())
    }

    /// The value of a variable, or of the file that it names with `_FILE` behind it. An empty one counts if there is no
    /// file, since some directives may be empty.
    fn value(&mut self, name: &str) -> Result<Option<(String, Vec<u8>)>, String> {
        let in_file = format!("{name}_FILE");
        match (self.plain(name), self.filled(&in_file)) {
            (Some(value), Some(_)) if !value.is_empty() => {
                Err(format!("Both {name} and {in_file} are set; only one of them can count."))
            }
            (Some(value), None) => Ok(Some((name.to_string(), value))),
            (_, Some(path)) => {
                let path = Path::new(OsStr::from_bytes(&path)).to_path_buf();
                let place = |why: &str| format!("{in_file}: {}: {why}", path.display());
                let text = (self.read_file)(&path).map_err(|why| place(&said(&why)))?;
                // Editors end files with a line's end, which is no part of a secret.
                let end = text.iter().rposition(|byte| !b"\r\n".contains(byte));
                match end {
                    None => Err(place("the file is empty")),
                    Some(end) if end >= SECRET_MAX => {
                        Err(place("the file is too long for a secret"))
                    }
                    Some(end) => Ok(Some((in_file, text[..=end].to_vec()))),
                }
            }
            (None, None) => Ok(None),
        }
    }

    fn set(&mut self, variable: &str, directive: &str, value: &[u8]) {
        self.put(variable, lines_of(directive, value));
    }

    fn put(&mut self, variable: &str, text: Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let giver = Some(format!("environment variable {variable}").into());
        self.environment.parts.push(Part { giver, text });
    }

    fn note(&mut self, text: String) {
        self.environment.notes.push(format!("environment: {text}"));
    }

    fn is_yes(&mut self, name: &str) -> Option<bool> {
        let value = self.filled(name)?.to_ascii_lowercase();
        Some(matches!(&*value, b"yes" | b"true" | b"1"))
    }

    fn passwords(&mut self) -> Result<(), String> {
        let mut found: Option<(String, Vec<u8>)> = None;
        for family in FAMILIES {
            let Some((variable, password)) = self.value(&format!("{family}_PASSWORD"))? else {
                continue;
            };
            if password.is_empty() {
                self.note(format!("{variable} is empty, which is no password"));
                continue;
            }
            match &found {
                Some((other, known)) if *known != password => {
                    return Err(format!("{other} and {variable} are different passwords."));
                }
                _ => found = Some((variable, password)),
            }
        }
        if let Some((variable, password)) = found {
            self.set(&variable, "requirepass", &password);
        }
        let allows_none = self.is_yes("ALLOW_EMPTY_PASSWORD");
        self.environment.demands_password = allows_none == Some(false);
        Ok(())
    }

    fn bitnami(&mut self) -> Result<(), String> {
        // Their volume is where the data is, and an empty /data would hide it.
        if let Some(folder) = BITNAMI_DATA.into_iter().find(|folder| Path::new(folder).is_dir()) {
            self.note(format!("{folder} is there, as in Bitnami's images: the data is kept there"));
            let giver = Some(format!("folder {folder}").into());
            let text = lines_of("dir", folder.as_bytes());
            self.environment.parts.push(Part { giver, text });
        }
        for family in &FAMILIES[..2] {
            for (name, directive) in BITNAMI {
                let variable = format!("{family}_{name}");
                if let Some(value) = self.filled(&variable) {
                    self.set(&variable, directive, &value);
                }
            }
            self.save_points(family);
            self.bitnami_tls(family)?;
            self.replication(family)?;
        }
        self.disabled_commands();
        Ok(())
    }

    /// `FLUSHDB,FLUSHALL`. Whoever names a command twice wants it gone, and no more.
    fn disabled_commands(&mut self) {
        let mut known: Vec<Vec<u8>> = Vec::new();
        for family in &FAMILIES[..2] {
            let variable = format!("{family}_DISABLE_COMMANDS");
            let Some(value) = self.plain(&variable) else { continue };
            let mut lines: Vec<Vec<u8>> = Vec::new();
            for name in value.split(|byte| b", ".contains(byte)).filter(|name| !name.is_empty()) {
                if known.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                    continue;
                }
                known.push(name.to_vec());
                let mut line = b"rename-command ".to_vec();
                quote(name, &mut line);
                line.extend(b" \"\"");
                lines.push(line);
            }
            self.put(&variable, lines.join(&b'\n'));
        }
    }

    /// `900#1 300#10`, and a switch that takes all of them away.
    fn save_points(&mut self, family: &str) {
        let variable = format!("{family}_RDB_POLICY");
        if let Some(value) = self.filled(&variable) {
            let points: Vec<u8> =
                value.iter().map(|byte| if *byte == b'#' { b' ' } else { *byte }).collect();
            self.set(&variable, "save", &points);
        }
        let variable = format!("{family}_RDB_POLICY_DISABLED");
        if self.is_yes(&variable) == Some(true) {
            self.set(&variable, "save", b"");
        }
    }

    fn bitnami_tls(&mut self, family: &str) -> Result<(), String> {
        let enabled = format!("{family}_TLS_ENABLED");
        let is_on = self.is_yes(&enabled) == Some(true);
        let variable = format!("{family}_TLS_PORT_NUMBER");
        let port = self.filled(&variable);
        for (name, directive) in BITNAMI_TLS {
            let variable = format!("{family}_{name}");
            // Some of the names end in _FILE themselves, and are paths.
            let value = match directive {
                "tls-key-file-pass" => self.value(&variable)?.map(|(_, value)| value),
                _ => self.plain(&variable),
            };
            if let Some(value) = value.filter(|value| is_on && !value.is_empty()) {
                self.set(&variable, directive, &value);
            }
        }
        if is_on {
            let port = port.unwrap_or_else(|| b"6379".to_vec());
            let plain = self.filled(&format!("{family}_PORT_NUMBER"));
            if plain.unwrap_or_else(|| b"6379".to_vec()) == port {
                self.set(&enabled, "port", b"0");
            }
            self.set(&enabled, "tls-port", &port);
        }
        Ok(())
    }

    /// A copy of another server that is none would be believed to be one.
    fn replication(&mut self, family: &str) -> Result<(), String> {
        let variable = format!("{family}_REPLICATION_MODE");
        let mode = self.plain(&variable).unwrap_or_default().to_ascii_lowercase();
        match &*mode {
            b"" | b"master" | b"primary" => (),
            b"slave" | b"replica" => {
                return Err(format!(
                    "{variable} asks for a replica of another server, and there is no replication here."
                ));
            }
            other => {
                let other = String::from_utf8_lossy(other);
                return Err(format!("{variable} is {other}, which is neither master nor replica."));
            }
        }
        let belongs = |name: &str| {
            let name = name.strip_prefix(family).and_then(|name| name.strip_prefix('_'));
            let parts = ["MASTER_", "PRIMARY_", "REPLICA_", "SENTINEL_"];
            name.is_some_and(|name| parts.iter().any(|part| name.starts_with(part)))
        };
        let names = self.all.iter().map(|(name, _)| name.clone());
        let mut names: Vec<String> = names.filter(|name| belongs(name)).collect();
        if !mode.is_empty() {
            names.insert(0, variable);
        }
        if !names.is_empty() {
            self.taken.extend(names.iter().cloned());
            let names = names.join(", ");
            self.note(format!("there is no replication here, so nothing is done for {names}"));
        }
        let database = format!("{family}_DATABASE");
        if let Some(value) = self.plain(&database)
            && value != b"redis"
            && value != b"valkey"
        {
            self.note(format!(
                "{database} has no effect: databases have numbers, which clients select"
            ));
        }
        Ok(())
    }

    /// `RUSSET_<DIRECTIVE>`
    fn directives(&mut self) -> Result<(), String> {
        let names: Vec<String> = self.all.iter().map(|(name, _)| name.clone()).collect();
        for name in names {
            let Some(rest) = name.strip_prefix("RUSSET_") else { continue };
            // tls-cert-file is a directive; maxmemory-file is none, so it is the file of another one.
            let (variable, directive) = match named(rest) {
                Some(directive) => (name.clone(), directive),
                None => {
                    let Some(rest) = rest.strip_suffix("_FILE") else { continue };
                    let Some(directive) = named(rest) else { continue };
                    (format!("RUSSET_{rest}"), directive)
                }
            };
            if self.taken.contains(&name) {
                continue;
            }
            if let Some((variable, value)) = self.value(&variable)? {
                self.set(&variable, &directive, &value);
            }
        }
        Ok(())
    }

    /// `REDIS_ARGS`, and `VALKEY_EXTRA_FLAGS`
    fn flags(&mut self) -> Result<(), String> {
        for name in
            FAMILIES.iter().flat_map(|it| [format!("{it}_ARGS"), format!("{it}_EXTRA_FLAGS")])
        {
            let Some(value) = self.plain(&name) else { continue };
            let words = split_line(&value);
            let words = words.ok_or_else(|| format!("{name} has a quote that is not closed."))?;
            if words.is_empty() {
                continue;
            }
            if words.first().is_some_and(|first| !first.starts_with(b"--")) {
                return Err(format!("{name} must begin with an option, as in --maxmemory 1gb."));
            }
            match invocation(&words) {
                Invocation::Run(run) if !run.stdin => self.put(&name, run.lines),
                Invocation::Refused(why) => return Err(format!("{name}: {why}")),
                _ => {
                    return Err(format!(
                        "{name} has an option that is no directive, which only an argument can be."
                    ));
                }
            }
        }
        Ok(())
    }

    /// Names that look as if they were meant for the server.
    fn what_is_left(&mut self) {
        let left = self.all.iter().filter(|(name, _)| !self.taken.contains(name));
        let shown: Vec<String> = left
            .map(|(name, _)| {
                let (_, rest) = name.split_once('_').unwrap_or_default();
                match named(rest) {
                    Some(_) => format!("{name} (RUSSET_{rest} is read)"),
                    None if ["PASS", "AUTH"].iter().any(|word| rest.contains(word)) => {
                        format!("{name} (REDIS_PASSWORD is read)")
                    }
                    None => name.clone(),
                }
            })
            .collect();
        if !shown.is_empty() {
            self.note(format!("not read: {}", shown.join(", ")));
        }
    }
}

/// Of all variables those that concern us.
fn is_meant(name: &str) -> bool {
    let of_family = |family: &str| {
        name.strip_prefix(family).is_some_and(|rest| rest.starts_with('_') && rest.len() > 1)
    };
    name == "ALLOW_EMPTY_PASSWORD" || FAMILIES.iter().any(|family| of_family(family))
}

/// Orchestrators tell containers where services are, in variables that begin with the names of the services.
fn is_link(name: &str, value: &[u8]) -> bool {
    let is_place = [b"tcp://".as_slice(), b"udp://"].iter().any(|scheme| value.starts_with(scheme));
    let mut parts = name.split("_PORT_").skip(1);
    let is_port = parts.any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    let is_service = name.contains("_SERVICE_HOST") || name.contains("_SERVICE_PORT");
    is_service || is_port || (is_place && name.ends_with("_PORT"))
}

/// The line that a part of a variable's name stands for, if there is one.
fn named(rest: &str) -> Option<String> {
    let name = rest.to_ascii_lowercase().replace('_', "-");
    let known = find(name.as_bytes()).is_some() || STATEMENTS.contains(&name.as_str());
    (known && rest == rest.to_ascii_uppercase()).then_some(name)
}

/// Where a directive takes several words the value is those words, and else one word, whatever is in it. What may
/// stand several times may have a line for each, or none at all; elsewhere a line break is a blank, since the last
/// line alone would count.
fn lines_of(directive: &str, value: &[u8]) -> Vec<u8> {
    let one = |value: &dyn Fn(&mut Vec<u8>)| {
        let mut line = [directive.as_bytes(), b" "].concat();
        value(&mut line);
        line
    };
    let is_statement = STATEMENTS.contains(&directive);
    if is_statement && value.is_empty() {
        return Vec::new();
    }
    let kind = find(directive.as_bytes()).map(|found| found.kind);
    let takes_many =
        (is_statement && directive != "include") || kind.is_some_and(|kind| kind.takes_many());
    if !takes_many || value.is_empty() {
        return one(&|line| quote(value, line));
    }
    let given: Vec<&[u8]> = value
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|given| !given.is_empty())
        .collect();
    if kind.is_some_and(|kind| !kind.adds_up()) {
        return one(&|line| line.extend(given.join(&b' ')));
    }
    let lines = given.iter().map(|given| one(&|line| line.extend_from_slice(given)));
    lines.collect::<Vec<_>>().join(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Includes, load_parts};

    fn environment(variables: &[(&str, &str)]) -> Result<Environment, String> {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        read(variables, &mut |path| match path.to_str() {
            Some("/run/secrets/good") => Ok(b"s3 \"cret\"\r\n".to_vec()),
            Some("/run/secrets/empty") => Ok(b"\n".to_vec()),
            _ => Err(io::ErrorKind::NotFound.into()),
        })
    }

    fn lines(variables: &[(&str, &str)]) -> String {
        let environment = environment(variables).unwrap_or_else(|why| panic!("{why}"));
        let parts: Vec<Vec<u8>> = environment.parts.into_iter().map(|part| part.text).collect();
        String::from_utf8(parts.join(&b'\n')).expect("text")
    }

    fn refusal(variables: &[(&str, &str)]) -> String {
        environment(variables).expect_err("it must not start")
    }

    #[test]
    fn variables_become_lines() {
        for (variables, expected) in [
            (&[("PATH", "/bin"), ("HOME", "/")][..], ""),
            (&[("REDIS_PASSWORD", "a \"b\" #c")], "requirepass \"a \\\"b\\\" #c\""),
            (&[("VALKEY_PASSWORD_FILE", "/run/secrets/good")], "requirepass \"s3 \\\"cret\\\"\""),
            (&[("RUSSET_MAXMEMORY", "100mb")], "maxmemory \"100mb\""),
            (&[("RUSSET_SAVE", "900 1 300 10")], "save 900 1 300 10"),
            (&[("RUSSET_SAVE", "")], "save \"\""),
            // What compose files make of variables that nobody set.
            (
                &[("REDIS_PASSWORD", ""), ("REDIS_PASSWORD_FILE", "/run/secrets/good")],
                "requirepass \"s3 \\\"cret\\\"\"",
            ),
            (&[("REDIS_PASSWORD", "a"), ("REDIS_PASSWORD_FILE", "")], "requirepass \"a\""),
            (&[("RUSSET_USER", ""), ("RUSSET_RENAME_COMMAND", " "), ("RUSSET_INCLUDE", "")], ""),
            (
                &[("REDIS_ARGS", ""), ("REDIS_RDB_POLICY_DISABLED", ""), ("REDIS_PORT_NUMBER", "")],
                "",
            ),
            (
                &[("REDIS_TLS_ENABLED", "yes"), ("REDIS_PORT_NUMBER", "")],
                "port \"0\"\ntls-port \"6379\"",
            ),
            (&[("RUSSET_TLS_CERT_FILE", "/tls/crt")], "tls-cert-file \"/tls/crt\""),
            (
                &[("RUSSET_TLS_KEY_FILE_PASS_FILE", "/run/secrets/good")],
                "tls-key-file-pass \"s3 \\\"cret\\\"\"",
            ),
            (
                &[("RUSSET_RENAME_COMMAND", "FLUSHALL \"\"\nKEYS x")],
                "rename-command FLUSHALL \"\"\nrename-command KEYS x",
            ),
            (
                &[("REDIS_DISABLE_COMMANDS", "FLUSHDB,FLUSHALL"), ("REDIS_PORT_NUMBER", "7000")],
                "port \"7000\"\nrename-command \"FLUSHDB\" \"\"\nrename-command \"FLUSHALL\" \"\"",
            ),
            (
                &[
                    ("REDIS_DISABLE_COMMANDS", "KEYS, keys"),
                    ("VALKEY_DISABLE_COMMANDS", "Keys SAVE"),
                ],
                "rename-command \"KEYS\" \"\"\nrename-command \"SAVE\" \"\"",
            ),
            (&[("RUSSET_BIND", "127.0.0.1\n  -::1\n")], "bind 127.0.0.1 -::1"),
            (&[("RUSSET_SAVE", "900 1\n300 10")], "save 900 1\nsave 300 10"),
            (&[("REDIS_AOF_ENABLED", "yes")], "appendonly \"yes\""),
            (&[("REDIS_RDB_POLICY", "900#1 300#10")], "save 900 1 300 10"),
            (&[("VALKEY_RDB_POLICY_DISABLED", "yes")], "save \"\""),
            (
                &[("REDIS_TLS_ENABLED", "yes"), ("REDIS_TLS_CERT_FILE", "/c")],
                "tls-cert-file \"/c\"\nport \"0\"\ntls-port \"6379\"",
            ),
            (&[("REDIS_TLS_CERT_FILE", "/c")], ""),
            // Ours stand behind those of others.
            (&[("RUSSET_PORT", "1"), ("REDIS_PORT_NUMBER", "2")], "port \"2\"\nport \"1\""),
            // A service of the orchestrator that is called as we are.
            (
                &[
                    ("RUSSET_PORT", "tcp://10.0.0.1:6379"),
                    ("RUSSET_PORT_6379_TCP_ADDR", "10.0.0.1"),
                    ("RUSSET_SERVICE_HOST", "10.0.0.1"),
                    ("RUSSET_SERVICE_PORT", "6379"),
                ],
                "",
            ),
        ] {
            assert_eq!(lines(variables), expected, "{variables:?}");
        }
    }

    #[test]
    fn what_cannot_be_done_ends_the_start() {
        for (variables, expected) in [
            (&[("REDIS_REPLICATION_MODE", "slave")][..], "there is no replication here"),
            (&[("REDIS_PASSWORD", "a"), ("VALKEY_PASSWORD", "b")], "different passwords"),
            (
                &[("REDIS_PASSWORD", "a"), ("REDIS_PASSWORD_FILE", "/run/secrets/good")],
                "Both REDIS_PASSWORD and REDIS_PASSWORD_FILE",
            ),
            (&[("REDIS_PASSWORD_FILE", "/run/secrets/empty")], "the file is empty"),
            (
                &[("REDIS_PASSWORD_FILE", "/run/secrets/none")],
                "REDIS_PASSWORD_FILE: /run/secrets/none:",
            ),
            (&[("REDIS_ARGS", "redis.conf")], "must begin with an option"),
            (&[("REDIS_ARGS", "--x \"y")], "not closed"),
            (&[("REDIS_ARGS", "--version")], "REDIS_ARGS has an option that is no directive"),
            (&[("REDIS_ARGS", "--port 1 -")], "REDIS_ARGS has an option that is no directive"),
            (&[("VALKEY_ARGS", "--sentinel")], "VALKEY_ARGS: There is no sentinel mode here."),
        ] {
            let why = refusal(variables);
            assert!(why.contains(expected), "{variables:?}: {why}");
        }
    }

    #[test]
    fn what_is_not_done_is_said() {
        for (variables, expected) in [
            (
                &[("REDIS_MAXMEMORY", "1gb")][..],
                "not read: REDIS_MAXMEMORY (RUSSET_MAXMEMORY is read)",
            ),
            (&[("REDIS_PASS", "x")], "not read: REDIS_PASS (REDIS_PASSWORD is read)"),
            (
                &[("RUSSET_MAXMEMROY", "1gb"), ("REDIS_URL", "x")],
                "not read: REDIS_URL, RUSSET_MAXMEMROY",
            ),
            (
                &[("REDIS_MASTER_PASSWORD", "x")],
                "no replication here, so nothing is done for REDIS_MASTER_PASSWORD",
            ),
            (&[("REDIS_DATABASE", "shop")], "REDIS_DATABASE has no effect"),
            (&[("REDIS_PASSWORD", "")], "REDIS_PASSWORD is empty, which is no password"),
        ] {
            let environment = environment(variables).expect("it starts");
            assert_eq!(environment.parts.len(), 0, "{variables:?}");
            assert!(
                environment.notes.concat().contains(expected),
                "{variables:?}: {:?}",
                environment.notes
            );
        }
    }

    #[test]
    fn a_password_is_demanded_by_who_says_no() {
        for (value, expected) in
            [("no", true), ("0", true), ("yes", false), ("True", false), ("", false)]
        {
            let environment = environment(&[("ALLOW_EMPTY_PASSWORD", value)]).expect("it starts");
            assert_eq!(environment.demands_password, expected, "{value:?}");
        }
    }

    #[test]
    fn flags_stand_behind_the_directives() {
        let variables = [
            ("REDIS_ARGS", "--maxmemory 1gb --requirepass \"a b\""),
            ("RUSSET_PORT", "1"),
            ("VALKEY_EXTRA_FLAGS", "--port 7000"),
            ("VALKEY_ARGS", " "),
        ];
        let expected = "port \"1\"\nmaxmemory \"1gb\" \nrequirepass \"a b\" \nport \"7000\" ";
        assert_eq!(lines(&variables), expected);
    }

    #[test]
    fn a_variable_that_is_wrong_is_named() {
        for (variables, expected) in [
            (&[("RUSSET_PORT", "many")][..], "The environment variable RUSSET_PORT: argument"),
            (&[("VALKEY_PORT_NUMBER", "x")], "The environment variable VALKEY_PORT_NUMBER: "),
            (
                &[("RUSSET_REQUIREPASS_FILE", "/run/secrets/good"), ("RUSSET_USER", "a\na")],
                "The environment variable RUSSET_USER: Error in user declaration 'a'",
            ),
            (&[("REDIS_OVERRIDES_FILE", "/x")], "The environment variable REDIS_OVERRIDES_FILE: "),
            (&[("REDIS_ARGS", "--port 1 --hz")], "The environment variable REDIS_ARGS: wrong"),
        ] {
            let environment = environment(variables).expect("the lines are read later");
            let loaded = load_parts(&mut Config::default(), &environment.parts, &mut NoFiles);
            let why = loaded.expect_err("it must not start").to_string();
            assert!(why.starts_with(expected), "{variables:?}: {why}");
        }
    }

    struct NoFiles;

    impl Includes for NoFiles {
        fn read(&mut self, _: &str) -> Result<Vec<u8>, String> {
            Err("No such file or directory".into())
        }

        fn expand(&mut self, _: &str) -> Vec<String> {
            Vec::new()
        }
    }
}
