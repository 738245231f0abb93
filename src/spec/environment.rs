//! Environments: registered under a name, or inline and named by their content. It does not know who uses them.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::draft::{Draft, Object};
use super::fields::{Case, Field, Fields};
use super::io::{self, datastore_name};
use super::plan::{Part, Reference, Target, Version};
use super::problem::Report;
use super::reference::{self, REGISTRY, asset_id};
use super::session::Session;
use super::yaml;

pub(super) const API: &str = "2023-04-01-preview";
const COLLECTION: &str = "environments";
const ANONYMOUS: &str = "CliV2AnonymousEnvironment";

/// What a document says of an environment, before it is known what it is called.
struct Definition {
    body: Object,
    image: Option<String>,
    conda: Option<String>,
    inference: Option<Value>,
    /// The object hash of the build context and the Dockerfile's path.
    build: Option<(Option<String>, Option<String>)>,
    needs: Vec<usize>,
}

/// What becomes of an inline environment that has no image.
#[derive(Clone, Copy)]
enum Bare {
    /// It must have a build context instead.
    Built,
    /// It gets this one, and nothing but its conda file counts.
    On(&'static str),
}

/// The id of the environment that a job or component names or defines inline.
pub(super) fn resolve(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<Draft> {
    resolve_as(session, field, base, Bare::Built)
}

/// The same for Spark, whose image is the service's own: the SDK puts one into the environment all the same.
pub(super) fn resolve_for_spark(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
) -> Option<Draft> {
    resolve_as(session, field, base, Bare::On("conda/miniconda3"))
}

fn resolve_as(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
    bare: Bare,
) -> Option<Draft> {
    if field.node.entries().is_some() {
        let fields = field.fields(&mut session.report)?;
        return inline(session, fields, base, bare);
    }
    let text = field.text(&mut session.report)?;
    if let Some(path) = text.strip_prefix("file:") {
        let path = super::session::absolute(base, path);
        let node = session.load(field, &path)?;
        let fields = Field::root(&node).fields(&mut session.report)?;
        let folder = path.parent().unwrap_or(base).to_owned();
        return inline(session, fields, &folder, bare);
    }
    if text.starts_with(REGISTRY) {
        return Some(Draft::from(text));
    }
    match text.strip_prefix("azureml:") {
        // The service expands the names of curated environments itself.
        Some(name) if name.starts_with("AzureML-") || name.starts_with(REGISTRY) => {
            Some(Draft::from(text))
        }
        Some(name) => asset_id(session, field, name, COLLECTION),
        None => {
            let message = format!(
                "`{text}` names no environment: write `azureml:<name>:<version>`, `azureml:<name>@latest`, `{REGISTRY}..`, \
                 `file:<path>` or a mapping"
            );
            field.problem(&mut session.report, message);
            None
        }
    }
}

/// The id of the environment that a deployment names or defines inline; one with a name is registered under it.
pub(super) fn of_deployment(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
) -> Option<Draft> {
    if field.node.get("name").is_some() {
        let fields = field.fields(&mut session.report)?;
        let request = register(session, fields, base)?;
        return Some(Draft::reference(Reference::Answer(request)));
    }
    if field
        .node
        .as_text()
        .is_some_and(|text| text.starts_with("file:"))
    {
        let message = "a deployment has its environment inline or by its name, not in a file";
        field.problem(&mut session.report, message);
        return None;
    }
    resolve(session, field, base)
}

/// Says what is wrong with an environment that has no effect where it stands: its form counts, not whether it could be built.
pub(super) fn check(session: &mut Session<'_>, field: &Field<'_>, base: &Path) {
    let text = field.node.as_text();
    if text.is_some_and(|text| super::binding::found_in(text) || text.starts_with("azureml:")) {
        return;
    }
    let mut apart = Session::new(session.files, session.working_directory);
    match field.node.entries() {
        Some(_) => drop(
            field
                .fields(&mut apart.report)
                .and_then(|fields| define(&mut apart, fields, base)),
        ),
        None => drop(resolve(&mut apart, field, base)),
    }
    if let Err(problems) = apart.finish() {
        session.report.extend(problems);
    }
}

/// An environment without a name: its version is a hash of what it says.
fn inline(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    base: &Path,
    bare: Bare,
) -> Option<Draft> {
    fields.without_effect(&["name", "version"]);
    let definition = match bare {
        Bare::On(image) if fields.at().node.get("image").is_none() => {
            on_image(session, fields, base, image)?
        }
        Bare::On(_) | Bare::Built => buildable(session, fields, base)?,
    };
    let version = definition.hash();
    let Definition {
        mut body, needs, ..
    } = definition;
    body.put("isAnonymous", true);
    body.put("isArchived", false);
    let target = Target::Versioned {
        collection: COLLECTION,
        name: ANONYMOUS.into(),
        version: Version::Fixed(version),
    };
    let index = session.request(target, API, wrapped(body), needs);
    Some(Draft::reference(Reference::Answer(index)))
}

/// An environment of its own document.
pub(super) fn register(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    base: &Path,
) -> Option<usize> {
    let name = fields.required("name", &mut session.report);
    let name = name.and_then(|field| super::kind::asset_name(&field, &mut session.report));
    let version = fields.version("version", &mut session.report);
    let version = version.filter(|version| !version.is_empty());
    let Definition {
        mut body, needs, ..
    } = buildable(session, fields, base)?;
    body.put("isAnonymous", false);
    body.put("isArchived", false);
    let target = Target::Versioned {
        collection: COLLECTION,
        name: name?,
        version: version.map_or(Version::LatestOrNext, Version::Fixed),
    };
    Some(session.request(target, API, wrapped(body), needs))
}

fn wrapped(properties: Object) -> Object {
    let mut body = Object::default();
    body.put("properties", properties);
    body
}

/// A definition of which only the conda file counts.
fn on_image(
    session: &mut Session<'_>,
    fields: Fields<'_>,
    base: &Path,
    image: &str,
) -> Option<Definition> {
    // A build context falls away, so it must not be planned as an upload.
    let mut apart = Session::new(session.files, session.working_directory);
    let defined = define(&mut apart, fields, base);
    if let Err(problems) = apart.finish() {
        session.report.extend(problems);
    }
    let conda = defined?.conda;
    let mut body = Object::default();
    body.put_some("condaFile", conda.clone());
    body.put("image", image);
    Some(Definition {
        body,
        image: Some(image.to_owned()),
        conda,
        inference: None,
        build: None,
        needs: Vec::new(),
    })
}

/// A definition that says what the environment is made of.
fn buildable(session: &mut Session<'_>, fields: Fields<'_>, base: &Path) -> Option<Definition> {
    let before = session.report.count();
    let whole = fields.at().clone();
    let definition = define(session, fields, base);
    let has = |name: &str| whole.node.get(name).is_some();
    let report = &mut session.report;
    match (has("image"), has("build")) {
        (false, false) if report.count() == before => {
            whole.problem(report, "an environment needs an `image` or a `build`");
        }
        (true, true) => whole.problem(
            report,
            "an environment has an `image` or a `build`, not both",
        ),
        (_, _) => {}
    }
    definition.filter(|_| report.count() == before)
}

fn define(session: &mut Session<'_>, mut fields: Fields<'_>, base: &Path) -> Option<Definition> {
    let before = session.report.count();
    fields.read_only(&[
        "$schema",
        "id",
        "creation_context",
        "latest_version",
        "intellectual_property",
    ]);
    fields.without_effect(&["auto_delete_setting"]);
    let whole = fields.at().clone();
    if is_conda_file(&whole, &mut session.report) {
        return None;
    }
    let report = &mut session.report;
    let mut body = Object::default();
    let image = fields.text("image", report);
    body.put_some("description", fields.text("description", report));
    body.put_some("tags", fields.read("tags", report, io::values));
    let system = fields.choice("os_type", report, &["linux", "windows"], Case::Lower);
    body.put_some("osType", system);
    let inference = fields
        .take("inference_config")
        .and_then(|field| inference_config(&field, session));
    body.put_some("inferenceConfig", inference.clone());
    let store = fields.text("datastore", &mut session.report);
    let conda = fields
        .take("conda_file")
        .and_then(|field| conda_file(session, &field, base));
    body.put_some("condaFile", conda.clone());
    body.put_some("image", image.clone());
    let mut needs = Vec::new();
    let build = fields
        .take("build")
        .and_then(|field| build_context(session, &field, base, store.as_deref()));
    if let Some(build) = &build {
        body.put("build", build.body.clone());
        needs.extend(build.upload);
    }
    let report = &mut session.report;
    fields.refuse_rest(report);
    (report.count() == before).then(|| Definition {
        body,
        image,
        conda,
        inference,
        build: build.map(|build| {
            (
                build
                    .upload
                    .map(|upload| session.uploads()[upload].hash.clone()),
                build.dockerfile,
            )
        }),
        needs,
    })
}

/// A conda file in the place of an environment is a common slip.
fn is_conda_file(field: &Field<'_>, report: &mut Report) -> bool {
    let own = ["channels", "dependencies"];
    let found = own.into_iter().find(|name| field.node.get(name).is_some());
    if let Some(name) = found {
        let message = format!(
            "`{name}` belongs into a conda file; an environment names it under `conda_file`"
        );
        field.problem(report, message);
    }
    found.is_some()
}

struct Build {
    body: Object,
    upload: Option<usize>,
    dockerfile: Option<String>,
}

fn build_context(
    session: &mut Session<'_>,
    field: &Field<'_>,
    base: &Path,
    store: Option<&str>,
) -> Option<Build> {
    let mut fields = field.fields(&mut session.report)?;
    let dockerfile = fields.text("dockerfile_path", &mut session.report);
    let path = fields.required("path", &mut session.report);
    fields.refuse_rest(&mut session.report);
    let path = path?;
    let text = path.text(&mut session.report)?;
    let mut body = Object::default();
    let upload = if reference::is_web_address(&text) && !session.exists(base, &text) {
        body.put("contextUri", text);
        None
    } else {
        let found = session.find(&path, &text, base)?;
        let upload = session.upload_data(
            &path,
            &found,
            store.map_or("workspaceblobstore", datastore_name),
        )?;
        let mut address = vec![Part::Reference(Reference::UploadUri(upload))];
        if !found.is_folder {
            // The service is told of a folder even where a file was named.
            address.push(Part::Text("/".into()));
        }
        body.put("contextUri", Draft::Parts(address));
        Some(upload)
    };
    body.put_some("dockerfilePath", dockerfile.clone());
    Some(Build {
        body,
        upload,
        dockerfile,
    })
}

/// The conda file's content, inline or in a file, in the one form that the service is sent.
fn conda_file(session: &mut Session<'_>, field: &Field<'_>, base: &Path) -> Option<String> {
    if let Some(entries) = field.node.entries() {
        return (!entries.is_empty()).then(|| yaml::dump(field.node));
    }
    let text = field.text(&mut session.report)?;
    let path = super::session::absolute(base, &text);
    let node = session.load(field, &path)?;
    if !node.is_null() && node.entries().is_none() {
        let message = format!("`{text}` is no conda file: it holds {}", node.describe());
        field.problem(&mut session.report, message);
        return None;
    }
    (!node.is_null()).then(|| yaml::dump(&node))
}

fn inference_config(field: &Field<'_>, session: &mut Session<'_>) -> Option<Value> {
    let report = &mut session.report;
    let mut fields = field.fields(report)?;
    let mut routes = serde_json::Map::new();
    for (yaml, rest) in [
        ("liveness_route", "livenessRoute"),
        ("readiness_route", "readinessRoute"),
        ("scoring_route", "scoringRoute"),
    ] {
        let Some(mut route) = fields
            .required(yaml, report)
            .and_then(|field| field.fields(report))
        else {
            continue;
        };
        let port = route
            .required("port", report)
            .and_then(|field| field.integer(report));
        let path = route
            .required("path", report)
            .and_then(|field| field.text(report));
        route.refuse_rest(report);
        routes.insert(rest.into(), json!({"path": path, "port": port}));
    }
    fields.refuse_rest(report);
    Some(Value::Object(routes))
}

impl Definition {
    /// The version of an anonymous environment. `join` is Python's: the separator goes between every two characters.
    fn hash(&self) -> String {
        let mut text = String::new();
        match (&self.build, &self.image) {
            (Some((content, dockerfile)), _) => {
                text = join(&text, &sha256(content.as_deref().unwrap_or_default()));
                if let Some(dockerfile) = dockerfile {
                    text = join(&text, &sha256(dockerfile));
                }
            }
            (None, Some(image)) => {
                text = join(&text, &sha256(image));
                if let Some(inference) = &self.inference {
                    text = join(&text, &sha256(&inference_dump(inference)));
                }
                if let Some(conda) = &self.conda {
                    text = join(&text, &sha256(conda));
                }
            }
            (None, None) => {}
        }
        sha256(&text)
    }
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

fn join(separator: &str, text: &str) -> String {
    let mut joined = String::with_capacity(text.len() * (separator.len() + 1));
    for (index, c) in text.chars().enumerate() {
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push(c);
    }
    joined
}

/// The SDK hashes the YAML dump of its own model objects, class names and all.
fn inference_dump(inference: &Value) -> String {
    const MODELS: &str = "!!python/object:azure.ai.ml._restclient.arm_ml_service.models._models";
    let mut text = format!("{MODELS}.InferenceContainerProperties\n_data:\n");
    for (name, route) in inference.as_object().into_iter().flatten() {
        let path = route["path"].as_str().unwrap_or_default();
        text.push_str(&format!(
            "  {name}: {MODELS}.Route\n    _data:\n      path: {path}\n      port: {}\n",
            route["port"]
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(image: &str, conda: Option<&str>) -> String {
        Definition {
            body: Object::default(),
            image: Some(image.into()),
            conda: conda.map(str::to_owned),
            inference: None,
            build: None,
            needs: Vec::new(),
        }
        .hash()
    }

    #[test]
    fn anonymous_environments_are_named_as_the_sdk_names_them() {
        assert_eq!(
            of("ubuntu:22.04", None),
            "8572c0d1256327d102a551a9efb331be20eb33dbb64beae87d71128fc5d457ff"
        );
        assert_eq!(
            of(
                "ubuntu:22.04",
                Some("dependencies:\n- python=3.10\nname: x\n")
            ),
            "f2e6d2e914753ca9df0d65bc1280f97188027a246cf25c5ebc26509601577432"
        );
    }

    #[test]
    fn the_separator_goes_between_characters() {
        assert_eq!(join("--", "abc"), "a--b--c");
        assert_eq!(join("", "abc"), "abc");
    }
}
