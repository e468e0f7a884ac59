pub fn matches(p: &[u8], t: &[u8], _n: bool) -> bool {
    p == b"*" || p == t
}
