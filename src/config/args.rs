//! The command line: `russet-server [FILE | -] [--directive value …]`.
//!
//! Every `--name` begins a line of configuration and what follows it are its words, in quotes. The
//! lines are read after the file and after standard input, so the last word is the command line's.
//! A value may itself begin with `--`, if it is the only one.

use super::file::Part;
use crate::base::bytes::{quote, split_line};

/// What the arguments ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Invocation {
    Version,
    Help,
    /// Look at the machine (overcommit, huge pages, clock source), say what is amiss, and end.
    CheckSystem,
    /// Something this server does not have; say why, and end with a failure.
    Refused(&'static str),
    Run(Run),
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Also the file that CONFIG REWRITE writes.
    pub file: Option<Vec<u8>>,
    pub stdin: bool,
    /// What stands between the file and the command line, from the environment of a container.
    pub environment: Vec<Part>,
    /// The directives of the command line.
    pub lines: Vec<u8>,
}

impl Run {
    /// All that is to be loaded, in its order. Lines are counted over the whole of it, as in Redis, but for the
    /// environment's.
    pub fn parts(&self, file: &[u8], stdin: &[u8]) -> Vec<Part> {
        let main = |text: Vec<u8>| vec![Part { giver: None, text }];
        let command_line = [b"\n", self.lines.as_slice()].concat();
        [main([file, stdin].concat()), self.environment.clone(), main(command_line)].concat()
    }
}

/// Reads the arguments behind the program's name.
pub fn invocation(args: &[Vec<u8>]) -> Invocation {
    match args.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => return Invocation::Version,
        Some(b"-h" | b"--help") => return Invocation::Help,
        Some(b"--check-system") => return Invocation::CheckSystem,
        Some(b"--test-memory") => {
            return Invocation::Refused(
                "There is no memory test here; use memtest86 or the system's own.",
            );
        }
        _ => {}
    }

    let mut run = Run::default();
    let mut rest = args;
    if let [file, others @ ..] = args
        && !file.starts_with(b"-")
    {
        run.file = Some(file.clone());
        rest = others;
    }
    // Only a name that has got its value may be followed by another name.
    let mut complete = true;
    for (at, arg) in rest.iter().enumerate() {
        let last = at + 1 == rest.len();
        if arg == b"-" && ((at == 0 && run.file.is_none()) || last) {
            run.stdin = true;
        } else if complete && let Some(option) = arg.strip_prefix(b"--") {
            if !run.lines.is_empty() {
                run.lines.push(b'\n');
            }
            run.lines.extend_from_slice(option);
            run.lines.push(b' ');
            let words = split_line(option).unwrap_or_default();
            if words.first().is_some_and(|word| word.eq_ignore_ascii_case(b"sentinel")) {
                return Invocation::Refused("There is no sentinel mode here.");
            }
            complete = words.len() > 1;
            // Scripts that build the line from an empty list write `--save` and nothing.
            let bare = last || rest[at + 1].starts_with(b"--");
            if bare && arg.eq_ignore_ascii_case(b"--save") {
                run.lines.extend_from_slice(b"\"\"");
                complete = true;
            }
        } else {
            quote(arg, &mut run.lines);
            run.lines.push(b' ');
            complete = true;
        }
    }
    Invocation::Run(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(args: &[&str]) -> String {
        let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        match invocation(&args) {
            Invocation::Run(run) => {
                let file = run.file.map(|file| format!("<{}>", String::from_utf8_lossy(&file)));
                let stdin = if run.stdin { "<->" } else { "" };
                let lines = String::from_utf8_lossy(&run.lines);
                // The blank behind the last word of a line is of no interest.
                let lines: Vec<&str> = lines.lines().map(str::trim_end).collect();
                format!("{}{stdin}{}", file.unwrap_or_default(), lines.join("\n"))
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn arguments_become_lines() {
        for (args, expected) in [
            (&[][..], ""),
            (&["/etc/redis.conf"], "</etc/redis.conf>"),
            (&["-"], "<->"),
            (&["x.conf", "-"], "<x.conf><->"),
            (&["x.conf", "-", "--port", "1"], "<x.conf>\"-\"\nport \"1\""),
            (&["--port", "1", "-"], "<->port \"1\""),
            (&["--appendonly", "yes"], "appendonly \"yes\""),
            (
                &["--save", "60", "1", "--loglevel", "warning"],
                "save \"60\" \"1\"\nloglevel \"warning\"",
            ),
            (&["--save", ""], "save \"\""),
            (&["--save"], "save \"\""),
            (&["--save", "--loglevel", "verbose"], "save \"\"\nloglevel \"verbose\""),
            (&["--loglevel", "verbose", "--save"], "loglevel \"verbose\"\nsave \"\""),
            (&["--requirepass secret", "--save 1 1 "], "requirepass secret\nsave 1 1"),
            (&["loglevel", "verbose"], "<loglevel>\"verbose\""),
            (&["--port", "-1"], "port \"-1\""),
            (&["--port"], "port"),
            (&["--port", "--loglevel", "verbose"], "port \"--loglevel\" \"verbose\""),
            (&["--port", "--bla", "--loglevel", "x"], "port \"--bla\"\nloglevel \"x\""),
            (
                &["--proc-title-template", "--my", "--loglevel", "x"],
                "proc-title-template \"--my\"\nloglevel \"x\"",
            ),
            (
                &["--proc-title-template --my", "--loglevel x"],
                "proc-title-template --my\nloglevel x",
            ),
            (&["--bind", "0.0.0.0", "::1"], "bind \"0.0.0.0\" \"::1\""),
            (&["--requirepass", "a \"b\""], "requirepass \"a \\\"b\\\"\""),
            (&["-x"], "\"-x\""),
            (&["-v"], "Version"),
            (&["--version"], "Version"),
            (&["-h"], "Help"),
            (&["--check-system"], "CheckSystem"),
            (&["x.conf", "--sentinel"], "Refused(\"There is no sentinel mode here.\")"),
        ] {
            assert_eq!(lines(args), expected, "{args:?}");
        }
    }
}
