//! Which share of an endpoint's requests each deployment gets: how users write it, how it is kept in a tag, and what is allowed.
//! Pure; asks nobody.

use std::collections::BTreeMap;
use std::fmt;

use crate::azure::endpoints::{Endpoint, Family, Shares};

/// The endpoint's tag that keeps the map which was in force before the last change of ours; `rollback` reads it.
pub const FORMER_TRAFFIC_TAG: &str = "aml-runner.former-traffic";
/// The endpoint's tag that keeps a rollout's journal; what is in it is the rollout's own.
pub const ROLLOUT_TAG: &str = "aml-runner.rollout";
/// Tags of ours; they stay on an endpoint whatever its YAML says.
pub const OWN_TAGS: &[&str] = &[FORMER_TRAFFIC_TAG, ROLLOUT_TAG];
/// Characters that the value of a tag may have:
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations>.
pub const TAG_LIMIT: usize = 256;

/// Stands for "no traffic at all" where an empty text is not allowed: tags of batch endpoints (service notes 16.1).
const NOTHING: &str = "none";

/// Percent of the requests by deployment, as somebody wrote or read it; zeros are kept, because they name a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrafficMap(BTreeMap<String, u32>);

/// What is wrong with a map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrafficError {
    #[error("{0:?} is not of the form deployment=percent, such as blue=90")]
    Form(String),
    #[error("{item:?}: {found:?} is not a whole number from 0 to 100")]
    Percent { item: String, found: String },
    #[error("deployment {0:?} is named twice")]
    Twice(String),
    #[error("it names no deployment")]
    Empty,
    #[error("the shares sum to {sum}, and must sum to 100, or to 0 for no traffic: {map}")]
    Sum { sum: u32, map: String },
    #[error("a batch endpoint has one default deployment: give one deployment 100, not {0}")]
    NotOneDefault(String),
    #[error("mirror traffic goes to one deployment, not to {0}")]
    ManyMirrors(usize),
    #[error("mirror traffic to {name} may be at most 50, not {share}")]
    MirrorShare { name: String, share: u32 },
    #[error("{name} gets live traffic, so nothing can be mirrored to it")]
    MirrorIsLive { name: String },
    #[error("a batch endpoint has no traffic to mirror")]
    NoMirror,
    #[error("the map {map} does not fit into a tag ({length} of {TAG_LIMIT} characters)")]
    TooLong { map: String, length: usize },
}

impl TrafficMap {
    /// `blue=90 green=10`, in one line or one a line, commas allowed.
    pub fn parse(text: &str) -> Result<Self, TrafficError> {
        let mut map = BTreeMap::new();
        let separator = |letter: char| letter.is_whitespace() || letter == ',' || letter == ';';
        for item in text.split(separator).filter(|item| !item.is_empty()) {
            let form = || TrafficError::Form(item.to_owned());
            let (name, share) = item.split_once('=').ok_or_else(form)?;
            if name.is_empty() || share.is_empty() {
                return Err(form());
            }
            let digits = share.bytes().all(|byte| byte.is_ascii_digit());
            let percent = share
                .parse()
                .ok()
                .filter(|share: &u32| digits && *share <= 100);
            let Some(percent) = percent else {
                return Err(TrafficError::Percent {
                    item: item.to_owned(),
                    found: share.to_owned(),
                });
            };
            // Names of deployments differ in more than their case.
            if find(&map, name).is_some() {
                return Err(TrafficError::Twice(name.to_owned()));
            }
            map.insert(name.to_owned(), percent);
        }
        if map.is_empty() {
            return Err(TrafficError::Empty);
        }
        Ok(Self(map))
    }

    /// Reads what [`TrafficMap::for_tag`] wrote.
    pub fn from_tag(text: &str) -> Result<Self, TrafficError> {
        if text == NOTHING {
            return Ok(Self::default());
        }
        Self::parse(text)
    }

    /// The map that an endpoint has now.
    pub fn of(endpoint: &Endpoint) -> Self {
        Self(endpoint.traffic.clone())
    }

    /// Everything to one deployment.
    pub fn all_to(name: &str) -> Self {
        Self(BTreeMap::from([(name.to_owned(), 100)]))
    }

    pub fn shares(&self) -> &Shares {
        &self.0
    }

    /// The deployments that it names, those without traffic as well.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The share of a deployment, whatever the case of its name.
    pub fn share(&self, name: &str) -> u32 {
        find(&self.0, name).unwrap_or_default()
    }

    pub fn sum(&self) -> u32 {
        self.0.values().sum()
    }

    /// Without the deployments that get nothing.
    #[must_use]
    pub fn live(&self) -> Self {
        let live = self.0.iter().filter(|(_, share)| **share > 0);
        Self(live.map(|(name, share)| (name.clone(), *share)).collect())
    }

    /// Whether requests would go the same ways.
    pub fn same(&self, other: &Self) -> bool {
        let keys = |map: &Self| -> BTreeMap<String, u32> {
            let live = map.live().0.into_iter();
            live.map(|(name, share)| (name.to_lowercase(), share))
                .collect()
        };
        keys(self) == keys(other)
    }

    /// Names as the service spells them. Those that it does not know are the error.
    pub fn spelled_as(&self, known: &[String]) -> Result<Self, Vec<String>> {
        let (mut spelled, mut unknown) = (BTreeMap::new(), Vec::new());
        for (name, share) in &self.0 {
            match known.iter().find(|one| one.eq_ignore_ascii_case(name)) {
                Some(known) => drop(spelled.insert(known.clone(), *share)),
                None => unknown.push(name.clone()),
            }
        }
        if unknown.is_empty() {
            Ok(Self(spelled))
        } else {
            Err(unknown)
        }
    }

    /// Whether an endpoint of that family can have this as its traffic.
    pub fn check(&self, family: Family) -> Result<(), TrafficError> {
        let sum = self.sum();
        if sum != 0 && sum != 100 {
            let map = self.to_string();
            return Err(TrafficError::Sum { sum, map });
        }
        if family == Family::Batch && self.live().0.len() != 1 {
            return Err(TrafficError::NotOneDefault(self.to_string()));
        }
        Ok(())
    }

    /// Whether an endpoint with that traffic can mirror so (service notes 14.2).
    pub fn check_mirror(&self, family: Family, traffic: &Self) -> Result<(), TrafficError> {
        let live = self.live();
        if family == Family::Batch && !live.0.is_empty() {
            return Err(TrafficError::NoMirror);
        }
        if live.0.len() > 1 {
            return Err(TrafficError::ManyMirrors(live.0.len()));
        }
        for (name, share) in live.0 {
            if share > 50 {
                return Err(TrafficError::MirrorShare { name, share });
            }
            if traffic.share(&name) > 0 {
                return Err(TrafficError::MirrorIsLive { name });
            }
        }
        Ok(())
    }

    /// The map as the value of a tag: `blue=90,green=10`.
    pub fn for_tag(&self) -> Result<String, TrafficError> {
        let live = self.live();
        let text = live.join(",");
        let length = text.chars().count();
        if length > TAG_LIMIT {
            let map = live.to_string();
            return Err(TrafficError::TooLong { map, length });
        }
        Ok(if text.is_empty() {
            NOTHING.to_owned()
        } else {
            text
        })
    }

    fn join(&self, separator: &str) -> String {
        let items = self.0.iter().map(|(name, share)| format!("{name}={share}"));
        items.collect::<Vec<_>>().join(separator)
    }
}

impl From<Shares> for TrafficMap {
    fn from(shares: Shares) -> Self {
        Self(shares)
    }
}

/// `blue=90 green=10`, or `none`.
impl fmt::Display for TrafficMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(NOTHING);
        }
        f.write_str(&self.join(" "))
    }
}

fn find(map: &BTreeMap<String, u32>, name: &str) -> Option<u32> {
    map.iter()
        .find(|(one, _)| one.eq_ignore_ascii_case(name))
        .map(|(_, share)| *share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> TrafficMap {
        TrafficMap::parse(text).unwrap()
    }

    #[test]
    fn a_map_is_read_in_one_line_and_one_a_line() {
        for text in [
            "blue=90 green=10",
            "green=10\nblue=90",
            "blue=90, green=10",
            " blue=90 ;\r\n\tgreen=10,\n",
        ] {
            assert_eq!(map(text).to_string(), "blue=90 green=10", "{text:?}");
        }
    }

    #[test]
    fn what_is_no_map_is_named() {
        for (text, word) in [
            ("blue", "\"blue\""),
            ("blue=", "\"blue=\""),
            ("=10", "\"=10\""),
            ("blue=ten", "\"ten\""),
            ("blue=+10", "\"+10\""),
            ("blue=101", "\"101\""),
            ("blue=-1", "\"-1\""),
            ("blue=50.5 green=49.5", "\"50.5\""),
            ("blue=99999999999", "99999999999"),
            ("blue=50 BLUE=50", "\"BLUE\" is named twice"),
            ("blue = 100", "\"blue\""),
            (" ,", "no deployment"),
        ] {
            let said = TrafficMap::parse(text).unwrap_err().to_string();
            assert!(said.contains(word), "{text}: {said}");
        }
    }

    #[test]
    fn shares_sum_to_100_or_to_nothing() {
        for fine in ["blue=100", "blue=0", "blue=90 green=10", "blue=0 green=100"] {
            assert_eq!(map(fine).check(Family::Online), Ok(()), "{fine}");
        }
        for wrong in ["blue=99", "blue=90 green=20", "blue=1 green=1"] {
            let said = map(wrong).check(Family::Online).unwrap_err();
            assert!(matches!(said, TrafficError::Sum { .. }), "{said}");
        }
        assert_eq!(map("d=100 e=0").check(Family::Batch), Ok(()));
        for wrong in ["d=50 e=50", "d=0"] {
            let said = map(wrong).check(Family::Batch).unwrap_err();
            assert!(matches!(said, TrafficError::NotOneDefault(_)), "{said}");
        }
    }

    #[test]
    fn a_mirror_is_one_deployment_without_live_traffic_and_at_most_half() {
        let live = map("blue=100");
        let check = |mirror: &str| map(mirror).check_mirror(Family::Online, &live);
        assert_eq!(check("green=50"), Ok(()));
        assert_eq!(check("green=0"), Ok(()));
        assert!(matches!(
            check("green=51"),
            Err(TrafficError::MirrorShare { .. })
        ));
        assert!(matches!(
            check("Blue=10"),
            Err(TrafficError::MirrorIsLive { .. })
        ));
        assert_eq!(check("green=1 red=1"), Err(TrafficError::ManyMirrors(2)));
        let batch = map("green=1").check_mirror(Family::Batch, &live);
        assert_eq!(batch, Err(TrafficError::NoMirror));
    }

    #[test]
    fn a_tag_gives_back_what_it_was_given() {
        for text in ["blue=100", "blue=90 green=10", "a=0 b=100"] {
            let tag = map(text).for_tag().unwrap();
            assert!(TrafficMap::from_tag(&tag).unwrap().same(&map(text)));
        }
        let none = TrafficMap::default();
        assert_eq!(TrafficMap::from_tag(&none.for_tag().unwrap()), Ok(none));
        assert!(TrafficMap::from_tag("{}").is_err());
    }

    #[test]
    fn a_map_that_does_not_fit_into_a_tag_is_refused() {
        let names = |count: usize| -> String {
            let each = 100 / count;
            let items = (0..count).map(|index| format!("{}{index}={each} ", "d".repeat(31)));
            items.collect()
        };
        assert!(map(&names(6)).for_tag().unwrap().len() <= TAG_LIMIT);
        let said = map(&names(9)).for_tag().unwrap_err();
        assert!(matches!(said, TrafficError::TooLong { .. }), "{said}");
    }

    #[test]
    fn names_are_told_apart_by_more_than_case() {
        let known = ["Blue".to_owned(), "green".to_owned()];
        let spelled = map("blue=90 GREEN=10").spelled_as(&known).unwrap();
        assert_eq!(spelled.to_string(), "Blue=90 green=10");
        assert!(spelled.same(&map("blue=90 green=10 red=0")));
        let unknown = map("blue=90 red=10").spelled_as(&known).unwrap_err();
        assert_eq!(unknown, ["red"]);
    }
}
