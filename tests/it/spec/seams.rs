//! What other parts rely on in a plan besides the bodies: expectations with places, uploads once, order of requests.

use std::fs;
use std::path::Path;

use aml_runner::spec::plan::{Destination, Existing, Part, Reference};
use aml_runner::spec::{Expected, Overrides, Plan};

use super::translate_in_place;

fn plan(files: &[(&str, &str)]) -> Plan {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    translate_in_place(
        &folder.path().join("job.yml"),
        Expected::Job,
        &Overrides::default(),
    )
    .unwrap()
}

const PIPELINE: &str = "\
type: pipeline
compute: azureml:cpu
settings: {default_compute: azureml:cpu}
jobs:
  a: {command: python a.py, code: src, environment: 'azureml:e@latest'}
  b: {command: python a.py, code: ./src, environment: 'azureml:e@latest', compute: gpu}
  c: {command: python b.py, code: src, environment: 'azureml:e@latest', compute: serverless}
";

#[test]
fn a_folder_that_several_steps_use_is_one_upload() {
    let plan = plan(&[("job.yml", PIPELINE), ("src/a.py", "a")]);
    assert_eq!(plan.uploads.len(), 1);
    assert_eq!(plan.uploads[0].destination, Destination::Code);
    assert_eq!(plan.uploads[0].written, "src");
    assert_eq!(plan.uploads[0].files[0].relative, "a.py");
}

#[test]
fn equal_anonymous_components_are_one_request_and_come_before_the_job() {
    let plan = plan(&[("job.yml", PIPELINE), ("src/a.py", "a")]);
    assert_eq!(plan.requests.len(), 3, "two components and the job");
    let (job, components) = plan.requests.split_last().unwrap();
    for slot in job
        .slots
        .iter()
        .filter(|slot| slot.pointer.ends_with("/componentId"))
    {
        let [Part::Reference(Reference::Answer(index))] = slot.parts.as_slice() else {
            panic!("{slot:?}");
        };
        assert!(*index < components.len());
    }
}

#[test]
fn computes_are_expected_where_they_were_first_named() {
    let plan = plan(&[("job.yml", PIPELINE), ("src/a.py", "a")]);
    let expected: Vec<_> = plan
        .expects
        .iter()
        .map(|expected| {
            (
                expected.resource.clone(),
                expected.place.as_ref().unwrap().line,
            )
        })
        .collect();
    let compute = |name: &str| Existing::Compute(name.into());
    assert_eq!(expected, [(compute("cpu"), 2), (compute("gpu"), 6)]);
    assert_eq!(
        plan.expects[0].place.as_ref().unwrap().file,
        Path::new("job.yml")
    );
}

#[test]
fn local_data_is_needed_before_the_job_that_names_its_place() {
    let job = "type: command\ncommand: echo\nenvironment: azureml:e:1\ninputs: {d: {type: uri_file, path: d.csv}}\n";
    let plan = plan(&[("job.yml", job), ("d.csv", "1")]);
    assert_eq!(plan.requests[0].needs, [0]);
    let uri = plan.requests[0].body["properties"]["inputs"]["d"]["uri"]
        .as_str()
        .unwrap();
    assert_eq!(
        uri,
        format!(
            "azureml://datastores/workspaceblobstore/paths/LocalUpload/{}/d.csv",
            plan.uploads[0].hash
        )
    );
}
