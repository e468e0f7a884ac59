//! From arguments to a server that answers, and to its end.

use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use crate::process::{Process, exists, free_port, is_alive, tcp, until};
use crate::support::client::{Address, Client};
use crate::support::value::Value;

fn ok() -> Value {
    Value::simple("OK")
}

fn config(client: &mut Client, name: &str) -> String {
    let answer = client.call(&["CONFIG", "GET", name]);
    let value = answer.items().and_then(|items| items.get(1)).and_then(Value::text);
    String::from_utf8_lossy(value.unwrap_or_else(|| panic!("{name}: {answer}"))).into_owned()
}

#[test]
fn file_input_and_arguments_are_read_in_this_order() {
    let port = free_port().to_string();
    let file = "maxmemory 1mb\nmaxclients 100\nslowlog-max-len 1\nbind 127.0.0.1\n";
    let mut server = Process::start(
        &[("russet.conf", file)],
        &["{dir}/russet.conf", "--port", &port, "--slowlog-max-len", "3", "-"],
        "maxclients 200\nslowlog-max-len 2\n",
    );
    let mut client = server.connect(&Address::Tcp(format!("127.0.0.1:{port}")));
    assert_eq!(config(&mut client, "maxmemory"), "1048576");
    assert_eq!(config(&mut client, "maxclients"), "200");
    assert_eq!(config(&mut client, "slowlog-max-len"), "3");
    assert!(server.output().contains("Configuration loaded"));
}

#[test]
fn version_and_help_end_at_once() {
    for (arg, expected) in
        [("--version", "Russet server v="), ("-v", "Russet server v="), ("--help", "Usage:")]
    {
        let mut server = Process::start(&[], &[arg], "");
        assert!(server.end().success());
        assert!(server.output().contains(expected), "{arg}: {}", server.output());
    }
}

#[test]
fn a_wrong_configuration_is_fatal() {
    let mut server =
        Process::start(&[("bad.conf", "port 0\n\nmaxmemory much\n")], &["{dir}/bad.conf"], "");
    assert_eq!(server.end().code(), Some(1));
    let output = server.output();
    assert!(output.contains("*** FATAL CONFIG FILE ERROR"), "{output}");
    assert!(output.contains("at line 3\n>>> 'maxmemory much'"), "{output}");

    for args in [&["--nosuch", "1"][..], &["--port"]] {
        let mut server = Process::start(&[], args, "");
        assert_eq!(server.end().code(), Some(1), "{args:?}: {}", server.output());
    }
    let mut server = Process::start(&[], &["/nosuch.conf"], "");
    assert_eq!(server.end().code(), Some(1));
    let line = "Fatal error, can't open config file '/nosuch.conf': No such file or directory\n";
    assert_eq!(server.output(), line);
}

#[test]
fn a_start_that_fails_takes_nothing_from_the_server_that_runs() {
    let args = ["--port", "0", "--unixsocket", "{dir}/socket", "--pidfile", "{dir}/pid"];
    let mut server = Process::start(&[], &args, "");
    let path = server.path("socket");
    server.connect(&Address::Unix(path.clone()));
    let here = path.parent().expect("a folder").to_string_lossy().into_owned();
    for (more, why) in [
        (&["--aclfile", "{dir}/nosuch"][..], "because of ACL errors"),
        (&["--unixsocketgroup", "nosuchgroup"], "no group nosuchgroup"),
        (&["--dir", &here], "Another server"),
    ] {
        let args = args.map(|arg| arg.replace("{dir}", &here));
        let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let mut second = Process::start(&[], &args, "");
        assert_eq!(second.end().code(), Some(1), "{}", second.output());
        assert!(second.output().contains(why), "{}", second.output());
        is_alive(&Address::Unix(path.clone()));
        assert_eq!(server.read("pid").trim(), server.pid().to_string());
        let names = std::fs::read_dir(&here).expect("a folder").flatten();
        let left =
            names.filter(|it| it.file_name().to_string_lossy().starts_with("socket.")).count();
        assert_eq!(left, 0, "a socket without a server is left behind");
    }
}

#[test]
fn a_unix_socket_may_have_the_longest_name_that_the_kernel_takes() {
    for length in [107, 108] {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().to_string_lossy().into_owned();
        let path = format!("{folder}/{}", "u".repeat(length - folder.len() - 1));
        let mut server = Process::start(&[], &["--port", "0", "--unixsocket", &path], "");
        match length {
            107 => drop(server.connect(&Address::Unix(path.into()))),
            _ => assert_eq!(server.end().code(), Some(1), "{}", server.output()),
        }
    }
}

#[test]
fn systemd_is_told_when_clients_are_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(std::time::Duration::from_secs(15))).expect("it can wait");
    let preparation = format!("export NOTIFY_SOCKET='{}'", path.display());
    let args = ["--port", "0", "--unixsocket", "{dir}/s", "--supervised", "auto"];
    let server = Process::start_after(&preparation, &[], &args, "");
    let heard = || {
        let mut text = [0; 100];
        let length = socket.recv(&mut text).expect("it is told");
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    assert_eq!(heard(), "STATUS=Russet is loading...\n");
    assert_eq!(heard(), "STATUS=Ready to accept connections\nREADY=1\n");
    assert!(server.output().contains("Ready to accept connections unix"));
}

#[test]
fn what_threads_wait_with_is_no_room_for_clients() {
    let args = ["--port", "0", "--unixsocket", "{dir}/s", "--io-threads", "16"];
    let args = [&args[..], &["--maxclients", "100"]].concat();
    let mut server = Process::start_after("ulimit -n 132", &[], &args, "");
    let mut client = server.connect(&Address::Unix(server.path("s")));
    let of_process = |name: &str| format!("/proc/{}/{name}", server.pid());
    let limits = std::fs::read_to_string(of_process("limits")).expect("its limits");
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let most: usize = files
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .expect("a number of files");
    let own = std::fs::read_dir(of_process("fd")).expect("its files").count() - 1;
    let clients: usize = config(&mut client, "maxclients").parse().expect("a number");
    assert!(clients + own <= most, "{clients} clients and {own} of its own, of {most}");
}

#[test]
fn a_port_that_is_taken_is_fatal() {
    let port = free_port();
    let first = ["--bind", "127.0.0.1", "--port", &port.to_string()];
    let mut server = Process::start(&[], &first, "");
    server.connect(&tcp(port));
    let mut second = Process::start(&[], &first, "");
    assert_eq!(second.end().code(), Some(1));
    let output = second.output();
    assert!(
        output.contains(&format!("Failed listening on port {port} (tcp), aborting.")),
        "{output}"
    );
    is_alive(&tcp(port));
}

#[test]
pub fn a_unix_socket_has_its_mode_and_goes_with_the_server() {
    let args = ["--port", "0", "--unixsocket", "{dir}/socket", "--unixsocketperm", "700"];
    let mut server = Process::start(&[], &args, "");
    let path = server.path("socket");
    let mut client = server.connect(&Address::Unix(path.clone()));
    let kind = std::fs::metadata(&path).expect("it is there");
    assert!(kind.file_type().is_socket());
    assert_eq!(kind.permissions().mode() & 0o777, 0o700);
    assert_eq!(client.call(&["SET", "a", "1"]), ok());
    let answer = client.try_call(&["SHUTDOWN", "NOSAVE"]);
    assert!(answer.is_err(), "SHUTDOWN answers nothing: {answer:?}");
    assert!(server.end().success());
    assert!(!exists(&path), "the socket file is left behind");
}

#[test]
fn several_addresses_of_both_kinds() {
    let port = free_port();
    let args = ["--bind", "127.0.0.1", "127.0.0.2", "-::1", "--port", &port.to_string()];
    let mut server = Process::start(&[], &args, "");
    server.connect(&tcp(port));
    is_alive(&Address::Tcp(format!("127.0.0.2:{port}")));
    match std::net::TcpListener::bind("[::1]:0") {
        Ok(_) => is_alive(&Address::Tcp(format!("[::1]:{port}"))),
        Err(why) => println!("IPv6 is not tested here: {why}"),
    }
    assert!(TcpStream::connect(("127.0.0.3", port)).is_err(), "an address that nobody named");
}

#[test]
fn strangers_are_denied_until_there_is_a_password() {
    let Some(outside) = own_address() else {
        return println!("this machine has no address but its own loop");
    };
    let port = free_port();
    let mut server = Process::start(&[], &["--bind", "0.0.0.0", "--port", &port.to_string()], "");
    let mut client = server.connect(&tcp(port));
    let stranger = Address::Tcp(format!("{outside}:{port}"));
    let mut denied = Client::connect(&stranger).expect("the door is open");
    let heard = denied.read_to_close().expect("and then closed");
    let heard = String::from_utf8_lossy(&heard).into_owned();
    assert!(heard.starts_with("-DENIED ") && heard.ends_with("\r\n"), "{heard}");

    assert_eq!(client.call(&["CONFIG", "SET", "requirepass", "secret"]), ok());
    let mut known = Client::connect(&stranger).expect("the door is open");
    assert_eq!(known.call(&["PING"]), Value::error("NOAUTH Authentication required."));
    assert!(known.call(&["AUTH", "wrong"]).is_error());
    assert_eq!(known.call(&["AUTH", "secret"]), ok());
    assert_eq!(known.call(&["PING"]), Value::simple("PONG"));
    // Who was here before stays.
    assert_eq!(client.call(&["PING"]), Value::simple("PONG"));
}

#[test]
pub fn signals_end_the_server_in_order() {
    for (signal, name) in [("-TERM", "SIGTERM"), ("-INT", "SIGINT")] {
        let port = free_port();
        let args = [
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--pidfile",
            "{dir}/pid",
            "--logfile",
            "{dir}/log",
        ];
        let mut server = Process::start(&[], &args, "");
        server.connect(&tcp(port));
        assert_eq!(server.read("pid").trim(), server.pid().to_string());
        server.signal(signal);
        assert_eq!(server.end().code(), Some(0));
        assert!(!exists(&server.path("pid")), "the pid file is left behind");
        let log = server.read("log");
        let mut from = 0;
        for line in [
            "Server initialized",
            "Ready to accept connections tcp",
            &format!("Received {name} scheduling shutdown..."),
            "User requested shutdown...",
            "bye bye...",
        ] {
            let at = log[from..].find(line).unwrap_or_else(|| panic!("{line:?} is not in:\n{log}"));
            from += at;
        }
    }
}

#[test]
fn a_second_signal_saves_what_the_first_could_not() {
    let args = ["--port", "0", "--unixsocket", "{dir}/s", "--dir", "{dir}", "--save", "900 1"];
    let mut server = Process::start(&[], &args, "");
    let mut client = server.connect(&Address::Unix(server.path("s")));
    let snapshot = server.path("dump.rdb");
    std::fs::create_dir(&snapshot).expect("it is in the way");
    assert_eq!(client.call(&["SET", "a", "1"]), ok());
    server.signal("-INT");
    until("it cannot be saved", || server.output().contains("SIGINT received but errors"));
    std::fs::remove_dir(&snapshot).expect("it is empty");
    assert_eq!(client.call(&["SET", "b", "2"]), ok());
    server.signal("-INT");
    assert_eq!(server.end().code(), Some(0), "{}", server.output());
    assert!(snapshot.is_file(), "nothing was saved");
}

#[test]
fn a_daemon_lives_on_when_its_parent_has_ended() {
    let port = free_port();
    let args = [
        "--bind",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "--daemonize",
        "yes",
        "--pidfile",
        "{dir}/pid",
        "--logfile",
        "{dir}/log",
    ];
    let mut server = Process::start(&[], &args, "");
    assert_eq!(server.end().code(), Some(0), "{}", server.output());
    let mut client = server.connect(&tcp(port));
    let pid = server.read("pid").trim().to_string();
    assert_ne!(pid, server.pid().to_string());
    let _ = client.try_call(&["SHUTDOWN", "NOSAVE"]);
    until("the daemon ends", || !exists(std::path::Path::new(&format!("/proc/{pid}/exe"))));
    assert!(server.read("log").contains("bye bye"), "{}", server.read("log"));
}

#[test]
fn a_rewritten_file_keeps_its_comments_and_starts_the_same_server() {
    let port = free_port();
    let file = format!(
        "# The head of the file.\nbind 127.0.0.1\nport {port}\n\n# How much.\nmaxmemory 1mb\n\
         include {{dir}}/more.conf\nrename-command LOLWUT \"\"\n"
    );
    let more = "slowlog-max-len 7\n";
    let files = [("russet.conf", file.as_str()), ("more.conf", more)];
    let mut server = Process::start(&files, &["{dir}/russet.conf"], "");
    let mut client = server.connect(&tcp(port));
    assert_eq!(config(&mut client, "slowlog-max-len"), "7");
    assert_eq!(client.call(&["CONFIG", "SET", "maxmemory", "2mb", "maxclients", "77"]), ok());
    assert_eq!(client.call(&["CONFIG", "REWRITE"]), ok());
    let text = server.read("russet.conf");
    for line in ["# The head of the file.\n", "# How much.\n", "maxclients 77", "include "] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    assert!(text.contains("maxmemory 2mb") || text.contains("maxmemory 2097152"), "{text}");
    server.signal("-TERM");
    assert!(server.end().success());

    let files = [("russet.conf", text.as_str()), ("more.conf", more)];
    let mut again =
        Process::start(&files, &["{dir}/russet.conf", "--include", "{dir}/more.conf"], "");
    let mut client = again.connect(&tcp(port));
    assert_eq!(config(&mut client, "maxmemory"), "2097152");
    assert_eq!(config(&mut client, "maxclients"), "77");
}

#[test]
fn commands_have_the_names_that_the_configuration_gives_them() {
    let port = free_port();
    let file = format!(
        "bind 127.0.0.1\nport {port}\nrename-command CONFIG secret-config\nrename-command DEBUG \"\"\n"
    );
    let mut server = Process::start(&[("russet.conf", &file)], &["{dir}/russet.conf"], "");
    let mut client = server.connect(&tcp(port));
    for name in ["CONFIG", "DEBUG"] {
        let answer = client.call(&[name, "GET", "port"]);
        assert!(answer.to_string().contains("unknown command"), "{name}: {answer}");
    }
    let answer = client.call(&["SECRET-config", "GET", "port"]);
    assert_eq!(answer.items().map(<[Value]>::len), Some(2), "{answer}");

    let file = "rename-command NOSUCH other\nport 0\n";
    let mut wrong = Process::start(&[("russet.conf", file)], &["{dir}/russet.conf"], "");
    assert_eq!(wrong.end().code(), Some(1), "{}", wrong.output());
}

#[test]
pub fn a_port_can_be_changed_while_clients_are_there() {
    let (port, other) = (free_port(), free_port());
    let args = ["--bind", "127.0.0.1", "--port", &port.to_string()];
    let mut server = Process::start(&[], &args, "");
    let mut client = server.connect(&tcp(port));
    assert_eq!(client.call(&["CONFIG", "SET", "port", &other.to_string()]), ok());
    until("the new port answers", || Client::connect(&tcp(other)).is_ok());
    is_alive(&tcp(other));
    until("the old port is closed", || TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(client.call(&["PING"]), Value::simple("PONG"), "who was here before stays");

    // A port that cannot be had changes nothing.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken_port = taken.local_addr().expect("it is bound").port().to_string();
    let answer = client.call(&["CONFIG", "SET", "port", &taken_port]);
    assert!(answer.is_error(), "{answer}");
    assert_eq!(config(&mut client, "port"), other.to_string());
    until("the port answers still", || Client::connect(&tcp(other)).is_ok());
    is_alive(&tcp(other));

    assert_eq!(client.call(&["CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2"]), ok());
    let second = Address::Tcp(format!("127.0.0.2:{other}"));
    until("the new address answers", || Client::connect(&second).is_ok());
    is_alive(&second);
    is_alive(&tcp(other));
}

/// One of several directives cannot be had: what the others would have replaced is there still.
#[test]
fn a_change_that_fails_destroys_nothing() {
    let port = free_port();
    let args = ["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir", "{dir}"];
    let more =
        ["--appendonly", "yes", "--appendfsync", "always", "--enable-protected-configs", "yes"];
    let args = [&args[..], &more].concat();
    let mut server = Process::start(&[], &args, "");
    let mut client = server.connect(&tcp(port));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("it is bound").port().to_string();
    assert_eq!(client.call(&["ACL", "SETUSER", "default", "resetpass", ">secret"]), ok());
    assert_eq!(client.call(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]), ok());
    let manifest = || server.read("appendonlydir/appendonly.aof.manifest");
    let before = (manifest(), config(&mut client, "dir"));
    for pair in [
        ["requirepass", "other"],
        ["slowlog-max-len", "1"],
        ["appendonly", "no"],
        ["dir", "appendonlydir"],
    ] {
        for line in [[&pair[..], &["port", &taken]], [&["port", &taken], &pair[..]]] {
            let line = [&["CONFIG", "SET"], line[0], line[1]].concat();
            let answer = client.call(&line);
            assert!(answer.to_string().contains("Unable to listen on this port"), "{answer}");
        }
    }
    let logged = client.call(&["SLOWLOG", "GET", "2"]);
    assert_eq!(logged.items().map(<[Value]>::len), Some(2), "{logged}");
    assert_eq!((manifest(), config(&mut client, "dir")), before);
    assert_eq!(client.call(&["SET", "key", "value"]), ok());
    assert!(server.read("appendonlydir/appendonly.aof.1.incr.aof").contains("value"));
    until("the port answers still", || Client::connect(&tcp(port)).is_ok());
    let mut stranger = Client::connect(&tcp(port)).expect("a connection");
    assert!(stranger.call(&["PING"]).to_string().contains("NOAUTH"));
    assert_eq!(stranger.call(&["AUTH", "secret"]), ok());
    // The log is written where it was.
    assert!(!client.call(&["BGREWRITEAOF"]).is_error());
    until("it is rewritten", || manifest() != before.0);
}

/// An address of this machine that others may know: the one from which it would send.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent; the system only chooses a way.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback()).then_some(address)
}
