//! What is decided in each situation, and a model of an endpoint on which rollouts are killed, fail and meet others at random.

use super::*;
use crate::stage::rollout::journal::tests::{journal, map};

fn me() -> Holder {
    Holder {
        by: "me".to_owned(),
        ..journal().holder
    }
}

fn roll() -> Roll {
    Roll {
        naming: Naming::Free(None),
        body: "new".to_owned(),
        steps: vec![10, 50, 100],
        old: Old::Keep,
    }
}

fn member(health: Health) -> Member {
    Member {
        health,
        spare: true,
        body: None,
    }
}

/// `blue=100`, healthy, and nothing else.
fn facts() -> Facts {
    Facts {
        traffic: map("blue=100"),
        deployments: [("blue".to_owned(), member(Health::Ready))].into(),
        ..Facts::default()
    }
}

fn cause(action: &Action) -> Option<Cause> {
    if let Action::Write(write) = action {
        Some(write.cause)
    } else {
        None
    }
}

/// With a journal of ours that is this far, and the new deployment there.
fn under_way(phase: Phase, share: u32) -> Facts {
    let mut journal = journal();
    (journal.phase, journal.share, journal.body) = (phase, share, "new".to_owned());
    let mut facts = facts();
    facts.traffic = journal.intended();
    facts
        .deployments
        .insert("green".to_owned(), member(Health::Ready));
    facts.journal = Some(journal);
    facts
}

fn decided(facts: &Facts, wish: &Wish, seen: Seen) -> Action {
    next(facts, wish, seen, &me())
}

const ALL: Seen = Seen {
    created: true,
    passed: Some(100),
    live: false,
    shifted: false,
};

#[test]
fn a_rollout_claims_the_endpoint_before_anything_else_and_leaves_the_traffic() {
    let action = decided(&facts(), &Wish::Forward(roll()), Seen::default());
    let Action::Write(write) = action else {
        panic!("{action:?}");
    };
    let journal = write.journal.unwrap();
    assert_eq!((write.cause, write.traffic), (Cause::Claim, None));
    assert_eq!((journal.new.as_str(), journal.made), ("green", true));
    assert_eq!(journal.was.to_string(), "blue=100");
}

#[test]
fn the_name_is_of_a_deployment_without_requests_or_the_rollout_does_not_begin() {
    let mut facts = facts();
    facts.mirrored = vec!["shadow".to_owned()];
    let free = |name: Option<&str>| Naming::Free(name.map(str::to_owned));
    for (naming, chosen) in [
        (free(None), Ok("green")),
        (free(Some("taxi")), Ok("taxi")),
        (free(Some("blue")), Ok("green")),
        (free(Some("shadow")), Ok("green")),
        (Naming::Fixed("next".to_owned()), Ok("next")),
        (Naming::Fixed("blue".to_owned()), Err(Fault::NewLive)),
        (Naming::Fixed("shadow".to_owned()), Err(Fault::NewMirrored)),
    ] {
        let action = decided(
            &facts,
            &Wish::Forward(Roll { naming, ..roll() }),
            Seen::default(),
        );
        match (action, chosen) {
            (Action::Write(write), Ok(name)) => assert_eq!(write.journal.unwrap().new, name),
            (Action::Fail(fault), Err(expected)) => assert_eq!(fault, expected),
            (other, _) => panic!("{other:?}"),
        }
    }
    facts.traffic = map("blue=50 green=50");
    let action = decided(&facts, &Wish::Forward(roll()), Seen::default());
    assert_eq!(action, Action::Fail(Fault::NoName));
}

#[test]
fn the_first_deployment_of_an_endpoint_gets_everything_at_once() {
    let action = decided(&Facts::default(), &Wish::Forward(roll()), Seen::default());
    let Action::Write(write) = action else {
        panic!("{action:?}");
    };
    let journal = write.journal.unwrap();
    assert_eq!((journal.new.as_str(), &journal.steps), ("blue", &vec![100]));
    assert_eq!(journal.map(100).to_string(), "blue=100");
}

#[test]
fn what_is_live_with_just_these_contents_is_not_rolled_out_again() {
    let mut facts = facts();
    facts.deployments.get_mut("blue").unwrap().body = Some("new".to_owned());
    let wish = Wish::Forward(roll());
    let live = Action::Unchanged("blue".to_owned());
    assert_eq!(decided(&facts, &wish, Seen::default()), live);
    facts.deployments.get_mut("blue").unwrap().health = Health::Broken;
    let action = decided(&facts, &wish, Seen::default());
    assert_eq!(cause(&action), Some(Cause::Claim));
}

#[test]
fn each_share_follows_the_test_at_the_one_before() {
    let wish = Wish::Forward(roll());
    let seen = |created, passed| Seen {
        created,
        passed,
        live: false,
        shifted: false,
    };
    let step = |share, seen| decided(&under_way(Phase::Forward, share), &wish, seen);
    assert_eq!(step(0, seen(false, None)), Action::Create);
    assert_eq!(step(0, seen(true, None)), Action::Test(0));
    for (share, then) in [(0, 10), (10, 50), (50, 100)] {
        let before = if share == 0 { None } else { Some(share - 1) };
        assert_eq!(step(share, seen(true, before)), Action::Test(share));
        let action = step(share, seen(true, Some(share)));
        assert_eq!(cause(&action), Some(Cause::Shift(then)));
        let Action::Write(write) = action else {
            unreachable!();
        };
        assert_eq!(write.traffic.unwrap(), journal().map(then));
        assert_eq!(write.journal.unwrap().share, then);
    }
    assert_eq!(cause(&step(100, seen(true, Some(100)))), Some(Cause::Close));
}

#[test]
fn a_killed_rollout_of_the_same_goes_on_and_of_something_else_goes_back() {
    for (body, phase) in [("new", Phase::Forward), ("other", Phase::Back)] {
        let mut facts = under_way(Phase::Forward, 10);
        facts.standing = Standing::Orphaned;
        let wish = Wish::Forward(Roll {
            body: body.to_owned(),
            ..roll()
        });
        let action = decided(&facts, &wish, Seen::default());
        let Action::Write(write) = action else {
            panic!("{action:?}");
        };
        let taken = write.journal.unwrap();
        assert_eq!((write.cause, write.traffic), (Cause::TakeOver, None));
        assert_eq!((taken.phase, taken.holder), (phase, me()));
    }
}

#[test]
fn what_goes_on_is_tested_again_at_its_share_and_takes_the_steps_asked_for_now() {
    let mut facts = under_way(Phase::Forward, 10);
    facts.standing = Standing::Orphaned;
    let wish = Wish::Forward(Roll {
        steps: vec![5, 30, 100],
        ..roll()
    });
    let Action::Write(write) = decided(&facts, &wish, Seen::default()) else {
        panic!("no take-over");
    };
    assert_eq!(write.journal.as_ref().unwrap().steps, [10, 30, 100]);
    facts.journal = write.journal;
    facts.standing = Standing::Mine;
    assert_eq!(decided(&facts, &wish, Seen::default()), Action::Test(10));
}

#[test]
fn a_deployment_that_an_earlier_run_began_is_waited_for_and_then_written() {
    let mut facts = under_way(Phase::Forward, 0);
    facts.deployments.get_mut("green").unwrap().health = Health::Busy;
    let wish = Wish::Forward(roll());
    let settle = Action::Settle("green".to_owned());
    assert_eq!(decided(&facts, &wish, Seen::default()), settle);
    facts.deployments.get_mut("green").unwrap().health = Health::Ready;
    assert_eq!(decided(&facts, &wish, Seen::default()), Action::Create);
}

#[test]
fn somebody_elses_rollout_is_left_alone() {
    let mut facts = under_way(Phase::Forward, 10);
    facts.standing = Standing::Held;
    for wish in [Wish::Forward(roll()), Wish::Undo] {
        let held = Action::Refuse(journal().holder);
        assert_eq!(decided(&facts, &wish, ALL), held);
    }
}

#[test]
fn going_back_restores_then_discards_what_was_made_then_closes() {
    let mut facts = under_way(Phase::Forward, 50);
    let action = decided(&facts, &Wish::Undo, ALL);
    let Action::Write(write) = action else {
        panic!("{action:?}");
    };
    assert_eq!(write.cause, Cause::Restore);
    assert_eq!(write.traffic.as_ref().unwrap().to_string(), "blue=100");
    (facts.traffic, facts.journal) = (write.traffic.unwrap(), write.journal);
    let discard = Action::Discard("green".to_owned());
    assert_eq!(decided(&facts, &Wish::Forward(roll()), ALL), discard);
    facts.journal.as_mut().unwrap().made = false;
    let action = decided(&facts, &Wish::Undo, ALL);
    assert_eq!(cause(&action), Some(Cause::Close));
    facts.deployments.get_mut("green").unwrap().health = Health::Broken;
    assert_eq!(decided(&facts, &Wish::Undo, ALL), discard);
}

#[test]
fn traffic_that_somebody_else_changed_is_not_overwritten() {
    for phase in [Phase::Forward, Phase::Back] {
        let mut facts = under_way(phase, 10);
        facts.traffic = map("blue=70 green=30");
        let action = decided(&facts, &Wish::Forward(roll()), ALL);
        let Action::Write(write) = action else {
            panic!("{action:?}");
        };
        assert_eq!((write.cause, write.traffic), (Cause::Adopt, None));
        facts.journal = write.journal;
        // And what has traffic now is not taken away.
        let action = decided(&facts, &Wish::Undo, ALL);
        assert_eq!(cause(&action), Some(Cause::Close));
    }
}

#[test]
fn somebody_who_puts_the_former_map_back_during_a_rollout_is_not_overruled() {
    let mut facts = under_way(Phase::Forward, 50);
    facts.traffic = map("blue=100");
    let wish = Wish::Forward(roll());
    let shifted = Seen {
        shifted: true,
        ..ALL
    };
    let action = decided(&facts, &wish, shifted);
    assert_eq!(cause(&action), Some(Cause::Adopt));
    // Of a run before this one, the shift may never have arrived.
    assert_eq!(decided(&facts, &wish, Seen::default()), Action::Create);
}

#[test]
fn a_map_with_a_deployment_that_is_gone_is_not_restored() {
    let mut facts = under_way(Phase::Forward, 100);
    facts.deployments.remove("blue");
    let action = decided(&facts, &Wish::Undo, ALL);
    assert_eq!(cause(&action), Some(Cause::Strand));
}

#[test]
fn the_old_one_is_treated_only_after_there_is_no_way_back() {
    for (old, treated) in [
        (Old::Delete, Action::Delete("blue".to_owned())),
        (Old::ScaleDown, Action::ScaleDown("blue".to_owned())),
    ] {
        let mut facts = under_way(Phase::Forward, 100);
        facts.journal.as_mut().unwrap().old = old;
        let wish = Wish::Forward(Roll { old, ..roll() });
        let action = decided(&facts, &wish, ALL);
        let Action::Write(write) = action else {
            panic!("{action:?}");
        };
        assert_eq!((write.cause, write.traffic), (Cause::Commit, None));
        facts.journal = write.journal;
        assert_eq!(decided(&facts, &wish, ALL), treated);
        // Not even a signal or a failure turns it back now.
        assert_eq!(decided(&facts, &Wish::Undo, ALL), treated);
        let blue = facts.deployments.get_mut("blue").unwrap();
        (blue.spare, blue.health) = (true, Health::Busy);
        let settle = Action::Settle("blue".to_owned());
        assert_eq!(decided(&facts, &wish, ALL), settle);
    }
}

#[test]
fn an_old_one_that_has_traffic_again_is_neither_deleted_nor_scaled() {
    let mut facts = under_way(Phase::Done, 100);
    facts.journal.as_mut().unwrap().old = Old::Delete;
    facts.traffic = map("blue=1 green=99");
    let action = decided(&facts, &Wish::Undo, ALL);
    assert_eq!(cause(&action), Some(Cause::Close));
}

/// An endpoint, and what its requests would do to it.
struct Model {
    facts: Facts,
    dice: fastrand::Rng,
    /// The new deployment does not come up, or answers wrongly from this share on.
    breaks: Option<u32>,
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Killed,
    Live,
    Back,
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut facts = facts();
        if dice.bool() {
            facts.traffic = map("blue=60 red=40");
            let red = member(Health::Ready);
            facts.deployments.insert("red".to_owned(), red);
        }
        if dice.bool() {
            let kept = member(Health::Ready);
            facts.deployments.insert("green".to_owned(), kept);
        }
        let breaks = dice
            .bool()
            .then(|| *dice.choice(&[0, 10, 50, 100]).unwrap());
        Self {
            facts,
            dice,
            breaks,
        }
    }

    fn check(&self) {
        assert_eq!(self.facts.traffic.sum(), 100);
        for name in self.facts.traffic.names() {
            let health = self.facts.health(name);
            assert_eq!(health, Some(Health::Ready), "{name} has traffic");
        }
    }

    /// One process, killed after `limit` of its steps; the last one may have been carried out or not.
    fn run(&mut self, wish: &Wish, limit: usize) -> End {
        let (mut wish, mut seen) = (wish.clone(), Seen::default());
        let was = self.facts.traffic.clone();
        for step in 0.. {
            assert!(step < 100, "it goes on for ever");
            let action = next(&self.facts, &wish, seen, &me());
            let killed = step == limit;
            if killed && self.dice.bool() {
                return End::Killed;
            }
            let done = match self.carry_out(&action, &wish, &mut seen) {
                Ok(done) => done,
                Err(()) => {
                    wish = Wish::Undo;
                    false
                }
            };
            self.check();
            if done && wish == Wish::Undo {
                let orphan = self.facts.journal.is_some();
                assert!(!orphan && (self.facts.traffic == was || limit == usize::MAX));
                return End::Back;
            }
            if done {
                return End::Live;
            }
            if killed {
                return End::Killed;
            }
        }
        unreachable!()
    }

    fn carry_out(&mut self, action: &Action, wish: &Wish, seen: &mut Seen) -> Result<bool, ()> {
        let broken = |share: u32| self.breaks.is_some_and(|breaks| share >= breaks);
        let new = |facts: &Facts| facts.journal.as_ref().unwrap().new.clone();
        match action {
            Action::Write(write) => {
                seen.shifted = matches!(write.cause, Cause::Shift(_));
                if write.cause == Cause::Close {
                    let journal = self.facts.journal.as_ref().unwrap();
                    seen.live = journal.phase != Phase::Back && wish.is_of(journal);
                }
                self.facts.journal.clone_from(&write.journal);
                self.facts.standing = Standing::Mine;
                if let Some(traffic) = &write.traffic {
                    self.facts.traffic.clone_from(traffic);
                }
            }
            Action::Create => {
                let name = new(&self.facts);
                assert_eq!(self.facts.traffic.share(&name), 0, "written with traffic");
                let fails = self.breaks == Some(0) && self.dice.bool();
                let health = if fails { Health::Broken } else { Health::Ready };
                let mut made = member(health);
                made.body = Some("new".to_owned());
                self.facts.deployments.insert(name, made);
                seen.created = !fails;
                return if fails { Err(()) } else { Ok(false) };
            }
            Action::Test(share) => {
                if broken(*share) {
                    return Err(());
                }
                seen.passed = Some(*share);
            }
            Action::Settle(name) => {
                self.facts.deployments.get_mut(name).unwrap().health = Health::Ready;
            }
            Action::ScaleDown(name) => {
                assert_eq!(self.facts.traffic.share(name), 0, "scaled with traffic");
                self.facts.deployments.get_mut(name).unwrap().spare = false;
            }
            Action::Delete(name) | Action::Discard(name) => {
                assert_eq!(self.facts.traffic.share(name), 0, "deleted with traffic");
                self.facts.deployments.remove(name);
            }
            Action::Fail(_) => return Err(()),
            Action::Refuse(_) => panic!("nobody else is there"),
            Action::Unchanged(_) | Action::Finished => return Ok(true),
        }
        Ok(false)
    }
}

#[test]
fn a_rollout_killed_anywhere_ends_well_after_a_second_run() {
    for seed in 0..4000 {
        let mut model = Model::new(seed);
        let before = model.facts.clone();
        let old = *model
            .dice
            .choice(&[Old::Keep, Old::ScaleDown, Old::Delete])
            .unwrap();
        let wish = Wish::Forward(Roll { old, ..roll() });
        let limit = model.dice.usize(0..14);
        if model.run(&wish, limit) == End::Killed {
            model.facts.standing = Standing::Orphaned;
            let second = if model.dice.bool() {
                wish.clone()
            } else {
                Wish::Undo
            };
            model.run(&second, usize::MAX);
        }
        assert!(model.facts.journal.is_none(), "seed {seed}");
        let unused = |(name, member): (&String, &Member)| {
            let known = before.deployments.contains_key(name);
            assert!(
                known || model.facts.traffic.share(name) > 0,
                "{name} is left, seed {seed}"
            );
            assert_eq!(member.health, Health::Ready, "{name}, seed {seed}");
        };
        model.facts.deployments.iter().for_each(unused);
        let live = model.facts.traffic.names().next() != before.traffic.names().next();
        assert!(live || model.facts.traffic == before.traffic, "seed {seed}");
    }
}
