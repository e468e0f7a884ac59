//! Any text as a configuration file: reading it ends; what CONFIG REWRITE makes of it says the same
//! again, and rewriting that changes nothing.

#![no_main]

mod alone;

use alone::Alone;
use libfuzzer_sys::fuzz_target;
use russet::config::{Config, Rewrite, load, rewrite};

fuzz_target!(|text: &[u8]| {
    let mut config = Config::default();
    let is_good = load(&mut config, text, &mut Alone).is_ok();
    let options = Rewrite::default();
    let once = rewrite(text, &config, &options);
    let shown = String::from_utf8_lossy(&once);
    assert!(rewrite(&once, &config, &options) == once, "rewritten again it differs: {shown}");
    if is_good {
        let mut again = Config::default();
        if let Err(fatal) = load(&mut again, &once, &mut Alone) {
            panic!("{fatal} in {shown}");
        }
        assert!(again == config, "read again it says something else: {shown}");
    }
});
