//! Online or batch: of which family an endpoint or a deployment is. The user's word counts first, then the document's `$schema`, then
//! fields that only one family has. It does not know what the fields mean.

use crate::spec::fields::Field;
use crate::spec::problem::Report;
use crate::spec::{EndpointType, Expected};

/// Fields that only one family has, for documents without a `$schema`.
struct Marks {
    expected: Expected,
    family: EndpointType,
    fields: &'static [&'static str],
    /// A field whose words belong to one family, and those words.
    word: (&'static str, &'static [&'static str]),
}

const MARKS: [Marks; 4] = [
    Marks {
        expected: Expected::Endpoint,
        family: EndpointType::Online,
        fields: &[
            "traffic",
            "mirror_traffic",
            "public_network_access",
            "compute",
            "identity",
            "kind",
        ],
        word: ("auth_mode", &["key", "aml_token", "amltoken"]),
    },
    Marks {
        expected: Expected::Endpoint,
        family: EndpointType::Batch,
        fields: &["defaults"],
        word: ("", &[]),
    },
    Marks {
        expected: Expected::Deployment,
        family: EndpointType::Online,
        fields: &[
            "instance_type",
            "instance_count",
            "app_insights_enabled",
            "scale_settings",
            "request_settings",
            "liveness_probe",
            "readiness_probe",
            "model_mount_path",
            "egress_public_network_access",
            "private_network_connection",
            "data_collector",
        ],
        word: ("type", &["managed", "kubernetes"]),
    },
    Marks {
        expected: Expected::Deployment,
        family: EndpointType::Batch,
        fields: &[
            "compute",
            "mini_batch_size",
            "max_concurrency_per_instance",
            "output_action",
            "output_file_name",
            "error_threshold",
            "retry_settings",
            "logging_level",
            "settings",
            "component",
            "job_definition",
        ],
        word: ("type", &["model", "pipeline"]),
    },
];

impl Marks {
    fn fit(&self, root: &Field<'_>) -> bool {
        let (field, words) = self.word;
        self.fields.iter().any(|name| root.node.get(name).is_some())
            || text(root, field).is_some_and(|text| words.contains(&text.as_str()))
    }
}

fn text(root: &Field<'_>, name: &str) -> Option<String> {
    Some(root.node.get(name)?.as_text()?.to_lowercase())
}

/// The family of a document, or a problem that says how to tell.
pub(super) fn of(
    root: &Field<'_>,
    expected: Expected,
    given: Option<EndpointType>,
    report: &mut Report,
) -> Option<EndpointType> {
    let by_schema = || {
        let schema = text(root, "$schema")?;
        let name = schema.rsplit('/').next().unwrap_or_default();
        if name.contains("online") {
            Some(EndpointType::Online)
        } else if name.contains("batch") {
            Some(EndpointType::Batch)
        } else {
            None
        }
    };
    let by_fields = || {
        let mut fitting = MARKS
            .iter()
            .filter(|marks| marks.expected == expected && marks.fit(root));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Some(only.family),
            (_, _) => None,
        }
    };
    let family = given.or_else(by_schema).or_else(by_fields);
    if family.is_none() {
        root.problem(
            report,
            "nothing here says whether this is online or batch: set the input `endpoint-type` to `online` or `batch`, or name the \
             `$schema` of the file",
        );
    }
    family
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::yaml::parse;

    fn family(yaml: &str, expected: Expected, given: Option<EndpointType>) -> Option<EndpointType> {
        let node = parse(yaml.as_bytes(), Path::new("e.yml")).unwrap();
        of(&Field::root(&node), expected, given, &mut Report::default())
    }

    #[test]
    fn the_users_word_counts_before_the_schema_and_the_schema_before_the_fields() {
        use EndpointType::{Batch, Online};
        let schema = "$schema: https://x.net/latest/batchEndpoint.schema.json\ntraffic: {}\n";
        assert_eq!(
            family(schema, Expected::Endpoint, Some(Online)),
            Some(Online)
        );
        assert_eq!(family(schema, Expected::Endpoint, None), Some(Batch));
        assert_eq!(
            family("traffic: {}\n", Expected::Endpoint, None),
            Some(Online)
        );
    }

    #[test]
    fn fields_and_words_of_one_family_tell_it() {
        use EndpointType::{Batch, Online};
        for (yaml, expected, found) in [
            ("auth_mode: key\n", Expected::Endpoint, Some(Online)),
            ("auth_mode: aad_token\n", Expected::Endpoint, None),
            ("defaults: {}\n", Expected::Endpoint, Some(Batch)),
            ("defaults: {}\ntraffic: {}\n", Expected::Endpoint, None),
            ("instance_type: x\n", Expected::Deployment, Some(Online)),
            ("type: Model\n", Expected::Deployment, Some(Batch)),
            ("compute: azureml:c\n", Expected::Deployment, Some(Batch)),
            ("model: azureml:m:1\n", Expected::Deployment, None),
        ] {
            assert_eq!(family(yaml, expected, None), found, "{yaml}");
        }
    }
}
