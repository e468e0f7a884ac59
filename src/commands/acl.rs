//! ACL: users, what they may do, and what they were refused.

use super::bad_words;
use crate::base::{bytes, numbers};
use crate::engine::acl::check::check;
use crate::engine::acl::selector::Selector;
use crate::engine::acl::{explain, line};
use crate::engine::command::{admin, container};
use crate::engine::{Engine, Family, SessionKey};
use crate::error::Error;
use crate::resp::{Args, Done, List, Reply};
use crate::spec::{
    ADMIN, CATEGORY_NAMES, Group, LOADING, NOSCRIPT, STALE, integer, one_of, string, token,
};

pub const FAMILY: Family = Family {
    group: Group::Server,
    commands: &[
        container("ACL")
            .since("6.0.0")
            .complexity("Depends on subcommand.")
            .summary("Speaks about users and their rights."),
        admin("ACL|CAT", cat)
            .arity(-2)
            .flags(ASKS)
            .since("6.0.0")
            .complexity("O(1) since the categories and commands are a fixed set.")
            .summary("Lists the categories, or the commands of one.")
            .args(&[string("category").optional()]),
        admin("ACL|DELUSER", del_user)
            .arity(-3)
            .flags(RULES)
            .since("6.0.0")
            .complexity("O(1) amortized time considering the typical user.")
            .summary("Deletes users, and ends their connections.")
            .tips(EVERYWHERE)
            .args(&[string("username").repeats()]),
        admin("ACL|DRYRUN", dry_run)
            .arity(-4)
            .flags(RULES)
            .since("7.0.0")
            .complexity("O(1).")
            .summary("Says whether a user could run a command, without running it.")
            .args(&[
                string("username"),
                string("command"),
                string("arg").optional().repeats(),
            ]),
        admin("ACL|GENPASS", gen_pass)
            .arity(-2)
            .flags(ASKS)
            .since("6.0.0")
            .complexity("O(1)")
            .summary("Makes up a password.")
            .args(&[integer("bits").optional()]),
        admin("ACL|GETUSER", get_user)
            .arity(3)
            .flags(RULES)
            .since("6.0.0")
            .complexity("O(N). Where N is the number of password, command and pattern rules that the user has.")
            .summary("Shows the rules of a user.")
            .args(&[string("username")]),
        admin("ACL|HELP", help)
            .arity(2)
            .flags(LOADING | STALE)
            .since("6.0.0")
            .complexity("O(1)")
            .summary("Describes the subcommands."),
        admin("ACL|LIST", list)
            .arity(2)
            .flags(RULES)
            .since("6.0.0")
            .complexity("O(N). Where N is the number of configured users.")
            .summary("Shows all users as a file of users would."),
        admin("ACL|LOAD", load)
            .arity(2)
            .flags(RULES)
            .since("6.0.0")
            .complexity("O(N). Where N is the number of configured users.")
            .summary("Reads the file of users anew."),
        admin("ACL|LOG", log)
            .arity(-2)
            .flags(RULES)
            .since("6.0.0")
            .complexity("O(N) with N being the number of entries shown.")
            .summary("Shows what was refused of late, or forgets it.")
            .args(&[one_of("operation", &[integer("count"), token("RESET")]).optional()]),
        admin("ACL|SAVE", save)
            .arity(2)
            .flags(RULES)
            .since("6.0.0")
            .complexity("O(N). Where N is the number of configured users.")
            .summary("Writes all users to the file of users.")
            .tips(EVERYWHERE),
        admin("ACL|SETUSER", set_user)
            .arity(-3)
            .flags(RULES)
            .since("6.0.0")
            .complexity("O(N). Where N is the number of rules provided.")
            .summary("Makes or changes a user.")
            .tips(EVERYWHERE)
            .args(&[string("username"), string("rule").optional().repeats()]),
        admin("ACL|USERS", users)
            .arity(2)
            .flags(RULES)
            .since("6.0.0")
            .complexity("O(N). Where N is the number of configured users.")
            .summary("Lists the names of all users."),
        admin("ACL|WHOAMI", who_am_i)
            .arity(2)
            .flags(ASKS)
            .since("6.0.0")
            .complexity("O(1)")
            .summary("Names the user of this connection."),
    ],
};

const ASKS: u32 = NOSCRIPT | LOADING | STALE;
const RULES: u32 = ADMIN | ASKS;
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

fn set_user(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    engine.set_user(who, args.get(2), args.tail(3).iter())?;
    out.ok()
}

fn del_user(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let deleted = engine.delete_users(who, args.tail(2).iter())?;
    out.int(deleted as i64)
}

fn get_user(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    let Some(user) = engine.acl.user(args.get(2)).cloned() else { return out.null() };
    let mut fields = out.map(7);
    fields.bulk(b"flags");
    let flags = user.flags();
    let mut set = fields.set(flags.len());
    flags.iter().for_each(|flag| set.bulk(flag.as_bytes()));
    set.close();
    fields.bulk(b"passwords");
    let mut passwords = fields.list(user.passwords.len());
    user.passwords.iter().for_each(|digest| passwords.bulk(digest.hex().as_bytes()));
    passwords.close();
    show_selector(user.root(), &mut fields);
    fields.bulk(b"selectors");
    let mut selectors = fields.list(user.selectors.len() - 1);
    for selector in &user.selectors[1..] {
        let mut one = selectors.map(4);
        show_selector(selector, &mut one);
        one.close();
    }
    selectors.close();
    fields.end()
}

fn show_selector(selector: &Selector, fields: &mut List) {
    fields.bulk(b"commands");
    fields.bulk(&selector.commands.text());
    fields.bulk(b"keys");
    fields.bulk(&selector.keys.text());
    fields.bulk(b"channels");
    fields.bulk(&selector.channels.text());
    fields.bulk(b"databases");
    fields.bulk(&selector.databases.text());
}

fn list(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    let mut lines = out.list(engine.acl.users().len());
    engine.acl.users().for_each(|user| lines.bulk(&line(user)));
    lines.end()
}

fn users(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.bulks(engine.acl.users().map(|user| &*user.name))
}

fn who_am_i(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    out.bulk(&engine.sessions[who].user.name)
}

fn cat(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    match args.len() {
        2 => out.bulks(CATEGORY_NAMES.iter().map(|name| name.as_bytes())),
        3 => {
            let known = |name: &str| name.as_bytes().eq_ignore_ascii_case(args.get(2));
            let Some(bit) = CATEGORY_NAMES.iter().position(|name| known(name)) else {
                let name = &args.get(2)[..args.get(2).len().min(128)];
                return Err(Error::quote("ERR Unknown category '", name, "'").into());
            };
            let mut names = out.list_of_some();
            for command in engine.commands() {
                for command in std::iter::once(command).chain(engine.subcommands(command)) {
                    if command.spec.all_categories() & 1 << bit != 0 {
                        names.bulk(command.spec.lower_name().as_bytes());
                    }
                }
            }
            names.end()
        }
        _ => Err(wrong_number(args)),
    }
}

fn gen_pass(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    const BITS_MAX: i64 = 4096;
    let bits = match args.len() {
        2 => 256,
        3 => numbers::parse_i64(args.get(2)).ok_or(Error::NotInteger)?,
        _ => return Err(wrong_number(args)),
    };
    if !(1..=BITS_MAX).contains(&bits) {
        return Err(Error::Say(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive \
             number up to 4096",
        )
        .into());
    }
    let digits = (bits as usize).div_ceil(4);
    let mut bytes = vec![0; digits.div_ceil(2)];
    engine.host.random(&mut bytes);
    let password = bytes::hex(&bytes);
    out.bulk(&password.as_bytes()[..digits])
}

fn load(engine: &mut Engine, who: SessionKey, _: Args, out: Reply) -> Done {
    has_file(engine)?;
    engine.reload_users(who)?;
    out.ok()
}

fn save(engine: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    has_file(engine)?;
    engine.save_users()?;
    out.ok()
}

fn has_file(engine: &Engine) -> Result<(), Error> {
    match engine.config.aclfile.is_empty() {
        true => Err(Error::Say(
            "ERR This Redis instance is not configured to use an ACL file. You may want to specify \
             users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a \
             Redis configuration file set) in order to store users in the Redis configuration.",
        )),
        false => Ok(()),
    }
}

fn log(engine: &mut Engine, _: SessionKey, args: Args, out: Reply) -> Done {
    const SHOWN: usize = 10;
    let most = match args.len() {
        2 => SHOWN,
        3 if args[2].eq_ignore_ascii_case(b"RESET") => {
            engine.acl.log.clear();
            return out.ok();
        }
        3 => {
            let count = numbers::parse_i64(args.get(2)).ok_or(Error::NotInteger)?;
            usize::try_from(count).unwrap_or(0)
        }
        _ => return Err(wrong_number(args)),
    };
    let now = engine.now.wall().0;
    let entries = engine.acl.log.newest(most);
    let mut all = out.list(entries.len());
    for entry in entries {
        let mut fields = all.map(10);
        fields.bulk(b"count");
        fields.int(entry.count as i64);
        let mut say = |name: &str, value: &[u8]| {
            fields.bulk(name.as_bytes());
            fields.bulk(value);
        };
        say("reason", entry.reason.as_bytes());
        say("context", entry.context.as_bytes());
        say("object", &entry.object);
        say("username", &entry.user);
        fields.bulk(b"age-seconds");
        fields.double(now.saturating_sub(entry.updated) as f64 / 1000.0);
        fields.bulk(b"client-info");
        fields.bulk(entry.client.as_bytes());
        fields.bulk(b"entry-id");
        fields.int(entry.id as i64);
        fields.bulk(b"timestamp-created");
        fields.int(entry.created);
        fields.bulk(b"timestamp-last-updated");
        fields.int(entry.updated);
        fields.close();
    }
    all.end()
}

fn dry_run(engine: &mut Engine, who: SessionKey, args: Args, out: Reply) -> Done {
    let Some(user) = engine.acl.user(args.get(2)).cloned() else {
        return Err(Error::quote("ERR User '", args.get(2), "' not found").into());
    };
    let asked = args.tail(3);
    let Some(command) = engine.find_asked_about(asked) else {
        return Err(Error::quote("ERR Command '", asked.get(0), "' not found").into());
    };
    let line = engine.acl_line(command, asked, engine.sessions[who].db);
    if !line.command.arity_fits(asked.len()) {
        return Err(Error::Arity(line.command.spec.name).into());
    }
    match check(&user, line) {
        Ok(()) => out.ok(),
        Err(denied) => {
            let name = line.command.spec.lower_name();
            out.bulk(&explain(&user, name.as_bytes(), asked, denied))
        }
    }
}

/// For the subcommands whose rows leave the number open.
fn wrong_number(args: Args) -> crate::resp::Stop {
    bad_words("ACL", args.get(1)).into()
}

fn help(_: &mut Engine, _: SessionKey, _: Args, out: Reply) -> Done {
    out.help(
        "ACL",
        &[
            "CAT [<category>]",
            "    List the categories, or the commands of one.",
            "DELUSER <username> [<username> ...]",
            "    Delete users, and end their connections.",
            "DRYRUN <username> <command> [<arg> ...]",
            "    Say whether a user could run this, without running it.",
            "GENPASS [<bits>]",
            "    Make up a password of so many bits, 256 by default.",
            "GETUSER <username>",
            "    Show the rules of a user.",
            "LIST",
            "    Show all users as the file of users has them.",
            "LOAD",
            "    Read the file of users anew.",
            "LOG [<count>|RESET]",
            "    Show what was refused of late, or forget it.",
            "SAVE",
            "    Write all users to the file of users.",
            "SETUSER <username> <rule> [<rule> ...]",
            "    Make or change a user.",
            "USERS",
            "    List the names of all users.",
            "WHOAMI",
            "    Name the user of this connection.",
        ],
    )
}

#[cfg(test)]
mod tests {
    use crate::commands::TABLE;
    use crate::engine::acl::check::channels_of;
    use crate::engine::acl::rule::{RuleError, join};
    use crate::engine::acl::user::{Grammar, User};
    use crate::resp::ArgsBuf;
    use crate::spec::{Arg, C_PUBSUB, Shape};
    use proptest::prelude::*;

    /// Rights to channels are asked for by name, so a new row must not be forgotten there.
    #[test]
    fn whoever_speaks_or_listens_needs_a_right_to_the_channel() {
        let line = ArgsBuf::of(&[b"command", b"channel", b"more"]);
        let all = TABLE.all.iter().filter(|command| command.spec.all_categories() & C_PUBSUB != 0);
        let free = all.filter(|command| channels_of(command, line.args()).is_none());
        let names: Vec<&str> =
            free.map(|command| command.spec.name).filter(|name| !name.contains("PUBSUB")).collect();
        assert_eq!(names, ["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"]);
    }

    /// So are rights to databases that a line names. The database of MIGRATE is another server's, and CLIENT only
    /// shows who is in one.
    #[test]
    fn rights_to_databases_are_asked_for_wherever_one_is_named() {
        fn names_one(arg: &Arg) -> bool {
            let parts: &[Arg] = match arg.shape {
                Shape::OneOf(parts) | Shape::Block(parts) => parts,
                _ => &[],
            };
            let is_one = arg.name.ends_with("db") || arg.name.starts_with("index");
            is_one || parts.iter().any(names_one)
        }
        let named = TABLE.all.iter().filter(|command| command.spec.args.iter().any(names_one));
        let mut names: Vec<&str> = named.map(|command| command.spec.name).collect();
        names.retain(|name| !matches!(*name, "LINDEX" | "LSET" | "MIGRATE"));
        names.retain(|name| !name.starts_with("CLIENT|"));
        names.sort_unstable();
        assert_eq!(names, ["COPY", "MOVE", "SELECT", "SWAPDB"]);
    }

    fn grammar() -> Grammar<'static> {
        Grammar { table: &TABLE, all_channels: false }
    }

    /// The same user, made from what is shown of it.
    fn again(user: &User) -> User {
        let text = user.text();
        let mut again = User::new(&user.name, true);
        for rule in join(text.split(|byte| *byte == b' ')).expect("every selector is closed") {
            again.apply(&rule, grammar()).expect("what is shown is a rule");
        }
        again
    }

    /// Rules as people write them, and some that are none.
    fn rule() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            "@(all|read|write|string|hash|slow|dangerous|keyspace|nosuch)",
            "(get|set|config|config\\|get|config\\|set|select\\|[01]|debug|debug\\|object|hget|del)",
        ];
        prop_oneof![
            4 => ("[+-]", name).prop_map(|(sign, name)| sign + &name),
            2 => "(~|%R~|%W~|%RW~|%r|%)[ab*():]{0,3}",
            2 => "&[ab*():]{0,3}",
            1 => "(db=[0-9,]{0,4}|alldbs|resetdbs)",
            2 => "(on|off|nopass|resetpass|reset|resetkeys|resetchannels|allkeys|allchannels)",
            1 => "(allcommands|nocommands|clearselectors|sanitize-payload|skip-sanitize-payload)",
            1 => "[<>][ab]?",
            1 => "[#!][0-9a-f]{64}",
        ]
    }

    fn rules() -> impl Strategy<Value = Vec<String>> {
        let selector = proptest::collection::vec(rule(), 0..4);
        let selector = selector.prop_map(|rules| format!("({})", rules.join(" ")));
        proptest::collection::vec(prop_oneof![6 => rule(), 1 => selector], 0..12)
    }

    proptest! {
        /// What is shown of a user makes the same user; and a rule that is none changes nothing.
        #[test]
        fn what_is_shown_makes_the_same_user(rules in rules()) {
            let mut user = User::new(b"ann", false);
            for rule in &rules {
                let before = user.clone();
                if user.apply(rule.as_bytes(), grammar()).is_err() {
                    prop_assert_eq!(&user, &before);
                }
            }
            prop_assert_eq!(again(&user), user);
        }

        /// Nonsense is an error or a rule, and never more than that.
        #[test]
        fn nonsense_is_harmless(
            words in proptest::collection::vec("[+\\-~%&()<>#!|@,= a-zA-Z0-9*]{0,12}", 0..6),
        ) {
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            let Ok(rules) = join(words.into_iter()) else { return Ok(()) };
            let mut user = User::new(b"ann", false);
            for rule in rules {
                let _ = user.apply(&rule, grammar());
            }
            prop_assert_eq!(again(&user), user);
        }
    }

    fn refused(rules: &[&str]) -> Option<RuleError> {
        let rules = join(rules.iter().map(|rule| rule.as_bytes())).expect("it is closed");
        let mut user = User::new(b"ann", false);
        rules.iter().find_map(|rule| user.apply(rule, grammar()).err())
    }

    /// CVE-2024-31227: rights that are not closed, in a selector too.
    #[test]
    fn cve_2024_31227() {
        assert_eq!(refused(&["(%)"]), Some(RuleError::Syntax));
        assert_eq!(refused(&["(%~)"]), Some(RuleError::Syntax));
        assert_eq!(refused(&["(%R", ")"]), None);
    }

    /// CVE-2024-51741: a pattern whose rights are none.
    #[test]
    fn cve_2024_51741() {
        assert_eq!(refused(&["%"]), Some(RuleError::Syntax));
        assert_eq!(refused(&["%~"]), Some(RuleError::Syntax));
        assert_eq!(refused(&["%~key"]), Some(RuleError::Syntax));
    }

    /// What would end its selector when it is read again.
    #[test]
    fn a_rule_in_a_selector_does_not_end_with_a_parenthesis() {
        assert_eq!(refused(&["(~a) ~b)"]), Some(RuleError::Syntax));
        assert_eq!(refused(&["(+get|a) ~b)"]), Some(RuleError::Syntax));
        assert_eq!(refused(&["~a)", "&b)"]), None);
    }
}
