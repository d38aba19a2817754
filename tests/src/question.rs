//! Questions about the trips of an area, a region and a period, and how the server answers them.

use postgres::types::ToSql;

use crate::database::Session;
use crate::facts::Facts;
use crate::plane::{Area, Matching};

/// What is asked of `trips_weekly_trips` and `trips_weekly_average`.
#[derive(Debug, Clone)]
pub struct Question {
    /// Where; none asks for a region alone.
    pub area: Option<Area>,
    /// Which end lies there.
    pub matching: Matching,
    /// The name of a region.
    pub region: Option<String>,
    /// The first day, since 2000-01-01.
    pub from: Option<i32>,
    /// The first day after the period.
    pub to: Option<i32>,
}

/// Trips by week, and how long the period is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The weeks that have trips: their Mondays, since 2000-01-01, and the trips.
    pub weeks: Vec<(i32, i64)>,
    /// How many weeks there are, those without trips too.
    pub listed: i64,
    /// How many days there are.
    pub days: i64,
}

impl Answer {
    /// Trips in all.
    pub fn trips(&self) -> i64 {
        self.weeks.iter().map(|(_, trips)| trips).sum()
    }
}

/// What is said of the weeks `w`, and whether the average is that of these weeks. `<arguments>` stands for those of the
/// functions.
const SELECT: &str = "
WITH w AS MATERIALIZED (SELECT * FROM trips_weekly_trips(<arguments>)),
     a AS MATERIALIZED (SELECT trips_weekly_average(<arguments>) AS average)
SELECT coalesce(array_agg(week - date '2000-01-01' ORDER BY week) FILTER (WHERE trips <> 0), '{}'),
       coalesce(array_agg(trips ORDER BY week) FILTER (WHERE trips <> 0), '{}'),
       count(*), coalesce(sum(days), 0)::bigint, (SELECT average::text FROM a),
       (SELECT average FROM a) = coalesce(trim_scale(sum(trips) * 7 / nullif(sum(days), 0)), 0)
  FROM w";

impl Question {
    /// The arguments of a function that takes what the question asks for: as SQL with parameters, and their values.
    fn arguments<'a>(&'a self, values: &mut Vec<Box<dyn ToSql + Sync + 'a>>) -> String {
        let place = match &self.area {
            None => "",
            Some(Area::Box {
                west,
                south,
                east,
                north,
            }) => {
                for corner in [west, south, east, north] {
                    values.push(Box::new(*corner));
                }
                "$1, $2, $3, $4,"
            }
            Some(area) => {
                values.push(Box::new(area.ewkb()));
                "st_geomfromewkb($1),"
            }
        };
        let first = values.len() + 1;
        values.push(Box::new(self.from));
        values.push(Box::new(self.to));
        values.push(Box::new(&self.region));
        let mut arguments = format!(
            "{place} from_date => date '2000-01-01' + ${first}::int4, to_date => date '2000-01-01' + ${}::int4, region => ${}",
            first + 1,
            first + 2
        );
        if self.area.is_some() {
            values.push(Box::new(self.matching.word()));
            arguments += &format!(", matching => ${}", first + 3);
        }
        arguments
    }

    /// The rows of a query in which `<arguments>` stands for the arguments that ask the question.
    ///
    /// # Errors
    /// What the server says.
    pub fn query(
        &self,
        session: &mut Session,
        query: &str,
    ) -> Result<Vec<postgres::Row>, postgres::Error> {
        let mut values = Vec::new();
        let query = query.replace("<arguments>", &self.arguments(&mut values));
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(Box::as_ref).collect();
        session.query(&query, &values)
    }

    /// What the server answers; trips by week and their average must agree.
    ///
    /// # Errors
    /// What the server says.
    pub fn try_ask(&self, session: &mut Session) -> Result<Answer, postgres::Error> {
        let rows = self.query(session, SELECT)?;
        let row = rows.first().expect("an aggregate gives a row");
        let average: String = row.get(4);
        assert!(
            row.get::<_, bool>(5),
            "{average} is not the average: {self:?}"
        );
        let (weeks, trips): (Vec<i32>, Vec<i64>) = (row.get(0), row.get(1));
        Ok(Answer {
            weeks: weeks.into_iter().zip(trips).collect(),
            listed: row.get(2),
            days: row.get(3),
        })
    }

    /// As [`Question::try_ask`], where nothing may go wrong.
    #[track_caller]
    pub fn ask(&self, session: &mut Session) -> Answer {
        self.try_ask(session)
            .unwrap_or_else(|error| panic!("{self:?}: {error:?}"))
    }

    /// The server answers what counting the facts says; how many trips that is.
    #[track_caller]
    pub fn check(&self, session: &mut Session, facts: &Facts) -> i64 {
        let (found, expected) = (self.ask(session), facts.answer(self));
        assert_eq!(found, expected, "{self:?}");
        expected.trips()
    }
}
