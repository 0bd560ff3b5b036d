//! Which deployment a request goes to, and which splits Azure takes.

use std::collections::{BTreeMap, BTreeSet};

/// Shares in percent by deployment.
pub(crate) type Shares = BTreeMap<String, i64>;

/// Why a split is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TrafficError {
    #[error("Traffic names the deployment {0}, which the endpoint does not have.")]
    UnknownDeployment(String),
    #[error("Traffic of {name} is {share}: a share lies between 0 and 100.")]
    OutOfRange { name: String, share: i64 },
    #[error("Traffic sums to {0}: shares must sum to 0 or 100.")]
    Sum(i64),
    #[error("Mirror traffic can go to one deployment only, not to {0}.")]
    SeveralMirrors(String),
    #[error("Mirror traffic of {name} is {share}: it can be 50 percent at most.")]
    MirrorTooMuch { name: String, share: i64 },
    #[error("Deployment {0} has live and mirrored traffic: it can have one of them only.")]
    LiveAndMirrored(String),
}

/// Checks a split against Azure's rules ("Safe rollout for online endpoints", learn.microsoft.com): shares sum to 0 or
/// 100 over existing deployments; one deployment mirrors at most half of the traffic and takes none of it live.
pub(crate) fn check(live: &Shares, mirror: &Shares, deployments: &BTreeSet<String>) -> Result<(), TrafficError> {
    for (name, &share) in live.iter().chain(mirror) {
        if !deployments.contains(name) {
            return Err(TrafficError::UnknownDeployment(name.clone()));
        }
        if !(0..=100).contains(&share) {
            return Err(TrafficError::OutOfRange { name: name.clone(), share });
        }
    }
    let sum: i64 = live.values().sum();
    if sum != 0 && sum != 100 {
        return Err(TrafficError::Sum(sum));
    }
    let mirrors: Vec<_> = mirror.iter().filter(|(_, share)| **share > 0).collect();
    match mirrors.as_slice() {
        [] => Ok(()),
        [(name, share)] if **share > 50 => Err(TrafficError::MirrorTooMuch { name: (*name).clone(), share: **share }),
        [(name, _)] if live.get(*name).is_some_and(|share| *share > 0) => {
            Err(TrafficError::LiveAndMirrored((*name).clone()))
        }
        [_] => Ok(()),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            Err(TrafficError::SeveralMirrors(names.join(", ")))
        }
    }
}

/// The deployment for the `n`th request. Over any hundred requests in a row each deployment gets exactly its share;
/// they are spread, not sent in blocks.
pub(crate) fn choose(live: &Shares, n: u64) -> Option<&str> {
    // 37 has no divisor in common with 100, so this walks through all hundred places.
    let place = ((n % 100) * 37 % 100) as i64;
    let mut upper = 0;
    live.iter()
        .find(|(_, share)| {
            upper += **share;
            place < upper
        })
        .map(|(name, _)| name.as_str())
}

/// Whether the `n`th request is copied, and to which deployment.
pub(crate) fn mirrored(mirror: &Shares, n: u64) -> Option<&str> {
    choose(mirror, n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(pairs: &[(&str, i64)]) -> Shares {
        pairs.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect()
    }

    #[test]
    fn azures_rules_hold() {
        let both: BTreeSet<String> = ["blue".to_owned(), "green".to_owned(), "grey".to_owned()].into();
        let check = |live: &[(&str, i64)], mirror: &[(&str, i64)]| check(&shares(live), &shares(mirror), &both);
        assert_eq!(check(&[("blue", 90), ("green", 10)], &[]), Ok(()));
        assert_eq!(check(&[], &[]), Ok(()));
        assert_eq!(check(&[("blue", 100)], &[("green", 50)]), Ok(()));
        assert_eq!(check(&[("blue", 90)], &[]), Err(TrafficError::Sum(90)));
        assert_eq!(check(&[("red", 100)], &[]), Err(TrafficError::UnknownDeployment("red".into())));
        assert!(matches!(check(&[("blue", 150), ("green", -50)], &[]), Err(TrafficError::OutOfRange { .. })));
        assert!(matches!(check(&[("blue", 100)], &[("green", 51)]), Err(TrafficError::MirrorTooMuch { .. })));
        assert!(matches!(check(&[("blue", 100)], &[("blue", 10)]), Err(TrafficError::LiveAndMirrored(_))));
        let several = check(&[("blue", 100)], &[("green", 10), ("grey", 10)]);
        assert!(matches!(several, Err(TrafficError::SeveralMirrors(_))));
    }

    #[test]
    fn a_hundred_requests_meet_the_shares_exactly() {
        let live = shares(&[("blue", 90), ("green", 10)]);
        for start in [0, 7, 1234] {
            let green = (start..start + 100).filter(|n| choose(&live, *n) == Some("green")).count();
            assert_eq!(green, 10);
        }
        assert_eq!(choose(&shares(&[("blue", 0)]), 3), None);
    }
}
