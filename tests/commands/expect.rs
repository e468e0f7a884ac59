//! Does an answer match what the transcript says? Line by line, with `*` in lines that begin with
//! `~`, and with times and ranges in place of numbers.

/// Between which instants the answer came, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub earliest: i64,
    pub latest: i64,
}

/// Compares a whole answer.
pub fn matches(expected: &[String], actual: &str, times: Times) -> bool {
    let mut actual: Vec<&str> = actual.lines().collect();
    if let Some((first, expected)) = expected.split_first()
        && first == IN_ANY_ORDER
    {
        // The numbers say nothing then; what is left is a bag of lines.
        let mut expected: Vec<String> =
            expected.iter().map(|line| without_numbers(line).to_string()).collect();
        expected.sort();
        actual.iter_mut().for_each(|line| *line = without_numbers(line));
        actual.sort();
        return lines_match(&expected, &actual, times);
    }
    lines_match(expected, &actual, times)
}

/// Above a list: its items may come in any order.
pub const IN_ANY_ORDER: &str = "(in any order)";

fn without_numbers(mut line: &str) -> &str {
    loop {
        line = line.trim_start();
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let mark = rest.strip_prefix([')', '~', '#']).and_then(|rest| rest.strip_prefix(' '));
        match mark {
            Some(rest_of_line) if rest.len() < line.len() => line = rest_of_line,
            _ => return line,
        }
    }
}

/// Compares one line, such as one of the log.
pub fn line_matches(expected: &str, actual: &str, times: Times) -> bool {
    // Nobody sees blanks at the end of a line, so they do not count.
    let actual = actual.trim_end();
    match expected.strip_prefix("~ ") {
        // Nor can one know how far a list of unknown length is indented.
        Some(pattern) => {
            let (pattern, actual) = (pattern.trim_start(), actual.trim_start());
            tokens_match(&tokens(pattern, true), actual.as_bytes(), times)
        }
        None => tokens_match(&tokens(expected, false), actual.as_bytes(), times),
    }
}

/// A word of a command, with its times filled in.
pub fn fill_in(word: &[u8], now_ms: i64) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(word) else { return word.to_vec() };
    if !text.contains('<') {
        return word.to_vec();
    }
    let mut filled = Vec::new();
    for token in tokens(text, false) {
        match token {
            Token::Text(text) => filled.extend_from_slice(text.as_bytes()),
            Token::Millis(offset) => filled.extend((now_ms + offset).to_string().bytes()),
            Token::Seconds(offset) => filled.extend((now_ms / 1000 + offset).to_string().bytes()),
            Token::Any | Token::Range(..) => return word.to_vec(),
        }
    }
    filled
}

enum Token<'a> {
    Text(&'a str),
    Any,
    Millis(i64),
    Seconds(i64),
    Range(i64, i64),
}

fn lines_match(expected: &[String], actual: &[&str], times: Times) -> bool {
    let Some((first, others)) = expected.split_first() else { return actual.is_empty() };
    if first == "~ ..." {
        return (0..=actual.len()).any(|skip| lines_match(others, &actual[skip..], times));
    }
    match actual.split_first() {
        Some((line, rest)) => line_matches(first, line, times) && lines_match(others, rest, times),
        None => false,
    }
}

fn tokens(mut text: &str, wild: bool) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut plain = 0;
    while plain < text.len() {
        let special = text[plain..].find(|c| c == '<' || (wild && c == '*'));
        let Some(at) = special.map(|at| at + plain) else { break };
        let (token, len) = match text.as_bytes()[at] {
            b'*' => (Some(Token::Any), 1),
            _ => placeholder(&text[at..]),
        };
        let Some(token) = token else {
            plain = at + 1;
            continue;
        };
        tokens.push(Token::Text(&text[..at]));
        tokens.push(token);
        text = &text[at + len..];
        plain = 0;
    }
    tokens.push(Token::Text(text));
    tokens
}

/// `<now+1>`, `<unix-1>` or `<1..2>`, and its length.
fn placeholder(text: &str) -> (Option<Token<'_>>, usize) {
    let Some(end) = text.find('>') else { return (None, 0) };
    let inner = &text[1..end];
    let offset = |rest: &str| if rest.is_empty() { Some(0) } else { rest.parse().ok() };
    let token = if let Some(rest) = inner.strip_prefix("now") {
        offset(rest).map(Token::Millis)
    } else if let Some(rest) = inner.strip_prefix("unix") {
        offset(rest).map(Token::Seconds)
    } else if let Some((low, high)) = inner.split_once("..") {
        match (low.parse(), high.parse()) {
            (Ok(low), Ok(high)) => Some(Token::Range(low, high)),
            _ => None,
        }
    } else {
        None
    };
    (token, end + 1)
}

fn tokens_match(tokens: &[Token], text: &[u8], times: Times) -> bool {
    let Some((token, rest)) = tokens.split_first() else { return text.is_empty() };
    let within = |low: i64, high: i64| {
        let sign = text.starts_with(b"-") as usize;
        let digits = text[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = std::str::from_utf8(&text[..sign + digits]).ok();
        let number = number.and_then(|number| number.parse::<i64>().ok());
        number.is_some_and(|number| (low..=high).contains(&number))
            && tokens_match(rest, &text[sign + digits..], times)
    };
    match *token {
        Token::Text(plain) => {
            text.strip_prefix(plain.as_bytes()).is_some_and(|text| tokens_match(rest, text, times))
        }
        Token::Any => (0..=text.len()).any(|skip| tokens_match(rest, &text[skip..], times)),
        Token::Millis(offset) => within(times.earliest + offset, times.latest + offset),
        // Seconds are rounded one way by some commands and the other way by others.
        Token::Seconds(offset) => {
            within(times.earliest.div_euclid(1000) + offset, times.latest / 1000 + 1 + offset)
        }
        Token::Range(low, high) => within(low, high),
    }
}

/// The notation tested on itself: a matcher that takes everything would make all lenses blind.
pub fn self_test() {
    let times = Times { earliest: 1000, latest: 1200 };
    let yes = [
        ("OK", "OK"),
        ("a*", "a*"),
        ("~ a*c", "abc"),
        ("~ 1) \"*\"", "1) \"x\""),
        ("(integer) <now+10>", "(integer) 1100"),
        ("<1..3>", "2"),
        ("~ *<unix+1>*", "t=2;"),
        ("<-2..-1>", "-1"),
        ("a <b>", "a <b>"),
        ("with: 'x'", "with: 'x' "),
    ];
    let no = [
        ("OK", "OKO"),
        ("a*", "ab"),
        ("~ a*c", "abd"),
        ("(integer) <now+10>", "(integer) 1211"),
        ("(integer) <now+10>", "(integer) 1009"),
        ("<1..3>", "4"),
        ("<1..3>", ""),
    ];
    for (pattern, text) in yes {
        assert!(line_matches(pattern, text, times), "{pattern} must match {text}");
    }
    for (pattern, text) in no {
        assert!(!line_matches(pattern, text, times), "{pattern} must not match {text}");
    }
    let lines = ["1) \"a\"".to_string(), "~ ...".to_string()];
    assert!(matches(&lines, "1) \"a\"\n2) \"b\"\n3) \"c\"", times));
    assert!(!matches(&lines, "1) \"b\"", times));
    assert!(!matches(&lines[..1], "1) \"a\"\n2) \"b\"", times));
    let bag = [IN_ANY_ORDER.to_string(), "1) \"a\"".into(), "2) 1) \"b\"".into()];
    assert!(matches(&bag, "1) \"b\"\n2) \"a\"", times));
    assert!(!matches(&bag, "1) \"b\"\n2) \"b\"", times));
    assert!(!matches(&bag, "1) \"b\"", times));
    assert_eq!(fill_in(b"<now+5>", 7), b"12");
    assert_eq!(fill_in(b"<5..6>", 7), b"<5..6>");
}
