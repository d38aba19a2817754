//! The keywords of libpq's connection strings, and what becomes of each here.
//!
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS> says what they mean.

/// What becomes of a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It does what it does in libpq.
    Honoured,
    /// It changes nothing: what it asks for is so, or costs nothing but comfort where it is not.
    Ignored,
    /// It asks for safety, or for a way in, that is not to be had here: connecting all the same would deceive.
    Refused,
}

use Treatment::{Honoured, Ignored, Refused};

/// A keyword: its name, the environment variable that stands for it, and what becomes of it.
pub type Keyword = (&'static str, Option<&'static str>, Treatment);

/// All of them, up to PostgreSQL 18.
pub const KEYWORDS: &[Keyword] = &[
    ("service", Some("PGSERVICE"), Honoured),
    ("host", Some("PGHOST"), Honoured),
    ("hostaddr", Some("PGHOSTADDR"), Honoured),
    ("port", Some("PGPORT"), Honoured),
    ("dbname", Some("PGDATABASE"), Honoured),
    ("user", Some("PGUSER"), Honoured),
    ("password", Some("PGPASSWORD"), Honoured),
    ("passfile", Some("PGPASSFILE"), Honoured),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT"), Honoured),
    ("application_name", Some("PGAPPNAME"), Honoured),
    ("fallback_application_name", None, Honoured),
    ("options", Some("PGOPTIONS"), Honoured),
    (
        "target_session_attrs",
        Some("PGTARGETSESSIONATTRS"),
        Honoured,
    ),
    ("channel_binding", Some("PGCHANNELBINDING"), Honoured),
    ("sslmode", Some("PGSSLMODE"), Honoured),
    ("sslnegotiation", Some("PGSSLNEGOTIATION"), Honoured),
    ("sslrootcert", Some("PGSSLROOTCERT"), Honoured),
    ("sslcert", Some("PGSSLCERT"), Honoured),
    ("sslkey", Some("PGSSLKEY"), Honoured),
    ("keepalives", None, Honoured),
    ("keepalives_idle", None, Honoured),
    ("keepalives_interval", None, Honoured),
    ("keepalives_count", None, Honoured),
    ("tcp_user_timeout", None, Honoured),
    // "require" of it is refused, see the settings.
    ("gssencmode", Some("PGGSSENCMODE"), Honoured),
    ("client_encoding", Some("PGCLIENTENCODING"), Ignored),
    ("load_balance_hosts", Some("PGLOADBALANCEHOSTS"), Ignored),
    ("sslcompression", Some("PGSSLCOMPRESSION"), Ignored),
    ("sslsni", Some("PGSSLSNI"), Ignored),
    ("sslkeylogfile", None, Ignored),
    (
        "ssl_max_protocol_version",
        Some("PGSSLMAXPROTOCOLVERSION"),
        Ignored,
    ),
    (
        "min_protocol_version",
        Some("PGMINPROTOCOLVERSION"),
        Ignored,
    ),
    (
        "max_protocol_version",
        Some("PGMAXPROTOCOLVERSION"),
        Ignored,
    ),
    ("krbsrvname", Some("PGKRBSRVNAME"), Ignored),
    ("gsslib", Some("PGGSSLIB"), Ignored),
    ("gssdelegation", Some("PGGSSDELEGATION"), Ignored),
    (
        "ssl_min_protocol_version",
        Some("PGSSLMINPROTOCOLVERSION"),
        Refused,
    ),
    ("sslcertmode", Some("PGSSLCERTMODE"), Refused),
    ("sslcrl", Some("PGSSLCRL"), Refused),
    ("sslcrldir", Some("PGSSLCRLDIR"), Refused),
    ("sslpassword", None, Refused),
    ("requirepeer", Some("PGREQUIREPEER"), Refused),
    ("require_auth", Some("PGREQUIREAUTH"), Refused),
    ("scram_client_key", None, Refused),
    ("scram_server_key", None, Refused),
    ("oauth_issuer", None, Refused),
    ("oauth_client_id", None, Refused),
    ("oauth_client_secret", None, Refused),
    ("oauth_scope", None, Refused),
    ("replication", None, Refused),
];

/// The keyword of this name.
pub fn keyword(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.0 == name)
}
