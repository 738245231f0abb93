//! `type: spark`: a Spark component, from its document or as what an inline step stands for.

use std::path::Path;

use super::Component;
use crate::spec::code;
use crate::spec::environment;
use crate::spec::fields::Fields;
use crate::spec::session::Session;
use crate::spec::spark::{self, Program};

/// Where a component is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spec) enum Origin {
    Document,
    /// In the step that runs it, which the SDK takes for a job first.
    Step,
}

/// The fields of a Spark component.
pub(super) fn read(
    session: &mut Session<'_>,
    mut fields: Fields<'_>,
    base: &Path,
    component: &mut Component,
) {
    component.read_common(&mut fields, Some(true), &mut session.report);
    component.read_ports(&mut fields, &mut session.report);
    component.read_properties(&mut fields, true, &mut session.report);
    component.run_on_spark(session, &mut fields, Origin::Document, base);
    component.put_rest(fields);
}

impl Component {
    /// Reads what a Spark component runs into its specification.
    pub(in crate::spec) fn run_on_spark(
        &mut self,
        session: &mut Session<'_>,
        fields: &mut Fields<'_>,
        origin: Origin,
        base: &Path,
    ) {
        let includes = match origin {
            Origin::Document => fields.take("additional_includes"),
            Origin::Step => None,
        };
        let code = fields.take("code");
        let program = Program::read(fields, &mut session.report);
        code::of_component(
            session,
            code.as_ref(),
            includes.as_ref(),
            base,
            &mut self.spec,
        );
        if let Some(field) = fields.take("environment")
            && !field.node.is_null()
        {
            let id = environment::resolve_for_spark(session, &field, base);
            let id = id.map(|id| id.prefixed("azureml:"));
            self.spec.put_some("environment", id);
        }
        if let Some(mut program) = program {
            if origin == Origin::Step {
                program.conf = program.conf.with_instances();
            }
            program.missing = spark::missing_entry(session, &program.entry, code.as_ref(), base);
            program.put_spec(&mut self.spec);
            self.defaults.spark = Some(program);
        }
    }
}
