//! Seeds in JSON: an array of commands, each an array of words, which are strings and numbers.
//!
//! A number is its own text, as a client would have sent it: nobody here reads one, so none is rounded.

use serde_json::value::RawValue;

/// The words of all commands, each as bytes.
pub fn commands(text: &[u8]) -> Result<Vec<Vec<Vec<u8>>>, String> {
    let whole: &RawValue = serde_json::from_slice(text).map_err(|why| why.to_string())?;
    let commands = items(whole)
        .ok_or("it is not what a seed is, an array of commands, each an array of words")?;
    let commands = commands.into_iter().enumerate();
    commands
        .map(|(at, command)| words(command).map_err(|why| format!("command {} {why}", at + 1)))
        .collect()
}

fn words(command: &RawValue) -> Result<Vec<Vec<u8>>, String> {
    let words = items(command).filter(|words| !words.is_empty());
    words.ok_or("is no array of words")?.into_iter().map(word).collect()
}

fn word(word: &RawValue) -> Result<Vec<u8>, String> {
    let text = word.get();
    match text.as_bytes()[0] {
        b'"' => match serde_json::from_str::<String>(text) {
            Ok(text) => Ok(text.into_bytes()),
            Err(why) => Err(format!("has a word that cannot be read: {why}")),
        },
        b'-' | b'0'..=b'9' => Ok(text.as_bytes().to_vec()),
        _ => Err("has a word that is neither a string nor a number".into()),
    }
}

/// What is in an array; none if it is something else.
fn items(value: &RawValue) -> Option<Vec<&RawValue>> {
    // Its text is JSON already, so only another type can be in the way.
    serde_json::from_str(value.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_a_client_would_have_sent() {
        for (text, expected) in [
            ("[]", &[][..]),
            (" [ [\"PING\"] ]\n", &["PING"]),
            (
                "[[\"SET\",\"big\",9007199254740993],[\"SET\",\"f\",0.1]]",
                &["SET big 9007199254740993", "SET f 0.1"],
            ),
            ("[[\"x\", -0, 1.50, 1E400, -1e-7]]", &["x -0 1.50 1E400 -1e-7"]),
            ("[[\"x\", \"\", \"a\\\"\\u00e9\\n\\ud83d\\ude00\", \"é\"]]", &["x  a\"é\n😀 é"]),
        ] {
            let found = commands(text.as_bytes()).unwrap_or_else(|why| panic!("{text}: {why}"));
            let found: Vec<String> = found
                .iter()
                .map(|words| String::from_utf8(words.join(&b' ')).expect("text"))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_array_of_commands_is_refused() {
        for (text, expected) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("[[\"SET\",\n\"a\"", "EOF while parsing a list at line 2 column 3"),
            ("[] []", "trailing characters at line 1 column 4"),
            (
                "{\"SET\":[\"a\",\"1\"]}",
                "it is not what a seed is, an array of commands, each an array of words",
            ),
            (
                "\"SET a 1\"",
                "it is not what a seed is, an array of commands, each an array of words",
            ),
            ("[[\"PING\"],\"PING\"]", "command 2 is no array of words"),
            ("[[\"PING\"],{\"a\":1}]", "command 2 is no array of words"),
            ("[[]]", "command 1 is no array of words"),
            (
                "[[\"SET\",\"a\",true]]",
                "command 1 has a word that is neither a string nor a number",
            ),
            (
                "[[\"SET\",\"a\",null]]",
                "command 1 has a word that is neither a string nor a number",
            ),
            ("[[\"SET\",\"a\",[1]]]", "command 1 has a word that is neither a string nor a number"),
            ("[[\"SET\",\"a\",01]]", "invalid number at line 1 column 14"),
        ] {
            assert_eq!(commands(text.as_bytes()).expect_err(text), expected, "{text}");
        }
        assert!(commands(b"[[\"\xff\"]]").is_err(), "JSON is UTF-8");
        let deep = [vec![b'['; 1_000_000], vec![b']'; 1_000_000]].concat();
        assert!(commands(&deep).is_err(), "depth is no danger for the stack");
        assert!(commands(b"[[\"\\ud800\"]]").expect_err("no character").contains("command 1 has"));
    }
}
