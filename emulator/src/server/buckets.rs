//! Azure Resource Manager's throttling, on the way in and out.

use super::{App, error, principal};
use crate::manners::throttle::{Admission, Caller, Kind};
use crate::surface::http::Incoming;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, header};

/// A request that went through the buckets of its subscription.
pub(super) struct Admitted {
    kind: Kind,
    admission: Admission,
    subscription: String,
    principal: String,
}

impl App {
    /// Takes a token for a request to Azure Resource Manager; `None` when nobody counts it.
    pub(super) fn admission(&self, incoming: &Incoming) -> Option<Admitted> {
        // What goes on after a restart was counted when it began.
        if incoming.orders.resumes.is_some() {
            return None;
        }
        let mut segments = incoming.path.split('/').filter(|segment| !segment.is_empty());
        if !segments.next()?.eq_ignore_ascii_case("subscriptions") {
            return None;
        }
        let subscription = segments.next()?;
        let principal = principal(self, incoming)?;
        let kind = Kind::of(&incoming.method);
        let caller = Caller { subscription, principal: &principal, kind };
        let admission = self.estate.manners.admit(&caller, self.estate.clock.now())?;
        Some(Admitted { kind, admission, subscription: subscription.to_owned(), principal })
    }
}

impl Admitted {
    /// The refusal, when there was no token left.
    pub(super) fn refusal(&self) -> Option<Response<Body>> {
        let Admission::Refused { seconds } = self.admission else { return None };
        let Self { kind, subscription, principal, .. } = self;
        let what = kind.name().trim_end_matches('s');
        let message = format!(
            "Number of '{what}' requests for subscription '{subscription}' actor '{principal}' exceeded. Please try again after '{seconds}' seconds after additional tokens are available. Refer to https://aka.ms/arm-throttling for additional information."
        );
        let mut response = error(429, "SubscriptionRequestsThrottled", &message);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        self.tell(&mut response);
        Some(response)
    }

    /// Tells how much is left.
    pub(super) fn tell(&self, response: &mut Response<Body>) {
        let (own, all) = match self.admission {
            Admission::Passed { own, all } => (own, Some(all)),
            Admission::Refused { .. } => (0, None),
        };
        let counts = [("subscription", Some(own)), ("subscription-global", all)];
        for (scope, left) in counts.into_iter().filter_map(|(scope, left)| Some((scope, left?))) {
            let name = format!("x-ms-ratelimit-remaining-{scope}-{}", self.kind.name());
            if let Ok(name) = HeaderName::try_from(name) {
                response.headers_mut().insert(name, HeaderValue::from(left));
            }
        }
    }
}
