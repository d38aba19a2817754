//! The area trees answer what counting the trips says: of random areas, periods, matchings and regions, after loads,
//! compactions, forgotten ingests and changes by hand, in any snapshot; and trees that are not whole never mislead.
//!
//! `TRIPS_TEST_CASES=10000` asks so many questions of each test that asks random ones.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use trips_tests::aftermath::TREE_TABLES;
use trips_tests::ask_random::{cases, question, seeded};
use trips_tests::facts::Facts;
use trips_tests::ingest::{forget, load};
use trips_tests::plane::{Area, Matching};
use trips_tests::question::Question;
use trips_tests::rows::write_generated;
use trips_tests::scene::{Scene, differences, odd_rows, try_differences};
use trips_tests::{Database, Session, refused, refused_case};

/// Questions of a test, unless the environment asks for more.
const CASES: usize = 240;

/// A question about a box, of all regions.
fn in_box([west, south, east, north]: [f64; 4], matching: Matching) -> Question {
    Question {
        area: Some(Area::Box {
            west,
            south,
            east,
            north,
        }),
        matching,
        region: None,
        from: None,
        to: None,
    }
}

#[test]
fn the_trees_answer_as_counting_the_facts_does() {
    Scene::alone().ask(cases(CASES));
}

#[test]
fn the_trees_answer_so_after_a_compaction() {
    let mut scene = Scene::alone();
    scene.compact();
    scene.ask(cases(CASES));
}

#[test]
fn the_trees_answer_so_after_an_ingest_is_forgotten_before_and_after_compactions() {
    let mut scene = Scene::alone();
    let count = cases(CASES) / 4;
    // Its runs are dropped.
    assert_eq!(forget(&mut scene.session, scene.odd[1]).unwrap(), 3_000);
    scene.ask(count);
    scene.compact();
    // Its trips are taken away.
    assert_eq!(forget(&mut scene.session, scene.odd[0]).unwrap(), 5_000);
    assert_eq!(scene.session.count("trips.area_run WHERE sign = -1"), 1);
    scene.ask(count);
    scene.compact();
    scene.ask(count);
    assert_eq!(forget(&mut scene.session, scene.cities[0]).unwrap(), 66_000);
    scene.ask(count);
}

#[test]
fn the_trees_answer_so_after_changes_by_hand_before_and_after_a_compaction() {
    let mut scene = Scene::alone();
    scene.session.run(
        "UPDATE trips.trip SET origin = destination, destination = origin WHERE id % 3 = 0;
         UPDATE trips.trip SET departed_at = departed_at - interval '40 days' WHERE id % 5 = 0;
         DELETE FROM trips.trip WHERE id % 7 = 0;
         UPDATE trips.trip SET region_id = 100 WHERE st_x(origin) = 14.4355 AND id % 2 = 0;
         INSERT INTO trips.trip SELECT id + 1000000, departed_at, region_id, datasource_id,
                st_point(-st_x(origin), -st_y(origin), 4326), origin FROM trips.trip WHERE id % 11 = 0",
    );
    let count = cases(CASES) / 2;
    scene.ask(count);
    scene.compact();
    scene.ask(count);
}

mod parts {
    use super::*;

    /// Bounds that cut the world at places of trips: each part is half-open, the first number belongs to it and the
    /// last does not.
    fn cuts(random: &mut ChaCha8Rng, values: &[f64], limit: f64) -> Vec<f64> {
        let mut cuts: Vec<f64> = (0..3)
            .map(|_| values[random.random_range(0..values.len())])
            .filter(|cut| cut.abs() < limit)
            .collect();
        cuts.extend([-limit, limit.next_up()]);
        cuts.sort_by(f64::total_cmp);
        cuts.dedup();
        cuts
    }

    /// Longitudes and latitudes where some trips begin.
    fn places(scene: &mut Scene) -> Vec<(f64, f64)> {
        let query =
            "SELECT st_x(origin), st_y(origin) FROM trips.trip WHERE id % 97 = 0 ORDER BY id";
        let rows = scene.session.query(query, &[]).unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    fn polygon([west, south, east, north]: [f64; 4]) -> Area {
        let corners = vec![(west, south), (east, south), (east, north), (west, north)];
        Area::Polygons(geo::Polygon::new(corners.into(), Vec::new()).into())
    }

    fn trips(scene: &mut Scene, area: Area, matching: Matching) -> i64 {
        let question = Question {
            area: Some(area),
            ..in_box([0.0; 4], matching)
        };
        question.ask(&mut scene.session).trips()
    }

    #[test]
    fn disjoint_boxes_and_the_same_as_polygons_add_up_to_the_world() {
        let mut scene = Scene::alone();
        let (lons, lats): (Vec<f64>, Vec<f64>) = places(&mut scene).into_iter().unzip();
        let all = scene.session.count("trips.trip");
        for round in 0..(cases(CASES) / 120) {
            let columns = cuts(&mut scene.random, &lons, 180.0);
            let rows = cuts(&mut scene.random, &lats, 90.0);
            let matching = [Matching::Origin, Matching::Destination][round % 2];
            let (mut in_boxes, mut in_polygons) = (0, 0);
            for (x, y) in columns
                .windows(2)
                .flat_map(|x| rows.windows(2).map(move |y| (x, y)))
            {
                let corners = [x[0], y[0], x[1].next_down(), y[1].next_down()];
                let of_box = in_box(corners, matching).area.unwrap();
                // One that is a line or a point is no polygon.
                let of_polygon = match corners[0] < corners[2] && corners[1] < corners[3] {
                    true => polygon(corners),
                    false => of_box.clone(),
                };
                in_boxes += trips(&mut scene, of_box, matching);
                in_polygons += trips(&mut scene, of_polygon, matching);
            }
            assert_eq!((in_boxes, in_polygons), (all, all), "{columns:?} {rows:?}");
        }
    }

    #[test]
    fn neighbours_share_the_trips_on_their_common_edge_and_no_others() {
        let mut scene = Scene::alone();
        let places = places(&mut scene);
        for _ in 0..cases(CASES) / 12 {
            let (edge, lat) = places[scene.random.random_range(0..places.len())];
            let reach = 10f64.powf(scene.random.random_range(-7.0..1.0));
            let [west, south, east, north] = [edge - reach, lat - reach, edge + reach, lat + reach];
            let of_box = |corners| in_box(corners, Matching::Origin).area.unwrap();
            let parts = [[west, south, edge, north], [edge, south, east, north]];
            let whole = [west, south, east, north];
            let mut trips = |area| trips(&mut scene, area, Matching::Origin);
            let shared = trips(of_box([edge, south, edge, north]));
            assert!(shared > 0, "no trip on the edge {edge}, {south} to {north}");
            let polygons = parts.map(polygon).map(&mut trips);
            let boxes = parts.map(of_box).map(&mut trips);
            let wholes = [polygon(whole), of_box(whole)].map(&mut trips);
            assert_eq!(polygons, boxes, "{parts:?}");
            let expected = boxes[0] + boxes[1] - shared;
            assert_eq!(wholes, [expected; 2], "{parts:?}, {shared} on the edge");
        }
    }
}

#[test]
fn empty_areas_of_all_kinds_hold_nothing() {
    let mut scene = Scene::alone();
    for _ in 0..2 {
        for area in [
            "POLYGON EMPTY",
            "MULTIPOLYGON EMPTY",
            "MULTIPOLYGON (EMPTY)",
            "POLYGON Z EMPTY",
        ] {
            for matching in ["origin", "destination", "either", "both"] {
                let arguments =
                    format!("'SRID=4326;{area}'::geometry, matching => '{matching}', region => ");
                for region in ["NULL", "'Prague'"] {
                    let trips = format!(
                        "SELECT sum(trips)::bigint FROM trips_weekly_trips({arguments}{region})"
                    );
                    assert_eq!(scene.session.value::<i64>(&trips), 0, "{arguments}{region}");
                }
            }
        }
        scene.compact();
    }
}

/// What the trees do for a question.
mod plan {
    use super::*;

    /// What the plan of a question says in all.
    #[derive(Debug, PartialEq, Eq)]
    struct Plan {
        trees: Vec<String>,
        runs: i64,
        nodes: i64,
        leaves: i64,
        tested: i64,
        fetched: i64,
        trips: Vec<i64>,
    }

    fn plan(session: &mut Session, question: &Question) -> Plan {
        let rows = question
            .query(session, "SELECT * FROM trips_area_plan(<arguments>)")
            .unwrap();
        let sum = |column: &str| rows.iter().map(|row| row.get::<_, i64>(column)).sum();
        Plan {
            trees: rows.iter().map(|row| row.get("tree")).collect(),
            runs: sum("runs"),
            nodes: sum("nodes_opened"),
            leaves: sum("leaves_read"),
            tested: sum("points_tested"),
            fetched: sum("points_fetched"),
            trips: rows.iter().map(|row| row.get("trips")).collect(),
        }
    }

    #[test]
    fn the_whole_world_opens_roots_alone() {
        let mut scene = Scene::alone();
        for _ in 0..2 {
            let runs = scene.session.count("trips.area_run");
            let all = scene.session.count("trips.trip");
            for matching in [Matching::Origin, Matching::Destination, Matching::Both] {
                let world = in_box([-180.0, -90.0, 180.0, 90.0], matching);
                let plan = plan(&mut scene.session, &world);
                assert_eq!((plan.runs, plan.nodes), (runs, runs), "{matching:?}");
                assert_eq!((plan.leaves, plan.tested, plan.fetched), (0, 0, 0));
                assert_eq!(plan.trips, [all]);
            }
            scene.compact();
        }
    }

    /// What a small box opens in a run is a path from the root to a leaf or two at each of its corners and along its
    /// edge; and cells of 16 bits leave hardly a point undecided.
    #[test]
    fn a_small_box_opens_few_nodes_and_fetches_hardly_a_point() {
        let mut scene = Scene::alone();
        scene.compact();
        let leaves: i64 = scene
            .session
            .value("SELECT count(*) FROM trips.area_leaf WHERE (id >> 31) & 1 = 0");
        let (mut tested, mut fetched) = (0, 0);
        for _ in 0..60 {
            let lon = scene.random.random_range(14.35..14.6);
            let lat = scene.random.random_range(50.0..50.12);
            let small = in_box([lon, lat, lon + 0.004, lat + 0.003], Matching::Origin);
            let plan = plan(&mut scene.session, &small);
            assert!(plan.nodes <= 8, "{plan:?}");
            assert!(plan.leaves <= leaves / 4, "{plan:?} of {leaves} leaves");
            assert!(plan.tested <= plan.leaves * 944, "{plan:?}");
            tested += plan.tested;
            fetched += plan.fetched;
        }
        assert!(fetched <= tested / 50, "{fetched} of {tested} points");
    }

    #[test]
    fn a_plan_counts_what_the_question_is_answered() {
        let mut scene = Scene::alone();
        let facts = Facts::of(&mut scene.session);
        for _ in 0..cases(CASES) / 2 {
            let question = question(&mut scene.random, &facts);
            if question.area.is_none() {
                continue;
            }
            let expected = facts.answer(&question);
            let found = plan(&mut scene.session, &question);
            let trips = match found.trips[..] {
                // The period is empty: no tree is asked.
                [] => 0,
                [trips] => trips,
                [origin, destination, both] => origin + destination - both,
                _ => panic!("{found:?}"),
            };
            assert_eq!(trips, expected.trips(), "{question:?}: {found:?}");
            assert!(found.fetched <= found.tested, "{question:?}: {found:?}");
        }
    }

    #[test]
    fn a_plan_names_its_trees_and_none_for_lines() {
        let mut scene = Scene::alone();
        let trees = |matching, scene: &mut Scene| {
            plan(
                &mut scene.session,
                &in_box([14.0, 50.0, 14.5, 50.1], matching),
            )
            .trees
        };
        assert_eq!(trees(Matching::Origin, &mut scene), ["origin"]);
        assert_eq!(trees(Matching::Destination, &mut scene), ["destination"]);
        assert_eq!(trees(Matching::Both, &mut scene), ["origin, both ends"]);
        assert_eq!(
            trees(Matching::Either, &mut scene),
            ["origin", "destination", "origin, both ends"]
        );
        let lines = "SELECT * FROM trips_area_plan(7, 45, 8, 46, matching => 'crosses')";
        refused(scene.session.query(lines, &[]), "0A000");
    }
}

/// Trees that are not what was written. All is done in transactions that are rolled back.
mod damage {
    use super::*;

    /// The message's remedy.
    const HINT: &str = "trips_rebuild()";

    /// Nodes, leaves and parts of leaves that are not there, or not whole.
    const UNSOUND: [&str; 22] = [
        "DELETE FROM trips.area_leaf",
        "DELETE FROM trips.area_leaf WHERE id % 3 = 0",
        "DELETE FROM trips.area_leaf WHERE (id >> 31) & 1 = 1",
        "UPDATE trips.area_leaf SET points = ''",
        "UPDATE trips.area_leaf SET points = substr(points, 1, length(points) - 1)",
        "UPDATE trips.area_leaf SET points = substr(points, 1, length(points) - 4)",
        r"UPDATE trips.area_leaf SET points = points || '\x00'",
        "UPDATE trips.area_leaf SET points = set_byte(points, 0, 7)",
        "UPDATE trips.area_leaf SET id = id + 1000000",
        "DELETE FROM trips.area_node",
        "DELETE FROM trips.area_node WHERE (id >> 27) & 15 = 1",
        "DELETE FROM trips.area_node WHERE (id >> 31) & 1 = 1",
        "UPDATE trips.area_node SET children = ''",
        "UPDATE trips.area_node SET children = substr(children, 1, length(children) - 1)",
        r"UPDATE trips.area_node SET children = children || '\x00'",
        "UPDATE trips.area_node SET children = set_byte(children, 2, get_byte(children, 2) - 1)",
        r"UPDATE trips.area_node SET days = '\xff'",
        "DELETE FROM trips.area_part",
        "DELETE FROM trips.area_part WHERE part < 100",
        "DELETE FROM trips.area_part WHERE part BETWEEN 100 AND 199",
        "UPDATE trips.area_part SET content = substr(content, 1, length(content) - 1)",
        r"UPDATE trips.area_part SET content = content || '\x00' WHERE length(content) < 8000",
    ];

    /// What is whole by itself, but not true.
    const UNTRUE: [&str; 24] = [
        "DELETE FROM trips.area_run WHERE id = <run>",
        "UPDATE trips.area_run SET sign = -sign WHERE id = <run>",
        "UPDATE trips.area_run SET trips = trips + 1 WHERE id = <run>",
        "UPDATE trips.area_run SET first_day = first_day + 1 WHERE id = <run>",
        "UPDATE trips.area_run SET last_day = last_day - 1 WHERE id = <run>",
        "UPDATE trips.area_run SET first_day = last_day WHERE id = <run>",
        "UPDATE trips.area_run SET days = (SELECT days FROM trips.area_run WHERE id <> <run> LIMIT 1) WHERE id = <run>",
        "UPDATE trips.area_run SET days = '' WHERE id = <run>",
        "UPDATE trips.area_run SET origin_height = origin_height - 1 WHERE id = <run>",
        "UPDATE trips.area_run SET origin_height = origin_height + 1 WHERE id = <run>",
        "UPDATE trips.area_run SET destination_height = destination_height - 1 WHERE id = <run>",
        "UPDATE trips.area_run SET origin_height = 0, destination_height = 0 WHERE id = <run>",
        "UPDATE trips.area_run SET id = 2000000000 WHERE id = <run>",
        "DELETE FROM trips.region_day WHERE run_id = <run>",
        "DELETE FROM trips.region_day WHERE run_id = <run> AND region_id = (SELECT min(region_id) FROM trips.region_day)",
        "UPDATE trips.region_day d SET days = o.days FROM trips.region_day o
          WHERE d.run_id = <run> AND o.run_id = <run> AND d.region_id = 1 AND o.region_id = 2",
        "UPDATE trips.region_day SET days = '' WHERE run_id = <run> AND region_id = 1",
        "UPDATE trips.region_day SET region_id = region_id + 1000 WHERE run_id = <run>",
        "INSERT INTO trips.region_day SELECT 1000, run_id, days FROM trips.region_day WHERE run_id = <run> AND region_id = 1",
        "UPDATE trips.area_node SET days = '' WHERE id >> 32 = <run>",
        "UPDATE trips.area_node d SET days = o.days FROM trips.area_node o
          WHERE d.id >> 32 = <run> AND o.id = d.id # 1 AND (d.id >> 27) & 15 = 1",
        "UPDATE trips.area_node d SET children = o.children FROM trips.area_node o
          WHERE d.id >> 32 = <run> AND o.id = d.id # 1 AND (d.id >> 27) & 15 = 1",
        "UPDATE trips.area_leaf d SET points = o.points FROM trips.area_leaf o WHERE d.id >> 32 = <run> AND o.id = d.id # 1",
        "INSERT INTO trips.area_leaf SELECT max(id) + 1, (array_agg(points))[1] FROM trips.area_leaf WHERE id >> 32 = <run>",
    ];

    /// Does something and takes it back; none where it finds that the trees are damaged, and says so.
    #[track_caller]
    fn attempt<T>(
        session: &mut Session,
        what: &str,
        work: impl FnOnce(&mut Session) -> Result<T, postgres::Error>,
    ) -> Option<T> {
        session.run("SAVEPOINT before");
        let outcome = match work(session) {
            Ok(done) => Some(done),
            Err(error) => {
                let error = refused_case::<()>(what, Err(error), "XX002");
                assert!(
                    error.hint().is_some_and(|hint| hint.contains(HINT)),
                    "{what}: {error:?}"
                );
                None
            }
        };
        session.run("ROLLBACK TO before");
        outcome
    }

    /// Damages the trees, which must change a row.
    #[track_caller]
    fn damage(session: &mut Session, statement: &str) {
        let run: i64 = session.value("SELECT min(id) FROM trips.area_run");
        let statement = statement.replace("<run>", &run.to_string());
        assert!(
            session.execute(&statement, &[]).unwrap() > 0,
            "nothing damaged: {statement}"
        );
    }

    #[track_caller]
    fn assert_found(session: &mut Session, statement: &str) {
        let found = attempt(session, statement, try_differences);
        assert_ne!(found, Some(Vec::new()), "not found: {statement}");
    }

    /// Random questions, and some that nodes alone, leaves alone, or parts of leaves answer.
    fn questions(random: &mut ChaCha8Rng, facts: &Facts) -> Vec<Question> {
        let mut questions: Vec<Question> = (0..20).map(|_| question(random, facts)).collect();
        for matching in [Matching::Origin, Matching::Destination, Matching::Both] {
            for corners in [[-180.0, -90.0, 180.0, 90.0], [14.4, -90.0, 180.0, 50.05]] {
                questions.push(Question {
                    from: Some(6600),
                    to: Some(6900),
                    ..in_box(corners, matching)
                });
            }
        }
        questions
    }

    #[test]
    fn what_is_missing_or_cut_is_found_and_refused_and_never_counted_wrongly() {
        let mut scene = Scene::alone();
        let facts = Facts::of(&mut scene.session);
        let questions = questions(&mut scene.random, &facts);
        let expected: Vec<_> = questions.iter().map(|asked| facts.answer(asked)).collect();
        let session = &mut scene.session;
        for statement in UNSOUND {
            session.run("BEGIN");
            damage(session, statement);
            assert_found(session, statement);
            let mut refused = 0;
            for (question, expected) in questions.iter().zip(&expected) {
                match attempt(session, statement, |session| question.try_ask(session)) {
                    Some(found) => {
                        assert_eq!(&found, expected, "{statement}: {question:?}");
                    }
                    None => refused += 1,
                }
            }
            assert!(refused > 0, "no question noticed: {statement}");
            session.run("ROLLBACK");
        }
        scene.ask(20);
    }

    #[test]
    fn what_is_not_true_is_found() {
        let mut scene = Scene::alone();
        for statement in UNTRUE {
            scene.session.run("BEGIN");
            damage(&mut scene.session, statement);
            assert_found(&mut scene.session, statement);
            scene.session.run("ROLLBACK");
        }
        assert_eq!(differences(&mut scene.session), Vec::<String>::new());
    }

    #[test]
    fn runs_that_lack_leaves_or_trips_are_not_merged() {
        let mut scene = Scene::alone();
        let session = &mut scene.session;
        for statement in [
            "DELETE FROM trips.area_leaf WHERE id = <run>::bigint << 32 | 1",
            // More of the destinations than are taken at a time.
            "DELETE FROM trips.area_leaf WHERE id BETWEEN <run>::bigint << 32 | 2147483649 AND <run>::bigint << 32 | 2147483688",
            "UPDATE trips.area_run SET trips = trips + 1 WHERE id = <run>",
        ] {
            session.run("BEGIN");
            damage(session, statement);
            let merged = attempt(session, statement, |session| {
                session.query("SELECT * FROM trips_compact()", &[])
            });
            assert!(merged.is_none(), "merged: {statement}");
            session.run("ROLLBACK");
        }
        scene.compact();
        scene.ask(20);
    }

    #[test]
    fn a_rebuild_mends_all_damage() {
        let mut scene = Scene::alone();
        let all = scene.session.count("trips.trip");
        for statement in ["DELETE FROM trips.area_leaf", "DELETE FROM trips.area_run"] {
            scene.session.run(statement);
            assert_eq!(scene.session.value::<i64>("SELECT trips_rebuild()"), all);
            scene.ask(20);
        }
    }
}

/// Sessions whose snapshots are older than what others do to the trees meanwhile.
mod snapshots {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    /// A session that keeps the snapshot it began with, and what it could see and count then.
    struct Observer {
        session: Session,
        facts: Facts,
        questions: Vec<Question>,
        since: String,
    }

    impl Observer {
        fn begin(database: &Database, random: &mut ChaCha8Rng, since: &str) -> Observer {
            let mut session = database.connect();
            session.run("SET jit = off; BEGIN ISOLATION LEVEL REPEATABLE READ");
            let facts = Facts::of(&mut session);
            let questions = (0..8).map(|_| question(random, &facts)).collect();
            Observer {
                session,
                facts,
                questions,
                since: since.to_owned(),
            }
        }

        #[track_caller]
        fn look(&mut self) {
            for question in &self.questions {
                let expected = self.facts.answer(question);
                let found = question.ask(&mut self.session);
                assert_eq!(found, expected, "seen since {}: {question:?}", self.since);
            }
            assert_eq!(
                differences(&mut self.session),
                Vec::<String>::new(),
                "seen since {}",
                self.since
            );
        }
    }

    /// A database with two ingests, and files for more.
    fn scene(random: &mut ChaCha8Rng) -> (Database, Session, [i64; 2], [String; 2]) {
        let database = Database::new();
        let mut session = database.connect();
        let files = database.files();
        let city = write_generated(files, "city.csv", 3_000, 3, random.random());
        let odd = files.write_rows("odd.csv", odd_rows(random, 1_000));
        let ingests = [city, odd].map(|path| load(&mut session, &path).id());
        let more = write_generated(files, "more.csv", 2_000, 5, random.random());
        let odder = files.write_rows("odder.csv", odd_rows(random, 1_500));
        (database, session, ingests, [more, odder])
    }

    const BY_HAND: &str = "
        UPDATE trips.trip SET origin = destination, departed_at = departed_at + interval '9 days' WHERE id % 3 = 0;
        DELETE FROM trips.trip WHERE id % 10 = 1";

    #[test]
    fn what_was_seen_before_during_and_after_each_change_stays_as_it_was() {
        let mut random = seeded();
        let (database, mut writer, [city, odd], [more, odder]) = scene(&mut random);
        let compact = |writer: &mut Session| writer.run("SELECT trips_compact()");
        let forget = |writer: &mut Session, ingest| assert!(forget(writer, ingest).unwrap() > 0);
        let load = |writer: &mut Session, path: &str| assert!(load(writer, path).loaded > 0);
        type Step<'s> = (&'s str, Box<dyn Fn(&mut Session) + 's>);
        let steps: [Step<'_>; 9] = [
            ("a load", Box::new(|writer| load(writer, &more))),
            ("changes by hand", Box::new(|writer| writer.run(BY_HAND))),
            ("a compaction", Box::new(compact)),
            ("a forget", Box::new(|writer| forget(writer, odd))),
            ("another load", Box::new(|writer| load(writer, &odder))),
            ("another compaction", Box::new(compact)),
            ("another forget", Box::new(|writer| forget(writer, city))),
            (
                "a rebuild",
                Box::new(|writer| writer.run("SELECT trips_rebuild()")),
            ),
            (
                "a deletion",
                Box::new(|writer| writer.run("DELETE FROM trips.trip WHERE id % 2 = 0")),
            ),
        ];
        let mut old = Vec::new();
        for (name, step) in steps {
            let mut before = Observer::begin(&database, &mut random, &format!("before {name}"));
            writer.run("BEGIN");
            step(&mut writer);
            let mut during = Observer::begin(&database, &mut random, &format!("during {name}"));
            before.look();
            during.look();
            writer.run("COMMIT");
            let mut after = Observer::begin(&database, &mut random, &format!("after {name}"));
            for observer in [&mut before, &mut during, &mut after] {
                observer.look();
            }
            for observer in &mut old {
                Observer::look(observer);
            }
            old.push(before);
        }
    }

    #[test]
    fn a_change_that_is_rolled_back_is_seen_by_its_own_session_alone() {
        let mut random = seeded();
        let (database, mut writer, [city, _], [more, _]) = scene(&mut random);
        writer.run("SET jit = off; BEGIN");
        load(&mut writer, &more);
        writer.run(BY_HAND);
        writer.run("SELECT trips_compact()");
        forget(&mut writer, city).unwrap();
        let facts = Facts::of(&mut writer);
        for _ in 0..20 {
            question(&mut random, &facts).check(&mut writer, &facts);
        }
        assert_eq!(differences(&mut writer), Vec::<String>::new());
        Observer::begin(&database, &mut random, "during all that").look();
        writer.run("ROLLBACK");
        Observer::begin(&database, &mut random, "after all that").look();
    }

    /// What one statement counts in two ways, by the trees and by the facts.
    const TWICE: &str = "
        SELECT (SELECT sum(trips)::bigint FROM trips_weekly_trips(-180, 0, 14.4355, 50.0832, '2018-02-01', '2018-09-20', m)),
               (SELECT count(*) FROM trips.trip t
                 CROSS JOIN LATERAL (SELECT st_x(origin) <= 14.4355 AND st_y(origin) BETWEEN 0 AND 50.0832 AS o,
                                            st_x(destination) <= 14.4355 AND st_y(destination) BETWEEN 0 AND 50.0832 AS d) i
                 WHERE departed_at >= '2018-02-01' AND departed_at < '2018-09-20'
                   AND CASE m WHEN 'origin' THEN o WHEN 'destination' THEN d WHEN 'either' THEN o OR d ELSE o AND d END)
          FROM unnest('{origin,destination,either,both}'::text[]) m";

    /// Loads, changes, compactions, forgotten ingests and vacuums, one after the other.
    fn write_on(database: &Database, random: &mut ChaCha8Rng, rounds: usize) {
        let mut writer = database.connect();
        let files = database.files();
        let mut ingests = Vec::new();
        for round in 0..rounds {
            let generated = write_generated(files, "w.csv", 1_500, 3, random.random());
            ingests.push(load(&mut writer, &generated).id());
            let odd = files.write_rows("o.csv", odd_rows(random, 300));
            ingests.push(load(&mut writer, &odd).id());
            writer.run(BY_HAND);
            if round % 2 == 0 {
                writer.run("SELECT trips_compact()");
            }
            if ingests.len() > 4 {
                let place = random.random_range(0..ingests.len());
                forget(&mut writer, ingests.swap_remove(place)).unwrap();
            }
            for table in TREE_TABLES {
                writer.run(&format!("VACUUM trips.{table}"));
            }
        }
    }

    #[test]
    fn sessions_that_come_and_go_while_others_write_are_always_answered_as_they_count() {
        let mut random = seeded();
        let (database, _writer, ..) = scene(&mut random);
        let done = AtomicBool::new(false);
        let seeds: [u64; 3] = random.random();
        let looks = thread::scope(|scope| {
            let (database, done) = (&database, &done);
            let observers = seeds.map(|seed| {
                scope.spawn(move || {
                    let mut random = rand::SeedableRng::seed_from_u64(seed);
                    let mut current = database.connect();
                    let mut looks = 0;
                    while !done.load(Ordering::Relaxed) {
                        let mut observer = Observer::begin(database, &mut random, "some moment");
                        for _ in 0..random.random_range(1..4) {
                            observer.look();
                            for row in current.query(TWICE, &[]).unwrap() {
                                let (trees, facts): (i64, i64) = (row.get(0), row.get(1));
                                assert_eq!(trees, facts);
                            }
                            thread::sleep(Duration::from_millis(random.random_range(0..40)));
                            looks += 1;
                        }
                    }
                    looks
                })
            });
            let rounds = (cases(CASES) / 40).min(60);
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                write_on(database, &mut random, rounds);
            }));
            done.store(true, Ordering::Relaxed);
            result.unwrap();
            observers.map(|observer| observer.join().unwrap())
        });
        println!("looked {looks:?} times");
        assert!(looks.iter().all(|looks| *looks > 1));
    }
}

/// Loads with trips_ext.area_trees = off.
mod without_trees {
    use super::*;

    fn scene() -> (Database, Session, i64) {
        let database = Database::new();
        let mut session = database.connect();
        let files = database.files();
        load(&mut session, &write_generated(files, "1.csv", 2_000, 3, 1));
        session.run("SET trips_ext.area_trees = off");
        let path = write_generated(files, "2.csv", 3_000, 3, 2);
        let ingest = load(&mut session, &path).id();
        session.run("RESET trips_ext.area_trees");
        (database, session, ingest)
    }

    #[track_caller]
    fn assert_answers(session: &mut Session) {
        let (mut random, facts) = (seeded(), Facts::of(session));
        for _ in 0..30 {
            question(&mut random, &facts).check(session, &facts);
        }
        assert_eq!(differences(session), Vec::<String>::new());
    }

    /// What the trees would have to answer, or to show.
    const REFUSED: [&str; 7] = [
        "SELECT trips_weekly_average('Prague')",
        "SELECT trips_weekly_average('Prague', '2018-05-01', '2018-05-08')",
        "SELECT trips_weekly_average(7, 45, 8, 46, '2018-05-01', '2018-05-08')",
        "SELECT * FROM trips_weekly_trips(st_makeenvelope(7, 45, 8, 46, 4326), matching => 'both')",
        "SELECT * FROM trips_area_plan(7, 45, 8, 46)",
        "SELECT * FROM trips_check()",
        "SELECT * FROM trips_compact()",
    ];

    #[test]
    fn questions_are_refused_until_the_trees_are_rebuilt() {
        let (_database, mut session, _) = scene();
        assert_eq!(session.count("trips.trip"), 5_000);
        for query in REFUSED {
            let error = refused_case(query, session.query(query, &[]), "55000");
            let hint = error.hint().unwrap_or_default();
            assert!(hint.contains("trips_rebuild()"), "{query}: {error:?}");
        }
        let lines =
            "SELECT trips_weekly_average(7, 45, 8, 46, '2018-05-01', '2018-05-08', 'crosses') > 0";
        assert!(session.value::<bool>(lines));
        assert_eq!(session.value::<i64>("SELECT trips_rebuild()"), 5_000);
        assert_answers(&mut session);
    }

    #[test]
    fn loads_and_changes_go_on_and_a_rebuild_finds_all() {
        let (database, mut session, _) = scene();
        load(
            &mut session,
            &write_generated(database.files(), "3.csv", 1_000, 3, 3),
        );
        session.run(
            "DELETE FROM trips.trip WHERE id % 10 = 0;
             UPDATE trips.trip SET origin = destination WHERE id % 10 = 1",
        );
        refused(session.query(REFUSED[0], &[]), "55000");
        session.run("SELECT trips_rebuild()");
        assert_answers(&mut session);
    }

    #[test]
    fn the_trees_answer_again_once_the_ingest_is_forgotten_or_all_trips_are_gone() {
        let (_database, mut session, ingest) = scene();
        session.run("BEGIN");
        assert_eq!(forget(&mut session, ingest).unwrap(), 3_000);
        assert_answers(&mut session);
        session.run("ROLLBACK");
        refused(session.query(REFUSED[0], &[]), "55000");
        session.run("TRUNCATE trips.trip");
        assert!(session.value::<bool>("SELECT trips_weekly_average('Prague') = 0"));
    }
}
