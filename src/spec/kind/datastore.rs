//! `register-datastore`: storage that the workspace knows by name. What each type has is a row of [`STORES`]; how it is opened is in
//! `credentials`.

mod credentials;

use std::path::Path;

use crate::spec::draft::Object;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::io;
use crate::spec::plan::Target;
use crate::spec::problem::Report;
use crate::spec::session::Session;

use credentials::Credential;

const API: &str = "2024-10-01-preview";
/// Public Azure's, as the SDK has them unless it was configured for another cloud.
const DEFAULT_SUFFIX: &str = "core.windows.net";
const DEFAULT_PROTOCOL: &str = "https";

/// A type of datastore.
struct Store {
    /// The word under `type`, which the SDK takes in this spelling only.
    word: &'static str,
    rest: &'static str,
    /// Required texts: their names in YAML and in the request.
    texts: &'static [(&'static str, &'static str)],
    /// Whether it lies in a storage account, which has an address of its own.
    in_account: bool,
    /// Data lakes of the first generation have mappings for tags.
    nested_tags: bool,
    credentials: &'static [Credential],
}

const STORES: [Store; 5] = [
    Store {
        word: "azure_blob",
        rest: "AzureBlob",
        texts: &[
            ("account_name", "accountName"),
            ("container_name", "containerName"),
        ],
        in_account: true,
        nested_tags: false,
        credentials: &[Credential::AccountKey, Credential::Sas],
    },
    Store {
        word: "azure_file",
        rest: "AzureFile",
        texts: &[
            ("account_name", "accountName"),
            ("file_share_name", "fileShareName"),
        ],
        in_account: true,
        nested_tags: false,
        credentials: &[Credential::AccountKey, Credential::Sas],
    },
    Store {
        word: "azure_data_lake_gen1",
        rest: "AzureDataLakeGen1",
        texts: &[("store_name", "storeName")],
        in_account: false,
        nested_tags: true,
        credentials: &[Credential::ServicePrincipal, Credential::Certificate],
    },
    Store {
        word: "azure_data_lake_gen2",
        rest: "AzureDataLakeGen2",
        texts: &[
            ("account_name", "accountName"),
            ("filesystem", "filesystem"),
        ],
        in_account: true,
        nested_tags: false,
        credentials: &[Credential::ServicePrincipal, Credential::Certificate],
    },
    Store {
        word: ONE_LAKE,
        rest: "OneLake",
        texts: &[
            ("one_lake_workspace_name", "oneLakeWorkspaceName"),
            ("endpoint", "endpoint"),
        ],
        in_account: false,
        nested_tags: false,
        credentials: &[Credential::ServicePrincipal],
    },
];
const ONE_LAKE: &str = "one_lake";

pub(super) fn translate(session: &mut Session<'_>, mut fields: Fields<'_>, _base: &Path) {
    fields.read_only(&["$schema", "id"]);
    let report = &mut session.report;
    let name = fields.required("name", report);
    let name = name.and_then(|field| super::not_empty(&field, report));
    let words = STORES.map(|store| store.word);
    let kind = fields.required("type", report);
    let kind = kind.and_then(|field| field.choice(report, &words, Case::Exact));
    let Some(store) = STORES
        .iter()
        .find(|store| kind.as_deref() == Some(store.word))
    else {
        return;
    };
    let properties = properties(store, &mut fields, report);
    fields.refuse_rest(report);
    let mut body = Object::default();
    body.put("properties", properties);
    let target = Target::Named {
        collection: "datastores",
        name,
    };
    session.request(target, API, body, Vec::new());
}

fn properties(store: &Store, fields: &mut Fields<'_>, report: &mut Report) -> Object {
    let mut body = Object::default();
    body.put("datastoreType", store.rest);
    body.put_some("description", fields.text("description", report));
    let tags = if store.nested_tags {
        nested
    } else {
        super::compute::tags
    };
    body.put_some("tags", fields.read("tags", report, tags));
    for (yaml, rest) in store.texts {
        let text = fields.required(yaml, report);
        body.put_some(*rest, text.and_then(|field| field.text(report)));
    }
    if store.in_account {
        for (name, default) in [("endpoint", DEFAULT_SUFFIX), ("protocol", DEFAULT_PROTOCOL)] {
            let text = fields.text(name, report);
            body.put(name, text.unwrap_or_else(|| default.into()));
        }
    }
    if store.word == ONE_LAKE {
        let artifact = fields.required("artifact", report);
        body.put_some(
            "artifact",
            artifact.and_then(|field| artifact_of(&field, report)),
        );
    }
    let credentials = match fields.take("credentials") {
        Some(field) => credentials::read(&field, store.credentials, report),
        None => Some(credentials::none()),
    };
    body.put_some("credentials", credentials);
    body
}

fn nested(field: &Field<'_>, report: &mut Report) -> Option<serde_json::Value> {
    let entries = field.entries(report)?;
    let tags = entries
        .into_iter()
        .filter_map(|(name, field)| Some((name.to_owned(), io::values(&field, report)?)));
    Some(serde_json::Value::Object(tags.collect()))
}

/// A lakehouse, the only kind of artifact there is.
fn artifact_of(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let name = fields.required("name", report);
    let name = name.and_then(|field| field.text(report));
    let _checked = fields.choice("type", report, &["lake_house"], Case::Snake);
    fields.refuse_rest(report);
    let mut body = Object::default();
    body.put("artifactType", "LakeHouse");
    body.put("artifactName", name?);
    Some(body)
}
