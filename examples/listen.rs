//! Prints each event of trips_ext as it is pushed: `listen postgresql://user@host/database`
//!
//! With the crates tokio-postgres and tokio (features macros, rt, sync).

use std::future::poll_fn;

use tokio::sync::mpsc::unbounded_channel;
use tokio_postgres::{AsyncMessage, NoTls};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("which database?")?;
    let (client, mut connection) = tokio_postgres::connect(&url, NoTls).await?;
    let (sender, mut events) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(event) = message {
                let _ = sender.send(event);
            }
        }
    });
    client.batch_execute("LISTEN trips_ingest").await?;
    eprintln!("listening");
    while let Some(event) = events.recv().await {
        println!("{}", event.payload());
    }
    Err("the connection ended".into())
}
