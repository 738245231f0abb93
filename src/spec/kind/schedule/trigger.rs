//! When a schedule fires: by a cron expression, or every so often. Times are sent without their offset, as the SDK does: they are
//! times of the trigger's zone.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};
use time::{Date, Month, Time};

use crate::spec::binding::pattern;
use crate::spec::draft::Object;
use crate::spec::fields::{Case, Field, Fields};
use crate::spec::problem::Report;
use crate::spec::yaml::Node;

const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

pub(super) fn read(field: &Field<'_>, report: &mut Report) -> Option<Object> {
    let mut fields = field.fields(report)?;
    let kind = fields.required("type", report)?;
    let kind = kind.choice(report, &["cron", "recurrence"], Case::Lower)?;
    let mut body = Object::default();
    if kind == "cron" {
        body.put("triggerType", "Cron");
        let expression = fields.required("expression", report);
        body.put_some(
            "expression",
            expression.and_then(|field| field.text(report)),
        );
    } else {
        body.put("triggerType", "Recurrence");
        put_recurrence(&mut fields, &mut body, report);
    }
    body.put_some("startTime", fields.read("start_time", report, local_time));
    body.put_some("endTime", fields.read("end_time", report, local_time));
    let zone = fields.take("time_zone").map(|field| field.text(report));
    body.put_some("timeZone", zone.unwrap_or_else(|| Some("UTC".into())));
    fields.refuse_rest(report);
    Some(body)
}

fn put_recurrence(fields: &mut Fields<'_>, body: &mut Object, report: &mut Report) {
    let frequency = fields.required("frequency", report);
    let words = ["minute", "hour", "day", "week", "month"];
    body.put_some(
        "frequency",
        frequency.and_then(|field| field.choice(report, &words, Case::Lower)),
    );
    let interval = fields.required("interval", report);
    body.put_some("interval", interval.and_then(|field| field.integer(report)));
    let schedule = match fields.take("schedule") {
        Some(field) => recurrence_pattern(&field, report),
        None => Some(json!({"hours": [], "minutes": []})),
    };
    body.put_some("schedule", schedule);
}

fn recurrence_pattern(field: &Field<'_>, report: &mut Report) -> Option<Value> {
    let mut fields = field.fields(report)?;
    let day = |field: &Field<'_>, report: &mut Report| {
        field.choice(report, &DAYS, Case::Lower).map(Value::String)
    };
    let mut body = serde_json::Map::new();
    for (name, key) in [("hours", "hours"), ("minutes", "minutes")] {
        let values = fields.required(name, report);
        let values = values.and_then(|field| one_or_more(&field, report, Field::integer));
        body.extend(values.map(|values| (key.to_owned(), values)));
    }
    let days = fields.take("week_days");
    let days = days.and_then(|field| one_or_more(&field, report, day));
    body.extend(days.map(|days| ("weekDays".to_owned(), days)));
    let days = fields.take("month_days");
    let days = days.and_then(|field| one_or_more(&field, report, Field::integer));
    body.extend(days.map(|days| ("monthDays".to_owned(), days)));
    fields.refuse_rest(report);
    Some(Value::Object(body))
}

/// A value or a list of values, as a list.
fn one_or_more<'n>(
    field: &Field<'n>,
    report: &mut Report,
    read: impl Fn(&Field<'n>, &mut Report) -> Option<Value>,
) -> Option<Value> {
    if field.node.items().is_none() {
        return Some(json!([read(field, report)?]));
    }
    let items = field.items(report)?;
    Some(items.iter().filter_map(|item| read(item, report)).collect())
}

/// How far back a monitor looks when it says nothing itself: as often as it runs, and twice that for what it compares with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Windows {
    pub(super) production: String,
    pub(super) reference: String,
}

impl Windows {
    pub(super) fn of(trigger: Option<&Node>) -> Self {
        let text = |name: &str| trigger?.get(name)?.as_text().map(str::to_lowercase);
        let interval =
            trigger.and_then(|trigger| trigger.get("interval")?.scalar_text()?.parse().ok());
        let interval: i64 = interval.unwrap_or(1);
        let days = match text("frequency").as_deref() {
            Some("minute" | "hour") => 1,
            Some("day") => interval,
            Some("month") => interval.saturating_mul(30),
            // A cron expression counts as weekly.
            Some("week") => interval.saturating_mul(7),
            Some(_) | None => 7,
        };
        Self {
            production: format!("P{days}D"),
            reference: format!("P{}D", days.saturating_mul(2)),
        }
    }
}

/// A date in quotes: `2024-01-31`.
pub(super) fn date(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let text = field.text(report)?;
    let date = parse(&format!("{text}T00:00"));
    if date.is_none() {
        field.problem(report, format!("`{text}` is no date such as `2024-01-31`"));
    }
    date.and_then(|time| Some(time.split_once(' ')?.0.to_owned()))
}

/// What marshmallow's `from_iso_datetime` takes.
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"^(\d{4})-(\d{1,2})-(\d{1,2})[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.\d{1,12})?)?",
        r"(?:Z|[+-]\d{2}(?::?\d{2})?)?$",
    ))
});

/// A date and a time of day, in quotes: `2024-01-31 10:00:00`.
fn local_time(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let time = field.node.as_text().and_then(parse);
    if time.is_none() {
        let found = field.node.describe();
        field.problem(
            report,
            format!(
                "a date and a time of day in quotes are expected here, such as \"2024-01-31T10:00:00\", not {found}"
            ),
        );
    }
    time
}

fn parse(text: &str) -> Option<String> {
    let found = TIME.captures(text)?;
    let number = |group: usize| match found.get(group) {
        Some(digits) => digits.as_str().parse::<u16>().ok(),
        None => Some(0),
    };
    let small = |group: usize| u8::try_from(number(group)?).ok();
    let month = Month::try_from(small(2)?).ok()?;
    let date = Date::from_calendar_date(i32::from(number(1)?), month, small(3)?).ok()?;
    let time = Time::from_hms(small(4)?, small(5)?, small(6)?).ok()?;
    Some(format!(
        "{date} {:02}:{:02}:{:02}",
        time.hour(),
        time.minute(),
        time.second()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sent_without_offset_and_fraction() {
        for (written, sent) in [
            ("2022-05-10T10:15:00", Some("2022-05-10 10:15:00")),
            ("2022-5-1 10:15", Some("2022-05-01 10:15:00")),
            ("2022-06-01T1:5:9Z", Some("2022-06-01 01:05:09")),
            ("2022-05-10T10:15:00.5+02:00", Some("2022-05-10 10:15:00")),
            ("2022-05-10", None),
            ("20220510T101500", None),
            ("2022-02-30T10:15:00", None),
            ("2022-02-03T25:15:00", None),
            ("yesterday", None),
        ] {
            assert_eq!(parse(written).as_deref(), sent, "{written}");
        }
    }
}
