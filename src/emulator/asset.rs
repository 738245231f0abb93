//! Versioned assets in memory: containers, their versions in order of creation, and which definition may not change. Knows no HTTP.

use serde_json::Value;
use time::OffsetDateTime;

use super::clock;
use super::store::Table;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AssetKind {
    Code,
    Data,
    Environment,
    Model,
    Component,
}

impl AssetKind {
    const ALL: [Self; 5] = [
        Self::Code,
        Self::Data,
        Self::Environment,
        Self::Model,
        Self::Component,
    ];

    /// The word in paths and ids.
    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::Code => "codes",
            Self::Data => "data",
            Self::Environment => "environments",
            Self::Model => "models",
            Self::Component => "components",
        }
    }

    pub(crate) fn from_segment(segment: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.segment().eq_ignore_ascii_case(segment))
    }

    /// What an existing version points to, which no later write may change, as paths within `properties`.
    fn fixed(self) -> &'static [&'static str] {
        match self {
            Self::Code => &["/codeUri"],
            Self::Data => &["/dataUri", "/dataType"],
            Self::Environment => &["/image", "/condaFile", "/build"],
            Self::Model => &["/modelUri", "/modelType"],
            Self::Component => &["/componentSpec"],
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) version: String,
    pub(crate) properties: Value,
    pub(crate) created: OffsetDateTime,
    pub(crate) modified: OffsetDateTime,
}

impl Version {
    fn flag(&self, name: &str) -> bool {
        self.properties.get(name).and_then(Value::as_bool) == Some(true)
    }

    pub(crate) fn is_archived(&self) -> bool {
        self.flag("isArchived")
    }
}

/// The versions of one name, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Container {
    pub(crate) versions: Vec<Version>,
}

impl Container {
    /// The most recently created version, whatever it is called.
    pub(crate) fn latest(&self) -> Option<&Version> {
        let active = self.versions.iter().rev().find(|one| !one.is_archived());
        active.or(self.versions.last())
    }

    /// The largest version that is a number, plus one.
    pub(crate) fn next(&self) -> u64 {
        let numbers = self
            .versions
            .iter()
            .filter_map(|version| version.version.parse::<u64>().ok());
        numbers.max().unwrap_or(0) + 1
    }

    /// Names made by clients and jobs for their own use are in no list.
    pub(crate) fn is_hidden(&self) -> bool {
        self.versions.iter().all(|one| one.flag("isAnonymous"))
    }
}

/// Whether a write made something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Created,
    Updated,
}

/// Which version of a name is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pick {
    Version(String),
    Latest,
}

#[derive(Debug, Default)]
pub(crate) struct Assets {
    codes: Table<Container>,
    data: Table<Container>,
    environments: Table<Container>,
    models: Table<Container>,
    components: Table<Container>,
}

impl Assets {
    pub(crate) fn table(&self, kind: AssetKind) -> &Table<Container> {
        match kind {
            AssetKind::Code => &self.codes,
            AssetKind::Data => &self.data,
            AssetKind::Environment => &self.environments,
            AssetKind::Model => &self.models,
            AssetKind::Component => &self.components,
        }
    }

    pub(crate) fn find(&self, kind: AssetKind, name: &str, pick: &Pick) -> Option<Version> {
        let container = self.table(kind).get(name)?;
        match pick {
            Pick::Latest => container.latest().cloned(),
            Pick::Version(wanted) => container
                .versions
                .into_iter()
                .find(|one| one.version.eq_ignore_ascii_case(wanted)),
        }
    }

    /// Writes a version. `None` when it is there and what it points to would change.
    pub(crate) fn write(
        &self,
        kind: AssetKind,
        name: &str,
        version: &str,
        properties: Value,
    ) -> Option<(Version, Written)> {
        self.table(kind)
            .update_or(name, Container::default, |container| {
                let now = clock::now();
                let old = container
                    .versions
                    .iter_mut()
                    .find(|one| one.version.eq_ignore_ascii_case(version));
                let Some(old) = old else {
                    let new = Version {
                        version: version.to_owned(),
                        properties,
                        created: now,
                        modified: now,
                    };
                    container.versions.push(new.clone());
                    return Some((new, Written::Created));
                };
                let same = |path: &&str| {
                    old.properties.pointer(path).unwrap_or(&Value::Null)
                        == properties.pointer(path).unwrap_or(&Value::Null)
                };
                if !kind.fixed().iter().all(same) {
                    return None;
                }
                old.properties = properties;
                old.modified = now;
                Some((old.clone(), Written::Updated))
            })
    }

    /// Writes under the next free number, as a job's output without a version does.
    pub(crate) fn write_next(&self, kind: AssetKind, name: &str, properties: Value) -> Version {
        self.table(kind)
            .update_or(name, Container::default, |container| {
                let now = clock::now();
                let new = Version {
                    version: container.next().to_string(),
                    properties,
                    created: now,
                    modified: now,
                };
                container.versions.push(new.clone());
                new
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_latest_version_is_the_newest_and_the_next_is_the_largest_number_plus_one() {
        let assets = Assets::default();
        for version in ["7", "foo", "2"] {
            let properties = json!({"dataUri": version});
            assert!(
                assets
                    .write(AssetKind::Data, "d", version, properties)
                    .is_some()
            );
        }
        let container = assets.table(AssetKind::Data).get("D").unwrap();
        assert_eq!(container.latest().unwrap().version, "2");
        assert_eq!(container.next(), 8);
    }

    #[test]
    fn a_version_may_change_its_words_but_not_what_it_points_to() {
        let assets = Assets::default();
        let write = |body| assets.write(AssetKind::Data, "d", "1", body);
        write(json!({"dataUri": "a", "tags": {}})).unwrap();
        let again = write(json!({"dataUri": "a", "tags": {"k": "v"}})).unwrap();
        assert_eq!(again.1, Written::Updated);
        assert!(write(json!({"dataUri": "b"})).is_none());
    }
}
