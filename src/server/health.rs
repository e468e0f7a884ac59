//! `russet-server healthcheck`, and what answers it.
//!
//! A server with `health-socket yes` listens on an abstract Unix socket and tells whoever connects in one line
//! whether it serves; it reads nothing there, so there is nothing that a password would protect, and neither
//! port, nor TLS, nor renamed commands matter. Abstract names have no file that a read-only disk could
//! refuse. Who asks finds them in the kernel's list and believes only servers of its own container: the
//! kernel says which process is at the other end, and says 0 of one that cannot be seen from here.

use super::door::Door;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PREFIX: &str = "russet-health-";
const HEALTHY: &str = "ok";
/// The longest that a server may take to say how it is; a script that never ends is answered for much sooner.
const PATIENCE: Duration = Duration::from_secs(3);
const LINE_MAX: u64 = 4096;

/// Answers, for as long as the server lives, whoever asks.
#[expect(clippy::disallowed_methods, reason = "the name is known to nobody beforehand")]
pub fn listen(door: Door) -> io::Result<()> {
    let name = format!("{PREFIX}{}-{:016x}", std::process::id(), rand::random::<u64>());
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    tokio::task::spawn_local(async move {
        loop {
            match listener.accept().await {
                // One after the other: this costs next to nothing, and nobody can make it cost more.
                Ok((mut stream, _)) => {
                    let ailment = door.enter(|engine, _| engine.ailment()).await;
                    let line = ailment.unwrap_or_else(|| HEALTHY.into()).replace(['\r', '\n'], " ");
                    let _ = stream.try_write(format!("{line}\n").as_bytes());
                    let _ = stream.shutdown().await;
                }
                Err(error) => {
                    tracing::warn!("Accepting who asks about health: {error}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    });
    Ok(())
}

/// Asks the servers that run here, prints one line, and says how the program ends.
pub fn check() -> i32 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let told = runtime.and_then(|runtime| runtime.block_on(ask_all()));
    match told {
        Ok(answers) if answers.is_empty() => {
            println!("no server with `health-socket yes` runs here");
            1
        }
        Ok(answers) => match answers.iter().find(|answer| *answer != HEALTHY) {
            Some(ailment) => {
                println!("{ailment}");
                1
            }
            None => {
                println!("{HEALTHY}");
                0
            }
        },
        Err(why) => {
            println!("cannot look for the server: {why}");
            1
        }
    }
}

/// What each server of this container says.
async fn ask_all() -> io::Result<Vec<String>> {
    let mut answers = Vec::new();
    for name in names(&std::fs::read_to_string("/proc/net/unix")?) {
        let asked = tokio::time::timeout(PATIENCE, ask(&name)).await;
        let asked = asked.unwrap_or_else(|_| Ok(Some("the server does not answer".into())));
        // One that says nothing is another container's, or ended just now.
        answers.extend(asked.unwrap_or_default());
    }
    Ok(answers)
}

async fn ask(name: &str) -> io::Result<Option<String>> {
    let stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
    stream.set_nonblocking(true)?;
    let mut stream = tokio::net::UnixStream::from_std(stream)?;
    let is_visible = stream.peer_cred()?.pid().is_some_and(|pid| pid > 0);
    if !is_visible {
        return Ok(None);
    }
    let mut line = String::new();
    (&mut stream).take(LINE_MAX).read_to_string(&mut line).await?;
    Ok(Some(line.trim_end().to_string()))
}

/// The abstract names of health sockets that are listened on, in the kernel's list of Unix sockets.
fn names(list: &str) -> Vec<String> {
    const LISTENS: u32 = 1 << 16;
    let found = list.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let flags = fields.nth(3)?;
        let name = fields.nth(3)?.strip_prefix('@')?;
        let listens = u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & LISTENS != 0);
        (listens && name.starts_with(PREFIX)).then(|| name.to_string())
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_are_found_in_the_list() {
        let list = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            ffff: 00000002 00000000 00010000 0001 01 11 @russet-health-7-00ff\n\
            ffff: 00000003 00000000 00000000 0001 03 12 @russet-health-7-00ff\n\
            ffff: 00000002 00000000 00010000 0001 01 13 /run/@russet-health-8\n\
            ffff: 00000002 00000000 00010000 0001 01 14\n\
            ffff: 00000002 00000000 00010000 0001 01 15 @other\n";
        assert_eq!(names(list), ["russet-health-7-00ff"]);
    }
}
