//! `allocate-traffic`: what moves, what is refused, and what is kept for the way back.

use aml_runner::emulator::Fault;
use serde_json::json;

use super::{allocate, answer, bodies, serving, traffic};

const AT: &str = "onlineEndpoints/taxi";

#[tokio::test]
async fn traffic_moves_and_the_former_map_is_kept() {
    let world = serving().await;
    let ran = allocate(&world, "blue=90\ngreen=10").await.succeeded();
    assert_eq!(ran.output("changed"), "updated");
    assert_eq!(ran.output("endpoint-name"), "taxi");
    assert_eq!(ran.output("traffic"), "blue=90 green=10");
    assert_eq!(ran.output("former-traffic"), "blue=100");
    assert_eq!(traffic(&world), "blue=90 green=10");
    let sent = bodies(&world, AT).pop().unwrap();
    assert_eq!(sent["tags"]["aml-runner.former-traffic"], "blue=100");
    assert_eq!(sent["properties"]["authMode"], "Key");
    let writes = world.writes();
    let again = allocate(&world, "green=10, BLUE=90").await.succeeded();
    assert_eq!(again.output("changed"), "unchanged");
    assert_eq!(again.output("former-traffic"), "blue=100");
    assert_eq!(world.writes(), writes);
}

#[tokio::test]
async fn moving_traffic_takes_two_rounds_of_questions_one_write_and_one_look() {
    let world = serving().await;
    let before = world.emulator.requests().len();
    allocate(&world, "blue=90 green=10").await.succeeded();
    let asked = world.emulator.requests().split_off(before);
    let kinds: Vec<String> = asked
        .iter()
        .filter(|request| !request.path.contains("mfeOperationsStatus"))
        .map(|request| {
            let path = request.path.rsplit_once("/workspaces/");
            let path = path.and_then(|(_, rest)| rest.split_once('/'));
            let path = path.map_or("sign-in", |(_, path)| path);
            format!("{} {path}", request.method)
        })
        .collect();
    // What is asked between sign-in and the write goes out together.
    let reads = ["taxi", "taxi/deployments"].map(|path| {
        ["onlineEndpoints", "batchEndpoints"].map(|family| format!("GET {family}/{path}"))
    });
    let mut expected: Vec<String> = reads.into_iter().flatten().collect();
    expected.sort();
    assert_eq!(kinds.len(), 2 + 4 + 2, "{kinds:?}");
    let mut found = kinds[2..6].to_vec();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(kinds[6..], [format!("PUT {AT}"), format!("GET {AT}")]);
}

#[tokio::test]
async fn bad_traffic_is_refused_before_anything_is_written() {
    let world = serving().await;
    let writes = world.writes();
    for (map, mirror, words) in [
        ("blue=90 green=20", "", &["traffic", "sum to 110"][..]),
        ("blue=90", "", &["sum to 90"]),
        ("blue", "", &["\"blue\" is not of the form"]),
        ("blue=90% green=10", "", &["\"90%\""]),
        (
            "blue=90 gren=10",
            "",
            &[
                "no deployment \"gren\"",
                "did you mean green",
                "it has blue, green",
            ],
        ),
        (
            "blue=100",
            "red=10",
            &["mirror-traffic", "no deployment \"red\""],
        ),
        ("blue=100", "green=60", &["at most 50"]),
        ("blue=100", "blue=10", &["gets live traffic"]),
        (
            "blue=9 green=9",
            "gren",
            &["sum to 18", "\"gren\" is not of the form"],
        ),
    ] {
        let inputs = [
            ("endpoint-name", "taxi"),
            ("traffic", map),
            ("mirror-traffic", mirror),
        ];
        let ran = world.stage("allocate-traffic", &inputs).await;
        assert_eq!(ran.code, 2, "{map}: {}", ran.shown);
        for word in words {
            assert!(ran.shown.contains(word), "{map}: {word}: {}", ran.shown);
        }
    }
    assert_eq!(
        (world.writes(), traffic(&world).as_str()),
        (writes, "blue=100")
    );
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_a_problem_of_the_input() {
    let world = serving().await;
    let inputs = [("endpoint-name", "taxy"), ("traffic", "blue=100")];
    let ran = world.stage("allocate-traffic", &inputs).await;
    assert_eq!(ran.code, 2, "{}", ran.shown);
    assert!(
        ran.shown.contains("there is no endpoint taxy"),
        "{}",
        ran.shown
    );
}

#[tokio::test]
async fn all_traffic_can_be_taken_away_and_given_back() {
    let world = serving().await;
    let none = allocate(&world, "blue=0").await.succeeded();
    assert_eq!(
        (none.output("traffic"), traffic(&world)),
        ("none", String::new())
    );
    let back = allocate(&world, "blue=100").await.succeeded();
    assert_eq!(back.output("former-traffic"), "none");
    let sent = bodies(&world, AT).pop().unwrap();
    assert_eq!(sent["tags"]["aml-runner.former-traffic"], "none");
}

#[tokio::test]
async fn a_mirror_ends_when_its_deployment_gets_live_traffic() {
    let world = serving().await;
    let inputs = [
        ("endpoint-name", "taxi"),
        ("traffic", "blue=100"),
        ("mirror-traffic", "green=20"),
    ];
    let ran = world.stage("allocate-traffic", &inputs).await.succeeded();
    assert_eq!(ran.output("changed"), "updated");
    let sent = bodies(&world, AT).pop().unwrap();
    assert_eq!(sent["properties"]["mirrorTraffic"], json!({"green": 20}));
    let moved = allocate(&world, "blue=90 green=10").await.succeeded();
    assert!(
        moved.shown.contains("mirror traffic green=20 ends"),
        "{}",
        moved.shown
    );
    let sent = bodies(&world, AT).pop().unwrap();
    assert_eq!(sent["properties"]["mirrorTraffic"], json!({}));
}

#[tokio::test]
async fn a_deployment_that_failed_gets_no_traffic() {
    let world = serving().await;
    let writes = world.writes();
    let one = |name: &str, state: &str| json!({"id": "i", "name": name, "properties": {"provisioningState": state}});
    let list = json!({"value": [one("blue", "Succeeded"), one("green", "Failed")]});
    let faults = world.emulator.faults();
    faults.add("GET", "/onlineEndpoints/taxi/deployments", 1, answer(&list));
    let ran = allocate(&world, "blue=90 green=10").await;
    assert_eq!(ran.code, 1, "{}", ran.shown);
    assert!(ran.shown.contains("is in state Failed"), "{}", ran.shown);
    assert_eq!(world.writes(), writes);
}

#[tokio::test]
async fn a_move_whose_answer_was_lost_is_made_once_and_reported() {
    let world = serving().await;
    let faults = world.emulator.faults();
    faults.add("PUT", "/onlineEndpoints/taxi", 1, Fault::DropAfter);
    let ran = allocate(&world, "blue=90 green=10").await.succeeded();
    assert_eq!(ran.output("changed"), "updated");
    assert_eq!(ran.output("former-traffic"), "blue=100");
    assert_eq!(traffic(&world), "blue=90 green=10");
}

#[tokio::test]
async fn a_refusal_because_of_another_operation_is_waited_out() {
    for status in [409, 412] {
        let world = serving().await;
        let busy = Fault::arm(status, "Conflict", "Another operation is in progress.");
        let faults = world.emulator.faults();
        faults.add("PUT", "/onlineEndpoints/taxi", 1, busy);
        let ran = allocate(&world, "blue=90 green=10").await.succeeded();
        assert_eq!(ran.output("traffic"), "blue=90 green=10", "{}", ran.shown);
    }
}

#[tokio::test]
async fn a_dry_run_checks_what_it_may_and_sends_nothing() {
    let world = serving().await;
    let writes = world.writes();
    let dry = |traffic: &'static str| {
        [
            ("endpoint-name", "taxi"),
            ("traffic", traffic),
            ("dry-run", "true"),
        ]
    };
    let ran = world
        .stage("allocate-traffic", &dry("blue=90 green=10"))
        .await;
    assert!(ran.succeeded().shown.contains("would set the traffic"));
    let wrong = world
        .stage("allocate-traffic", &dry("blue=90 red=10"))
        .await;
    assert_eq!(wrong.code, 2, "{}", wrong.shown);
    assert_eq!(world.writes(), writes);
}
