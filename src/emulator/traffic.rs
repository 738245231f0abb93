//! Shares of traffic: which deployment gets a request. Knows no deployment but its name.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

/// The most of a copy that the service takes.
pub(crate) const MOST_MIRRORED: u64 = 50;

/// `{"blue": 90, "green": 10}`, in the order it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Split(Vec<(String, u64)>);

impl Split {
    /// Reads a map; a missing one is empty. The error says what is no share.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        if value.is_null() {
            return Ok(Self::default());
        }
        let Some(shares) = value.as_object() else {
            return Err(format!("{value} is no map of deployments to percentages"));
        };
        let share = |(name, value): (&String, &Value)| {
            let percent = value.as_u64().filter(|percent| *percent <= 100);
            percent
                .map(|percent| (name.clone(), percent))
                .ok_or_else(|| format!("{value} is no percentage for '{name}'"))
        };
        shares.iter().map(share).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().map(|(_, percent)| percent).sum()
    }

    pub(crate) fn of(&self, deployment: &str) -> u64 {
        let mine = |(name, _): &&(String, u64)| name.eq_ignore_ascii_case(deployment);
        self.0.iter().find(mine).map_or(0, |(_, percent)| *percent)
    }

    /// The names that get something.
    pub(crate) fn served(&self) -> impl Iterator<Item = &str> {
        let some = self.0.iter().filter(|(_, percent)| *percent > 0);
        some.map(|(name, _)| name.as_str())
    }

    /// Who gets the request that drew this number below 100; nobody when the shares end before it.
    pub(crate) fn at(&self, draw: u64) -> Option<&str> {
        let mut end = 0;
        let found = self.0.iter().find(|(_, percent)| {
            end += percent;
            draw < end
        });
        found.map(|(name, _)| name.as_str())
    }
}

/// Draws for requests: each is somewhere else below 100, and any run of them lies evenly, so that a share is met within a few requests and
/// not only on average (a Weyl sequence).
#[derive(Debug)]
pub(crate) struct Draws {
    count: AtomicU64,
    step: u64,
}

impl Draws {
    /// For live traffic: steps by the golden section.
    pub(crate) fn live() -> Self {
        Self::stepping(0x9E37_79B9_7F4A_7C15)
    }

    /// For mirrored traffic, which must not always copy the same deployment's requests: steps by the root of two.
    pub(crate) fn mirror() -> Self {
        Self::stepping(0x6A09_E667_F3BC_C909)
    }

    fn stepping(step: u64) -> Self {
        Self {
            count: AtomicU64::new(0),
            step,
        }
    }

    /// The next number below 100.
    pub(crate) fn draw(&self) -> u64 {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let point = u128::from(count.wrapping_mul(self.step));
        u64::try_from((point * 100) >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shares_are_met_within_a_point_over_ten_thousand_requests() {
        for map in [
            json!({"blue": 90, "green": 10}),
            json!({"blue": 1, "green": 99}),
            json!({"a": 33, "b": 33, "c": 34}),
        ] {
            let (split, draws) = (Split::read(&map).unwrap(), Draws::live());
            let mut served = std::collections::BTreeMap::new();
            for _ in 0..10_000 {
                *served
                    .entry(split.at(draws.draw()).unwrap().to_owned())
                    .or_insert(0_u64) += 1;
            }
            for (name, count) in served {
                let wanted = split.of(&name) * 100;
                assert!(count.abs_diff(wanted) < 100, "{name}: {count} of {wanted}");
            }
        }
    }

    #[test]
    fn what_the_shares_leave_over_goes_to_nobody() {
        let mirror = Split::read(&json!({"green": 25})).unwrap();
        assert_eq!((mirror.at(24), mirror.at(25)), (Some("green"), None));
        assert_eq!(Split::read(&Value::Null).unwrap().at(0), None);
    }

    #[test]
    fn what_is_no_percentage_is_named() {
        for (map, named) in [
            (json!({"blue": -1}), "'blue'"),
            (json!({"blue": 100.5}), "100.5"),
            (json!({"blue": "90"}), "\"90\""),
            (json!([1]), "[1]"),
        ] {
            let told = Split::read(&map).unwrap_err();
            assert!(told.contains(named), "{told}");
        }
    }
}
