//! `${{...}}` and `$[[...]]` in commands and values. Knows only text.

/// Replaces every `${{name}}` by what `value` says of it; `Err` is the message for a name that has no value.
pub(super) fn replace(
    text: &str,
    value: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let Some((name, behind)) = after.split_once("}}") else {
            break;
        };
        out.push_str(before);
        out.push_str(&value(name.trim())?);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

/// Keeps what is in `$[[...]]` when all it names is there, drops it otherwise.
pub(super) fn optional_groups(text: &str, is_there: &dyn Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$[[") {
        let Some((group, behind)) = after.split_once("]]") else {
            break;
        };
        out.push_str(before);
        if names(group).iter().all(|name| is_there(name)) {
            out.push_str(group);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// The names in a text's bindings.
pub(super) fn names(text: &str) -> Vec<&str> {
    text.split("${{")
        .skip(1)
        .filter_map(|part| part.split_once("}}").map(|(name, _)| name.trim()))
        .collect()
}

/// The name when a text is one binding and nothing else.
pub(super) fn only(text: &str) -> Option<&str> {
    let name = text.trim().strip_prefix("${{")?.strip_suffix("}}")?.trim();
    (!name.contains("${{")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_are_replaced_wherever_they_stand() {
        let mut upper = |name: &str| match name.strip_prefix("inputs.") {
            Some(name) => Ok(name.to_uppercase()),
            None => Err(format!("no {name}")),
        };
        let text = "run --a ${{inputs.a}} --b=${{ inputs.b }}/x $HOME ${open";
        assert_eq!(
            replace(text, &mut upper).unwrap(),
            "run --a A --b=B/x $HOME ${open"
        );
        assert_eq!(
            replace("${{outputs.o}}", &mut upper).unwrap_err(),
            "no outputs.o"
        );
    }

    #[test]
    fn an_optional_group_goes_with_the_input_that_is_absent() {
        let there = |name: &str| name == "inputs.a";
        let text = "x $[[--a ${{inputs.a}}]] $[[--b ${{inputs.b}}]] y";
        assert_eq!(optional_groups(text, &there), "x --a ${{inputs.a}}  y");
    }
}
