//! How bodies name assets and computes: ARM ids, `azureml:name:version`, `@latest`, registries. Knows no state.

use super::asset::{AssetKind, Pick};

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    Asset(AssetKind, String, Pick),
    /// In a registry or among the curated environments: Microsoft's, hence there.
    Curated(String),
}

/// Reads a reference; `kind` is what a short form means. `None` for what is no reference.
pub(crate) fn parse(text: &str, kind: AssetKind) -> Option<Reference> {
    if text.starts_with("azureml://registries/") {
        return Some(Reference::Curated(text.to_owned()));
    }
    if let Some(rest) = text.strip_prefix("azureml://locations/") {
        return from_segments(&rest.split('/').skip(1).collect::<Vec<_>>());
    }
    let short = text.strip_prefix("azureml:").unwrap_or(text);
    if short.starts_with("//") {
        return None;
    }
    if short.starts_with('/') {
        return from_segments(&short.trim_matches('/').split('/').collect::<Vec<_>>());
    }
    let (name, pick) = if let Some((name, label)) = short.split_once('@') {
        label.eq_ignore_ascii_case("latest").then_some(())?;
        (name, Pick::Latest)
    } else {
        let (name, version) = short.split_once(':')?;
        (name, Pick::Version(version.to_owned()))
    };
    let curated = name
        .get(..8)
        .is_some_and(|start| start.eq_ignore_ascii_case("azureml-"));
    if kind == AssetKind::Environment && curated {
        return Some(Reference::Curated(text.to_owned()));
    }
    Some(Reference::Asset(kind, name.to_owned(), pick))
}

/// Reads `.../workspaces/W/<kind>/N/versions/V`, the tail of every long id.
fn from_segments(segments: &[&str]) -> Option<Reference> {
    let at = segments
        .iter()
        .position(|segment| segment.eq_ignore_ascii_case("workspaces"))?;
    let [kind, name, selector, value] = segments.get(at + 2..)? else {
        return None;
    };
    let kind = AssetKind::from_segment(kind)?;
    let pick = match selector.to_lowercase().as_str() {
        "versions" => Pick::Version((*value).to_owned()),
        "labels" if value.eq_ignore_ascii_case("latest") => Pick::Latest,
        _ => return None,
    };
    let curated = name
        .get(..8)
        .is_some_and(|start| start.eq_ignore_ascii_case("azureml-"));
    if kind == AssetKind::Environment && curated {
        return Some(Reference::Curated(segments.join("/")));
    }
    Some(Reference::Asset(kind, (*name).to_owned(), pick))
}

/// The name of a compute in an id or a short form; `None` for serverless.
pub(crate) fn compute_name(text: &str) -> Option<&str> {
    let text = text.strip_prefix("azureml:").unwrap_or(text);
    let name = text.rsplit('/').next().unwrap_or(text);
    (!name.is_empty() && !name.eq_ignore_ascii_case("serverless")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_asset_is_read() {
        let data = |pick| Some(Reference::Asset(AssetKind::Data, "d".to_owned(), pick));
        let one = || Pick::Version("1".to_owned());
        let arm = "/subscriptions/S/resourceGroups/G/providers/P/workspaces/W/Data/d/versions/1";
        for text in [
            "azureml:d:1",
            "d:1",
            arm,
            &format!("azureml:{arm}"),
            "azureml://locations/l/workspaces/guid/data/d/versions/1",
        ] {
            assert_eq!(parse(text, AssetKind::Data), data(one()), "{text}");
        }
        assert_eq!(
            parse("azureml:d@latest", AssetKind::Data),
            data(Pick::Latest)
        );
        assert_eq!(
            parse("azureml://datastores/d/paths/p", AssetKind::Data),
            None
        );
        let curated = parse("azureml:AzureML-sklearn@latest", AssetKind::Environment);
        assert!(matches!(curated, Some(Reference::Curated(_))));
    }
}
