//! A request as clients send it.

/// Appends a command line as an array of bulk strings.
pub fn request<W: AsRef<[u8]>>(words: &[W], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words.iter().map(AsRef::as_ref) {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_behind_their_lengths() {
        let mut out = b"before".to_vec();
        request(&["GET", "", "a b"], &mut out);
        assert_eq!(out, b"before*3\r\n$3\r\nGET\r\n$0\r\n\r\n$3\r\na b\r\n");
    }
}
