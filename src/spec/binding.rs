//! `${{..}}`: the expressions by which a pipeline's steps, its inputs and its outputs refer to one another. Pure text; it does not
//! know what an expression refers to.

use std::sync::LazyLock;

use regex::Regex;

/// # Panics
/// Never: the patterns are constants that the tests compile.
#[expect(
    clippy::expect_used,
    reason = "the patterns are constants that the tests compile"
)]
pub(super) fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("a constant pattern compiles")
}

static ANY: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$\{\{\s*(\S*?)\s*\}\}"));
static WHOLE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\$\{\{\s*(\S*?)\s*\}\}$"));
static INPUT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\$\{\{parent\.(inputs|jobs)\.(.*?)\}\}$"));
static OUTPUT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\$\{\{parent\.outputs\.(.*?)\}\}$"));
static LEGACY: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\$\{\{(inputs|jobs|outputs)\.(.*?)\}\}$"));

/// Whether an expression occurs anywhere in the text.
pub(super) fn found_in(text: &str) -> bool {
    ANY.is_match(text)
}

/// Whether the text is one expression and nothing else.
pub(super) fn is_whole(text: &str) -> bool {
    WHOLE.is_match(text)
}

/// `${{parent.inputs.x}}` or `${{parent.jobs.a.outputs.x}}`, with nothing around.
pub(super) fn is_input(text: &str) -> bool {
    INPUT.is_match(text)
}

/// `${{parent.outputs.x}}`.
pub(super) fn is_output(text: &str) -> bool {
    OUTPUT.is_match(text)
}

/// The form of early previews, without `parent.`.
pub(super) fn is_legacy(text: &str) -> bool {
    LEGACY.is_match(text)
}

/// The steps of a path such as `parent.jobs.a.outputs.x`; the name that ends it may have dots of its own, for groups.
pub(super) fn path(expression: &str) -> Vec<&str> {
    let inner = expression
        .strip_prefix("${{")
        .and_then(|rest| rest.strip_suffix("}}"))
        .unwrap_or(expression);
    let steps = if inner.starts_with("parent.jobs.") {
        5
    } else {
        3
    };
    inner.splitn(steps, '.').collect()
}

/// What the expressions of a text refer to.
pub(super) fn targets(text: &str) -> Vec<&str> {
    ANY.captures_iter(text)
        .filter_map(|found| found.get(1))
        .map(|target| target.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_told_from_texts() {
        assert!(is_whole("${{ parent.inputs.a }}") && !is_whole("x/${{parent.inputs.a}}"));
        assert!(is_input("${{parent.jobs.a.outputs.b}}") && !is_input("${{ parent.inputs.a }}"));
        assert!(is_output("${{parent.outputs.a}}") && is_legacy("${{inputs.a}}"));
        assert_eq!(
            targets("--x ${{inputs.x}} $[[--y ${{inputs.y}}]]"),
            ["inputs.x", "inputs.y"]
        );
    }

    #[test]
    fn the_name_at_the_end_of_a_path_keeps_its_dots() {
        assert_eq!(path("${{parent.inputs.g.x}}"), ["parent", "inputs", "g.x"]);
        assert_eq!(
            path("${{parent.jobs.a.outputs.g.x}}"),
            ["parent", "jobs", "a", "outputs", "g.x"]
        );
        assert_eq!(path("${{parent.jobs.a}}"), ["parent", "jobs", "a"]);
    }
}
