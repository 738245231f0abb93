//! Tokens: one per audience, shared by everything that sends, renewed before they end. Owns their lifetimes and the repeats of a
//! sign-in; how one sign-in goes is in [`mint`], which way to take in [`choose`]. Knows no requests to Azure ML.

mod assertion;
mod certificate;
mod choose;
mod entra;
mod explain;
mod failure;
mod identity;
mod mint;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

pub(crate) use choose::choose;
pub use identity::Identity;
pub(crate) use mint::Minter;

use super::clock::Clock;
use super::cloud::Cloud;
use super::error::SignInError;
use super::retry::RetryPolicy;
use super::{Notice, Observer};
use crate::secret::Secret;

/// A token with less left than this is not used for another request. One that never had as much is thus fetched for every request.
const MARGIN: Duration = Duration::from_secs(300);

/// An access token and when it ends.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) value: Secret,
    pub(crate) expires: SystemTime,
}

/// The tokens of one client.
#[derive(Debug)]
pub(crate) struct Tokens {
    minter: Minter,
    policy: RetryPolicy,
    clock: Clock,
    observer: super::Watcher,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

/// One audience: whoever comes while a sign-in is under way waits for that one.
#[derive(Debug, Default)]
struct Slot {
    /// Counts sign-ins that came to an end, one way or the other.
    ended: AtomicU64,
    last: tokio::sync::Mutex<Option<Result<Token, SignInError>>>,
}

impl Tokens {
    pub(crate) fn new(
        minter: Minter,
        policy: RetryPolicy,
        clock: Clock,
        observer: Observer,
    ) -> Self {
        Self {
            minter,
            policy,
            clock,
            observer: super::Watcher(observer),
            slots: Mutex::default(),
        }
    }

    /// A token for `scope` that is good for a while yet.
    pub(crate) async fn token(&self, cloud: &Cloud, scope: &str) -> Result<Token, SignInError> {
        // Somebody else's sign-in that ended while this one waited for it is as good as a new one.
        let good = |token: &Token, awaited: bool| {
            let left = self.left(token);
            left > MARGIN || (awaited && left > Duration::ZERO)
        };
        self.obtain(cloud, scope, good).await
    }

    /// A token other than the one that the service has just refused.
    pub(crate) async fn renewed(
        &self,
        cloud: &Cloud,
        scope: &str,
        refused: &Secret,
    ) -> Result<Token, SignInError> {
        self.observer
            .notify(&Notice::Debug(format!("a token for {scope} was refused")));
        let good = |token: &Token, _| token.value != *refused && self.left(token) > Duration::ZERO;
        self.obtain(cloud, scope, good).await
    }

    /// The last token if it is `good`, else one of a new sign-in. Who waited for a sign-in that failed shares its error.
    async fn obtain(
        &self,
        cloud: &Cloud,
        scope: &str,
        good: impl Fn(&Token, bool) -> bool + Send,
    ) -> Result<Token, SignInError> {
        let slot = self.slot(scope);
        let before = slot.ended.load(Ordering::Acquire);
        let mut last = slot.last.lock().await;
        let awaited = slot.ended.load(Ordering::Acquire) > before;
        match last.as_ref() {
            Some(Ok(token)) if good(token, awaited) => return Ok(token.clone()),
            Some(Err(error)) if awaited => return Err(error.clone()),
            Some(Ok(_) | Err(_)) | None => {}
        }
        self.sign_in(cloud, scope, &slot, &mut last).await
    }

    /// Who the token that is there for `scope` says that we are.
    pub(crate) async fn identity(&self, scope: &str) -> Identity {
        let slot = self.slot(scope);
        let last = slot.last.lock().await;
        let token = last.as_ref().and_then(|last| last.as_ref().ok());
        Identity::of(&self.minter, token.map(|token| &token.value))
    }

    fn slot(&self, scope: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(scope.to_owned()).or_default())
    }

    fn left(&self, token: &Token) -> Duration {
        token
            .expires
            .duration_since(self.clock.now())
            .unwrap_or_default()
    }

    async fn sign_in(
        &self,
        cloud: &Cloud,
        scope: &str,
        slot: &Slot,
        last: &mut Option<Result<Token, SignInError>>,
    ) -> Result<Token, SignInError> {
        // The old token goes first: a caller that gives up half-way must not leave a refused one behind.
        *last = None;
        let outcome = Box::pin(self.mint_until_it_works(cloud, scope)).await;
        if let Ok(token) = &outcome {
            self.observer.notify(&Notice::Minted(token.value.clone()));
        }
        *last = Some(outcome.clone());
        slot.ended.fetch_add(1, Ordering::Release);
        outcome
    }

    /// Each try is a sign-in of its own, with an assertion of its own.
    async fn mint_until_it_works(&self, cloud: &Cloud, scope: &str) -> Result<Token, SignInError> {
        let mut attempt = 0;
        loop {
            let failure = match self.minter.mint(cloud, scope).await {
                Ok(token) => return Ok(token),
                Err(failure) => failure,
            };
            let Some(passing) = failure.passing else {
                return Err(failure.error);
            };
            if attempt == self.policy.max_retries {
                return Err(failure.error);
            }
            attempt += 1;
            let wait = self.policy.wait(attempt, passing.asked);
            self.observer.notify(&Notice::Retrying {
                method: "POST".to_owned(),
                url: self.minter.address(cloud),
                reason: passing.reason,
                attempt,
                wait,
            });
            self.clock.sleep(wait).await;
        }
    }
}
