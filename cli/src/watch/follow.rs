//! Following ingests over connections that may be lost: listen, catch up, hear, and begin again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};
use tokio_postgres::AsyncMessage;

use super::Options;
use super::catch_up::{self, Answer, Question};
use super::display::{Display, Source};
use super::event::Event;
use super::ingest::{End, Ingest};
use super::state::{Heard, Row, Sight, State};
use super::stop::{Broken, Outcome, Stop, answer, is_for_good};
use crate::connect::{Server, Session};
use crate::error::{CREATE_EXTENSION, Error};
use crate::words::escape;

/// The channel where no setting names another.
const CHANNEL: &str = "trips_ingest";

/// How often bars move.
const TICK: Duration = Duration::from_millis(100);

/// How long nothing may be heard of an ingest before its row is read, and again after each reading.
const QUIET: Duration = Duration::from_secs(3);

/// The same of one that seems to be gone.
const QUIET_SUSPECT: Duration = Duration::from_secs(1);

/// The first wait before connecting again, and the longest.
const RETRY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

/// How following one session ended.
enum Followed {
    Outcome(Outcome),
    /// The connection is lost.
    Lost,
}

/// Who follows.
pub struct Follower<'a> {
    server: &'a Server,
    display: &'a mut dyn Display,
    state: State,
    until_done: Option<u32>,
    /// The ingests that were asked for by name.
    named: BTreeSet<u32>,
    channel: Option<String>,
    /// When each running ingest was last heard of or asked about.
    heard: BTreeMap<u32, Instant>,
    /// The server's clock when its view was last read as a whole, in seconds.
    caught_up_at: Option<f64>,
    /// Whether there was a session before.
    has_listened: bool,
    /// Whether it has been said that the view is closed.
    warned: bool,
    /// How the ingest that is waited for ended.
    done: Option<End>,
    interrupt: Signal,
    terminate: Signal,
    ticks: Interval,
}

impl<'a> Follower<'a> {
    /// Of the ingests that the options name.
    ///
    /// # Errors
    /// Signals cannot be caught.
    pub fn new(
        server: &'a Server,
        options: &Options,
        display: &'a mut dyn Display,
    ) -> Result<Follower<'a>, Error> {
        let mut named: BTreeSet<u32> = options.ingests.iter().copied().collect();
        named.extend(options.until_done);
        let catch = |kind| {
            signal(kind).map_err(|error| Error::new(format!("could not catch signals: {error}")))
        };
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Follower {
            server,
            display,
            state: State::new(named.clone()),
            until_done: options.until_done,
            named,
            channel: options.channel.clone(),
            heard: BTreeMap::new(),
            caught_up_at: None,
            has_listened: false,
            warned: false,
            done: None,
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            ticks,
        })
    }

    /// Follows for as long as it goes.
    ///
    /// # Errors
    /// There is no connection any more, for a reason that waiting does not mend.
    pub async fn run(&mut self, mut session: Session) -> Result<Outcome, Stop> {
        self.require_extension(&session).await?;
        loop {
            match self.follow(&mut session).await? {
                Followed::Outcome(outcome) => return Ok(outcome),
                Followed::Lost => {}
            }
            self.display.note("connection lost, reconnecting ...")?;
            session = match self.reconnect().await? {
                Ok(session) => session,
                Err(outcome) => return Ok(outcome),
            };
        }
    }

    async fn require_extension(&self, session: &Session) -> Result<(), Stop> {
        let has = catch_up::has_extension(&session.client).await;
        if has.map_err(Error::from)? {
            return Ok(());
        }
        let database = self.server.dbname();
        let error = Error::new(format!("the database \"{database}\" has no trips_ext"));
        Err(error.hint(CREATE_EXTENSION).into())
    }

    /// Connects again, for as long as the server is not there. A server that is there and does not let us in, or has no
    /// such database any more, is left.
    async fn reconnect(&mut self) -> Result<Result<Session, Outcome>, Stop> {
        let [mut pause, longest] = RETRY;
        loop {
            self.display.status("connection lost, reconnecting ...")?;
            if let Some(outcome) = self.wait(pause).await? {
                return Ok(Err(outcome));
            }
            let server = self.server;
            let connected = tokio::select! {
                connected = server.connect() => connected,
                outcome = signalled(&mut self.interrupt, &mut self.terminate) => return Ok(Err(outcome)),
            };
            match connected {
                Ok(session) => return Ok(Ok(session)),
                Err(error) if is_for_good(&error) => return Err(error.into()),
                Err(_) => pause = (pause * 2).min(longest),
            }
        }
    }

    /// Waits, while the display goes on.
    async fn wait(&mut self, pause: Duration) -> Result<Option<Outcome>, Stop> {
        let over = sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return Ok(None),
                _ = self.ticks.tick() => self.display.tick()?,
                outcome = signalled(&mut self.interrupt, &mut self.terminate) => return Ok(Some(outcome)),
            }
        }
    }

    /// Follows one session: LISTEN comes first, so that nothing falls between what is read and what is heard.
    async fn follow(&mut self, session: &mut Session) -> Result<Followed, Stop> {
        match self.begin(session).await {
            Ok(()) => {}
            Err(Broken::Lost) => return Ok(Followed::Lost),
            Err(Broken::Stop(stop)) => return Err(stop),
        }
        if let Some(id) = self.until_done
            && self.state.sight() != Sight::Nothing
            && !self.state.knows(id)
        {
            return Ok(Followed::Outcome(Outcome::NoSuchIngest(id)));
        }
        loop {
            if let Some(end) = self.done.take() {
                return Ok(Followed::Outcome(Outcome::Done(end)));
            }
            let result = tokio::select! {
                message = session.messages.recv() => match message {
                    Some(message) => self.hear(session, &message).await,
                    None => Err(Broken::Lost),
                },
                _ = self.ticks.tick() => self.tick(session).await,
                outcome = signalled(&mut self.interrupt, &mut self.terminate) => {
                    return Ok(Followed::Outcome(outcome));
                }
            };
            match result {
                Ok(()) => {}
                Err(Broken::Lost) => return Ok(Followed::Lost),
                Err(Broken::Stop(stop)) => return Err(stop),
            }
        }
    }

    async fn begin(&mut self, session: &Session) -> Result<(), Broken> {
        let client = &session.client;
        if self.channel.is_none() {
            let set = answer(catch_up::channel(client)).await?;
            self.channel = Some(set.unwrap_or_else(|| CHANNEL.to_owned()));
        }
        let channel = self.channel.as_deref().unwrap_or(CHANNEL);
        let quoted = channel.replace('"', "\"\"");
        answer(client.batch_execute(&format!("LISTEN \"{quoted}\""))).await?;
        let shown = escape(channel);
        let sight = answer(catch_up::sight(client)).await?;
        self.set_sight(sight)?;
        let mut ids = self.named.clone();
        ids.extend(self.state.running().map(|ingest| ingest.id));
        let question = Question {
            ids,
            running: true,
            since: self.caught_up_at,
        };
        self.catch_up(session, &question).await?;
        let again = if std::mem::replace(&mut self.has_listened, true) {
            "connected again, "
        } else {
            ""
        };
        if self.done.is_none() {
            self.display.note(&format!("{again}listening on {shown}"))?;
        }
        self.show_status()?;
        Ok(())
    }

    fn set_sight(&mut self, sight: Sight) -> io::Result<()> {
        self.state.set_sight(sight);
        if sight == Sight::Nothing && !std::mem::replace(&mut self.warned, true) {
            self.display.note(
                "warning: this role may not read trips.ingest_progress, so only what is pushed from now on is shown\n\
                 HINT:  GRANT USAGE ON SCHEMA trips and SELECT ON trips.ingest_progress, trips.ingest_attempt, trips.ingest TO the role.",
            )?;
        }
        Ok(())
    }

    /// Asks the server, and shows what is news of that.
    async fn catch_up(&mut self, session: &Session, question: &Question) -> Result<(), Broken> {
        let Some(found) = self.ask(session, question).await? else {
            return Ok(());
        };
        if question.running {
            self.caught_up_at = Some(found.at);
        }
        let seen: BTreeSet<u32> = found.rows.iter().map(|row| row.ingest.id).collect();
        for row in &found.rows {
            let news = self.state.see(row);
            self.news(news, Source::CaughtUp)?;
        }
        for id in question.ids.difference(&seen) {
            let news = self.state.miss(*id, found.open.contains(id));
            self.news(news, Source::CaughtUp)?;
        }
        let now = Instant::now();
        for ingest in self.state.running() {
            if question.ids.contains(&ingest.id) || seen.contains(&ingest.id) {
                self.heard.insert(ingest.id, now);
            }
        }
        Ok(())
    }

    async fn hear(&mut self, session: &Session, message: &AsyncMessage) -> Result<(), Broken> {
        let AsyncMessage::Notification(notification) = message else {
            return Ok(());
        };
        let payload = notification.payload();
        let Some(event) = Event::of_payload(payload) else {
            return Ok(());
        };
        let news = match self.state.hear(&event) {
            Heard::Nothing => None,
            Heard::News(ingest) => Some(*ingest),
            Heard::Ask => {
                let row = self.row_of(session, event.ingest).await?;
                self.state.judge(&event, row.as_ref())
            }
        };
        self.news(news, Source::Pushed(payload))
    }

    async fn row_of(&mut self, session: &Session, id: u32) -> Result<Option<Row>, Broken> {
        let question = Question {
            ids: BTreeSet::from([id]),
            ..Question::default()
        };
        let found = self.ask(session, &question).await?;
        Ok(found.and_then(|mut found| found.rows.pop()))
    }

    /// The server's answer; none where the role may read the view no more.
    async fn ask(
        &mut self,
        session: &Session,
        question: &Question,
    ) -> Result<Option<Answer>, Broken> {
        let asked = async {
            match catch_up::ask(&session.client, question, self.state.sight()).await {
                Err(error) if catch_up::is_closed_to_role(&error) => Ok(None),
                found => found.map(Some),
            }
        };
        let found = answer(asked).await?;
        if found.is_none() {
            self.set_sight(Sight::Nothing)?;
        }
        Ok(found)
    }

    fn news(&mut self, news: Option<Ingest>, source: Source<'_>) -> Result<(), Broken> {
        let Some(ingest) = news else {
            return Ok(());
        };
        match &ingest.end {
            Some(end) => {
                self.heard.remove(&ingest.id);
                if self.until_done == Some(ingest.id) {
                    self.done = Some(end.clone());
                }
            }
            None => {
                self.heard.insert(ingest.id, Instant::now());
            }
        }
        self.display.show(&ingest, source)?;
        self.show_status()?;
        Ok(())
    }

    fn show_status(&mut self) -> io::Result<()> {
        let text = match self.state.running().count() {
            0 => "no ingest runs; Ctrl-C ends".to_owned(),
            1 => "1 ingest; Ctrl-C ends".to_owned(),
            count => format!("{count} ingests; Ctrl-C ends"),
        };
        self.display.status(&text)
    }

    /// Moves the bars, and asks about ingests that have been quiet for long: their worker may be gone.
    async fn tick(&mut self, session: &Session) -> Result<(), Broken> {
        self.display.tick()?;
        let is_quiet = |(id, at): (&u32, &Instant)| {
            let patience = if self.state.suspects(*id) {
                QUIET_SUSPECT
            } else {
                QUIET
            };
            (at.elapsed() >= patience).then_some(*id)
        };
        let ids: BTreeSet<u32> = self.heard.iter().filter_map(is_quiet).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let question = Question {
            ids,
            ..Question::default()
        };
        self.catch_up(session, &question).await
    }
}

async fn signalled(interrupt: &mut Signal, terminate: &mut Signal) -> Outcome {
    tokio::select! {
        _ = interrupt.recv() => Outcome::Interrupted,
        _ = terminate.recv() => Outcome::Terminated,
    }
}
