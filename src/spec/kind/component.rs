//! A component as a document: registered under its own name. What it runs is the business of its type.

use std::path::Path;

use crate::spec::component;
use crate::spec::fields::Fields;
use crate::spec::session::Session;

pub(super) fn translate(session: &mut Session<'_>, fields: Fields<'_>, base: &Path) {
    component::register(session, fields, base);
}
