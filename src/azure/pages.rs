//! Lists that come in pages. Knows how the service names the next page, not what is on them.

use std::collections::BTreeSet;

use serde_json::Value;
use url::Url;

use super::jobs::text;
use super::{Answer, ArmError, Azure, Call};

/// Everything that a list holds, page by page.
pub(super) async fn all(azure: &Azure, first: Call) -> Result<Vec<Value>, ArmError> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut page = azure.send(first.clone()).await?;
    loop {
        let items = page.body["value"].as_array().into_iter().flatten();
        found.extend(items.cloned());
        // A server that names the same page for ever must not keep us for ever.
        let Some((_, next)) = next(&first, &page).filter(|(name, _)| seen.insert(name.clone()))
        else {
            return Ok(found);
        };
        page = azure.send(next).await?;
    }
}

/// The next page's name and the call for it.
fn next(first: &Call, page: &Answer) -> Option<(String, Call)> {
    if let Some(token) = text(&page.body["continuationToken"]) {
        let call = first.clone().query("$continuationToken", token.as_str());
        return Some((token, call));
    }
    let link = text(&page.body["nextLink"])?;
    let call = Call::link(Url::parse(&link).ok()?);
    Some((link, call))
}
