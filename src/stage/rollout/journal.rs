//! The journal of a rollout: what it is about to do, kept in a tag of the endpoint, where whoever comes after a killed run finds
//! it. Owns the content and its text of at most 256 characters; who may act on it is `claim`'s business, what to do `decide`'s.

use std::str::FromStr;

use serde::Deserialize;

use super::shares::shared;
use crate::stage::traffic::{TAG_LIMIT, TrafficError, TrafficMap};

/// Which way a rollout is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The new deployment is made, tested and given its shares.
    Forward,
    /// The former map is put back and the new deployment taken away.
    Back,
    /// The new deployment has all the traffic and passed: only the old ones are still to be treated.
    Done,
}

const PHASES: &[(Phase, &str)] = &[
    (Phase::Forward, "forward"),
    (Phase::Back, "back"),
    (Phase::Done, "done"),
];

/// What becomes of the deployments that the new one replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Old {
    Keep,
    /// One instance is left: a managed deployment cannot have none.
    ScaleDown,
    Delete,
}

const OLDS: &[(Old, &str)] = &[
    (Old::Keep, "keep"),
    (Old::ScaleDown, "scale"),
    (Old::Delete, "delete"),
];

/// Who wrote it, and until when nobody else may act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    /// One process.
    pub(super) by: String,
    /// One CI run, the same for all its attempts; empty in a terminal.
    pub(super) run: String,
    /// The attempt of that run; empty where there are none.
    pub(super) attempt: String,
    /// Unix seconds.
    pub(super) until: u64,
}

/// The former map and the steps determine every map that the rollout will ask for, so each of them is on record from the first
/// write on; `share` says how far it has gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Journal {
    pub(super) phase: Phase,
    /// The new deployment.
    pub(super) new: String,
    /// There was no deployment of that name before.
    pub(super) made: bool,
    /// Percent that the new deployment has or is about to have.
    pub(super) share: u32,
    pub(super) steps: Vec<u32>,
    pub(super) old: Old,
    /// The map to go back to.
    pub(super) was: TrafficMap,
    /// What the new deployment consists of, as a digest: a later run with other contents does not go on with it.
    pub(super) body: String,
    pub(super) holder: Holder,
}

impl Journal {
    /// The map at a share.
    pub(super) fn map(&self, share: u32) -> TrafficMap {
        if share == 0 {
            self.was.clone()
        } else {
            shared(&self.was, &self.new, share)
        }
    }

    /// The map that the latest write asked for.
    pub(super) fn intended(&self) -> TrafficMap {
        match self.phase {
            Phase::Forward | Phase::Done => self.map(self.share),
            Phase::Back => self.was.clone(),
        }
    }

    /// Whether this rollout may have left the traffic like this: the intended map, or one of those before it where a write was lost.
    pub(super) fn may_have_left(&self, traffic: &TrafficMap) -> bool {
        let taken = self.steps.iter().filter(|step| **step <= self.share);
        traffic.same(&self.was) || taken.copied().any(|step| traffic.same(&self.map(step)))
    }

    /// The tag's value.
    pub(super) fn encode(&self) -> Result<String, TooLong> {
        let text = self.text(&self.was.for_tag().map_err(TooLong::Map)?);
        if text.len() > TAG_LIMIT {
            return Err(TooLong::Journal(text.len()));
        }
        Ok(text)
    }

    fn text(&self, was: &str) -> String {
        let steps: Vec<String> = self.steps.iter().map(u32::to_string).collect();
        let holder = &self.holder;
        format!(
            "phase={} new={} made={} share={} steps={} was={was} old={} body={} by={} run={} try={} until={}",
            word(PHASES, self.phase),
            self.new,
            u8::from(self.made),
            self.share,
            steps.join(","),
            word(OLDS, self.old),
            self.body,
            holder.by,
            holder.run,
            holder.attempt,
            holder.until,
        )
    }
}

/// The endpoint serves too many deployments, or their names are too long, for a journal in a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooLong {
    #[error("a rollout keeps its journal in a tag of the endpoint: {0}")]
    Map(TrafficError),
    #[error(
        "a rollout keeps its journal in a tag of the endpoint; it would take {0} characters, and a tag has {TAG_LIMIT}"
    )]
    Journal(usize),
}

/// The tag holds something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the endpoint's journal of a rollout cannot be read: {0:?}")]
pub(super) struct Unreadable(String);

fn word<T: PartialEq + Copy>(words: &[(T, &'static str)], wanted: T) -> &'static str {
    let row = words.iter().find(|(value, _)| *value == wanted);
    row.map_or("", |(_, word)| word)
}

fn value<T: Copy>(words: &[(T, &str)], wanted: &str) -> Option<T> {
    let row = words.iter().find(|(_, word)| *word == wanted);
    row.map(|(value, _)| *value)
}

impl FromStr for Journal {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        parse(text).ok_or_else(|| Unreadable(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Journal> {
    let field = |name: &str| {
        text.split(' ')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    let share = |text: &str| text.parse().ok().filter(|share: &u32| *share <= 100);
    let list = |name: &str| Some(field(name)?.split(',').filter(|item| !item.is_empty()));
    Some(Journal {
        phase: value(PHASES, field("phase")?)?,
        new: field("new").filter(|name| !name.is_empty())?.to_owned(),
        made: field("made")? == "1",
        share: share(field("share")?)?,
        steps: list("steps")?.map(share).collect::<Option<_>>()?,
        old: value(OLDS, field("old")?)?,
        was: TrafficMap::from_tag(field("was")?).ok()?,
        body: field("body")?.to_owned(),
        holder: Holder {
            by: field("by")?.to_owned(),
            run: field("run")?.to_owned(),
            attempt: field("try")?.to_owned(),
            until: field("until")?.parse().ok()?,
        },
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::stage::rollout) fn map(text: &str) -> TrafficMap {
        TrafficMap::parse(text).unwrap()
    }

    pub(in crate::stage::rollout) fn journal() -> Journal {
        Journal {
            phase: Phase::Forward,
            new: "green".to_owned(),
            made: true,
            share: 0,
            steps: vec![10, 50, 100],
            old: Old::Keep,
            was: map("blue=100"),
            body: "0a1b2c3d".to_owned(),
            holder: Holder {
                by: "9f8e7d6c".to_owned(),
                run: "a1b2c3d4".to_owned(),
                attempt: "1".to_owned(),
                until: 1_796_000_000,
            },
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for phase in [Phase::Forward, Phase::Back, Phase::Done] {
            for old in [Old::Keep, Old::ScaleDown, Old::Delete] {
                for was in [TrafficMap::default(), map("blue=90 x-1=10")] {
                    let mut journal = journal();
                    (journal.phase, journal.old, journal.was) = (phase, old, was);
                    journal.holder.run = String::new();
                    let text = journal.encode().unwrap();
                    assert_eq!(text.parse(), Ok(journal));
                }
            }
        }
    }

    #[test]
    fn the_text_is_for_people_too() {
        insta::assert_snapshot!(journal().encode().unwrap(), @"phase=forward new=green made=1 share=0 steps=10,50,100 was=blue=100 old=keep body=0a1b2c3d by=9f8e7d6c run=a1b2c3d4 try=1 until=1796000000");
    }

    #[test]
    fn two_deployments_with_the_longest_names_fit_and_what_does_not_is_refused() {
        let name = |letter: &str| letter.repeat(32);
        let mut journal = journal();
        journal.new = name("n");
        (journal.phase, journal.share, journal.old) = (Phase::Forward, 100, Old::Delete);
        journal.was = map(&format!("{}=50 {}=50", name("a"), name("b")));
        assert!(journal.encode().is_ok(), "{:?}", journal.encode());
        let names: String = (0..10).map(|n| format!("deployment-{n}=10 ")).collect();
        journal.was = map(&names);
        let why = journal.encode().unwrap_err().to_string();
        assert!(why.contains("256"), "{why}");
    }

    #[test]
    fn a_tag_that_is_no_journal_is_said_to_be_none() {
        let good = journal().encode().unwrap();
        for bad in [
            "",
            "hello",
            &good.replace("share=0", "share=101"),
            &good.replace("phase=forward", "phase=sideways"),
            &good.replace("new=green", "new="),
            &good.replace("blue=100", "blue"),
            &good.replace("until=1796000000", "until=soon"),
        ] {
            assert_eq!(bad.parse::<Journal>(), Err(Unreadable(bad.to_owned())));
        }
    }

    #[test]
    fn only_maps_that_the_rollout_asked_for_count_as_its_own() {
        let mut journal = journal();
        journal.share = 50;
        for (traffic, own) in [
            ("blue=100 green=0", true),
            ("blue=90 green=10", true),
            ("blue=50 green=50", true),
            ("green=100", false),
            ("blue=80 green=20", false),
        ] {
            assert_eq!(journal.may_have_left(&map(traffic)), own, "{traffic}");
        }
        assert_eq!(journal.intended().to_string(), "blue=50 green=50");
        journal.phase = Phase::Back;
        assert_eq!(journal.intended().to_string(), "blue=100");
    }
}
