//! Which words of a command line are secrets: passwords never reach MONITOR, the command logs or
//! the log file.

use super::Command;
use crate::config::find;
use crate::resp::Args;

/// Is the word at `index` one that nobody but its sender may see?
pub fn is_secret(command: &Command, args: Args, index: usize) -> bool {
    match command.spec.name {
        "AUTH" => index >= 1,
        // HELLO 3 AUTH user password SETNAME name
        "HELLO" => follows(args, index, b"AUTH", 2),
        // MIGRATE … AUTH password, or AUTH2 user password
        "MIGRATE" => follows(args, index, b"AUTH", 1) || follows(args, index, b"AUTH2", 2),
        "ACL|SETUSER" | "ACL|GETUSER" | "ACL|DELUSER" => index >= 2,
        "CONFIG|SET" => index >= 3 && index % 2 == 1 && is_secret_directive(args.get(index - 1)),
        _ => false,
    }
}

/// Is the word one of the `most` that come after `announced`?
fn follows(args: Args, index: usize, announced: &[u8], most: usize) -> bool {
    (1..=most.min(index)).any(|back| args[index - back].eq_ignore_ascii_case(announced))
}

/// Is the value of this directive a password?
fn is_secret_directive(name: &[u8]) -> bool {
    find(name).is_some_and(|directive| directive.secret)
}
