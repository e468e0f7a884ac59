//! `russet-server`: reads its arguments and runs; or is a tool, a client or a container's entrypoint, if it was
//! called by the name of one.

use std::os::unix::ffi::OsStringExt;

#[global_allocator]
static ALLOCATOR: russet::server::allocator::Jemalloc = russet::server::allocator::Jemalloc;

fn main() {
    let mut args = std::env::args_os().map(OsStringExt::into_vec);
    let program = args.next().unwrap_or_default();
    let args: Vec<Vec<u8>> = args.collect();
    let tool = russet::cli::run(&program, &args)
        .or_else(|| russet::server::tools::run(&program, &args))
        .or_else(|| russet::container::run(&program, &args));
    if let Some(code) = tool {
        std::process::exit(code);
    }
    match russet::server::run::main(&args) {
        Ok(code) => std::process::exit(code),
        Err(error) => {
            eprintln!("{error:#}");
            std::process::exit(1);
        }
    }
}
