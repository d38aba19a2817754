//! Questions asked and timed inside the server.
//!
//! A PL/pgSQL function goes through the questions and takes `clock_timestamp()` before and after each call: nothing
//! but the call lies between, and reading the clock takes less than its resolution of a microsecond.

use std::error::Error;
use std::time::Duration;

use postgres::{Client, NoTls};

use super::question::{Kind, Place, Question, Series};
use crate::bench::figures::{median, percentile};
use crate::generate::REGIONS;

const CREATE_QUESTION: &str = "
    CREATE TEMPORARY TABLE question (
        number   integer,
        min_lon  float8,
        min_lat  float8,
        max_lon  float8,
        max_lat  float8,
        area     geometry,
        region   text,
        from_date date,
        to_date  date,
        matching text
    )";

const INSERT_QUESTION: &str = "
    INSERT INTO question
    VALUES ($1, $2, $3, $4, $5, st_geomfromtext($6, 4326), $7,
            date '2000-01-01' + $8::integer, date '2000-01-01' + $9::integer, $10)";

/// All questions are asked twice, and the second round is timed: what it needs has been read.
const CREATE_TIMED: &str = "
    CREATE FUNCTION pg_temp.NAME(OUT asked integer, OUT answer float8, OUT seconds float8) RETURNS SETOF record
    LANGUAGE plpgsql AS $$
    DECLARE
        q       record;
        average numeric;
        started timestamptz;
    BEGIN
        FOR round IN 1 .. 2 LOOP
            FOR q IN SELECT * FROM question ORDER BY number LOOP
                started := clock_timestamp();
                average := CALL;
                seconds := extract(epoch FROM clock_timestamp() - started);
                IF round = 2 THEN
                    asked  := q.number;
                    answer := average;
                    RETURN NEXT;
                END IF;
            END LOOP;
        END LOOP;
    END
    $$";

/// The functions that are timed, and what they call: [`timed_by`] chooses.
const CALLS: [(&str, &str); 3] = [
    (
        "timed_box",
        "trips_weekly_average(q.min_lon, q.min_lat, q.max_lon, q.max_lat, q.from_date, q.to_date, q.matching)",
    ),
    (
        "timed_area",
        "trips_weekly_average(q.area, q.from_date, q.to_date, q.matching)",
    ),
    (
        "timed_region",
        "trips_weekly_average(q.region, q.from_date, q.to_date)",
    ),
];

fn timed_by(kind: Kind) -> &'static str {
    match kind {
        Kind::Box(_) | Kind::AsStar(_) => "timed_box",
        Kind::Star(_) => "timed_area",
        Kind::Region => "timed_region",
    }
}

/// What the server said, and how long it took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answer {
    /// Trips a week.
    pub(super) average: f64,
    /// Between the two looks at the server's clock.
    pub(super) elapsed: Duration,
}

/// What stands for the times of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Timing {
    pub(super) median: Duration,
    pub(super) p95: Duration,
}

impl Timing {
    pub(super) fn of(answers: &[Answer]) -> Self {
        let times: Vec<Duration> = answers.iter().map(|answer| answer.elapsed).collect();
        Self {
            median: median(&times),
            p95: percentile(&times, 95),
        }
    }
}

/// A session that asks.
pub(super) struct Asker {
    session: Client,
}

impl Asker {
    pub(super) fn connect(conninfo: &str) -> Result<Self, postgres::Error> {
        let mut session = Client::connect(conninfo, NoTls)?;
        session.batch_execute(CREATE_QUESTION)?;
        for (name, call) in CALLS {
            let create = CREATE_TIMED.replace("NAME", name).replace("CALL", call);
            session.batch_execute(&create)?;
        }
        Ok(Self { session })
    }

    /// The answers to a series, in the order of its questions.
    pub(super) fn ask(&mut self, series: &Series) -> Result<Vec<Answer>, Box<dyn Error>> {
        self.write_down(&series.questions)?;
        let query = format!(
            "SELECT answer, seconds FROM pg_temp.{}() ORDER BY asked",
            timed_by(series.kind)
        );
        let rows = self.session.query(&query, &[])?;
        let answers = rows.iter().map(|row| {
            Ok(Answer {
                average: row.try_get(0)?,
                elapsed: Duration::try_from_secs_f64(row.try_get(1)?)?,
            })
        });
        answers.collect()
    }

    /// The questions are a table, so that reading them takes no time of the calls'.
    fn write_down(&mut self, questions: &[Question]) -> Result<(), postgres::Error> {
        let mut transaction = self.session.transaction()?;
        transaction.batch_execute("TRUNCATE question")?;
        let insert = transaction.prepare(INSERT_QUESTION)?;
        for (number, question) in (0i32..).zip(questions) {
            let bounds = question.bounds();
            let (area, region) = match &question.place {
                Place::Box(_) => (None, None),
                Place::Star(star) => (Some(star.wkt()), None),
                Place::Region => (None, Some(REGIONS[question.city].name)),
            };
            let days = question.days.as_ref();
            transaction.execute(
                &insert,
                &[
                    &number,
                    &bounds.map(|bounds| bounds.min_lon),
                    &bounds.map(|bounds| bounds.min_lat),
                    &bounds.map(|bounds| bounds.max_lon),
                    &bounds.map(|bounds| bounds.max_lat),
                    &area,
                    &region,
                    &days.map(|days| days.start),
                    &days.map(|days| days.end),
                    &question.matching.name(),
                ],
            )?;
        }
        transaction.commit()
    }
}
