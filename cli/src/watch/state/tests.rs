//! What counts as news, whatever comes in whatever order.

use proptest::prelude::*;

use super::*;
use crate::watch::event::Kind;
use crate::watch::event::tests::event;

fn state(sight: Sight) -> State {
    let mut state = State::new(BTreeSet::new());
    state.set_sight(sight);
    state
}

fn row(event: &Event) -> Row {
    Row {
        ingest: Ingest::of_event(event, Some("/data/known.csv".to_owned())),
        unexplained: false,
    }
}

/// A row that says failed without a reason.
fn unexplained(sequence: u64) -> Row {
    let mut row = row(&event(Kind::Progress, sequence));
    row.ingest.end = Some(End::died());
    row.unexplained = true;
    row
}

/// Has an event heard by one who may read the view, where the row says this.
fn told(state: &mut State, event: &Event, row: Option<&Row>) -> Option<Ingest> {
    match state.hear(event) {
        Heard::Nothing => None,
        Heard::News(ingest) => Some(*ingest),
        Heard::Ask => state.judge(event, row),
    }
}

#[test]
fn an_ingest_is_asked_about_when_it_is_new_and_when_it_ends() {
    let mut state = state(Sight::All);
    let (started, progress) = (event(Kind::Started, 1), event(Kind::Progress, 2));
    assert_eq!(state.hear(&started), Heard::Ask);
    let news = state.judge(&started, Some(&row(&progress))).unwrap();
    assert_eq!((news.sequence, news.phase), (1, Phase::Checking));
    assert_eq!(news.file.as_deref(), Some("/data/known.csv"));
    let Heard::News(news) = state.hear(&progress) else {
        panic!("it is the next one");
    };
    assert_eq!(
        news.file.as_deref(),
        Some("/data/known.csv"),
        "the name is kept"
    );
    assert_eq!(state.hear(&progress), Heard::Nothing);
    let completed = event(Kind::Completed, 3);
    assert_eq!(state.hear(&completed), Heard::Ask);
    let news = state.judge(&completed, Some(&row(&completed))).unwrap();
    assert_eq!(news.end, Some(End::Completed));
    assert_eq!(state.running().count(), 0);
    assert!(state.knows(2));
    assert_eq!(state.hear(&event(Kind::Progress, 4)), Heard::Nothing);
}

#[test]
fn an_end_that_the_row_does_not_tell_of_is_no_end() {
    let mut state = state(Sight::All);
    let running = row(&event(Kind::Progress, 5));
    state.see(&running);
    for kind in [Kind::Completed, Kind::Failed, Kind::Skipped] {
        assert_eq!(told(&mut state, &event(kind, 6), Some(&running)), None);
    }
    let failed = row(&event(Kind::Failed, 6));
    assert_eq!(
        told(&mut state, &event(Kind::Completed, 6), Some(&failed)),
        None
    );
    assert_eq!(told(&mut state, &event(Kind::Completed, 6), None), None);
    assert_eq!(state.running().count(), 1);
    let end = told(&mut state, &event(Kind::Failed, 6), Some(&failed))
        .unwrap()
        .end;
    assert!(matches!(end, Some(End::Failed(_))));
}

#[test]
fn a_number_from_the_future_does_not_silence_what_comes() {
    let mut state = state(Sight::All);
    let seen = row(&event(Kind::Progress, 5));
    state.see(&seen);
    assert_eq!(
        told(&mut state, &event(Kind::Progress, 1_000_000), Some(&seen)),
        None
    );
    assert!(told(&mut state, &event(Kind::Progress, 6), None).is_some());
    // Who counts on from there silences progress, but not the end.
    for number in 7..100 {
        told(&mut state, &event(Kind::Progress, number), None);
    }
    let completed = event(Kind::Completed, 8);
    assert!(told(&mut state, &completed, Some(&row(&completed))).is_some());
}

#[test]
fn an_ingest_that_nobody_knows_is_not_shown_to_one_who_sees_all() {
    let progress = event(Kind::Progress, 3);
    assert_eq!(told(&mut state(Sight::All), &progress, None), None);
    assert!(told(&mut state(Sight::Own), &progress, None).is_some());
    assert!(told(&mut state(Sight::Nothing), &progress, None).is_some());
}

#[test]
fn only_what_is_named_is_watched() {
    let mut state = State::new(BTreeSet::from([7]));
    assert_eq!(state.hear(&event(Kind::Progress, 3)), Heard::Nothing);
    assert_eq!(state.see(&row(&event(Kind::Progress, 3))), None);
    let mut named = event(Kind::Progress, 3);
    named.ingest = 7;
    assert!(matches!(state.hear(&named), Heard::News(_)));
}

#[test]
fn what_failed_without_a_reason_is_given_time_for_one() {
    let mut state = state(Sight::All);
    state.see(&row(&event(Kind::Progress, 5)));
    assert_eq!(state.see(&unexplained(5)), None);
    assert!(state.suspects(2));
    let failed = event(Kind::Failed, 6);
    let end = told(&mut state, &failed, Some(&row(&failed))).unwrap().end;
    let Some(End::Failed(failure)) = end else {
        panic!("{end:?}");
    };
    assert_eq!(failure.sqlstate, "22007");

    let mut state = self::state(Sight::All);
    state.see(&row(&event(Kind::Progress, 5)));
    state.see(&unexplained(5));
    assert_eq!(state.see(&unexplained(5)).unwrap().end, Some(End::died()));
    assert_eq!(state.hear(&failed), Heard::Nothing, "an ingest has one end");
}

#[test]
fn one_whose_transaction_is_gone_is_given_up_at_the_second_look() {
    let mut state = state(Sight::Nothing);
    state.hear(&event(Kind::Progress, 5));
    assert_eq!(state.miss(2, true), None);
    assert_eq!(state.miss(2, false), None);
    assert_eq!(state.miss(2, true), None, "it was there after all");
    assert_eq!(state.miss(2, false), None);
    assert_eq!(state.miss(2, false).unwrap().end, Some(End::Unknown));
    assert_eq!(state.miss(2, false), None);
    // One in the queue has no transaction yet.
    let mut queued = event(Kind::Queued, 1);
    queued.ingest = 3;
    state.hear(&queued);
    for _ in 0..3 {
        assert_eq!(state.miss(3, false), None);
    }
}

#[test]
fn what_is_seen_again_is_no_news() {
    let mut state = state(Sight::All);
    let seen = row(&event(Kind::Progress, 5));
    assert!(state.see(&seen).is_some());
    assert_eq!(state.see(&seen), None);
    assert!(state.see(&row(&event(Kind::Completed, 9))).is_some());
    assert_eq!(state.see(&row(&event(Kind::Completed, 9))), None);
}

/// The events of one ingest: a start, some progress, an end.
fn story(progress: u64, end: Kind) -> Vec<Event> {
    let mut story = vec![event(Kind::Started, 1)];
    story.extend((2..2 + progress).map(|number| event(Kind::Progress, number)));
    story.push(event(end, 2 + progress));
    story
}

fn ends() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Completed),
        Just(Kind::Failed),
        Just(Kind::Skipped)
    ]
}

proptest! {
    /// From any place on, in order, with repetitions: each is told once, and the end comes last and once.
    #[test]
    fn each_event_is_news_once(
        progress in 0u64..20,
        end in ends(),
        from in 0usize..20,
        repeats in proptest::collection::vec(1usize..4, 22),
        back in 0usize..3,
    ) {
        let story = story(progress, end);
        let last = row(story.last().unwrap());
        let from = from.min(story.len() - 1);
        for sight in [Sight::Nothing, Sight::Own, Sight::All] {
            let mut state = state(sight);
            let mut news = Vec::new();
            for (place, times) in (from..story.len()).zip(&repeats) {
                for _ in 0..*times {
                    // Earlier ones come again, too.
                    for again in story[from..=place].iter().rev().take(back + 1).rev() {
                        news.extend(told(&mut state, again, Some(&last)));
                    }
                }
            }
            let numbers: Vec<u64> = news.iter().map(|ingest| ingest.sequence).collect();
            let expected: Vec<u64> = (from as u64 + 1..=story.len() as u64).collect();
            prop_assert_eq!(numbers, expected);
            prop_assert!(news.last().unwrap().end.is_some());
        }
    }

    /// In any order, with gaps: what is told only goes on, and an end is told at most once, and last.
    #[test]
    fn news_only_go_on(
        progress in 0u64..10,
        end in ends(),
        order in proptest::collection::vec(0usize..12, 0..60),
        looks in proptest::collection::vec(any::<bool>(), 60),
    ) {
        let story = story(progress, end);
        for sight in [Sight::Nothing, Sight::Own, Sight::All] {
            let mut state = state(sight);
            let mut news: Vec<Ingest> = Vec::new();
            let mut sent = 0;
            for (place, look) in order.iter().zip(&looks) {
                let place = (*place).min(story.len() - 1);
                sent = sent.max(place);
                let now = row(&story[sent]);
                if *look && sight != Sight::Nothing {
                    news.extend(state.see(&now));
                } else {
                    news.extend(told(&mut state, &story[place], Some(&now)));
                }
            }
            for pair in news.windows(2) {
                prop_assert!(pair[0].end.is_none(), "{:?}", news);
                let goes_on = pair[0].sequence <= pair[1].sequence;
                prop_assert!(goes_on || pair[1].end.is_some(), "{:?}", news);
            }
            prop_assert!(state.running().count() <= 1);
        }
    }

    /// Whatever a stranger sends of an ingest that runs, its end is what the server says.
    #[test]
    fn a_stranger_ends_nothing(
        kinds in proptest::collection::vec(
            prop_oneof![ends(), Just(Kind::Progress), Just(Kind::Started), Just(Kind::Queued)], 0..40),
        numbers in proptest::collection::vec(1u64..50, 40),
    ) {
        let mut state = state(Sight::All);
        let running = row(&event(Kind::Progress, 10));
        state.see(&running);
        for (kind, number) in kinds.into_iter().zip(numbers) {
            let news = told(&mut state, &event(kind, number), Some(&running));
            prop_assert!(news.is_none_or(|ingest| ingest.end.is_none()));
        }
        prop_assert_eq!(state.running().count(), 1);
        let completed = row(&event(Kind::Completed, 11));
        prop_assert_eq!(state.see(&completed).unwrap().end, Some(End::Completed));
    }
}
