//! `read-config`: the accelerator's `config-infra-*.yml`, chosen by branch, checked and set as outputs.

mod checks;
mod file;

use std::path::{Path, PathBuf};

use futures::FutureExt;
use serde::Deserialize;

use super::inputs::RawInputs;
use super::{CHANGED, Context, FILE, InputDef, Stage, text};
use crate::provenance;
use crate::report::Change;
use crate::spec::Problems;

pub static STAGE: Stage = Stage {
    name: "read-config",
    summary: "Read config-infra-<env>.yml, chosen by branch, and set its keys as outputs",
    inputs: &[
        InputDef {
            help: "The file; by default config-infra-prod.yml on branch main, else config-infra-dev.yml",
            ..FILE
        },
        text(
            "branch",
            "Branch that chooses the file; by default the branch of this run",
        ),
    ],
    outputs: &[CHANGED],
    needs_workspace: false,
    run: |context, raw| run(context, raw).boxed(),
};

/// The branch whose deployments are production.
const PRODUCTION_BRANCH: &str = "main";

#[derive(Debug, Deserialize)]
struct Inputs {
    file: Option<PathBuf>,
    branch: Option<String>,
}

/// The file's values, with references filled in; the `config` input of every stage takes workspace and resource group from it.
/// Reports all that is wrong with the file at once.
pub fn values(path: &Path) -> Result<Vec<(String, String)>, Problems> {
    let entries = file::read(path)?.into_iter();
    Ok(entries.map(|entry| (entry.name, entry.value)).collect())
}

async fn run(context: &Context, raw: RawInputs) -> anyhow::Result<()> {
    let inputs: Inputs = raw.parse()?;
    let path = match inputs.file {
        Some(file) => context.path(&file),
        None => context.path(chosen_by(context, inputs.branch).await.as_ref()),
    };
    let values = values(&path)?;
    // The first, so that a key of that name wins.
    context.output("changed", Change::Unchanged.as_str())?;
    for (name, value) in &values {
        context.output(name, value)?;
    }
    context.note(format!(
        "read {} values from {}",
        values.len(),
        path.display()
    ));
    context
        .report()
        .notes
        .push(format!("read from {}", path.display()));
    Ok(())
}

/// The file of the branch: the input, else the run's branch, else what git says.
async fn chosen_by(context: &Context, input: Option<String>) -> String {
    let branch = match input.or_else(|| context.facts.branch.clone()) {
        Some(branch) => Some(branch),
        None => {
            let environment = context.host.child_environment();
            let mut git =
                provenance::git_properties(&context.working_directory, &environment).await;
            git.remove("mlflow.source.git.branch")
        }
    };
    let branch = branch.unwrap_or_default();
    let file = file_of(&branch);
    let said = if branch.is_empty() {
        "no branch is known".to_owned()
    } else {
        format!("branch {branch}")
    };
    context.note(format!("{said}: reading {file}"));
    file.to_owned()
}

fn file_of(branch: &str) -> &'static str {
    if branch.trim_start_matches("refs/heads/") == PRODUCTION_BRANCH {
        "config-infra-prod.yml"
    } else {
        "config-infra-dev.yml"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn main_is_production_and_everything_else_is_development() {
        assert_eq!(file_of("main"), "config-infra-prod.yml");
        assert_eq!(file_of("refs/heads/main"), "config-infra-prod.yml");
        assert_eq!(file_of("feature/main"), "config-infra-dev.yml");
        assert_eq!(file_of(""), "config-infra-dev.yml");
    }
}
