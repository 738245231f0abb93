//! `register-environment`: an environment of its own document.

use std::path::Path;

use crate::spec::environment::register;
use crate::spec::fields::Fields;
use crate::spec::session::Session;

pub(super) fn translate(session: &mut Session<'_>, fields: Fields<'_>, base: &Path) {
    let _planned = register(session, fields, base);
}
