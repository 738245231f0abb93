//! What is left for the others when a new deployment takes its share of the traffic. Whole percents; pure.

use crate::azure::endpoints::Shares;
use crate::stage::traffic::TrafficMap;

/// The same proportions in what is left when `new` takes `percent`. The remainders go to the largest fractions, and among equals
/// to the first name, so that the same inputs always give the same map.
pub(super) fn shared(former: &TrafficMap, new: &str, percent: u32) -> TrafficMap {
    let percent = percent.min(100);
    let rest = 100 - percent;
    let former = former.live();
    let others = || former.shares().iter().filter(|(name, _)| *name != new);
    // A map of nobody has no rest to give.
    let whole = others().map(|(_, share)| share).sum::<u32>().max(1);
    let mut scaled: Vec<(&str, u32, u32)> = others()
        .map(|(name, share)| (name.as_str(), share * rest / whole, share * rest % whole))
        .collect();
    let given: u32 = scaled.iter().map(|(_, share, _)| share).sum();
    let mut order: Vec<usize> = (0..scaled.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(scaled[*at].2));
    let left = rest.saturating_sub(given) as usize;
    for at in order.into_iter().take(left) {
        scaled[at].1 += 1;
    }
    let map: Shares = scaled
        .into_iter()
        .map(|(name, share, _)| (name, share))
        .chain([(new, percent)])
        .filter(|(_, share)| *share > 0)
        .map(|(name, share)| (name.to_owned(), share))
        .collect();
    TrafficMap::from(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_new_one_leaves_is_shared_as_before() {
        for (former, new, percent, expected) in [
            ("blue=100", "green", 10, "blue=90 green=10"),
            ("blue=100", "green", 100, "green=100"),
            ("a=34 b=33 c=33", "d", 50, "a=17 b=17 c=16 d=50"),
            ("a=34 b=33 c=33", "d", 99, "a=1 d=99"),
            ("a=0", "blue", 100, "blue=100"),
        ] {
            let former = TrafficMap::parse(former).unwrap();
            let map = shared(&former, new, percent);
            assert_eq!(map.to_string(), expected);
        }
    }

    #[test]
    fn every_share_of_every_map_sums_to_100_and_gives_nobody_more_than_before() {
        for a in 0..=100_u32 {
            for b in 0..=(100 - a) {
                let former = format!("a={a} b={b} c={}", 100 - a - b);
                let former = TrafficMap::parse(&former).unwrap();
                for percent in [1, 3, 10, 33, 50, 67, 99, 100] {
                    let map = shared(&former, "new", percent);
                    assert_eq!(map.sum(), 100, "{former} and {percent}");
                    assert_eq!(map.share("new"), percent);
                    for (name, share) in former.shares() {
                        assert!(map.share(name) <= *share, "{former} and {percent}: {map}");
                    }
                }
            }
        }
    }
}
