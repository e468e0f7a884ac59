//! What has happened to servers of this kind, each case under its number: `docs/security.md` says what each
//! was, and why it cannot happen here. A test does what the attacker did, and looks for more than "it still
//! runs": for the refusal, the bound or the answer that the defence gives.

mod clients;
mod dumps;
mod protocol;
mod scripts;
mod users;
mod values;

use crate::process::is_alive;
use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::value::Value;

/// A server of ours, and a client that is trusted.
fn scene(extra: &[&str]) -> (Server, Client) {
    let server = crate::hostile::russet(extra);
    let client = server.connect();
    (server, client)
}

#[track_caller]
fn is_well(server: &mut Server) {
    is_alive(&server.address());
    assert!(server.is_running(), "{}", server.log_tail());
}

fn text(reply: &Value) -> String {
    String::from_utf8_lossy(reply.text().unwrap_or_default()).into_owned()
}

/// An error that says so.
#[track_caller]
fn refuses(client: &mut Client, line: &[&str], why: &str) {
    let reply = client.call(line);
    assert!(reply.is_error() && text(&reply).contains(why), "{line:?}: {reply}");
}

#[track_caller]
fn answers(client: &mut Client, line: &[&str], expected: Value) {
    assert_eq!(client.call(line), expected, "{line:?}");
}

#[track_caller]
fn fine(client: &mut Client, line: &[&str]) {
    let reply = client.call(line);
    assert!(!reply.is_error(), "{line:?}: {reply}");
}
