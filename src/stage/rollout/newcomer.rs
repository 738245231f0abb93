//! The deployment that a rollout brings in: made from its YAML, recognised by its contents, tested by name. The rollout itself
//! knows neither YAML nor requests to a model; a test gives it another newcomer.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::azure::endpoints::Endpoint;
use crate::report::Change;

/// What a rollout asks of the new deployment.
#[async_trait]
pub(super) trait Newcomer: Debug + Send + Sync {
    /// Makes the deployment under this name, or updates it in place, and waits until it is healthy. Its traffic is not touched.
    async fn create(&self, name: &str, limit: Duration) -> anyhow::Result<Change>;
    /// Calls it by its name, whatever its share, and judges the answers. An error is a failed test.
    async fn test(&self, endpoint: &Endpoint, name: &str) -> anyhow::Result<()>;
}
