//! INFO.

/// The version of Redis whose commands and replies this server has. It rises when streams and
/// scripts are there.
pub const REDIS_VERSION: &str = "7.4.0";
