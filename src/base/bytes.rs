pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.eq_ignore_ascii_case(b)
}
pub fn quote(t: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(t);
    out.push(b'"');
}
pub fn split_line(l: &[u8]) -> Option<Vec<Vec<u8>>> {
    Some(
        l.split(|b| b.is_ascii_whitespace())
            .filter(|w| !w.is_empty())
            .map(|w| w.to_vec())
            .collect(),
    )
}
