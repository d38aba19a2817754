//! What parameters mean, once and for all hosts.

use std::time::Duration;

use tokio_postgres::config::{ChannelBinding, SslNegotiation};

use super::parameters::Parameters;
use crate::error::Error;

/// Whether a connection is encrypted, and what of the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Where the server lets us in no other way.
    Allow,
    /// Where the server can.
    Prefer,
    /// Always; the certificate is checked where there is a root certificate.
    Require,
    /// Always, and the certificate is signed by whom we trust.
    VerifyCa,
    /// Always, and the certificate is that of this host.
    VerifyFull,
}

const SSL_MODES: [(&str, SslMode); 6] = [
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

/// Which of several servers will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Any.
    Any,
    /// One whose sessions write.
    ReadWrite,
    /// One whose sessions do not.
    ReadOnly,
    /// One that is no standby.
    Primary,
    /// A standby.
    Standby,
    /// A standby, or else any.
    PreferStandby,
}

const TARGETS: [(&str, Target); 6] = [
    ("any", Target::Any),
    ("read-write", Target::ReadWrite),
    ("read-only", Target::ReadOnly),
    ("primary", Target::Primary),
    ("standby", Target::Standby),
    ("prefer-standby", Target::PreferStandby),
];

/// The file of trusted certificates that stands for those of the system.
pub const SYSTEM_ROOTS: &str = "system";

/// The settings of all attempts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether to encrypt.
    pub ssl_mode: SslMode,
    /// How encryption is begun.
    pub ssl_negotiation: SslNegotiation,
    /// Which server will do.
    pub target: Target,
    /// How long an attempt may take, with all that belongs to it; none: for ever.
    pub timeout: Option<Duration>,
    /// What of tokio-postgres' settings is the same for all hosts.
    pub base: tokio_postgres::Config,
}

impl Settings {
    /// What the parameters mean.
    ///
    /// # Errors
    /// A value is none of its keyword.
    pub fn new(parameters: &Parameters) -> Result<Settings, Error> {
        let ssl_mode = ssl_mode(parameters)?;
        let ssl_negotiation = parameters.word(
            "sslnegotiation",
            &[
                ("postgres", SslNegotiation::Postgres),
                ("direct", SslNegotiation::Direct),
            ],
            SslNegotiation::Postgres,
        )?;
        if ssl_negotiation == SslNegotiation::Direct && ssl_mode < SslMode::Require {
            return Err(weak(parameters, "sslnegotiation=direct", "require"));
        }
        Ok(Settings {
            ssl_mode,
            ssl_negotiation,
            target: parameters.word("target_session_attrs", &TARGETS, Target::Any)?,
            timeout: timeout(parameters)?,
            base: base(parameters)?,
        })
    }
}

/// Nobody means to trust all authorities of the system without a look at the name: libpq refuses that, too.
fn ssl_mode(parameters: &Parameters) -> Result<SslMode, Error> {
    let of_system = parameters.get("sslrootcert") == Some(SYSTEM_ROOTS);
    let default = if of_system {
        SslMode::VerifyFull
    } else {
        SslMode::Prefer
    };
    let mode = parameters.word("sslmode", &SSL_MODES, default)?;
    if of_system && mode != SslMode::VerifyFull {
        return Err(weak(parameters, "sslrootcert=system", "verify-full"));
    }
    Ok(mode)
}

fn weak(parameters: &Parameters, with: &str, needed: &str) -> Error {
    let mode = parameters.get("sslmode").unwrap_or("prefer");
    Error::new(format!(
        "weak sslmode \"{mode}\" may not be used with {with}"
    ))
    .hint(format!("Use sslmode={needed}."))
}

/// Zero and less are for ever. libpq takes one second for two, because its clock counts whole ones.
fn timeout(parameters: &Parameters) -> Result<Option<Duration>, Error> {
    let seconds = parameters.number("connect_timeout")?.unwrap_or_default();
    let seconds = u64::try_from(seconds).unwrap_or_default();
    Ok((seconds > 0).then(|| Duration::from_secs(seconds.max(2))))
}

fn base(parameters: &Parameters) -> Result<tokio_postgres::Config, Error> {
    let mut base = tokio_postgres::Config::new();
    base.user(parameters.get("user").unwrap_or_default());
    base.dbname(parameters.get("dbname").unwrap_or_default());
    base.application_name(parameters.get("application_name").unwrap_or_default());
    if let Some(options) = parameters.get("options") {
        base.options(options);
    }
    base.channel_binding(parameters.word(
        "channel_binding",
        &[
            ("disable", ChannelBinding::Disable),
            ("prefer", ChannelBinding::Prefer),
            ("require", ChannelBinding::Require),
        ],
        ChannelBinding::Prefer,
    )?);
    let positive = |keyword| -> Result<Option<u32>, Error> {
        let number = parameters.number(keyword)?;
        Ok(number
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number > 0))
    };
    let seconds = |count: u32| Duration::from_secs(count.into());
    base.keepalives(parameters.number("keepalives")? != Some(0));
    if let Some(count) = positive("keepalives_idle")? {
        base.keepalives_idle(seconds(count));
    }
    if let Some(count) = positive("keepalives_interval")? {
        base.keepalives_interval(seconds(count));
    }
    if let Some(count) = positive("keepalives_count")? {
        base.keepalives_retries(count);
    }
    if let Some(milliseconds) = positive("tcp_user_timeout")? {
        base.tcp_user_timeout(Duration::from_millis(milliseconds.into()));
    }
    Ok(base)
}
