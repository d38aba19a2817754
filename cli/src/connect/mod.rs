//! Connections, by libpq's conventions.
//!
//! What psql understands is understood here: names, connection strings and URIs, services, the environment, the
//! password file, TLS. tokio-postgres speaks the protocol; what libpq does around it is in this module.

mod address;
mod conninfo;
mod failure;
mod keywords;
mod parameters;
mod passfile;
mod password;
mod service;
mod settings;
mod surroundings;
mod tls;
mod verify;

use std::future::poll_fn;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::config::SslMode as Encryption;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::arguments::Connection as Arguments;
use crate::error::Error;
use address::{Address, addresses};
use failure::{Attempt, is_of_tls, is_password_missing};
use parameters::Parameters;
use password::Passwords;
use settings::{Settings, SslMode, Target};
use surroundings::Surroundings;

/// A server and a database on it, and how to get in.
pub struct Server {
    parameters: Parameters,
    settings: Settings,
    addresses: Vec<Address>,
    tls: Option<MakeRustlsConnect>,
    passwords: Passwords,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    /// What statements go to.
    pub client: Client,
    /// Notices and notifications as they come; ends with the connection.
    pub messages: UnboundedReceiver<AsyncMessage>,
}

/// Why an attempt failed, and whether there is sense in another.
struct Refusal {
    error: Error,
    /// Whether the next host may do better: not where a server has answered and does not let us in.
    next_host: bool,
}

impl Server {
    /// What the arguments, the environment and the files of libpq name.
    ///
    /// # Errors
    /// What they say cannot be understood.
    pub fn new(arguments: &Arguments) -> Result<Server, Error> {
        let surroundings = Surroundings::of_process();
        let parameters = Parameters::new(arguments, &surroundings)?;
        let settings = Settings::new(&parameters)?;
        let addresses = addresses(&parameters)?;
        // Sockets are never encrypted, so a certificate that cannot be read does no harm there.
        let encrypts = settings.ssl_mode != SslMode::Disable
            && addresses.iter().any(|address| !address.is_socket());
        let tls = encrypts.then(|| tls::maker(&parameters, settings.ssl_mode, &surroundings));
        Ok(Server {
            passwords: Passwords::new(arguments, &parameters, &surroundings),
            tls: tls.transpose()?,
            parameters,
            settings,
            addresses,
        })
    }

    /// The database's name.
    pub fn dbname(&self) -> &str {
        self.parameters.get("dbname").unwrap_or_default()
    }

    /// Opens a session with the first host that will do. A password that has to be asked for is asked for once.
    ///
    /// # Errors
    /// The server cannot be reached, or does not let us in.
    pub async fn connect(&self) -> Result<Session, Error> {
        match self.settings.target {
            Target::PreferStandby => match self.connect_to(Target::Standby).await {
                Ok(session) => Ok(session),
                Err(_) => self.connect_to(Target::Any).await,
            },
            target => self.connect_to(target).await,
        }
    }

    /// Has the server cancel what a session runs.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn cancel(&self, client: &Client) -> Result<(), Error> {
        let token = client.cancel_token();
        let cancelled = match &self.tls {
            Some(tls) => token.cancel_query(tls.clone()).await,
            None => token.cancel_query(NoTls).await,
        };
        Ok(cancelled?)
    }

    async fn connect_to(&self, target: Target) -> Result<Session, Error> {
        let mut errors: Vec<Error> = Vec::new();
        for address in &self.addresses {
            match self.connect_address(address).await {
                Ok(session) if is_target(&session.client, target).await? => return Ok(session),
                Ok(_) => errors.push(wrong_target(address, target)),
                Err(refusal) => {
                    errors.push(refusal.error);
                    if !refusal.next_host {
                        break;
                    }
                }
            }
        }
        Err(Error::all(errors))
    }

    /// One host, with its own password: that is why hosts are not left to tokio-postgres, which has one for all.
    async fn connect_address(&self, address: &Address) -> Result<Session, Refusal> {
        let mut refusal = None;
        for encryption in encryptions(self.settings.ssl_mode, address.is_socket()) {
            match self.connect_as(address, *encryption).await {
                Ok(session) => return Ok(session),
                Err((new, other_encryption)) => {
                    refusal = Some(new);
                    if !other_encryption {
                        break;
                    }
                }
            }
        }
        Err(refusal.unwrap_or_else(|| Refusal {
            error: Error::new("no way to connect"),
            next_host: true,
        }))
    }

    /// One host, encrypted or not. An error comes with whether the other of the two may help.
    async fn connect_as(
        &self,
        address: &Address,
        encryption: Encryption,
    ) -> Result<Session, (Refusal, bool)> {
        let mut config = self.settings.base.clone();
        config.ssl_mode(encryption);
        config.ssl_negotiation(self.settings.ssl_negotiation);
        config.host(&address.host);
        config.port(address.port);
        if let Some(ip) = address.ip {
            config.hostaddr(ip);
        }
        let mut password = self.passwords.find(address).map_err(ask_failed)?;
        loop {
            if let Some(password) = &password.text {
                config.password(password);
            }
            let attempt = Attempt {
                address,
                parameters: &self.parameters,
                password: &password.origin,
            };
            let Some(result) = self.attempt(&config).await else {
                let error = attempt.timed_out();
                return Err((
                    Refusal {
                        error,
                        next_host: true,
                    },
                    false,
                ));
            };
            let error = match result {
                Ok(session) => return Ok(session),
                Err(error) => error,
            };
            if is_password_missing(&error)
                && let Some(asked) = self.passwords.ask()
            {
                password = asked;
                continue;
            }
            let other_encryption = is_of_tls(&error)
                || error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
            let refusal = Refusal {
                next_host: error
                    .code()
                    .is_none_or(|code| *code == SqlState::CANNOT_CONNECT_NOW),
                error: attempt.explain(&error),
            };
            return Err((refusal, other_encryption));
        }
    }

    /// One attempt; none where it takes too long.
    async fn attempt(&self, config: &Config) -> Option<Result<Session, tokio_postgres::Error>> {
        let connecting = async {
            match &self.tls {
                Some(tls) => open(config, tls.clone()).await,
                None => open(config, NoTls).await,
            }
        };
        match self.settings.timeout {
            Some(timeout) => tokio::time::timeout(timeout, connecting).await.ok(),
            None => Some(connecting.await),
        }
    }
}

fn ask_failed(error: Error) -> (Refusal, bool) {
    let next_host = false;
    (Refusal { error, next_host }, false)
}

/// What is tried of encryption, in turn: the second where the first fails for want, or because, of it.
fn encryptions(mode: SslMode, is_socket: bool) -> &'static [Encryption] {
    match mode {
        _ if is_socket => &[Encryption::Disable],
        SslMode::Disable => &[Encryption::Disable],
        SslMode::Allow => &[Encryption::Disable, Encryption::Require],
        SslMode::Prefer => &[Encryption::Prefer, Encryption::Disable],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Encryption::Require],
    }
}

async fn open<T>(config: &Config, tls: T) -> Result<Session, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, mut connection) = config.connect(tls).await?;
    let (sender, messages) = unbounded_channel();
    tokio::spawn(async move {
        let mut next = poll_fn(|context| connection.poll_message(context)).await;
        while let Some(Ok(message)) = next {
            if sender.send(message).is_err() {
                // Nobody reads them any more; the connection lives for its client.
            }
            next = poll_fn(|context| connection.poll_message(context)).await;
        }
    });
    Ok(Session { client, messages })
}

/// Whether a server is what `target_session_attrs` asks for.
async fn is_target(client: &Client, target: Target) -> Result<bool, Error> {
    let query = match target {
        Target::Any | Target::PreferStandby => return Ok(true),
        Target::ReadWrite => "SELECT current_setting('transaction_read_only') = 'off'",
        Target::ReadOnly => "SELECT current_setting('transaction_read_only') = 'on'",
        Target::Primary => "SELECT NOT pg_is_in_recovery()",
        Target::Standby => "SELECT pg_is_in_recovery()",
    };
    Ok(client.query_one(query, &[]).await?.try_get(0)?)
}

fn wrong_target(address: &Address, target: Target) -> Error {
    let is = match target {
        Target::ReadWrite => "session is read-only",
        Target::ReadOnly => "session is not read-only",
        Target::Primary => "server is in hot standby mode",
        _ => "server is not in hot standby mode",
    };
    Error::new(format!("connection to server {address} failed: {is}"))
        .hint("target_session_attrs says which server will do.")
}
