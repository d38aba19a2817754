//! Connections, by libpq's conventions.

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

use crate::arguments::Connection as Arguments;
use crate::error::Error;

/// A server and a database on it, and how to get in.
#[derive(Debug)]
pub struct Server {
    config: Config,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    /// What statements go to.
    pub client: Client,
    /// Notices and notifications as they come; ends with the connection.
    pub messages: UnboundedReceiver<AsyncMessage>,
}

impl Server {
    /// What the arguments, the environment and the files of libpq name.
    ///
    /// # Errors
    /// What they say cannot be understood.
    pub fn new(arguments: &Arguments) -> Result<Server, Error> {
        let config = arguments.dbname.as_deref().unwrap_or_default().parse()?;
        Ok(Server { config })
    }

    /// Opens a session.
    ///
    /// # Errors
    /// The server cannot be reached, or does not let us in.
    pub async fn connect(&self) -> Result<Session, Error> {
        let (client, mut connection) = self.config.connect(NoTls).await?;
        let (sender, messages) = unbounded_channel();
        tokio::spawn(async move {
            let mut next = std::future::poll_fn(|context| connection.poll_message(context)).await;
            while let Some(Ok(message)) = next {
                if sender.send(message).is_err() {
                    // Nobody reads them any more; the connection lives for its client.
                }
                next = std::future::poll_fn(|context| connection.poll_message(context)).await;
            }
        });
        Ok(Session { client, messages })
    }

    /// Has the server cancel what a session runs.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn cancel(&self, client: &Client) -> Result<(), Error> {
        Ok(client.cancel_token().cancel_query(NoTls).await?)
    }
}
